"""A Go that is new enough: the machine's own, or one from the module proxy, where toolchains are modules too.

Debian's is older than what Kubernetes needs, and new enough to fetch a newer one.
"""
import glob
import json
import os
import re
import shutil

from .base import CACHE, Fail, go_arch, log, run
from .packages import apt_install

# What is fetched when the machine has none that is new enough.
TOOLCHAIN = "1.26.8"


def go_version(go):
    """(major, minor) of a program, or None when it does not run."""
    found = re.search(r"go(\d+)\.(\d+)", run([go, "version"], check=False, env=go_env(go)).stdout or "")
    return found and tuple(map(int, found.groups()))


def go_env(go):
    """Its environment: no C, no workspace, and no other version of itself behind our back."""
    path = os.path.dirname(go) + os.pathsep + os.environ.get("PATH", "")
    return dict(os.environ, PATH=path, CGO_ENABLED="0", GOWORK="off", GOFLAGS="-buildvcs=false", GOTOOLCHAIN="local")


def fetched():
    return os.path.join(CACHE, "go-" + TOOLCHAIN, "bin", "go")


def fetch(old):
    """Fetches the toolchain with an older Go; a module has no executable files, so that these are marked here."""
    module = "golang.org/toolchain@v0.0.1-go%s.linux-%s" % (TOOLCHAIN, go_arch())
    log("fetching", module)
    # An old Go takes the suffix of the version for a part of it, and the checksum data base knows it.
    p = run([old, "mod", "download", "-json", module], check=False, cwd="/", env=go_env(old))
    info = json.loads(p.stdout or "{}")
    if info.get("Error") or not info.get("Dir"):
        raise Fail("%s: %s" % (module, info.get("Error") or p.stderr.strip()))
    root = os.path.dirname(os.path.dirname(fetched()))
    shutil.rmtree(root + ".new", ignore_errors=True)
    shutil.copytree(info["Dir"], root + ".new", symlinks=True)
    for folder, _, _ in os.walk(root + ".new"):
        os.chmod(folder, 0o755)
    for program in glob.glob(root + ".new/bin/*") + glob.glob(root + ".new/pkg/tool/*/*"):
        os.chmod(program, 0o755)
    shutil.rmtree(root, ignore_errors=True)
    os.rename(root + ".new", root)


def go_for(least):
    """Path of a Go of at least that (major, minor); fetches one if need be."""
    here = shutil.which("go", path=os.environ.get("PATH", "") + ":/usr/local/go/bin")
    for go in filter(None, (here, fetched())):
        have = os.path.exists(go) and go_version(go)
        if have and have >= least:
            return go
    if tuple(map(int, TOOLCHAIN.split(".")[:2])) < least:
        raise Fail("needs Go %d.%d or newer: put one on the PATH" % least)
    try:
        if not here:
            apt_install(["golang-go"])
            here = shutil.which("go")
        fetch(here)
    except (Fail, OSError, TypeError) as e:
        raise Fail("needs Go %d.%d or newer, and could not fetch one: put one on the PATH (%s)" % (least + (e,)))
    return fetched()
