"""Everything that breaks a server or its replication, and what mends it."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

from .base import Fail, SELF, USERS, esc, proc_stat
from .model import Lab, lab_names, pick, target
from .servers import repl_status, spawn, start_sql, stop_sql, wait_sql, writable
from .network import cut, many, net_apply
from .look import one_status


def wait_gone(pid, start, timeout):
    end = time.time() + timeout
    while time.time() < end:
        with contextlib.suppress(OSError):
            os.waitpid(pid, os.WNOHANG)
        st = proc_stat(pid)
        if not st or st[0] in "ZX" or st[1] != start:
            return True
        time.sleep(0.001)
    return False


def kill_server(lab, k, sig, timeout=60.0):
    pid = lab.pid(k)
    if not pid:
        return None
    start = proc_stat(pid)[1]
    s = lab.s(k)
    t0 = time.time()
    os.kill(pid, sig)
    refused = None
    if sig == signal.SIGKILL and not lab.cfg["cuts"]:
        for _ in range(5000):
            with socket.socket() as x:
                x.settimeout(0.5)
                try:
                    x.connect((s["host"], s["port"]))
                except ConnectionRefusedError:
                    refused = time.time() - t0
                    break
                except OSError:
                    pass
            time.sleep(0.0005)
    elif proc_stat(pid) and proc_stat(pid)[0] in "Tt":
        os.kill(pid, signal.SIGCONT)
    if not wait_gone(pid, start, timeout):
        raise Fail("server %s still runs %.0fs after signal %d" % (k, timeout, sig))
    return dict(pid=pid, gone_ms=round((time.time() - t0) * 1000, 1), refused_ms=None if refused is None else round(refused * 1000, 1))


def cmd_kill(a):
    lab, ks = many(a.target)
    print(json.dumps({k: kill_server(lab, k, signal.SIGKILL if a.nine else signal.SIGTERM) for k in ks}))


def cmd_stop(a):
    lab, ks = many(a.target)
    print(json.dumps({k: kill_server(lab, k, signal.SIGTERM) for k in ks}))


def cmd_start(a):
    lab, ks = many(a.target)
    t0 = time.time()
    for k in ks:
        if a.cnf:
            with lab.locked():
                for c in a.cnf:
                    key, eq, val = c.partition("=")
                    lab.cfg["cnf"].append([k, key, val if eq else None])
    for k in ks:
        if not lab.pid(k):
            spawn(lab, k)
    for k in ks:
        wait_sql(lab, k).close()
    print(json.dumps({k: dict(pid=lab.pid(k), seconds=round(time.time() - t0, 2)) for k in ks}))


def cmd_signal(a):
    lab, ks = many(a.target)
    for k in ks:
        pid = lab.pid(k)
        if not pid:
            raise Fail("server %s does not run" % k)
        os.kill(pid, a.signal)


def cmd_isolate(a):
    lab, ks = many(a.target)
    peers = a.peers.split(",") if a.peers else None
    with lab.locked():
        for k in ks:
            cut(lab, k, a.mode, peers)
        net_apply(lab)


def cmd_heal(a):
    if a.target == "all" or (a.target or "").endswith("/all") or a.target in lab_names():
        lab = pick(a.target if a.target in lab_names() else (a.target.rpartition("/")[0] or None))
        ks = None
    else:
        lab, ks = many(a.target)
    with lab.locked():
        lab.cfg["cuts"] = [] if ks is None else [c for c in lab.cfg["cuts"] if c["who"] not in ks]
        net_apply(lab)


def cmd_partition(a):
    lab = pick(a.name)
    groups = [g.split(",") for g in a.groups.split("|")]
    if len(groups) < 2:
        raise Fail('say at least two groups: "a,b|c,d"')
    with lab.locked():
        lab.cfg["cuts"] = []
        for n, g in enumerate(groups):
            for who in g:
                others = [x for h in groups[n + 1:] for x in h]
                if not others:
                    continue
                if who == "host":
                    for x in others:
                        cut(lab, x, "drop", ["host"])
                else:
                    cut(lab, who, "drop", others)
        net_apply(lab)


def cmd_poweroff(a):
    """The machine is gone: nothing answers, not even a reset."""
    lab, ks = many(a.target)
    with lab.locked():
        for k in ks:
            cut(lab, k, a.mode)
        net_apply(lab)
    print(json.dumps({k: kill_server(lab, k, signal.SIGKILL) for k in ks}))


def cmd_poweron(a):
    lab, ks = many(a.target)
    with lab.locked():
        lab.cfg["cuts"] = [c for c in lab.cfg["cuts"] if c["who"] not in ks]
        net_apply(lab)
    for k in ks:
        if not lab.pid(k):
            spawn(lab, k)
    for k in ks:
        wait_sql(lab, k).close()


def cmd_lag(a):
    lab, k = target(a.target)
    kind = lab.kind(k)
    if a.block:
        p = subprocess.Popen([sys.executable, SELF, "_block", lab.name, k, str(a.seconds)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True, text=True)
        print(p.stdout.readline().strip())
        return
    with lab.conn(k) as c:
        if kind == "mysql":
            c.query("STOP REPLICA SQL_THREAD")
            c.query("CHANGE REPLICATION SOURCE TO SOURCE_DELAY=%d" % a.seconds)
            c.query("START REPLICA SQL_THREAD")
        else:
            c.query("STOP SLAVE")
            c.query("CHANGE MASTER TO MASTER_DELAY=%d" % a.seconds)
            c.query("START SLAVE")


def cmd__block(a):
    lab = Lab(a.name).load()
    with lab.conn(a.letter, timeout=a.seconds + 30) as c:
        c.query("LOCK TABLES app.counter READ, app.scratch READ, meta.heartbeat READ")
        print("blocked pid=%d for %ss" % (os.getpid(), a.seconds), flush=True)
        sys.stdout = open(os.devnull, "w")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        time.sleep(a.seconds)
        c.query("UNLOCK TABLES")


def cmd_break(a):
    lab, k = target(a.target)
    kind = lab.kind(k)
    src = one_status(lab, k)["source"]
    if src not in lab.servers:
        raise Fail("%s is no replica of a server of this lab" % k)
    writer = src
    while True:
        up = one_status(lab, writer)
        if up.get("read_only") == 0 or not up.get("source"):
            break
        writer = up["source"]
    with lab.conn(k) as c:
        if a.kind == "duplicate":     # SQL thread: 1062
            with writable(c, kind):
                c.query("SET SESSION sql_log_bin=0; REPLACE INTO app.scratch (id, note) VALUES (%d, 'only on %s')" % (a.id, k))
            with lab.conn(writer) as w:
                w.query("INSERT INTO app.scratch (id, note) VALUES (%d, 'from %s')" % (a.id, writer))
        elif a.kind == "missing":     # SQL thread: 1032
            with lab.conn(writer) as w:
                w.query("REPLACE INTO app.scratch (id, note) VALUES (%d, 'x')" % a.id)
                end = time.time() + 20
                while c.one("SELECT COUNT(*) FROM app.scratch WHERE id=%d" % a.id) != "1" and time.time() < end:
                    time.sleep(0.02)
                with writable(c, kind):
                    c.query("SET SESSION sql_log_bin=0; DELETE FROM app.scratch WHERE id=%d" % a.id)
                w.query("UPDATE app.scratch SET note='y' WHERE id=%d" % a.id)
        elif a.kind in ("password", "port"):   # IO thread: 1045 / 2003
            c.query(stop_sql(kind))
            pre = "CHANGE REPLICATION SOURCE TO SOURCE_" if kind == "mysql" else "CHANGE MASTER TO MASTER_"
            c.query(pre + ("PASSWORD='wrong'" if a.kind == "password" else "PORT=1"))
            if kind == "mysql" and a.kind == "password":
                with lab.conn(src) as w:   # no cached fast authentication
                    w.query("FLUSH PRIVILEGES")
            c.query(start_sql(kind))
        elif a.kind == "purged":      # IO thread: 1236 / 13114
            c.query(stop_sql(kind))
            with lab.conn(src) as w:
                if one_status(lab, src).get("read_only") == 0:
                    w.query("INSERT INTO app.scratch (note) VALUES ('to be purged')")
                w.query("FLUSH BINARY LOGS")
                end = time.time() + 10
                while True:  # a log that another replica still reads is not purged
                    logs = [x["Log_name"] for x in w.rows("SHOW BINARY LOGS")]
                    if len(logs) == 1:
                        break
                    if time.time() > end:
                        raise Fail("%s does not purge its binary logs: %s" % (src, logs))
                    w.query("PURGE BINARY LOGS TO " + esc(logs[-1]))
                    time.sleep(0.05)
            c.query(start_sql(kind))
        end = time.time() + 15
        while time.time() < end:
            st = repl_status(c, kind)
            if st["io_errno"] or st["sql_errno"]:
                print(json.dumps(st, indent=1))
                return
            time.sleep(0.05)
    raise Fail("replication of %s did not break: %s" % (k, st))


def cmd_fix(a):
    lab, k = target(a.target)
    kind = lab.kind(k)
    with lab.conn(k) as c:
        st = repl_status(c, kind)
        c.query(stop_sql(kind))
        pre = "CHANGE REPLICATION SOURCE TO SOURCE_" if kind == "mysql" else "CHANGE MASTER TO MASTER_"
        src = lab.s(k)["source"]
        c.query(pre + "PASSWORD=" + esc(USERS["repl"]))
        if str(st["source_port"]) == "1" and src:
            c.query(pre + "HOST=%s, %sPORT=%d" % (esc(lab.s(src)["host"]), "SOURCE_" if kind == "mysql" else "MASTER_", lab.s(src)["port"]))
        with writable(c, kind):
            m = re.search(r"\((\d{6,})\)|entry '(\d+)'", st["sql_error"] or "")
            if st["sql_errno"] == 1062:
                ids = m and (m.group(1) or m.group(2))
                c.query("SET SESSION sql_log_bin=0; DELETE FROM app.scratch WHERE %s" % ("id=%s" % ids if ids else "note LIKE 'only on %'"))
            elif st["sql_errno"] == 1032:
                c.query("SET SESSION sql_log_bin=0; REPLACE INTO app.scratch (id, note) VALUES (%d, 'x')" % a.id)
        c.query(start_sql(kind))
        end = time.time() + 15
        while time.time() < end:
            st = repl_status(c, kind)
            if st["io"] == st["sql"] == "Yes":
                return
            time.sleep(0.05)
    raise Fail("replication of %s is still broken: %s" % (k, st))


def cmd_errant(a):
    lab, k = target(a.target)
    kind = lab.kind(k)
    with lab.conn(k) as c:
        var = "gtid_executed" if kind == "mysql" else "gtid_binlog_pos"
        with writable(c, kind):
            for _ in range(a.count):
                if a.empty and kind == "mysql":
                    uuid = c.one("select @@server_uuid")
                    n = c.one("select @@gtid_executed")
                    m = re.search(re.escape(uuid) + r":([\d:,-]+)", n.replace("\n", ""))
                    last = max([int(x) for x in re.findall(r"\d+", m.group(1))]) if m else 0
                    c.query("SET gtid_next='%s:%d'; BEGIN; COMMIT; SET gtid_next='AUTOMATIC'" % (uuid, last + 1))
                else:
                    c.query("INSERT INTO app.scratch (id, note) VALUES (%d, 'errant on %s')" % (int(time.time() * 1e6), k))
        print(c.one("select @@global." + var).replace("\n", ""))
