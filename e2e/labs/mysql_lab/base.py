"""Constants and small helpers that every part uses."""
import contextlib
import fcntl
import os
import shutil
import sys

from lab_common import Fail, run  # noqa: F401 (others have them from here)

SELF = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "mysql-lab")
ROOT_USER = os.geteuid() == 0
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mysql-lab")
LABS = os.environ.get("MYSQL_LAB_HOME") or "/tmp/mysql-lab-%d" % os.geteuid()

FLAVORS = {
    "mysql-9.7": dict(kind="mysql", suite="sid", version="9.7",
                      packages=["mysql-server-core", "mysql-client-core"]),
    "mariadb-10.11": dict(kind="mariadb", suite="bookworm", version="10.11",
                          packages=["mariadb-server-core", "mariadb-client-core"]),
    "mariadb-11.8": dict(kind="mariadb", suite="trixie", version="11.8",
                         packages=["mariadb-server-core", "mariadb-client-core"]),
}

ALIASES = {"mysql": "mysql-9.7", "mariadb": "mariadb-11.8"}

USERS = {  # user: password
    "root": "",  # unix socket only
    "orchestrator": "orch_topology_password",
    "repl": "repl_password",
    "app": "app_password",
}

MAX_LABS = 199
GID_BASE = 40000  # one group id per server: lets the packet filter match traffic a server starts itself


def log(*a):
    print("mysql-lab:", *a, file=sys.stderr, flush=True)


def esc(s):
    return "'" + str(s).replace("\\", "\\\\").replace("'", "''") + "'"


@contextlib.contextmanager
def flock(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def proc_stat(pid):
    """(state, start time) of a process, or None."""
    try:
        s = open("/proc/%d/stat" % pid).read()
    except (OSError, TypeError):
        return None
    f = s[s.rindex(")") + 2:].split()
    return f[0], int(f[19])


def have(*progs):
    return all(shutil.which(p, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") for p in progs)


os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


def tail(path, n=2500):
    try:
        return open(path, errors="replace").read()[-n:]
    except OSError:
        return ""
