"""Starting servers, and replication between them."""
import contextlib
import os
import subprocess
import time

from .base import Fail, ROOT_USER, USERS, esc, proc_stat, tail
from .protocol import ConnError, MyError
from .install import TINY_MARIADB, TINY_MYSQL, TINY_PS, base_args, prog


def cnf_text(lab, letter):
    s = lab.s(letter)
    o = lab.cfg["options"]
    kind = lab.kind(letter)
    d = lab.sdir(letter)
    root = letter in lab.cfg["roots"]
    feeds = any(x["source"] == letter for x in lab.servers.values())  # semi-sync without a replica would only stall
    ro = "OFF" if root and not o["boot_read_only"] else "ON"
    L = ["[mysqld]", (TINY_MYSQL + ("" if o["full_ps"] else TINY_PS) if kind == "mysql" else TINY_MARIADB).strip()]
    L += ["server_id=%d" % s["server_id"], "datadir=" + s["datadir"], "socket=" + s["socket"], "port=%d" % s["port"],
          "bind_address=" + s["host"], "pid_file=%s/pid" % d, "log_error=%s/err.log" % d, "tmpdir=%s/tmp" % d,
          "report_host=" + s["host"], "report_port=%d" % s["port"], "log_bin=bin", "relay_log=relay",
          "binlog_format=ROW", "relay_log_recovery=ON", "max_binlog_size=64M", "read_only=" + ro]
    if kind == "mysql":
        L += ["log_replica_updates=ON", "super_read_only=" + ro, "replica_net_timeout=%d" % o["net_timeout"],
              "gtid_mode=" + ("ON" if o["gtid"] else "OFF"), "enforce_gtid_consistency=" + ("ON" if o["gtid"] else "OFF")]
        if o["semi_sync"]:
            L += ["plugin_load_add=semisync_source.so", "plugin_load_add=semisync_replica.so",
                  "rpl_semi_sync_source_timeout=%d" % o["semi_sync_timeout"],
                  "rpl_semi_sync_source_wait_for_replica_count=%d" % o["semi_sync_count"],
                  "rpl_semi_sync_source_enabled=" + ("ON" if root and feeds else "OFF"),
                  "rpl_semi_sync_replica_enabled=" + ("OFF" if root else "ON")]
    else:
        if os.path.exists(s["datadir"] + "/server-cert.pem"):
            L += ["ssl_cert=%s/server-cert.pem" % s["datadir"], "ssl_key=%s/server-key.pem" % s["datadir"]]
        L += ["log_slave_updates=ON", "slave_net_timeout=%d" % o["net_timeout"], "gtid_strict_mode=OFF"]
        if o["semi_sync"]:
            L += ["rpl_semi_sync_master_timeout=%d" % o["semi_sync_timeout"],
                  "rpl_semi_sync_master_enabled=" + ("ON" if root and feeds else "OFF"),
                  "rpl_semi_sync_slave_enabled=" + ("OFF" if root else "ON")]
    for who, key, val in lab.cfg["cnf"]:
        if who in ("", letter):
            L.append(key if val is None else "%s=%s" % (key, val))
    return "\n".join(L) + "\n"


def spawn(lab, letter):
    """Starts the server process; does not wait for it."""
    s = lab.s(letter)
    if lab.pid(letter):
        raise Fail("server %s already runs" % letter)
    d = lab.sdir(letter)
    with open(os.path.join(d, "my.cnf"), "w") as f:
        f.write(cnf_text(lab, letter))
    cmd = prog(s["flavor"], "mysqld") + ["--defaults-file=%s/my.cnf" % d] + base_args(s["flavor"])
    kw = {}
    if ROOT_USER and lab.cfg["uts"]:
        # @@hostname is unique and resolves: it is the server's own address.
        cmd = ["unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', s["host"]] + cmd
    if s.get("netns"):
        cmd = ["nsenter", "--net=/run/netns/" + s["netns"]] + cmd
    if ROOT_USER and lab.cfg["uts"]:
        kw = dict(group=s["gid"], extra_groups=[])
    out = open(os.path.join(d, "out.log"), "ab")
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TZ", "TMPDIR")}
    env["HOME"] = d
    for f in (s["socket"], s["socket"] + ".lock", d + "/pid"):
        with contextlib.suppress(OSError):  # left by a killed server; its pid may still be a zombie
            os.unlink(f)
    p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=d, env=env, start_new_session=True, **kw)
    out.close()
    st = proc_stat(p.pid)
    with open(os.path.join(d, "run.new"), "w") as f:
        f.write("%d %d\n" % (p.pid, st[1] if st else 0))
    os.rename(os.path.join(d, "run.new"), os.path.join(d, "run"))
    return p


def wait_sql(lab, letter, timeout=60.0):
    deadline = time.time() + timeout
    while True:
        try:
            c = lab.conn(letter, connect_timeout=5)
            c.query("select 1")
            return c
        except (ConnError, MyError) as e:
            err = e
        if lab.pid(letter) is None or time.time() > deadline:
            raise Fail("server %s of %s did not start: %s\n%s%s" % (letter, lab.name, err, tail(lab.sdir(letter) + "/err.log"),
                                                                  tail(lab.sdir(letter) + "/out.log")))
        time.sleep(0.02)


