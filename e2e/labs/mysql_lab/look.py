"""Looking and asking: status, info, sql, client, exec, wait, orchestrator-conf."""
import json
import os
from concurrent.futures import ThreadPoolExecutor

from .base import Fail, USERS, esc
from .protocol import ConnError, MyError
from .install import prog
from .model import pick, target
from .servers import repl_status, wait_healthy
from .network import endpoint, many


def one_status(lab, k):
    s = lab.s(k)
    d = dict(host=s["host"], port=s["port"], pid=lab.pid(k), process=lab.pstate(k), version=s["version"], source=None)
    cuts = [c for c in lab.cfg["cuts"] if c["who"] == k]
    d["cut"] = [dict(mode=c["mode"], peers=c["peers"]) for c in cuts] or None
    if d["process"] != "running":
        return d
    try:
        with lab.conn(k, timeout=3) as c:
            kind = lab.kind(k)
            d["read_only"] = int(c.one("select @@global.read_only"))
            if kind == "mysql":
                d["super_read_only"] = int(c.one("select @@global.super_read_only"))
                d["gtid"] = c.one("select @@global.gtid_executed").replace("\n", "")
            else:
                d["gtid"] = c.one("select @@global.gtid_current_pos")
                d["gtid_slave_pos"] = c.one("select @@global.gtid_slave_pos")
            d["rows"] = int(c.one("select count(*) from app.counter"))
            st = repl_status(c, kind)
            if st:
                who = [x for x, y in lab.servers.items() if y["host"] == st["source_host"] and str(y["port"]) == str(st["source_port"])]
                d["source"] = who[0] if who else "%s:%s" % (st["source_host"], st["source_port"])
                d["replication"] = st
    except (ConnError, MyError) as e:
        d["error"] = str(e)
    return d


def cmd_status(a):
    lab = pick(a.name)
    with ThreadPoolExecutor(8) as ex:
        res = dict(zip(lab.servers, ex.map(lambda k: one_status(lab, k), lab.servers)))
    if a.json:
        print(json.dumps(res, indent=1))
        return
    print("%-4s %-22s %-8s %-8s %-4s %-6s %-4s %-4s %-5s %s" % ("", "address", "pid", "process", "ro", "source", "io", "sql", "lag", "gtid / error"))
    for k, d in res.items():
        r = d.get("replication") or {}
        err = d.get("error") or r.get("io_error") or r.get("sql_error") or ""
        c = " CUT:" + ",".join(x["mode"] + ("" if x["peers"] is None else "(" + ",".join(x["peers"]) + ")") for x in d["cut"]) if d["cut"] else ""
        print("%-4s %-22s %-8s %-8s %-4s %-6s %-4s %-4s %-5s %s%s" % (
            k, "%s:%d" % (d["host"], d["port"]), d["pid"] or "-", d["process"], d.get("read_only", "?"), d["source"] or "-",
            {"Connecting": "Conn", None: "-"}.get(r.get("io"), r.get("io")), r.get("sql") or "-", r.get("lag") if r.get("lag") is not None else "-",
            d.get("gtid", "")[:70], c + (" | " + err[:160] if err else "")))


def cmd_info(a):
    lab = pick(a.name)
    print(json.dumps(lab.cfg if a.full else lab.info(), indent=1))


def cmd_sql(a):
    lab, ks = many(a.target)
    rc = 0
    for k in ks:
        if len(ks) > 1:
            print("-- " + k)
        try:
            with lab.conn(k, user=a.user, tcp=a.tcp, timeout=a.timeout, tls=a.tls or None) as c:
                res = c.query(a.sql)
        except (MyError, ConnError) as e:
            if len(ks) == 1:
                raise
            print(e)
            rc = 1
            continue
        for cols, rows in res:
            if not cols:
                continue
            if a.json:
                print(json.dumps([dict(zip(cols, r)) for r in rows], indent=1))
            elif a.vertical:
                for n, r in enumerate(rows, 1):
                    print("*** %d. row ***" % n)
                    for x, y in zip(cols, r):
                        print("%40s: %s" % (x, "NULL" if y is None else y))
            else:
                if not a.no_header:
                    print("\t".join(cols))
                for r in rows:
                    print("\t".join("NULL" if x is None else x.replace("\t", "\\t").replace("\n", "\\n") for x in r))
    return rc


def cmd_client(a):
    lab, k = target(a.target)
    s = lab.s(k)
    os.execv(prog(s["flavor"], "mysql")[0], prog(s["flavor"], "mysql") + ["--no-defaults", "-uroot", "-S", s["socket"]] + a.args)


def cmd_exec(a):
    lab, k = target(a.target)
    e = endpoint(lab, k)
    if not e.get("netns"):
        raise Fail("%s has no network namespace (start the lab with --netns)" % k)
    args = a.args[1:] if a.args[:1] == ["--"] else a.args
    cmd = ["nsenter", "--net=/run/netns/" + e["netns"], "unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', e["host"]] + args
    os.execvp(cmd[0], cmd)


def cmd_wait(a):
    lab = pick(a.name)
    lab.cfg["nodes"] = 0
    wait_healthy(lab, letters=a.letters.split(",") if a.letters else None, timeout=a.timeout)


def cmd_conf(a):
    lab = pick(a.name)
    print(json.dumps({
        "MySQLTopologyUser": "orchestrator", "MySQLTopologyPassword": USERS["orchestrator"],
        "HostnameResolveMethod": "none", "MySQLHostnameResolveMethod": "@@report_host", "DiscoverByShowSlaveHosts": True,
        "InstancePollSeconds": 1, "DefaultInstancePort": list(lab.servers.values())[0]["port"],
        "ReplicationCredentialsQuery": "" if lab.kind(lab.cfg["order"][0]) == "mysql" else "select 'repl', %s" % esc(USERS["repl"]),
        "DetectClusterAliasQuery": "select ifnull(max(cluster_name), '') as cluster_alias from meta.cluster where anchor=1",
        "DetectClusterDomainQuery": "select ifnull(max(cluster_domain), '') as cluster_domain from meta.cluster where anchor=1",
        "DetectInstanceAliasQuery": "select ifnull(max(instance_alias), '') as instance_alias from meta.node where server_id=@@server_id",
        "DetectDataCenterQuery": "select ifnull(max(dc), '') from meta.node where server_id=@@server_id",
        "DetectPhysicalEnvironmentQuery": "select ifnull(max(environment), '') from meta.node where server_id=@@server_id",
        "DetectPromotionRuleQuery": "select ifnull(max(promotion_rule), '') from meta.node where server_id=@@server_id",
        "DetectSemiSyncEnforcedQuery": "select ifnull(max(semi_sync_priority), 0) from meta.node where server_id=@@server_id",
        "SlaveLagQuery": "", "RecoverMasterClusterFilters": ["*"], "RecoverIntermediateMasterClusterFilters": ["*"],
    }, indent=1))
