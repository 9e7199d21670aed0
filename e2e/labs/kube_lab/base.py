"""Constants and small helpers that every part uses."""
import contextlib
import fcntl
import http.client
import json
import os
import sys
import time

from lab_common import Fail, run  # noqa: F401 (others have them from here)

SELF = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "kube-lab")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "kube-lab")
LABS = os.environ.get("KUBE_LAB_HOME") or "/tmp/kube-lab-%d" % os.geteuid()
CGROUP = "kube-lab"  # below the root of every cgroup hierarchy
MAX_LABS = 50  # each has three networks of its own below 10/8
CONTROL = "control"  # the machine of etcd, API server, controllers and scheduler
VOLUMES_ON_NODE = "/opt/local-path-provisioner"


def log(*a):
    print("kube-lab:", *a, file=sys.stderr, flush=True)


def write(path, text, mode=0o644):
    if not isinstance(text, (str, bytes)):
        text = json.dumps(text, indent=1)
    tmp = "%s.%d" % (path, os.getpid())
    with open(tmp, "wb") as f:
        f.write(text.encode() if isinstance(text, str) else text)
    os.chmod(tmp, mode)
    os.replace(tmp, path)


def write_some(path, text):
    with contextlib.suppress(OSError), open(path, "w") as f:
        f.write(text)


def read(path, default=None):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return default


def until(what, timeout, fn, every=0.1):
    """Calls fn until it returns something true; an exception of fn is remembered for the error."""
    t0, last = time.monotonic(), None
    while True:
        try:
            v = fn()
            if v:
                return v
        except (Fail, OSError, http.client.HTTPException) as e:
            last = e
        if time.monotonic() - t0 > timeout:
            raise Fail("timed out after %ds: %s%s" % (timeout, what, " (%s)" % last if last else ""))
        time.sleep(every)


@contextlib.contextmanager
def locked(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def go_arch():
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
