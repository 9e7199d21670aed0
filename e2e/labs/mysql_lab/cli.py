"""The command line."""
import argparse
import os
import signal
import sys

from .base import FLAVORS, Fail, USERS
from .protocol import ConnError, MyError
from .life import cmd_down, cmd_gc, cmd_guard, cmd_install, cmd_list, cmd_up
from .look import cmd_client, cmd_conf, cmd_exec, cmd_info, cmd_sql, cmd_status, cmd_wait
from .faults import (
    cmd__block, cmd_break, cmd_errant, cmd_fix, cmd_heal, cmd_isolate, cmd_kill, cmd_lag, cmd_partition,
    cmd_poweroff, cmd_poweron, cmd_signal, cmd_start, cmd_stop)
from .load import cmd_check, cmd_load


def main(argv=None):
    ap = argparse.ArgumentParser(prog="mysql-lab", description="Real MySQL/MariaDB replication topologies for tests.",
                                 epilog="LETTER may be NAME/LETTER, or LETTER alone when one lab is up or MYSQL_LAB names it; "
                                        "a,b,c and all are accepted where it makes sense.")
    sub = ap.add_subparsers(dest="cmd", required=True)

    def cmd(name, fn, help_):
        p = sub.add_parser(name, help=help_) if help_ else sub.add_parser(name)
        p.set_defaults(fn=fn)
        return p

    p = cmd("install", cmd_install, "download and prepare servers (idempotent)")
    p.add_argument("flavor", nargs="*", help="%s or all" % ", ".join(FLAVORS))
    p.add_argument("--force", action="store_true", help="build anew")
    p.add_argument("--system-tools", action="store_true", help="also apt-get install nftables and iproute2 if they lack (root)")

    p = cmd("up", cmd_up, "start a topology; prints JSON")
    p.add_argument("name")
    p.add_argument("--flavor", default="mysql-9.7", help="default flavor, then LETTER=FLAVOR exceptions: mariadb-10.11,c=mariadb-11.8")
    p.add_argument("--topology", default="a>b,a>c", help='"a>b,a>c,c>d"; "a>b,b>a" is a ring; "a" is one server')
    p.add_argument("--gtid", choices=["on", "off"], default="on")
    p.add_argument("--semi-sync", action="store_true")
    p.add_argument("--semi-sync-timeout", type=int, default=10000, metavar="MS")
    p.add_argument("--semi-sync-count", type=int, default=1, metavar="N")
    p.add_argument("--ip-base", help="e.g. 127.0.1. : server n listens on 127.0.1.n (default: a free 127.L.0.)")
    p.add_argument("--port-base", type=int, help="server n listens on port N+n-1 (of 127.0.0.1, or of its own address with --ip-base)")
    p.add_argument("--port", type=int, default=3306)
    p.add_argument("--netns", action="store_true", help="one network namespace per server (root)")
    p.add_argument("--hosts", help="o1,o2,o3: more namespaces on the same network, for `exec` (implies --netns)")
    p.add_argument("--delay", action="append", metavar="b=60")
    p.add_argument("--cnf", action="append", metavar="[LETTER:]KEY=VALUE")
    p.add_argument("--dc", action="append", metavar="a=dc1,b=dc2")
    p.add_argument("--promotion-rule", action="append", metavar="b=prefer")
    p.add_argument("--semi-sync-priority", action="append", metavar="b=10,c=20")
    p.add_argument("--alias", help="cluster name in meta.cluster (default: NAME)")
    p.add_argument("--boot-read-only", action="store_true", help="every server boots read-only, the root is opened afterwards")
    p.add_argument("--net-timeout", type=int, default=4, help="replica_net_timeout (server default: 60)")
    p.add_argument("--heartbeat", type=float, default=2, help="SOURCE_HEARTBEAT_PERIOD (server default: half of net timeout)")
    p.add_argument("--connect-retry", type=int, default=1, help="SOURCE_CONNECT_RETRY (server default: 60)")
    p.add_argument("--retry-count", type=int, default=86400, help="SOURCE_RETRY_COUNT, MySQL only")
    p.add_argument("--tls", action="store_true", help="replication over TLS")
    p.add_argument("--full-ps", action="store_true", help="MySQL: performance_schema with its default sizes (+60 MB per server)")
    p.add_argument("--owner-pid", type=int, help="take the lab down when this process ends")
    p.add_argument("--ttl", type=float, help="take the lab down after so many seconds")
    p.add_argument("--replace", action="store_true", help="take down a lab of that name first")
    p.add_argument("--keep-on-failure", action="store_true")
    p.add_argument("--timeout", type=float, default=90)

    p = cmd("down", cmd_down, "kill everything of a lab and remove it")
    p.add_argument("name", nargs="*")
    p.add_argument("--all", action="store_true")
    cmd("list", cmd_list, "labs that are up")
    cmd("gc", cmd_gc, "remove labs of which no process is left")
    p = cmd("status", cmd_status, "state of every server")
    p.add_argument("name", nargs="?")
    p.add_argument("--json", action="store_true")
    p = cmd("info", cmd_info, "the JSON that `up` printed")
    p.add_argument("name", nargs="?")
    p.add_argument("--full", action="store_true")
    p = cmd("kill", cmd_kill, "SIGTERM, or with -9 SIGKILL; prints how long it took")
    p.add_argument("target", metavar="LETTER")
    p.add_argument("-9", dest="nine", action="store_true")
    for n, h in (("stop", "clean shutdown"), ):
        p = cmd(n, cmd_stop, h)
        p.add_argument("target", metavar="LETTER")
    p = cmd("start", cmd_start, "start a stopped or killed server")
    p.add_argument("target", metavar="LETTER")
    p.add_argument("--cnf", action="append", metavar="KEY=VALUE")
    for n, s, h in (("freeze", signal.SIGSTOP, "SIGSTOP"), ("thaw", signal.SIGCONT, "SIGCONT")):
        p = cmd(n, cmd_signal, h)
        p.add_argument("target", metavar="LETTER")
        p.set_defaults(signal=s)
    p = cmd("isolate", cmd_isolate, "cut a server off the network")
    p.add_argument("target", metavar="LETTER")
    p.add_argument("--mode", choices=["drop", "reject", "link"], default="drop",
                   help="drop: silence (timeouts); reject: resets; link: the cable is out, --netns only (no route to host)")
    p.add_argument("--peers", help="only from these: b,c (with --netns also extra hosts and `host`, the machine itself)")
    p = cmd("heal", cmd_heal, "undo isolate and partition for LETTER, or for `all`")
    p.add_argument("target", metavar="LETTER|all|NAME", nargs="?", default="all")
    p = cmd("partition", cmd_partition, 'split into groups: "a,b|c,d"')
    p.add_argument("name", nargs="?")
    p.add_argument("groups")
    p = cmd("poweroff", cmd_poweroff, "cut off, then kill -9: a machine that vanished")
    p.add_argument("target", metavar="LETTER")
    p.add_argument("--mode", choices=["drop", "link"], default="drop")
    p = cmd("poweron", cmd_poweron, "undo poweroff")
    p.add_argument("target", metavar="LETTER")
    p = cmd("sql", cmd_sql, "run SQL (as root over the unix socket, or --user over TCP)")
    p.add_argument("target", metavar="LETTER")
    p.add_argument("sql")
    p.add_argument("--user", default="root", choices=list(USERS))
    p.add_argument("--tcp", action="store_true")
    p.add_argument("--tls", action="store_true")
    p.add_argument("--json", action="store_true")
    p.add_argument("-E", "--vertical", action="store_true")
    p.add_argument("-N", "--no-header", action="store_true")
    p.add_argument("--timeout", type=float, default=30)
    p = cmd("client", cmd_client, "the server's own command line client")
    p.add_argument("target", metavar="LETTER")
    p.add_argument("args", nargs=argparse.REMAINDER)
    p = cmd("exec", cmd_exec, "run a command in a server's or extra host's network namespace")
    p.add_argument("target", metavar="LETTER|HOST")
    p.add_argument("args", nargs=argparse.REMAINDER)
    p = cmd("wait", cmd_wait, "wait until all replicas (or --letters) run")
    p.add_argument("name", nargs="?")
    p.add_argument("--letters")
    p.add_argument("--timeout", type=float, default=60)
    p = cmd("lag", cmd_lag, "delay a replica (SOURCE_DELAY), or --block its applier with table locks")
    p.add_argument("target", metavar="LETTER")
    p.add_argument("seconds", type=int)
    p.add_argument("--block", action="store_true")
    p = cmd("break-replication", cmd_break, "make a replica's thread fail")
    p.add_argument("target", metavar="LETTER")
    p.add_argument("--kind", choices=["duplicate", "missing", "password", "port", "purged"], default="duplicate")
    p.add_argument("--id", type=int, default=999999999)
    p = cmd("fix-replication", cmd_fix, "undo break-replication (not purged)")
    p.add_argument("target", metavar="LETTER")
    p.add_argument("--id", type=int, default=999999999)
    p = cmd("errant", cmd_errant, "commit on a replica; prints its GTID set")
    p.add_argument("target", metavar="LETTER")
    p.add_argument("--count", type=int, default=1)
    p.add_argument("--empty", action="store_true", help="an empty transaction (MySQL)")
    for n in ("write-load", "_load"):
        p = cmd(n, cmd_load, "counted inserts; reports the last acknowledged id" if n[0] != "_" else None)
        p.add_argument("name", nargs="?")
        p.add_argument("--to", help="this server only (default: whichever is writable, found again after an error)")
        p.add_argument("--rate", type=float, default=100, help="inserts per second; 0: as fast as it goes")
        p.add_argument("--seconds", type=float, default=0)
        p.add_argument("--count", type=int, default=0)
        p.add_argument("--timeout", type=float, default=2.0, help="per statement, seconds")
        p.add_argument("--gap-ms", type=int, default=500, help="list write gaps longer than this")
        p.add_argument("--out")
        p.add_argument("--bg", action="store_true")
        p.add_argument("--stop", action="store_true")
        p.add_argument("--report", action="store_true")
    p = cmd("check-load", cmd_check, "does LETTER have every acknowledged id? exit 1 if not")
    p.add_argument("target", metavar="LETTER")
    p.add_argument("--report", help="report file of write-load")
    p = cmd("orchestrator-conf", cmd_conf, "configuration keys that fit the lab, as JSON")
    p.add_argument("name", nargs="?")
    p = cmd("_block", cmd__block, None)
    p.add_argument("name")
    p.add_argument("letter")
    p.add_argument("seconds", type=int)
    p = cmd("_guard", cmd_guard, None)
    p.add_argument("name")
    p.add_argument("owner", type=int)
    p.add_argument("ttl", type=float)
    p.add_argument("created", type=float)

    a = ap.parse_args(argv)
    try:
        return a.fn(a) or 0
    except (Fail, MyError, ConnError) as e:
        print("mysql-lab: %s" % e, file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        return 130
