"""Servers from Debian packages, unpacked beside the system, and template data directories."""
import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from .base import ALIASES, CACHE, FLAVORS, Fail, ROOT_USER, USERS, flock, have, log, run, tail
from .protocol import Conn, ConnError, MyError


def flavor_name(f):
    f = ALIASES.get(f, f)
    if f not in FLAVORS:
        raise Fail("unknown flavor %r; one of %s" % (f, ", ".join(list(FLAVORS) + list(ALIASES))))
    return f


def mirror_uri():
    """The package mirror this machine already uses, read from its own apt configuration."""
    codename = ""
    with contextlib.suppress(OSError):
        for line in open("/etc/os-release"):
            if line.startswith("VERSION_CODENAME="):
                codename = line.split("=", 1)[1].strip().strip('"')
    fmt = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    seen = []
    for line in run(["apt-get", "indextargets", "--format", fmt, "Created-By: Packages"]).stdout.splitlines():
        f = line.split()
        if len(f) == 3 and f[2] == "main":
            seen.append((f[0], f[1]))
    for uri, rel in seen:
        if rel in (codename, "stable", "oldstable", "testing", "sid", "unstable"):
            return uri
    for uri, rel in seen:
        if "-" not in rel:
            return uri
    raise Fail("no usable Debian mirror in this machine's apt sources (apt-get indextargets)")


