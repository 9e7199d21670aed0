"""install, up, down, list, gc."""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from .base import (
    CACHE, FLAVORS, Fail, GID_BASE, LABS, MAX_LABS, ROOT_USER, SELF, esc, flock, have, log, proc_stat, run)
from .install import flavor_name, install, meta_of
from .model import Lab, lab_names, parse_map, parse_topology, port_free, roots_of, used_indexes
from .servers import change_source_sql, set_read_only, spawn, start_sql, wait_healthy, wait_sql
from .network import net_down, net_up


def cmd_install(a):
    names = list(FLAVORS) if "all" in a.flavor or not a.flavor else [flavor_name(f) for f in a.flavor]
    if ROOT_USER and a.system_tools:
        need = [p for p, t in (("iproute2", "ip"), ("nftables", "nft"), ("util-linux", "nsenter"), ("hostname", "hostname")) if not have(t)]
        if need:
            log("installing", *need)
            run(["apt-get", "update"])
            run(["apt-get", "install", "-y", "--no-install-recommends"] + need, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))
    out = {}
    for n in names:
        m = install(n, a.force)
        out[n] = dict(version=m["version"], root=os.path.join(CACHE, n, "root"))
    print(json.dumps(out, indent=1))


def cmd_up(a):
    t0 = time.time()
    order, source = parse_topology(a.topology)
    fl = a.flavor.split(",")
    default = flavor_name(fl[0])
    per = {k: flavor_name(v) for k, v in (x.split("=", 1) for x in fl[1:])}
    for k in per:
        if k not in order:
            raise Fail("--flavor names %s, which is not in the topology" % k)
    flavors = {k: per.get(k, default) for k in order}
    kinds = {FLAVORS[f]["kind"] for f in flavors.values()}
    for f in sorted(set(flavors.values())):
        install(f)
    delays = {k: int(v) for k, v in parse_map(a.delay, "--delay").items()}
    dcs, rules, prios = parse_map(a.dc, "--dc"), parse_map(a.promotion_rule, "--promotion-rule"), parse_map(a.semi_sync_priority, "--semi-sync-priority")
    hosts = [h for h in (a.hosts or "").split(",") if h]
    cnf = []
    for c in a.cnf or []:
        m = re.match(r"^(?:([a-z][a-z0-9]{0,3}):)?([A-Za-z0-9_.-]+)(?:=(.*))?$", c)
        if not m:
            raise Fail("--cnf %r is not [LETTER:]key[=value]" % c)
        cnf.append([m.group(1) or "", m.group(2), m.group(3)])
    if (a.netns or hosts) and not (ROOT_USER and have("ip", "nft", "nsenter")):
        raise Fail("--netns needs root and the tools ip, nft and nsenter")
    netns = bool(a.netns or hosts)
    if netns and a.port_base:
        raise Fail("--port-base has no meaning with --netns")
    # In a container without CAP_SYS_ADMIN: no private host names, no network cuts, the rest works.
    uts = ROOT_USER and have("unshare", "hostname") and run(["unshare", "--uts", "true"], check=False).returncode == 0
    lab = Lab(a.name)
    t1 = time.time()
    with flock(os.path.join(LABS, ".lock")):
        if ROOT_USER:
            os.chmod(LABS, 0o755)
        if os.path.exists(lab.dir):
            if not a.replace:
                raise Fail("lab %s exists; `down %s` first, or say --replace" % (a.name, a.name))
            down(a.name)
        used = used_indexes()
        roots = roots_of(order, source)
        for index in range(1, MAX_LABS + 1):
            if index in used:
                continue
            ip_base = a.ip_base or ("10.77.%d." if netns else "127.%d.0.") % index
            servers = {}
            for n, k in enumerate(order, 1):
                host = ip_base + str(n)
                port = a.port
                if a.port_base:
                    port = a.port_base + n - 1
                    if not a.ip_base:
                        host = "127.0.0.1"
                d = os.path.join(lab.dir, k)
                servers[k] = dict(host=host, port=port, datadir=d + "/data", socket=d + "/s", flavor=flavors[k],
                                  version=meta_of(flavors[k])["version"], server_id=index * 100 + n, source=source.get(k),
                                  gid=GID_BASE + index * 64 + n, bind=not netns and host != "127.0.0.1" and kinds == {"mysql"})
                if netns:
                    servers[k].update(netns="ml%d-%s" % (index, k), veth="ml%d-%s" % (index, k))
            busy = [] if netns else [s for s in servers.values() if not port_free(s["host"], s["port"])]
            if not busy:
                break
            if a.ip_base or a.port_base:
                raise Fail("address in use: " + ", ".join("%s:%d" % (s["host"], s["port"]) for s in busy))
        else:
            raise Fail("no free lab number")
        lab.cfg = dict(name=a.name, index=index, ip_base=ip_base, netns=netns, order=order, roots=roots, servers=servers,
                       hosts={h: dict(host=ip_base + str(200 + n), netns="ml%d-%s" % (index, h), veth="ml%d-%s" % (index, h))
                              for n, h in enumerate(hosts)},
                       cnf=cnf, cuts=[], nodes=0, created=time.time(), uts=uts,
                       options=dict(gtid=a.gtid == "on", semi_sync=a.semi_sync, semi_sync_timeout=a.semi_sync_timeout, semi_sync_count=a.semi_sync_count,
                                    boot_read_only=a.boot_read_only, full_ps=a.full_ps, net_timeout=a.net_timeout, heartbeat=a.heartbeat,
                                    connect_retry=a.connect_retry, retry_count=a.retry_count, tls=a.tls))
        for h in hosts:
            if h in servers or not re.match(r"^[a-z][a-z0-9]{0,5}$", h):
                raise Fail("bad host name %r" % h)
        os.makedirs(lab.dir, mode=0o755)
        lab.save()
    try:
        if netns:
            net_up(lab)
            lab.save()

        def prepare(k):
            s, d = lab.s(k), lab.sdir(k)
            os.makedirs(d + "/tmp", mode=0o755)
            os.chmod(d, 0o755)
            run(["cp", "-a", "--reflink=auto", "--sparse=always", os.path.join(CACHE, s["flavor"], "template"), s["datadir"]])
            n = s["server_id"] % 100
            if lab.kind(k) == "mysql":
                s["server_uuid"] = "%08d-%04d-0000-0000-%012d" % (n, index, s["server_id"])
                with open(s["datadir"] + "/auto.cnf", "w") as f:
                    f.write("[auto]\nserver-uuid=%s\n" % s["server_uuid"])
        with ThreadPoolExecutor(4) as ex:
            list(ex.map(prepare, order))
        lab.save()
        t2 = time.time()
        procs = [spawn(lab, k) for k in order]
        if a.owner_pid or a.ttl:
            subprocess.Popen([sys.executable, SELF, "_guard", a.name, str(a.owner_pid or 0), str(a.ttl or 0), str(lab.cfg["created"])],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

        def ready(k):
            with wait_sql(lab, k) as c:
                lab.s(k)["version"] = c.one("select @@version")

        def configure(k):
            c = lab.conn(k)
            kind = lab.kind(k)
            if k in lab.cfg["roots"] and lab.cfg["options"]["boot_read_only"]:
                set_read_only(c, kind, False)
            src = lab.s(k)["source"]
            if src:
                c.query(change_source_sql(lab, k, src, delay=delays.get(k, 0)))
                c.query(start_sql(kind))
            c.close()
        with ThreadPoolExecutor(16) as ex:
            list(ex.map(ready, order))  # all of them first: a failed connect would cost a replica its retry interval
            list(ex.map(configure, order))
        t3 = time.time()
        wait_healthy(lab, timeout=a.timeout, caught_up=False)
        # Seeds: who is who; written on the writable servers, so they also prove that replication works.
        below = {r: {r} for r in roots}
        for r in roots:
            more = True
            while more:
                new = {k for k in order if source.get(k) in below[r]} - below[r]
                below[r] |= new
                more = bool(new)
        for r in roots:
            alias = a.alias or (a.name if len(roots) == 1 else "%s-%s" % (a.name, r))
            with lab.conn(r) as c:
                c.query("REPLACE INTO meta.cluster VALUES (1, %s, %s)" % (esc(alias), esc(alias + ".example.com")))
                c.query("REPLACE INTO meta.heartbeat (anchor, master_ts) VALUES (1, current_timestamp(6))")
                c.query("REPLACE INTO meta.node VALUES " + ", ".join("(%d,%s,%s,%s,'test',%s,%d)" % (
                    lab.s(k)["server_id"], esc(k), esc("%s-%s" % (a.name, k)), esc(dcs.get(k, "")), esc(rules.get(k, "neutral")),
                    int(prios.get(k, 0))) for k in order if k in below[r]))
        lab.cfg["nodes"] = 1
        wait_healthy(lab, timeout=a.timeout)
        lab.cfg["ready"] = True
        lab.save()
        t4 = time.time()
        log("%s: %d servers ready in %.1fs (install %.1f, copy %.1f, start %.1f, replication %.1f)" % (
            a.name, len(order), t4 - t0, t1 - t0, t2 - t1, t3 - t2, t4 - t3))
        del procs
    except BaseException:
        if not a.keep_on_failure:
            down(a.name)
        raise
    print(json.dumps(lab.info(), indent=1))


def down(name):
    lab = Lab(name)
    cfg = {}
    with contextlib.suppress(Exception):
        cfg = json.load(open(lab.path))
    # Every process that runs on a my.cnf of this very lab, whatever the state file says.
    mark = ("--defaults-file=%s/" % lab.dir).encode()
    mark2 = [b"_load", b"_guard", b"_block"]
    pids = []
    for p in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError, ValueError):
            args = open(p, "rb").read().split(b"\0")
            pid = int(p.split("/")[2])
            if pid == os.getpid():
                continue
            if any(x.startswith(mark) for x in args):
                pids.append(pid)
            elif SELF.encode() in args and name.encode() in args and any(m in args for m in mark2):
                i = args.index(SELF.encode())
                if args[i + 1] in mark2 and args[i + 2] == name.encode() and pid != os.getppid():
                    pids.append(pid)
    for k in cfg.get("servers", {}):
        lab.cfg = cfg
        if lab.pid(k):
            pids.append(lab.pid(k))
    for h in cfg.get("hosts", {}).values():  # whatever `exec` left running in an extra host
        p = run(["ip", "netns", "pids", h["netns"]], check=False)
        pids += [int(x) for x in p.stdout.split()]
    pids = sorted(set(pids) - {os.getpid(), os.getppid()})
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    end = time.time() + 10
    for pid in pids:
        while time.time() < end:
            with contextlib.suppress(OSError):
                os.waitpid(pid, os.WNOHANG)
            st = proc_stat(pid)
            if not st or st[0] in "ZX":
                break
            time.sleep(0.01)
    net_down(cfg)
    # Unlinking hundreds of MB can take seconds on a busy disk: out of the way first, deleted by a process of its own.
    trash = os.path.join(LABS, ".trash-%s-%d-%d" % (name, os.getpid(), int(time.time() * 1000)))
    with contextlib.suppress(OSError):
        os.rename(lab.dir, trash)
        subprocess.Popen(["rm", "-rf", trash], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         cwd="/", start_new_session=True)
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(LABS, "." + name + ".lock"))


