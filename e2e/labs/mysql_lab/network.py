"""Bridges, namespaces and packet filters."""
import contextlib
import glob
import os
import socket
import struct

from .base import Fail, ROOT_USER, have, run
from .model import pick


def nsx(ns, *cmd, **kw):
    return run((["nsenter", "--net=/run/netns/" + ns] if ns else []) + list(cmd), **kw)


def net_up(lab):
    """A bridge in the machine's own network, one namespace per server (and per extra host)."""
    i = lab.cfg["index"]
    br = "mlbr%d" % i
    base = lab.cfg["ip_base"]
    ip = ["ip link add %s type bridge" % br, "ip addr add %s254/24 dev %s" % (base, br), "ip link set %s up" % br]
    for c in ip:
        run(c.split())
    lab.cfg["bridge"] = br
    ends = list(lab.servers.items()) + list(lab.cfg["hosts"].items())
    for k, s in ends:
        ns, veth = s["netns"], s["veth"]
        run(["ip", "netns", "add", ns])
        run(["ip", "link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", ns])
        run(["ip", "link", "set", veth, "master", br, "up"])
        nsx(ns, "sh", "-c", "ip link set lo up; ip addr add %s/24 dev eth0; ip link set eth0 up; ip route add default via %s254" % (s["host"], base))


def net_down(cfg):
    i = cfg.get("index")
    if not ROOT_USER or i is None:
        return
    run(["nft", "delete", "table", "inet", "mlab_%d" % i], check=False) if have("nft") else None
    if cfg.get("netns"):
        for f in glob.glob("/run/netns/ml%d-*" % i):
            run(["ip", "netns", "del", os.path.basename(f)], check=False)
        for f in glob.glob("/sys/class/net/ml%d-*" % i):
            run(["ip", "link", "del", os.path.basename(f)], check=False)
        run(["ip", "link", "del", "mlbr%d" % i], check=False)


def endpoint(lab, who):
    if who in lab.servers:
        return lab.servers[who]
    if who in lab.cfg["hosts"]:
        return lab.cfg["hosts"][who]
    if who == "host" and lab.cfg["netns"]:
        return dict(host=lab.cfg["ip_base"] + "254", netns=None)
    raise Fail("no %r in lab %s" % (who, lab.name))


def own_sockets(pid):
    """Connections that a process opened or accepted: (local ip, local port, remote ip, remote port)."""
    ino = set()
    for f in glob.glob("/proc/%d/fd/*" % pid):
        with contextlib.suppress(OSError):
            t = os.readlink(f)
            if t.startswith("socket:["):
                ino.add(t[8:-1])
    out = []
    ip = lambda h: socket.inet_ntoa(struct.pack("<I", int(h, 16)))
    for line in open("/proc/%d/net/tcp" % pid).read().splitlines()[1:]:
        f = line.split()
        if f[9] in ino and f[3] != "0A":
            (la, lp), (ra, rp) = f[1].split(":"), f[2].split(":")
            out.append((ip(la), int(lp, 16), ip(ra), int(rp, 16)))
    return out