def repl_status(c, kind):
    r = c.rows("SHOW REPLICA STATUS" if kind == "mysql" else "SHOW SLAVE STATUS")
    return repl_status_row(r[0]) if r else None


def repl_status_row(r):
    g = lambda *n: next((r[x] for x in n if x in r), None)
    return dict(source_host=g("Source_Host", "Master_Host"), source_port=g("Source_Port", "Master_Port"),
                io=g("Replica_IO_Running", "Slave_IO_Running"), sql=g("Replica_SQL_Running", "Slave_SQL_Running"),
                lag=g("Seconds_Behind_Source", "Seconds_Behind_Master"),
                io_errno=int(g("Last_IO_Errno") or 0), io_error=g("Last_IO_Error"),
                sql_errno=int(g("Last_SQL_Errno") or 0), sql_error=g("Last_SQL_Error"), delay=int(g("SQL_Delay") or 0))


def change_source_sql(lab, letter, src, gtid=None, delay=0):
    s, o = lab.s(letter), lab.cfg["options"]
    m = lab.s(src)
    gtid = o["gtid"] if gtid is None else gtid
    if lab.kind(letter) == "mysql":
        p = ["SOURCE_HOST=" + esc(m["host"]), "SOURCE_PORT=%d" % m["port"], "SOURCE_USER='repl'",
             "SOURCE_PASSWORD=" + esc(USERS["repl"]), "SOURCE_CONNECT_RETRY=%d" % o["connect_retry"],
             "SOURCE_RETRY_COUNT=%d" % o["retry_count"], "SOURCE_HEARTBEAT_PERIOD=%s" % o["heartbeat"], "SOURCE_DELAY=%d" % delay]
        p.append("SOURCE_SSL=1" if o["tls"] else "GET_SOURCE_PUBLIC_KEY=1")
        if s["bind"]:
            p.append("SOURCE_BIND=" + esc(s["host"]))
        p += ["SOURCE_AUTO_POSITION=1"] if gtid else ["SOURCE_AUTO_POSITION=0", "SOURCE_LOG_FILE='bin.000001'", "SOURCE_LOG_POS=4"]
        return "CHANGE REPLICATION SOURCE TO " + ", ".join(p)
    p = ["MASTER_HOST=" + esc(m["host"]), "MASTER_PORT=%d" % m["port"], "MASTER_USER='repl'",
         "MASTER_PASSWORD=" + esc(USERS["repl"]), "MASTER_CONNECT_RETRY=%d" % o["connect_retry"],
         "MASTER_HEARTBEAT_PERIOD=%s" % o["heartbeat"], "MASTER_DELAY=%d" % delay]
    if not o["tls"]:
        p.append("MASTER_SSL=0")
    p += ["MASTER_USE_GTID=slave_pos"] if gtid else ["MASTER_LOG_FILE='bin.000001'", "MASTER_LOG_POS=4", "MASTER_USE_GTID=no"]
    return "CHANGE MASTER TO " + ", ".join(p)


def start_sql(kind):
    return "START REPLICA" if kind == "mysql" else "START SLAVE"


def stop_sql(kind):
    return "STOP REPLICA" if kind == "mysql" else "STOP SLAVE"


def set_read_only(c, kind, on):
    if kind == "mysql":
        c.query("SET GLOBAL %s" % ("super_read_only=ON" if on else "read_only=OFF"))
    else:
        c.query("SET GLOBAL read_only=%d" % on)


def wait_healthy(lab, letters=None, timeout=60.0, caught_up=True):
    """Every replica runs both threads and has applied what its source had when we looked."""
    deadline = time.time() + timeout
    left = {k: "" for k in (letters or lab.servers) if lab.s(k)["source"]}
    conns = {}
    try:
        while left:
            for k in list(left):
                try:
                    c = conns.get(k) or lab.conn(k)
                    conns[k] = c
                    st = repl_status(c, lab.kind(k))
                    left[k] = str(st)
                    if not st or st["io"] != "Yes" or st["sql"] != "Yes":
                        continue
                    if caught_up and not st["delay"]:
                        want = lab.cfg["nodes"]
                        n = int(c.one("SELECT COUNT(*) FROM meta.node"))
                        if n < want:
                            left[k] = "has %d of %d seed rows; %s" % (n, want, st)
                            continue
                    del left[k]
                except (ConnError, MyError) as e:
                    conns.pop(k, None)
                    left[k] = str(e)
            if left:
                if time.time() > deadline:
                    raise Fail("not healthy after %.0fs: %s" % (timeout, "; ".join("%s: %s" % i for i in left.items())))
                time.sleep(0.05)
    finally:
        for c in conns.values():
            c.close()


@contextlib.contextmanager
def writable(c, kind):
    """Lets this session write on a read-only server, then puts the flags back."""
    ro = int(c.one("select @@global.read_only"))
    sro = int(c.one("select @@global.super_read_only")) if kind == "mysql" else 0
    if sro:
        c.query("SET GLOBAL super_read_only=OFF")
    try:
        yield
    finally:
        if sro:
            c.query("SET GLOBAL super_read_only=ON")
        elif ro:
            c.query("SET GLOBAL read_only=ON")
