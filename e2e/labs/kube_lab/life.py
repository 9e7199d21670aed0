"""up, down, and the guard of a lab."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from .base import CONTROL, Fail, LABS, log, read, run, SELF, until, write, write_some
from .sources import vdir
from .install import install
from .model import allocate, Lab, lab_names, machine_pid, need_root, proc_start
from .network import net_down, net_up
from .pki import pki_up
from .cgroups import cgroup_freeze, cgroup_paths, cgroup_remove
from .machine import inside, machine_kill, machine_start, rootfs_make
from .components import control_spec, node_spec, open_gate, snapshotter
from .api import api_of, wait_nodes
from .addons import addons


def raise_sysctl(name, least):
    p = "/proc/sys/" + name
    if int(read(p, "0")) < least:
        log("raising %s from %s to %d (stays so)" % (name, read(p).strip(), least))
        write_some(p, str(least))


def load_image(lab, node, path):
    with open(path, "rb") as f:
        command = inside(lab, node, "ctr", "-n", "k8s.io", "images", "import", "--snapshotter", snapshotter(), "-")
        p = run(command, stdin=f, text=False, check=False, timeout=300)
    if p.returncode:
        raise Fail("import of %s on %s: %s" % (path, node, (p.stderr or p.stdout).decode(errors="replace")[-800:]))


def containerd_ready(lab, node):
    until("containerd on %s" % node, 30, lambda: run(inside(lab, node, "ctr", "version"), check=False, timeout=10).returncode == 0)


def node_prepare(lab, node):
    machine_start(lab, node)
    containerd_ready(lab, node)
    for f in ("pause.tar", "coredns.tar"):
        load_image(lab, node, vdir(lab.minor, "images", f))


def check_wish(a):
    need_root()
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", a.name):
        raise Fail("lab names match [a-z0-9][a-z0-9-]*")
    if not 1 <= a.nodes <= 20:
        raise Fail("--nodes: 1 to 20")


def cmd_up(a):
    check_wish(a)
    minor = install(a.version)
    if a.replace and os.path.exists(os.path.join(LABS, a.name)):
        destroy(a.name)
    t0 = time.monotonic()
    steps = {}

    def step(what):
        steps[what] = round(time.monotonic() - t0, 1)
        log("%5.1f s  %s" % (steps[what], what))

    raise_sysctl("fs/inotify/max_user_instances", 8192)
    raise_sysctl("fs/inotify/max_user_watches", 524288)
    lab = allocate(a.name, {
        "name": a.name, "version": minor, "nodes": ["n%d" % (i + 1) for i in range(a.nodes)], "born": time.time(), "zones": a.zones,
        "options": {"node_grace": a.node_grace, "eviction": a.eviction_seconds, "proxy_mode": a.proxy_mode,
                    "audit": a.audit}})
    ok = False
    try:
        if a.owner_pid or a.ttl:
            start_reaper(lab, a.owner_pid, a.ttl)
        api = start_machines(lab, a.timeout, step)
        wait_usable(lab, api, a.timeout, step)
        for path in a.load or []:
            load_everywhere(lab, path)
            step("loaded " + os.path.basename(path))
        ok = True
    finally:
        if not ok and not a.keep_on_failure:
            with contextlib.suppress(Exception):
                failure_hints(lab)
            destroy(a.name)
    print(json.dumps(dict(lab.info(), seconds=steps), indent=1))


def start_machines(lab, timeout, step):
    with ThreadPoolExecutor(8) as pool:
        net = pool.submit(net_up, lab)
        pki = pki_up(lab, pool)
        for m in lab.machines:
            rootfs_make(lab, m)
            spec = control_spec(lab, pki) if m == CONTROL else node_spec(lab, pki, m)
            write(lab.path("m", m, "spec.json"), spec)
        net.result()
        step("network, certificates, files")
        machine_start(lab, CONTROL)
        preparing = [pool.submit(node_prepare, lab, n) for n in lab.nodes]
        api = api_of(lab)
        until("the API server", timeout, lambda: api.get("/readyz") == "ok")
        open_gate(lab, CONTROL, "api")
        step("API server ready")
        for p in preparing:
            p.result()
        for n in lab.nodes:
            open_gate(lab, n, "api")
        step("containerd ready, images loaded")
    return api


def wait_usable(lab, api, timeout, step):
    for path, obj in addons(lab):
        until("to create %s" % obj["metadata"]["name"], 30, lambda: api.apply(path, obj), 0.3)
    wait_nodes(lab, api, lab.nodes, timeout)
    open_gate(lab, CONTROL, "nodes")
    step("nodes ready")

    def dns_ready():
        d = api.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns")
        return (d.get("status") or {}).get("availableReplicas", 0) >= d["spec"]["replicas"]
    until("CoreDNS", timeout, dns_ready, 0.25)

    def services_ready():
        with socket.create_connection((lab.service_ip(10), 53), 1):
            pass
        return bool(api.get("/api/v1/namespaces/default/serviceaccounts/default", missing_ok=True))
    until("services to be routed", timeout, services_ready, 0.2)
    step("DNS and services ready")


def failure_hints(lab):
    for m in lab.machines:
        d = lab.root(m, "var/log")
        for f in sorted(os.listdir(d)):
            if f.endswith(".log"):
                bad = [ln for ln in (read(os.path.join(d, f)) or "").splitlines() if re.match(r"^[EF]\d{4} |.*level=(error|fatal)", ln)]
                for ln in bad[-3:]:
                    log("%s/%s: %s" % (m, f, ln[:400]))


def load_everywhere(lab, path):
    with ThreadPoolExecutor(4) as pool:
        nodes = [n for n in lab.nodes if machine_pid(lab, n)]
        list(pool.map(lambda n: load_image(lab, n, path), nodes))
    return nodes


def destroy(name):
    """Removes whatever there is of a lab; safe to repeat."""
    lab = Lab(name)
    for m in lab.machines:
        pid = machine_pid(lab, m)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    left = []
    for m in lab.machines:
        cgroup_freeze(lab, m, False)
        try:
            machine_kill(lab, m)
        except Fail as e:
            left.append(str(e))
    net_down(lab)
    for p in cgroup_paths(lab):
        if not cgroup_remove(p):
            left.append("cgroup %s" % p)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(p))
    if left:
        raise Fail("%s: could not remove: %s" % (name, "; ".join(left)))
    trash = os.path.join(LABS, ".trash-%s-%d" % (name, time.time_ns()))
    os.rename(lab.dir, trash)
    subprocess.Popen(["rm", "-rf", "--one-file-system", trash], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL, start_new_session=True)


def cmd_down(a):
    need_root()
    names = lab_names() if a.all else a.name
    if not names and not a.all:
        raise Fail("which lab? there are: %s" % (", ".join(lab_names()) or "none"))
    for n in names:
        if not os.path.exists(os.path.join(LABS, n, "lab.json")):
            log("no lab", n)
            continue
        t0 = time.monotonic()
        destroy(n)
        log("%s is gone after %.1f s" % (n, time.monotonic() - t0))


def start_reaper(lab, owner, ttl):
    cmd = [sys.executable, SELF, "__reaper", lab.name, str(lab.doc["born"]), str(owner or 0), str(ttl or 0)]
    subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/",
                     env=dict(os.environ, KUBE_LAB_HOME=LABS))


def reaper_main(name, born, owner, ttl):
    """Takes the lab down when its owner ends or its time is over."""
    start = proc_start(owner) if owner else None
    end = time.monotonic() + ttl if ttl else None
    while True:
        try:
            if str(Lab(name).doc["born"]) != born:
                return
        except Fail:
            return
        if (owner and (start is None or proc_start(owner) != start)) or (end and time.monotonic() > end):
            with contextlib.suppress(Fail):
                destroy(name)
            return
        time.sleep(1)
