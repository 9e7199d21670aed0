"""Debian's packages that a lab needs, installed when they are missing."""
import os
import shutil

from .base import Fail, log, run

TOOLS = {  # command: package
    "ip": "iproute2", "nft": "nftables", "iptables": "iptables", "nsenter": "util-linux", "mount": "mount",
    "openssl": "openssl", "containerd": "containerd", "ctr": "containerd", "runc": "runc",
}
CNI_DIRS = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"]
CNI_PLUGINS = ("bridge", "host-local", "portmap", "loopback")


def cni_dir():
    """Where the plugins of the pods' network are, or None."""
    for d in CNI_DIRS:
        if all(os.path.exists(os.path.join(d, p)) for p in CNI_PLUGINS):
            return d


def missing_packages():
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    miss = {package for command, package in TOOLS.items() if not shutil.which(command, path=path)}
    if not cni_dir():
        miss.add("containernetworking-plugins")
    return sorted(miss)


def apt_install(packages):
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Fail("needs %s: install them, or run as root on a machine that has apt" % " ".join(packages))
    log("installing with apt:", *packages)
    # A new containerd must not start: the labs start their own.
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    run(["apt-get", "update", "-qq"], env=env)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends"] + packages, env=env)


def install_packages():
    missing = missing_packages()
    if missing:
        apt_install(missing)
    if missing_packages():
        raise Fail("still missing after apt-get: %s" % ", ".join(missing_packages()))