def apt_download(suite, packages, work):
    """Downloads packages and the libraries they need, for another suite, without touching the system's apt."""
    for d in ("state/lists/partial", "cache/archives/partial", "debs"):
        os.makedirs(os.path.join(work, d))
    open(os.path.join(work, "status"), "w").close()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    opt = "[signed-by=%s] " % keyring if os.path.exists(keyring) else ""
    with open(os.path.join(work, "sources.list"), "w") as f:
        f.write("deb %s%s %s main\n" % (opt, mirror_uri(), suite))
    o = ["Dir::State=%s/state" % work, "Dir::State::status=%s/status" % work, "Dir::Cache=%s/cache" % work,
         "Dir::Etc::sourcelist=%s/sources.list" % work, "Dir::Etc::sourceparts=-", "Dir::Etc::preferences=-",
         "Dir::Etc::preferencesparts=-", "APT::Install-Recommends=0", "Acquire::Languages=none",
         "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "Acquire::Retries=3", "APT::Update::Post-Invoke::="]
    if ROOT_USER:
        o.append("APT::Sandbox::User=root")
    apt = ["apt-get"] + [x for k in o for x in ("-o", k)]
    env = dict(os.environ, LC_ALL="C")
    run(apt + ["update"], env=env)
    out = run(apt + ["-s", "install"] + packages, env=env).stdout
    names = [ln.split()[1] for ln in out.splitlines() if ln.startswith("Inst ")]
    skip = re.compile(r"^(perl|libperl|gcc-|libgdbm|libdb5|libc-gconv|.*-common$|debconf|tar$|dpkg$|passwd$)")
    names = [n for n in names if not skip.match(n)]
    missing = [p for p in packages if p not in names]
    if missing:
        raise Fail("suite %s has no %s" % (suite, missing))
    run(apt + ["download"] + names, cwd=os.path.join(work, "debs"), env=env)
    return glob.glob(os.path.join(work, "debs", "*.deb"))


def build_root(flavor, dest):
    """Unpacks the server and only what it needs into dest/{bin,lib,plugin,share,ld}."""
    fl = FLAVORS[flavor]
    work = tempfile.mkdtemp(prefix="mysql-lab-dl-", dir=CACHE)
    try:
        t0 = time.time()
        debs = apt_download(fl["suite"], fl["packages"], work)
        size = sum(os.path.getsize(d) for d in debs)
        log("%s: %d packages, %.0f MB in %.1fs" % (flavor, len(debs), size / 1e6, time.time() - t0))
        x = os.path.join(work, "x")
        with ThreadPoolExecutor(2) as ex:
            list(ex.map(lambda d: run(["dpkg", "-x", d, x]), debs))
        lds = [p for p in glob.glob(x + "/**/ld-linux*.so.*", recursive=True) + glob.glob(x + "/**/ld[0-9]*.so.*", recursive=True)
               if not os.path.islink(p)]
        if not lds:
            raise Fail("no dynamic loader in the downloaded packages")
        ld = lds[0]
        libdirs = sorted({os.path.dirname(p) for p in glob.glob(x + "/usr/lib/*/*.so*") + glob.glob(x + "/lib/*/*.so*")
                          + glob.glob(x + "/usr/lib/*/*/*.so*")
                          if "/plugin" not in p and "/gconv" not in p and "/engines" not in p})
        for d in ("bin", "lib", "plugin", "share", "ld"):
            os.makedirs(os.path.join(dest, d))
        kept = []
        server = "mysqld" if fl["kind"] == "mysql" else "mariadbd"
        bins = {"mysqld": "usr/sbin/" + server, "mysql": "usr/bin/" + ("mysql" if fl["kind"] == "mysql" else "mariadb"),
                "mysqldump": "usr/bin/mysqldump", "mysqlbinlog": "usr/bin/mysqlbinlog"}
        for name, rel in bins.items():
            src = os.path.join(x, rel)
            if os.path.exists(src):
                shutil.copy2(os.path.realpath(src), os.path.join(dest, "bin", name))
                kept.append(os.path.join(dest, "bin", name))
        want = re.compile(r"(semisync|mysql_clone|group_replication\.so|auth_socket|mysql_native_password|locking_service|mysql_no_login|component_reference_cache|component_replication)")
        for p in glob.glob(x + "/usr/lib/mysql/plugin/*.so") + glob.glob(x + "/usr/lib/*/*/plugin/*.so"):
            if want.search(os.path.basename(p)):
                shutil.copy2(p, os.path.join(dest, "plugin"))
                kept.append(p)
        share = next(p for p in (x + "/usr/share/mysql", x + "/usr/share/mariadb") if os.path.isdir(p + "/charsets"))
        for n in ("english", "charsets"):
            shutil.copytree(os.path.join(share, n), os.path.join(dest, "share", n))
        for p in glob.glob(share + "/*.sql"):
            if "fill_help" not in p and "timezone" not in p and "test_db" not in p:
                shutil.copy2(p, os.path.join(dest, "share"))
        libpath = ":".join(libdirs)
        for k in kept:
            out = run([ld, "--library-path", libpath, "--list", k]).stdout
            for line in out.splitlines():
                if "not found" in line:
                    raise Fail("%s: %s" % (k, line.strip()))
                m = re.search(r"(\S+) => (\S+) \(0x", line)
                if m and m.group(2).startswith(x + "/"):
                    so = os.path.join(dest, "lib", os.path.basename(m.group(1)))
                    if not os.path.exists(so):
                        shutil.copy2(os.path.realpath(m.group(2)), so)
        for extra in ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2"):
            for d in libdirs:
                p, so = os.path.join(d, extra), os.path.join(dest, "lib", extra)
                if os.path.exists(p) and not os.path.exists(so):
                    shutil.copy2(os.path.realpath(p), so)
        # The loader is started under the server's name, so that ps and pgrep show "mysqld".
        for n in ("mysqld", "mysql", "mysqldump", "mysqlbinlog"):
            shutil.copy2(ld, os.path.join(dest, "ld", n))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def prog(flavor, name):
    r = os.path.join(CACHE, flavor, "root")
    return [os.path.join(r, "ld", name), "--argv0", os.path.join(r, "bin", name),
            "--library-path", os.path.join(r, "lib"), os.path.join(r, "bin", name)]


TINY_MYSQL = """
mysqlx=OFF
secure_file_priv=NULL
skip_name_resolve=ON
innodb_data_file_path=ibdata1:5M:autoextend
innodb_autoextend_increment=1
innodb_temp_data_file_path=ibtmp1:12M:autoextend
innodb_doublewrite=OFF
innodb_flush_method=nosync
innodb_redo_log_capacity=8M
innodb_buffer_pool_size=8M
innodb_log_buffer_size=1M
innodb_flush_log_at_trx_commit=2
sync_binlog=0
innodb_read_io_threads=1
innodb_write_io_threads=1
innodb_purge_threads=1
innodb_page_cleaners=1
innodb_buffer_pool_dump_at_shutdown=OFF
innodb_buffer_pool_load_at_startup=OFF
innodb_use_native_aio=OFF
table_open_cache=128
table_definition_cache=400
max_connections=80
thread_cache_size=8
key_buffer_size=8K
temptable_max_ram=2M
replica_parallel_workers=1
"""

# performance_schema stays ON (its replication_* tables are wanted) but records no events.
TINY_PS = """
performance_schema=ON
performance_schema_instrument='%=OFF'
performance_schema_consumer_statements_digest=OFF
performance_schema_consumer_events_statements_current=OFF
performance_schema_consumer_events_transactions_current=OFF
performance_schema_digests_size=0
performance_schema_error_size=0
performance_schema_max_digest_length=0
performance_schema_max_sql_text_length=0
performance_schema_session_connect_attrs_size=0
performance_schema_events_statements_history_long_size=0
performance_schema_events_statements_history_size=0
performance_schema_events_stages_history_long_size=0
performance_schema_events_stages_history_size=0
performance_schema_events_waits_history_long_size=0
performance_schema_events_waits_history_size=0
performance_schema_events_transactions_history_long_size=0
performance_schema_events_transactions_history_size=0
performance_schema_max_table_instances=0
performance_schema_max_table_handles=0
performance_schema_max_table_lock_stat=0
performance_schema_max_index_stat=0
performance_schema_max_program_instances=0
performance_schema_max_prepared_statements_instances=0
performance_schema_max_metadata_locks=0
performance_schema_max_mutex_instances=0
performance_schema_max_rwlock_instances=0
performance_schema_max_cond_instances=0
performance_schema_max_file_instances=0
performance_schema_max_file_handles=0
performance_schema_max_socket_instances=0
performance_schema_accounts_size=0
performance_schema_hosts_size=0
performance_schema_users_size=0
"""

TINY_MARIADB = """
skip_name_resolve=ON
innodb_data_file_path=ibdata1:12M:autoextend
innodb_temp_data_file_path=ibtmp1:12M:autoextend
innodb_autoextend_increment=1
innodb_doublewrite=OFF
innodb_log_file_size=8M
innodb_log_buffer_size=2M
innodb_buffer_pool_size=8M
innodb_flush_log_at_trx_commit=2
sync_binlog=0
innodb_read_io_threads=1
innodb_write_io_threads=2
innodb_purge_threads=1
innodb_buffer_pool_dump_at_shutdown=OFF
innodb_buffer_pool_load_at_startup=OFF
innodb_use_native_aio=OFF
aria_pagecache_buffer_size=1M
table_open_cache=128
table_definition_cache=400
max_connections=80
thread_cache_size=8
key_buffer_size=64K
"""

SCHEMA_SQL = """
CREATE DATABASE meta;
CREATE TABLE meta.cluster (anchor tinyint NOT NULL PRIMARY KEY, cluster_name varchar(128) CHARACTER SET ascii NOT NULL DEFAULT '', cluster_domain varchar(128) CHARACTER SET ascii NOT NULL DEFAULT '') ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE meta.node (server_id int unsigned NOT NULL PRIMARY KEY, letter varchar(8) NOT NULL, instance_alias varchar(128) NOT NULL DEFAULT '', dc varchar(64) NOT NULL DEFAULT '', environment varchar(64) NOT NULL DEFAULT '', promotion_rule varchar(16) NOT NULL DEFAULT 'neutral', semi_sync_priority int unsigned NOT NULL DEFAULT 0) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE meta.heartbeat (anchor tinyint NOT NULL PRIMARY KEY, master_ts timestamp(6) NOT NULL DEFAULT current_timestamp(6)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE meta.pseudo_gtid_status (anchor int unsigned NOT NULL PRIMARY KEY, originating_server_id int unsigned NOT NULL, time_generated timestamp NOT NULL DEFAULT current_timestamp) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE DATABASE app;
CREATE TABLE app.counter (id bigint unsigned NOT NULL PRIMARY KEY, writer varchar(32) NOT NULL DEFAULT '', server_id int unsigned NOT NULL DEFAULT 0, ts timestamp(6) NOT NULL DEFAULT current_timestamp(6)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE app.scratch (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, note varchar(255) NOT NULL DEFAULT '', ts timestamp(6) NOT NULL DEFAULT current_timestamp(6)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
"""

USERS_MYSQL = """
CREATE USER 'orchestrator'@'%' IDENTIFIED BY '{orchestrator}';
GRANT PROCESS, RELOAD, REPLICATION SLAVE, REPLICATION CLIENT, SHOW DATABASES ON *.* TO 'orchestrator'@'%';
GRANT REPLICATION_SLAVE_ADMIN, SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN, BINLOG_ADMIN, SESSION_VARIABLES_ADMIN, GROUP_REPLICATION_ADMIN ON *.* TO 'orchestrator'@'%';
GRANT SELECT ON meta.* TO 'orchestrator'@'%';
GRANT SELECT ON performance_schema.* TO 'orchestrator'@'%';
GRANT SELECT ON mysql.slave_master_info TO 'orchestrator'@'%';
CREATE USER 'repl'@'%' IDENTIFIED BY '{repl}';
GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%';
CREATE USER 'app'@'%' IDENTIFIED BY '{app}';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX ON app.* TO 'app'@'%';
"""

USERS_MARIADB = """
CREATE USER 'orchestrator'@'%' IDENTIFIED BY '{orchestrator}';
GRANT PROCESS, RELOAD, REPLICATION SLAVE, BINLOG MONITOR, REPLICA MONITOR, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, BINLOG ADMIN, READ_ONLY ADMIN, CONNECTION ADMIN, SHOW DATABASES ON *.* TO 'orchestrator'@'%';
GRANT SELECT ON meta.* TO 'orchestrator'@'%';
GRANT SELECT ON performance_schema.* TO 'orchestrator'@'%';
CREATE USER 'repl'@'%' IDENTIFIED BY '{repl}';
GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%';
CREATE USER 'app'@'%' IDENTIFIED BY '{app}';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX ON app.* TO 'app'@'%';
"""


def recipe(kind):
    parts = [SCHEMA_SQL, USERS_MYSQL if kind == "mysql" else USERS_MARIADB, repr(USERS),
             TINY_MYSQL if kind == "mysql" else TINY_MARIADB, "6"]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]


