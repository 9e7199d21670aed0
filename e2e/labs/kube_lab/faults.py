"""node: breaks a machine, or brings it back."""
import json
import signal
import time

from .base import CONTROL, Fail, until
from .model import Lab, machine_pid, need_root
from .network import net_cable, net_cut, net_mend
from .cgroups import cgroup_freeze
from .machine import machine_kill, machine_start
from .api import api_of, wait_nodes
from .look import machine_state


def cmd_node(a):
    need_root()
    lab = Lab(a.name)
    targets = lab.nodes if a.node == "all" else a.node.split(",")
    for m in targets:
        if m not in lab.machines:
            raise Fail("no machine %s; there are %s" % (m, ", ".join(lab.machines)))
    peers = [p for p in (a.peers or "").split(",") if p]
    for p in peers:
        if p not in lab.machines + ["host"]:
            raise Fail("no peer %s; there are %s, host" % (p, ", ".join(lab.machines)))
    t0 = time.monotonic()
    for m in targets:
        if a.action in ("freeze", "thaw", "stop") and not machine_pid(lab, m):
            raise Fail("%s is not running" % m)
        if a.action == "stop":
            cgroup_freeze(lab, m, False)
            machine_kill(lab, m, signal.SIGTERM, 30)
            net_cable(lab, m, False)
        elif a.action == "kill":
            net_cable(lab, m, False)  # first: a machine without power does not say that its connections end
            machine_kill(lab, m)
        elif a.action in ("start", "restart"):
            if a.action == "restart":
                machine_kill(lab, m, signal.SIGTERM, 30)
            machine_start(lab, m)
            if ((lab.doc.get("cuts") or {}).get(m) or {}).get("mode") != "link":
                net_cable(lab, m, True)
        elif a.action in ("freeze", "thaw"):
            cgroup_freeze(lab, m, a.action == "freeze")
        elif a.action == "cut":
            net_cut(lab, m, a.mode, peers)
        elif a.action == "mend":
            net_mend(lab, m)
    if a.action in ("start", "restart") and not a.no_wait:
        api = api_of(lab)
        if CONTROL in targets:
            until("the API server", a.timeout, lambda: api.get("/readyz") == "ok")
        wait_nodes(lab, api, [m for m in targets if m in lab.nodes], a.timeout)
    print(json.dumps(dict({m: {"state": machine_state(lab, m), "cut": (lab.doc.get("cuts") or {}).get(m)} for m in targets},
                          seconds=round(time.monotonic() - t0, 2)), indent=1))
