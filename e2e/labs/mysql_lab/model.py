"""What a lab is: its state file, its servers, its topology."""
import contextlib
import glob
import json
import os
import re
import socket
import threading

from .base import FLAVORS, Fail, LABS, flock, proc_stat
from .protocol import Conn


class Lab:
    def __init__(self, name):
        if not re.match(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", name):
            raise Fail("bad lab name %r" % name)
        self.name = name
        self.dir = os.path.join(LABS, name)
        self.cfg = {}

    @property
    def path(self):
        return os.path.join(self.dir, "lab.json")

    def load(self):
        try:
            self.cfg = json.load(open(self.path))
        except (OSError, ValueError):
            raise Fail("no lab named %r (in %s)" % (self.name, LABS))
        return self

    def save(self):
        tmp = self.path + ".%d.%d" % (os.getpid(), threading.get_ident())
        with open(tmp, "w") as f:
            json.dump(self.cfg, f, indent=1)
        os.rename(tmp, self.path)

    @contextlib.contextmanager
    def locked(self):
        with flock(os.path.join(LABS, "." + self.name + ".lock")):
            self.load()
            yield
            self.save()

    @property
    def servers(self):
        return self.cfg["servers"]

    def s(self, letter):
        try:
            return self.servers[letter]
        except KeyError:
            raise Fail("lab %s has no server %r (has %s)" % (self.name, letter, ",".join(self.servers)))

    def sdir(self, letter):
        return os.path.join(self.dir, letter)

    def pid(self, letter):
        """pid of the running server, or None. Never a recycled pid: the start time must match."""
        try:
            pid, start = open(os.path.join(self.sdir(letter), "run")).read().split()
        except (OSError, ValueError):
            return None
        st = proc_stat(int(pid))
        if st and st[0] not in "ZX" and st[1] == int(start):
            return int(pid)
        return None

    def pstate(self, letter):
        pid = self.pid(letter)
        if not pid:
            return "dead"
        st = proc_stat(pid)
        return "frozen" if st and st[0] in "Tt" else "running"

    def conn(self, letter, user="root", timeout=10.0, connect_timeout=None, tcp=False, db=None, tls=None):
        s = self.s(letter)
        if tcp or user != "root":
            return Conn(host=s["host"], port=s["port"], user=user, timeout=timeout, connect_timeout=connect_timeout, db=db, tls=tls)
        return Conn(unix=s["socket"], user=user, timeout=timeout, connect_timeout=connect_timeout, db=db)

    def kind(self, letter):
        return FLAVORS[self.s(letter)["flavor"]]["kind"]

    def info(self):
        return {k: dict(host=s["host"], port=s["port"], pid=self.pid(k), datadir=s["datadir"], socket=s["socket"],
                        version=s["version"], flavor=s["flavor"], server_id=s["server_id"], source=s["source"],
                        netns=s.get("netns")) for k, s in self.servers.items()}


def lab_names():
    try:
        return sorted(d for d in os.listdir(LABS) if d[0] != "." and os.path.exists(os.path.join(LABS, d, "lab.json")))
    except OSError:
        return []


def pick(name=None):
    name = name or os.environ.get("MYSQL_LAB")
    if not name:
        n = lab_names()
        if len(n) != 1:
            raise Fail("which lab? %s: say NAME/LETTER or set MYSQL_LAB" % (", ".join(n) or "none is up"))
        name = n[0]
    return Lab(name).load()


def target(t):
    """NAME/LETTER or LETTER -> (lab, letter)"""
    name, _, letter = t.rpartition("/")
    lab = pick(name or None)
    if letter not in lab.servers and letter not in lab.cfg.get("hosts", {}):
        lab.s(letter)
    return lab, letter


def parse_topology(text):
    order, source = [], {}
    for part in re.split(r"[,\s]+", text.strip()):
        if not part:
            continue
        chain = part.split(">")
        for x in chain:
            if not re.match(r"^[a-z][a-z0-9]{0,3}$", x):
                raise Fail("bad server name %r in the topology (use a, b, c ... or up to 4 of [a-z0-9])" % x)
            if x not in order:
                order.append(x)
        for up, dn in zip(chain, chain[1:]):
            if source.get(dn, up) != up:
                raise Fail("server %s has two sources: one only is supported" % dn)
            source[dn] = up
    if not order:
        raise Fail("empty topology")
    if len(order) > 60:
        raise Fail("60 servers at most")
    return order, source


def roots_of(order, source):
    """Servers that take writes: those without a source, and one per ring of co-masters."""
    roots, seen = [x for x in order if x not in source], set()
    reach = set(roots)
    changed = True
    while changed:
        changed = False
        for x in order:
            if x not in reach and source.get(x) in reach:
                reach.add(x)
                changed = True
    for x in order:
        if x in reach or x in seen:
            continue
        walk, y = [], x
        while y not in walk and y not in seen:
            walk.append(y)
            y = source[y]
        if y in walk:
            ring = walk[walk.index(y):]
            roots.append(min(ring, key=order.index))
        seen.update(walk)
    return roots


def parse_map(items, what):
    """["a=x", "b=y"] or ["a=x,b=y"] -> {a: x, b: y}"""
    out = {}
    for it in items or []:
        for p in it.split(","):
            k, eq, v = p.partition("=")
            if not eq:
                raise Fail("%s: %r is not LETTER=VALUE" % (what, p))
            out[k] = v
    return out


def port_free(host, port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
            return True
        except OSError:
            return False


def used_indexes():
    out = set()
    for n in lab_names():
        with contextlib.suppress(Exception):
            out.add(json.load(open(os.path.join(LABS, n, "lab.json")))["index"])
    for d in glob.glob("/sys/class/net/mlbr*"):
        with contextlib.suppress(ValueError):
            out.add(int(d.rsplit("mlbr", 1)[1]))
    return out
