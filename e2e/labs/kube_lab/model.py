"""A lab: names, addresses, files, and which of its machines live."""
import contextlib
import ipaddress
import json
import os
import re

from .base import CONTROL, Fail, LABS, locked, MAX_LABS, read, run, write
from .sources import vdir, VERSIONS


class Lab:
    def __init__(self, name, doc=None):
        self.name = name
        self.dir = os.path.join(LABS, name)
        if doc is None:
            text = read(self.path("lab.json"))
            if text is None:
                raise Fail("no lab %s; there are: %s" % (name, ", ".join(lab_names()) or "none"))
            doc = json.loads(text)
        self.doc = doc
        self.number = doc["number"]
        self.nodes = doc["nodes"]
        self.minor = doc["version"]

    def path(self, *p):
        return os.path.join(self.dir, *p)

    def save(self):
        write(self.path("lab.json"), self.doc)

    @property
    def machines(self):
        return [CONTROL] + self.nodes

    # addresses
    def net(self, host=0):
        return "10.80.%d.%d" % (self.number, host)

    def ip(self, machine):
        if machine == "host":
            return self.net(254)
        return self.net(1 if machine == CONTROL else 11 + self.nodes.index(machine))

    @property
    def pod_cidr(self):
        return "10.%d.0.0/16" % (100 + self.number)

    def node_cidr(self, node):
        return "10.%d.%d.0/24" % (100 + self.number, 1 + self.nodes.index(node))

    @property
    def service_cidr(self):
        return "10.%d.0.0/16" % (150 + self.number)

    def service_ip(self, n):
        return "10.%d.0.%d" % (150 + self.number, n)

    @property
    def server(self):
        return "https://%s:6443" % self.ip(CONTROL)

    def netns(self, what):
        return "kl%d-%s" % (self.number, what)

    @property
    def link(self):  # the machine's own end of the lab's network
        return "kl%d" % self.number

    def root(self, machine, *p):
        return self.path("m", machine, "root", *p)

    def bin(self, name):
        return vdir(self.minor, "bin", name)

    def info(self):
        return {
            "name": self.name, "version": "v" + VERSIONS[self.minor]["kubernetes"], "kubeconfig": self.path("kubeconfig"),
            "server": self.server, "kubectl": self.bin("kubectl"), "helm": self.bin("helm"),
            "nodes": {n: {"ip": self.ip(n), "pod_cidr": self.node_cidr(n), "zone": self.zone(n)} for n in self.nodes},
            "control_ip": self.ip(CONTROL), "host_ip": self.ip("host"), "pod_cidr": self.pod_cidr,
            "service_cidr": self.service_cidr, "dns_ip": self.service_ip(10), "storage_class": "standard",
            "logs": self.path("m", "*", "root", "var", "log"),
            "reach": "pod, service and node addresses are routed from this machine; pods reach it at %s (%s)" % (
                self.ip("host"), "host.kube-lab.internal"),
        }

    def zone(self, node):
        return "z%d" % (1 + self.nodes.index(node) % self.doc.get("zones", 3))


def lab_names():
    try:
        return sorted(n for n in os.listdir(LABS) if os.path.exists(os.path.join(LABS, n, "lab.json")))
    except OSError:
        return []


def allocate(name, doc):
    """Reserves a name and the lowest lab number whose networks are free on this machine."""
    os.makedirs(LABS, mode=0o711, exist_ok=True)
    with locked(os.path.join(LABS, ".lock")):
        if os.path.exists(os.path.join(LABS, name)):
            raise Fail("lab %s exists already (down it first, or use --replace)" % name)
        taken = {Lab(n).number for n in lab_names()}
        here = []
        for r in json.loads(run(["ip", "-4", "-j", "route"]).stdout or "[]"):
            with contextlib.suppress(ValueError):
                if r["dst"] != "default":
                    here.append(ipaddress.ip_network(r["dst"]))
        spaces = run(["ip", "netns", "list"]).stdout
        for n in range(1, MAX_LABS + 1):
            nets = [ipaddress.ip_network(s) for s in ("10.80.%d.0/24" % n, "10.%d.0.0/16" % (100 + n), "10.%d.0.0/16" % (150 + n))]
            if n in taken or any(a.overlaps(b) for a in nets for b in here) or re.search(r"^kl%d-" % n, spaces, re.M):
                continue
            lab = Lab(name, dict(doc, number=n))
            os.makedirs(lab.dir, mode=0o711)
            lab.save()
            return lab
    raise Fail("no free lab number: all networks 10.80.1-%d.0/24 are in use" % MAX_LABS)


def need_root():
    if os.geteuid() != 0:
        raise Fail("needs root: namespaces, mounts, cgroups and routes")


def proc_start(pid):
    t = read("/proc/%d/stat" % pid)
    if not t:
        return None
    f = t.rpartition(")")[2].split()
    return None if f[0] in "ZX" else f[19]


def machine_pid(lab, machine):
    """The machine's init as seen from here, or None when it does not live."""
    t = (read(lab.path("m", machine, "pid")) or "").split()
    if len(t) == 2 and proc_start(int(t[0])) == t[1]:
        return int(t[0])
