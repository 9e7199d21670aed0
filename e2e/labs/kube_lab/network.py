"""A bridge in a namespace of its own, one cable to each machine and one to here."""
from .base import CONTROL, run
from .model import machine_pid


def in_ns(lab, what, *cmd, **kw):
    return run(["nsenter", "--net=/run/netns/" + lab.netns(what)] + list(cmd), **kw)


def ip_batch(lines, ns=None):
    cmd = ["ip"] + (["-n", ns] if ns else []) + ["-batch", "-"]
    run(cmd, input="\n".join(lines) + "\n")


def net_up(lab):
    sw = lab.netns("sw")
    for ns in ["sw"] + lab.machines:
        run(["ip", "netns", "add", lab.netns(ns)])
    ip_batch(["link set lo up", "link add br0 type bridge", "link set br0 up"], sw)
    ip_batch(["link add %s type veth peer name host netns %s" % (lab.link, sw),
              "addr add %s/24 dev %s" % (lab.ip("host"), lab.link), "link set %s up" % lab.link])
    ip_batch(["link set host master br0", "link set host up"], sw)
    for m in lab.machines:
        ip_batch(["link add %s type veth peer name eth0 netns %s" % (m, lab.netns(m)), "link set %s master br0" % m,
                  "link set %s up" % m], sw)
        routes = ["route add %s via %s" % (lab.node_cidr(n), lab.ip(n)) for n in lab.nodes if n != m]
        ip_batch(["link set lo up", "addr add %s/24 dev eth0" % lab.ip(m), "link set eth0 up"] + routes, lab.netns(m))
        in_ns(lab, m, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; "
              # who asks the control machine for a service must go on asking it
              "for d in all default eth0; do echo 0 >/proc/sys/net/ipv4/conf/$d/send_redirects; done; "
              "for f in iptables ip6tables; do echo 1 >/proc/sys/net/bridge/bridge-nf-call-$f; done; "
              # a process of the machine itself needs a route before kube-proxy can send it elsewhere
              "ip route add %s dev eth0 src %s" % (lab.service_cidr, lab.ip(m)))
    ip_batch(["route add %s via %s" % (lab.node_cidr(n), lab.ip(n)) for n in lab.nodes] +
             ["route add %s via %s" % (lab.service_cidr, lab.ip(CONTROL))])


def net_down(lab):
    run(["ip", "link", "del", lab.link], check=False)
    for line in run(["ip", "netns", "list"], check=False).stdout.splitlines():
        ns = line.split()[0]
        if ns.startswith("kl%d-" % lab.number):
            run(["ip", "netns", "del", ns], check=False)


def net_peers(lab, peers):
    out = []
    for p in peers:
        out.append(lab.ip(p))
        if p in lab.nodes:
            out.append(lab.node_cidr(p))
    return out


def net_cut(lab, machine, mode, peers):
    net_mend(lab, machine)
    if mode == "link":
        net_cable(lab, machine, False)
    else:
        rules = ["table inet kubelab_cut {"]
        want = "{ %s }" % ", ".join(net_peers(lab, peers)) if peers else ""
        # what counts is where a packet really comes from and goes to: in before, out after the translation of addresses
        for chain, hook, prio, dev, addr in (("in", "prerouting", -350, "iifname eth0", "ip saddr"),
                                             ("out", "output", 10, "oifname eth0", "ip daddr"),
                                             ("through", "forward", 10, "oifname eth0", "ip daddr")):
            match = "%s %s" % (dev, ("%s %s" % (addr, want)) if want else "")
            lines = ["%s drop" % match] if mode == "drop" else ["%s meta l4proto tcp reject with tcp reset" % match, "%s reject" % match]
            if mode == "reject" and hook == "output":  # the refusals themselves get out
                lines = ["tcp flags & rst == rst accept", "icmp type destination-unreachable accept"] + lines
            rules.append(" chain %s { type filter hook %s priority %d; %s; }" % (chain, hook, prio, "; ".join(lines)))
        in_ns(lab, machine, "nft", "-f", "-", input="\n".join(rules + ["}"]))
    lab.doc.setdefault("cuts", {})[machine] = {"mode": mode, "peers": peers}
    lab.save()


def net_cable(lab, machine, plugged):
    run(["ip", "-n", lab.netns("sw"), "link", "set", machine, "up" if plugged else "down"], check=False)


def net_mend(lab, machine):
    if machine_pid(lab, machine):
        net_cable(lab, machine, True)
    in_ns(lab, machine, "nft", "delete", "table", "inet", "kubelab_cut", check=False)
    lab.doc.setdefault("cuts", {}).pop(machine, None)
    lab.save()
