"""load, status, info, list, kubeconfig, kubectl, helm, exec."""
import http.client
import json
import os
import time

from .base import CONTROL, Fail, read, write_some
from .sources import VERSIONS
from .images import image_refs
from .model import Lab, lab_names, machine_pid, need_root
from .cgroups import cgroup_frozen, cgroup_paths, cgroup_pids
from .machine import inside
from .api import Api, ready_condition
from .life import load_everywhere


def cmd_load(a):
    need_root()
    lab = Lab(a.name)
    out = []
    for path in a.image:
        if not os.path.exists(path):
            raise Fail("no file %s" % path)
        t0 = time.monotonic()
        refs = image_refs(path)
        nodes = load_everywhere(lab, path)
        out.append({"file": path, "images": refs, "nodes": nodes, "seconds": round(time.monotonic() - t0, 1)})
    print(json.dumps(out, indent=1))


def machine_state(lab, m):
    if not machine_pid(lab, m):
        return "stopped"
    return "frozen" if cgroup_frozen(lab, m) else "running"


def memory_mb(lab, m):
    """Proportional share of all processes of a machine."""
    total = 0
    for pid in cgroup_pids(lab, m):
        for line in (read("/proc/%d/smaps_rollup" % pid) or "").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total >> 10


def status_of(lab, memory=True):
    out = {"name": lab.name, "version": "v" + VERSIONS[lab.minor]["kubernetes"], "machines": {}}
    items, pods = {}, []
    try:
        api = Api(lab.ip(CONTROL), lab.path("pki"), timeout=3.0)
        items = {n["metadata"]["name"]: n for n in api.get("/api/v1/nodes")["items"]}
        pods = api.get("/api/v1/pods")["items"]
        out["api"] = "ok"
    except (Fail, OSError, http.client.HTTPException) as e:
        out["api"] = str(e)
    for m in lab.machines:
        d = {"ip": lab.ip(m), "state": machine_state(lab, m), "cut": (lab.doc.get("cuts") or {}).get(m)}
        if m in lab.nodes:
            d["ready"] = ready_condition(items[m]) if m in items else None
            d["pods"] = sum(p["spec"].get("nodeName") == m for p in pods)
        if memory:
            d["memory_mb"] = memory_mb(lab, m)
        out["machines"][m] = d
    return out


def cmd_status(a):
    names = [a.name] if a.name else lab_names()
    docs = [status_of(Lab(n)) for n in names]
    print(json.dumps(docs[0] if a.name else docs, indent=1))


def cmd_info(a):
    print(json.dumps(Lab(a.name).info(), indent=1))


def cmd_kubeconfig(a):
    print(Lab(a.name).path("kubeconfig"))


def cmd_list(a):
    print(json.dumps({n: Lab(n).nodes for n in lab_names()}, indent=1))


def cmd_client(a):
    lab = Lab(a.name)
    env = dict(os.environ, KUBECONFIG=lab.path("kubeconfig"))
    os.execve(lab.bin(a.command), [a.command] + a.args, env)


def cmd_exec(a):
    need_root()
    lab = Lab(a.name)
    cmd = inside(lab, a.node, *(a.args or ["bash"]))
    for p in cgroup_paths(lab, a.node):
        write_some(os.path.join(p, "cgroup.procs"), str(os.getpid()))
    os.execvp(cmd[0], cmd)