def cmd_down(a):
    names = lab_names() if a.all else a.name
    if a.all:
        with contextlib.suppress(OSError):
            names = sorted(set(names) | {d for d in os.listdir(LABS) if not d.startswith(".")})
    if not names:
        if a.all:
            return
        raise Fail("which lab? (%s)" % ", ".join(lab_names()))
    for n in names:
        t0 = time.time()
        if not os.path.isdir(os.path.join(LABS, n)):
            log("%s: not there" % n)
            continue
        down(n)
        log("%s: down in %.1fs" % (n, time.time() - t0))


def cmd_list(a):
    for n in lab_names():
        try:
            lab = Lab(n).load()
        except Fail:  # taken down meanwhile
            continue
        print("%s\t%s\t%s" % (n, ",".join("%s=%s" % (k, lab.pstate(k)) for k in lab.servers), "netns" if lab.cfg["netns"] else "loopback"))


def cmd_gc(a):
    for p in glob.glob(os.path.join(LABS, ".trash-*")):
        shutil.rmtree(p, ignore_errors=True)
    for n in lab_names():
        lab = Lab(n).load()
        if time.time() - lab.cfg["created"] > 60 and not any(lab.pid(k) for k in lab.servers):
            log("removing dead lab", n)
            down(n)


def cmd_guard(a):
    end = time.time() + a.ttl if a.ttl else None
    st = proc_stat(a.owner) if a.owner else None
    while True:
        try:
            if json.load(open(os.path.join(LABS, a.name, "lab.json")))["created"] != a.created:
                return
        except (OSError, ValueError):
            return
        if (end and time.time() > end) or (a.owner and (st is None or proc_stat(a.owner) is None or proc_stat(a.owner)[1] != st[1] or proc_stat(a.owner)[0] in "ZX")):
            down(a.name)
            return
        time.sleep(0.5)