def net_apply(lab):
    """Makes the packet filters and links match lab.cfg['cuts']; each cut is {who, peers|None, mode, socks}."""
    if not ROOT_USER or not have("nft"):
        raise Fail("cutting the network needs root and nft (package nftables)")
    cuts = lab.cfg["cuts"]
    if lab.cfg["netns"]:
        rules = {}
        for k, s in list(lab.servers.items()) + list(lab.cfg["hosts"].items()):
            rules[k] = ([], [])
            down = any(c["who"] == k and c["mode"] == "link" for c in cuts)
            run(["ip", "link", "set", s["veth"], "down" if down else "up"])
            if down:  # nobody remembers its hardware address: "no route to host" after 3 s
                for ns in [None] + [x["netns"] for x in list(lab.servers.values()) + list(lab.cfg["hosts"].values())]:
                    nsx(ns, "ip", "neigh", "flush", "to", s["host"], check=False)
        for c in cuts:
            if c["mode"] == "link":
                continue
            verdict = "meta l4proto tcp reject with tcp reset" if c["mode"] == "reject" else "drop"
            i, o = rules[c["who"]]
            if c["peers"] is None:
                i.append('iifname != "lo" ' + verdict)
                o.append('oifname != "lo" ' + verdict)
            else:
                for p in c["peers"]:
                    h = endpoint(lab, p)["host"]
                    i.append("ip saddr %s %s" % (h, verdict))
                    o.append("ip daddr %s %s" % (h, verdict))
        for k, (i, o) in rules.items():
            ns = endpoint(lab, k)["netns"]
            txt = "table inet mlab { }\ndelete table inet mlab\n"
            if any("reject" in x for x in i):  # let the resets through that we send ourselves
                i.insert(0, "tcp flags & rst == rst accept")
                o.insert(0, "tcp flags & rst == rst accept")
            if i or o:
                txt += "table inet mlab {\n chain i { type filter hook input priority 0; %s }\n chain o { type filter hook output priority 0; %s }\n}\n" % (
                    "".join(x + "; " for x in i), "".join(x + "; " for x in o))
            nsx(ns, "nft", "-f", "-", input=txt)
        return
    i, o = [], []
    for c in cuts:
        if c["mode"] == "link":
            raise Fail("mode link needs a lab started with --netns")
        s = lab.s(c["who"])
        reject = c["mode"] == "reject"
        verdict = "reject with tcp reset" if reject else "drop"
        h, p = s["host"], s["port"]
        if c["peers"] is None:
            # To and from its listening address; whatever it sends itself (matched by group id);
            # and, packet by packet, the connections it already had.
            i += ["ip daddr %s tcp dport %d %s" % (h, p, verdict), "ip saddr %s tcp sport %d tcp flags & rst == 0 drop" % (h, p)]
            o += ["meta skgid %d ip daddr != %s meta l4proto tcp %s" % (s["gid"], h, verdict),
                  "meta skgid %d ip daddr %s tcp dport != %d %s" % (s["gid"], h, p, verdict)]
            pairs = c["socks"]
        else:
            pairs = c["socks"]
            for q in c["peers"]:
                t = lab.s(q)
                o += ["meta skgid %d ip daddr %s tcp dport %d %s" % (s["gid"], t["host"], t["port"], verdict),
                      "meta skgid %d ip daddr %s tcp dport %d %s" % (t["gid"], h, p, verdict)]
        for la, lp, ra, rp in pairs:
            i += ["ip saddr %s tcp sport %d ip daddr %s tcp dport %d drop" % (la, lp, ra, rp),
                  "ip saddr %s tcp sport %d ip daddr %s tcp dport %d drop" % (ra, rp, la, lp)]
    if any("reject" in x for x in i + o):
        o.insert(0, "tcp flags & rst == rst accept")
    t = "mlab_%d" % lab.cfg["index"]
    txt = "table inet %s { }\ndelete table inet %s\n" % (t, t)
    if i or o:
        txt += "table inet %s {\n chain i { type filter hook input priority 0; %s }\n chain o { type filter hook output priority 0; %s }\n}\n" % (
            t, "".join(x + "; " for x in i), "".join(x + "; " for x in o))
    run(["nft", "-f", "-"], input=txt)


def cut(lab, who, mode="drop", peers=None):
    endpoint(lab, who)
    for p in peers or []:
        endpoint(lab, p)
    socks = []
    if not lab.cfg["netns"]:
        pid = lab.pid(who)
        if pid:
            socks = own_sockets(pid)
            if peers is not None:
                mine = {(lab.s(q)["host"], lab.s(q)["port"]) for q in peers}
                theirs = set()
                for q in peers:
                    if lab.pid(q):
                        theirs |= {(x[0], x[1]) for x in own_sockets(lab.pid(q))}
                socks = [x for x in socks if (x[2], x[3]) in mine or (x[2], x[3]) in theirs]
    lab.cfg["cuts"] = [c for c in lab.cfg["cuts"] if not (c["who"] == who and (peers is None or c["peers"] == peers))]
    lab.cfg["cuts"].append(dict(who=who, mode=mode, peers=peers, socks=socks))


def many(text):
    """NAME/a,b or a,b -> (lab, [letters])"""
    name, _, letters = text.rpartition("/")
    lab = pick(name or None)
    ks = list(lab.servers) if letters == "all" else letters.split(",")
    for k in ks:
        endpoint(lab, k)
    return lab, ks
