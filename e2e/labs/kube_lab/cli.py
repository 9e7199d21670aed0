"""The command line."""
import argparse
import os
import signal
import sys

from .base import Fail, log
from .sources import DEFAULT_VERSION, VERSIONS
from .images import cmd_image
from .install import cmd_install
from .model import Lab
from .machine import machine_main
from .life import cmd_down, cmd_up, reaper_main
from .look import cmd_client, cmd_exec, cmd_info, cmd_kubeconfig, cmd_list, cmd_load, cmd_status
from .faults import cmd_node
from .monitors import cmd_monitors


def parser():
    p = argparse.ArgumentParser(prog="kube-lab", description="A real Kubernetes of several nodes on one machine, for tests.")
    sub = p.add_subparsers(dest="command", required=True)

    def cmd(name, fn, text, lab=False):
        c = sub.add_parser(name, help=text)
        c.set_defaults(fn=fn)
        if lab:
            c.add_argument("name", help="name of the lab")
        return c
    c = cmd("install", cmd_install, "build and fetch everything into the cache")
    c.add_argument("version", nargs="*", help="known: %s" % ", ".join(VERSIONS))
    c.add_argument("--force", action="store_true")
    c = cmd("up", cmd_up, "start a lab", lab=True)
    c.add_argument("--nodes", type=int, default=3)
    c.add_argument("--version", default=DEFAULT_VERSION)
    c.add_argument("--zones", type=int, default=3, help="nodes are dealt over so many zones")
    c.add_argument("--node-grace", type=int, default=20, help="seconds of silence until a node is not ready (stock: 50)")
    c.add_argument("--eviction-seconds", type=int, default=300, help="how long pods stay on a lost node (stock: 300)")
    c.add_argument("--proxy-mode", choices=["iptables", "nftables"], default="iptables")
    c.add_argument("--load", action="append", metavar="IMAGE.tar")
    c.add_argument("--audit", metavar="GROUP", help="log what users of this group ask for: control:/var/log/audit.json")
    c.add_argument("--owner-pid", type=int, help="take the lab down when this process ends")
    c.add_argument("--ttl", type=int, help="take the lab down after so many seconds")
    c.add_argument("--timeout", type=int, default=120, help="for each of the waits")
    c.add_argument("--replace", action="store_true", help="take an existing lab of that name down first")
    c.add_argument("--keep-on-failure", action="store_true")
    c = cmd("down", cmd_down, "remove labs")
    c.add_argument("name", nargs="*")
    c.add_argument("--all", action="store_true")
    c = cmd("load", cmd_load, "load image archives (docker save, OCI) into every node", lab=True)
    c.add_argument("image", nargs="+")
    c = cmd("image", cmd_image, "write an image archive from files")
    c.add_argument("ref", help="name:tag")
    c.add_argument("-o", "--output", required=True)
    c.add_argument("--add", action="append", metavar="FILE=/PATH")
    c.add_argument("--tree", action="append", metavar="DIR", help="everything below DIR goes to /")
    c.add_argument("--dir", action="append", metavar="/PATH[=MODE]")
    c.add_argument("--link", action="append", metavar="/PATH=TARGET")
    c.add_argument("--entrypoint", nargs="+")
    c.add_argument("--cmd", nargs="+")
    c.add_argument("--env", action="append", metavar="K=V")
    c.add_argument("--label", action="append", metavar="K=V")
    c.add_argument("--user")
    c.add_argument("--workdir")
    cmd("kubeconfig", cmd_kubeconfig, "print the path of the admin kubeconfig", lab=True)
    cmd("info", cmd_info, "print again what up printed", lab=True)
    c = cmd("status", cmd_status, "machines, nodes, memory")
    c.add_argument("name", nargs="?")
    cmd("list", cmd_list, "the labs that are up")
    c = cmd("node", cmd_node, "break a machine, or bring it back", lab=True)
    c.add_argument("node", help="n1, n2, ..., control; a,b; all (nodes)")
    c.add_argument("action", choices=["stop", "start", "restart", "kill", "freeze", "thaw", "cut", "mend"])
    c.add_argument("--mode", choices=["drop", "reject", "link"], default="drop", help="of cut")
    c.add_argument("--peers", help="cut from these only: n2,n3,control,host")
    c.add_argument("--no-wait", action="store_true", help="start: do not wait until the node is ready")
    c.add_argument("--timeout", type=int, default=90)
    cmd("monitors", cmd_monitors, "define the kinds of the Prometheus operator; nobody acts on them", lab=True)
    for name in ("kubectl", "helm"):
        c = cmd(name, cmd_client, "run %s against a lab" % name, lab=True)
        c.add_argument("args", nargs=argparse.REMAINDER)
    c = cmd("exec", cmd_exec, "run a command on a machine (ctr, ip, iptables, ...)", lab=True)
    c.add_argument("node")
    c.add_argument("args", nargs=argparse.REMAINDER)
    return p


def main():
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    os.environ.setdefault("HOME", "/root")
    if len(sys.argv) > 1 and sys.argv[1] == "__machine":
        return machine_main(Lab(sys.argv[2]), sys.argv[3])
    if len(sys.argv) > 1 and sys.argv[1] == "__reaper":
        return reaper_main(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    a = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if getattr(a, "args", None) and a.args[0] == "--":
        a.args = a.args[1:]
    try:
        a.fn(a)
    except Fail as e:
        log("error:", e)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