def base_args(flavor):
    r = os.path.join(CACHE, flavor, "root")
    a = ["--basedir=" + r, "--plugin-dir=" + r + "/plugin", "--lc-messages-dir=" + r + "/share",
         "--character-sets-dir=" + r + "/share/charsets"]
    if ROOT_USER:
        a.append("--user=root")
    return a


def swap_in(new, final):
    old = "%s.old.%d" % (final, os.getpid())
    with contextlib.suppress(OSError):
        os.rename(final, old)
    os.rename(new, final)
    shutil.rmtree(old, ignore_errors=True)


def build_template(flavor):
    """A data directory with users and schemas, empty binary logs and no server identity."""
    fl = FLAVORS[flavor]
    kind = fl["kind"]
    final = os.path.join(CACHE, flavor, "template")
    # Short path: a unix socket path holds 107 bytes at most.
    tmp = tempfile.mkdtemp(prefix="mysql-lab-tpl-")
    data = os.path.join(tmp, "data")
    cnf = os.path.join(tmp, "my.cnf")
    sock = os.path.join(tmp, "s")
    with open(cnf, "w") as f:
        f.write("[mysqld]\n" + (TINY_MYSQL if kind == "mysql" else TINY_MARIADB) +
                "datadir=%s\nsocket=%s\npid_file=%s/pid\nlog_error=%s/err.log\nskip_networking=ON\nserver_id=1\nlog_bin=bin\ntmpdir=%s\n"
                % (data, sock, tmp, tmp, tmp))
    args = prog(flavor, "mysqld") + ["--defaults-file=" + cnf] + base_args(flavor)
    proc = None
    try:
        os.chmod(tmp, 0o755)
        if kind == "mysql":
            if run(args + ["--initialize-insecure", "--innodb-redo-log-capacity=64M"], cwd=tmp, check=False).returncode:
                raise Fail("initialization of %s failed:\n%s" % (flavor, tail(tmp + "/err.log")))
        else:
            os.makedirs(os.path.join(data, "mysql"))
            share = os.path.join(CACHE, flavor, "root", "share")
            sql = "CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n"
            for n in ("mysql_system_tables.sql", "mariadb_system_tables.sql", "mysql_performance_tables.sql", "mariadb_performance_tables.sql",
                      "mysql_system_tables_data.sql", "mariadb_system_tables_data.sql", "maria_add_gis_sp_bootstrap.sql",
                      "mysql_sys_schema.sql", "mariadb_sys_schema.sql"):
                p = os.path.join(share, n)
                if os.path.exists(p):
                    sql += open(p, encoding="utf-8").read() + "\n"
            p = subprocess.run(args + ["--bootstrap", "--skip-log-bin", "--innodb-log-file-size=32M", "--log-warnings=0"], input=sql, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp)
            if p.returncode:
                raise Fail("bootstrap of %s failed: %s" % (flavor, p.stdout[-3000:]))
        proc = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp)
        deadline = time.time() + 60
        while True:
            try:
                c = Conn(unix=sock)
                break
            except (ConnError, MyError) as e:
                if proc.poll() is not None or time.time() > deadline:
                    raise Fail("template server of %s did not start: %s\n%s" % (flavor, e, tail(tmp + "/err.log", 3000)))
                time.sleep(0.05)
        version = c.one("select @@version")
        if kind == "mariadb" and tuple(int(x) for x in version.split(".")[:2]) >= (11, 4) and have("openssl"):
            # Since 11.4 a server without a certificate makes an RSA one at every start: 0.3-1 s of CPU each.
            run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "36500",
                 "-subj", "/CN=mysql-lab", "-keyout", data + "/server-key.pem", "-out", data + "/server-cert.pem"])
        c.query("SET SESSION sql_log_bin=0")
        text = SCHEMA_SQL + (USERS_MYSQL if kind == "mysql" else USERS_MARIADB).format(**USERS)
        for st in text.split(";\n"):
            if st.strip():
                c.query(st)
        if kind == "mariadb":
            c.query("DELETE FROM mysql.global_priv WHERE User='' OR (User='root' AND Host<>'localhost')")
            c.query("ALTER USER 'root'@'localhost' IDENTIFIED BY ''")
            c.query("FLUSH PRIVILEGES")
            c.query("RESET MASTER")
            c.query("SET GLOBAL innodb_fast_shutdown=0")
        else:
            c.query("RESET BINARY LOGS AND GTIDS")
            c.query("SET GLOBAL innodb_fast_shutdown=0")
        c.query("SHUTDOWN")
        c.close()
        proc.wait(60)
        proc = None
        for g in ("auto.cnf", "bin.*", "ibtmp1", "ib_buffer_pool", "*.err", "*.pid", "*-relay-bin*", "multi-master.info"):
            for p in glob.glob(os.path.join(data, g)):
                os.unlink(p)
        shutil.rmtree(final + ".new", ignore_errors=True)
        run(["cp", "-a", "--sparse=always", data, final + ".new"])
        swap_in(final + ".new", final)
        return version
    finally:
        if proc is not None and proc.poll() is None:
            proc.kill()
            proc.wait()
        shutil.rmtree(tmp, ignore_errors=True)


