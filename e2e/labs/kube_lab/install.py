"""install: builds Kubernetes, etcd, CoreDNS, helm and a pause program from Go modules, once, into the cache."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import time

from .base import CACHE, Fail, locked, log, read, run, write
from .golang import go_env, go_for
from .images import write_image
from .packages import install_packages, missing_packages
from .sources import (
    COMPONENTS, COREDNS, DEFAULT_VERSION, DNS_IMAGE, ETCD, hyperkube, PAUSE, PAUSE_IMAGE, recipe, vdir, version_of,
    VERSIONS)

# What an older version takes from the newest.
SHARED = (("bin", "pause"), ("bin", "coredns"), ("bin", "helm"), ("images", "pause.tar"), ("images", "coredns.tar"))


def install(name, force=False):
    """Builds what is missing of a version, and says by which short name it is known."""
    minor, v = version_of(name)
    if not whole(v):
        install(DEFAULT_VERSION)
    if is_installed(minor, v) and not force and not missing_packages():
        return minor
    with locked(os.path.join(CACHE, "lock")):
        install_packages()
        if is_installed(minor, v) and not force:
            return minor
        go = go_for(v["go"])
        with contextlib.suppress(FileNotFoundError):
            os.unlink(vdir(minor, "stamp"))
        t0 = time.monotonic()
        build(minor, v, go)
        write(vdir(minor, "stamp"), recipe(v))
        log("installed Kubernetes v%s in %.0f s" % (v["kubernetes"], time.monotonic() - t0))
    return minor


def whole(v):
    """Whether everything is built from its own modules."""
    return "helm" in v


def is_installed(minor, v):
    return read(vdir(minor, "stamp")) == recipe(v)


def build(minor, v, go):
    src, bindir, images = vdir(minor, "src"), vdir(minor, "bin"), vdir(minor, "images")
    shutil.rmtree(src, ignore_errors=True)
    for d in (src, bindir, images):
        os.makedirs(d, exist_ok=True)
    write_sources(v, go, src)
    for target, out, flags in programs(v):
        log("building", out, "...")
        go_build(go, src, target, os.path.join(bindir, out), flags)
    for c in COMPONENTS:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(bindir, c))
        os.symlink("hyperkube", os.path.join(bindir, c))
    if whole(v):
        pause, coredns = ([(p, 0o755, 0, 0, os.path.join(bindir, p))] for p in ("pause", "coredns"))
        write_image(os.path.join(images, "pause.tar"), PAUSE_IMAGE, pause, {"Entrypoint": ["/pause"], "User": "65535:65535"})
        write_image(os.path.join(images, "coredns.tar"), DNS_IMAGE, coredns, {"Entrypoint": ["/coredns"], "WorkingDir": "/"})
        return
    for d, f in SHARED:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(vdir(minor, d, f))
        os.link(vdir(DEFAULT_VERSION, d, f), vdir(minor, d, f))


def staging_modules(v, go, src):
    """Kubernetes replaces these modules by folders of its own repository; here they are the published ones."""
    module = "k8s.io/kubernetes@v" + v["kubernetes"]
    p = run([go, "mod", "download", "-json", module], cwd=src, env=go_env(go), check=False)
    info = json.loads(p.stdout or "{}")
    if info.get("Error") or not info.get("GoMod"):
        raise Fail("%s: %s" % (module, info.get("Error") or p.stderr))
    return re.findall(r"^\s*(?:replace\s+)?(\S+) => \./staging/src/", read(info["GoMod"]), re.M)


def write_sources(v, go, src):
    gomod = ["module kubelab", "", "go %d.%d" % v["go"], "", "godebug default=go%d.%d" % v["go"], "", "require (",
             "\tk8s.io/kubernetes v" + v["kubernetes"], "\tgo.etcd.io/etcd/server/v3 v" + v["etcd"]]
    mains = [("hyperkube", hyperkube(v)), ("etcd", ETCD)]
    if whole(v):
        helm = v["helm"].split("@")
        gomod += ["\thelm.sh/helm/%s %s" % tuple(helm), "\tgithub.com/coredns/coredns v" + v["coredns"]]
        mains += [("coredns", COREDNS), ("pause", PAUSE)]
    published = "v0." + v["kubernetes"].split(".", 1)[1]
    gomod += [")", "", "replace ("] + ["\t%s => %s %s" % (m, m, published) for m in staging_modules(v, go, src)] + [")", ""]
    write(os.path.join(src, "go.mod"), "\n".join(gomod))
    for d, text in mains:
        os.makedirs(os.path.join(src, d))
        write(os.path.join(src, d, "main.go"), text)


def programs(v):
    """(Go package, name of the program, flags of the linker)"""
    major, minor = v["kubernetes"].split(".")[:2]
    said = (("gitVersion", "v" + v["kubernetes"]), ("gitMajor", major), ("gitMinor", minor), ("gitTreeState", "clean"),
            ("gitCommit", "0" * 40), ("buildDate", "1970-01-01T00:00:00Z"))
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    flags = "".join(" -X %s.%s=%s" % (package, key, value) for package in packages for key, value in said)
    out = [("./etcd", "etcd", ""), ("./hyperkube", "hyperkube", flags), ("k8s.io/kubernetes/cmd/kubectl", "kubectl", flags)]
    if whole(v):
        helm, version = v["helm"].split("@")
        flags = "-X helm.sh/helm/%s/internal/version.version=%s" % (helm, version)
        out += [("./pause", "pause", ""), ("./coredns", "coredns", ""), ("helm.sh/helm/%s/cmd/helm" % helm, "helm", flags)]
    return out


def go_build(go, src, target, out, ldflags):
    t0 = time.monotonic()
    command = [go, "build", "-trimpath", "-mod=mod", "-ldflags", "-s -w " + ldflags, "-o", out + ".new", target]
    p = subprocess.run(command, cwd=src, env=go_env(go), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if p.returncode:
        raise Fail("go build %s: %s" % (target, p.stdout[-3000:]))
    os.replace(out + ".new", out)
    log("built %s: %.0f s, %d MB" % (os.path.basename(out), time.monotonic() - t0, os.path.getsize(out) >> 20))


def cmd_install(a):
    out = {}
    for name in a.version or [DEFAULT_VERSION]:
        minor = install(name, a.force)
        files = [vdir(minor, d, f) for d in ("bin", "images") for f in os.listdir(vdir(minor, d))]
        size = sum(os.path.getsize(f) for f in files if not os.path.islink(f))
        parts = {k: v for k, v in VERSIONS[minor].items() if k != "go"}
        out[minor] = dict(parts, bin=vdir(minor, "bin"), mb=size >> 20)
    print(json.dumps(out, indent=1))