def meta_of(flavor):
    try:
        return json.load(open(os.path.join(CACHE, flavor, "meta.json")))
    except (OSError, ValueError):
        return {}


def installed(flavor):
    return meta_of(flavor).get("recipe") == recipe(FLAVORS[flavor]["kind"])


def install(flavor, force=False):
    fl = FLAVORS[flavor]
    if installed(flavor) and not force:
        return meta_of(flavor)
    with flock(os.path.join(CACHE, flavor + ".lock")):
        if installed(flavor) and not force:
            return meta_of(flavor)
        t0 = time.time()
        base = os.path.join(CACHE, flavor)
        os.makedirs(base, exist_ok=True)
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(base, "meta.json"))
        if force or not os.path.exists(os.path.join(base, "root", "complete")):
            shutil.rmtree(base + "/root.new", ignore_errors=True)
            build_root(flavor, base + "/root.new")
            open(base + "/root.new/complete", "w").close()
            swap_in(base + "/root.new", base + "/root")
        version = build_template(flavor)
        if not version.startswith(fl["version"]):
            log("warning: suite %s now carries %s, not %s" % (fl["suite"], version, fl["version"]))
        meta = dict(flavor=flavor, version=version, recipe=recipe(fl["kind"]), kind=fl["kind"],
                    seconds=round(time.time() - t0, 1))
        with open(base + "/meta.json.new", "w") as f:
            json.dump(meta, f)
        os.rename(base + "/meta.json.new", base + "/meta.json")
        log("%s: %s ready in %.1fs" % (flavor, version, time.time() - t0))
        return meta
