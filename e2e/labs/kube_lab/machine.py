"""A machine of a lab: namespaces, a root of its own, and a small init."""
import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import uuid

from .base import Fail, LABS, read, SELF, until, VOLUMES_ON_NODE, write, write_some
from .sources import vdir
from .packages import cni_dir
from .model import machine_pid, proc_start
from .cgroups import cgroup_freeze, cgroup_hierarchies, cgroup_make, cgroup_paths, cgroup_pids, cgroup_remove
from .init import init_main

libc = ctypes.CDLL(None, use_errno=True)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
MS_PRIVATE, MS_SHARED = 1 << 18, 1 << 20
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = (
    0x20000, 0x2000000, 0x4000000, 0x8000000, 0x20000000, 0x40000000)
SYS_PIVOT_ROOT = {"x86_64": 155}.get(os.uname().machine, 41)


def sys_call(what, r):
    if r != 0:
        e = ctypes.get_errno()
        raise OSError(e, "%s: %s" % (what, os.strerror(e)))


def mount(src, dst, fs=None, flags=0, data=None):
    enc = [None if s is None else os.fsencode(s) for s in (src, dst, fs)]
    sys_call("mount %s on %s" % (src, dst), libc.mount(enc[0], enc[1], enc[2], ctypes.c_ulong(flags), data and data.encode()))


def bind(src, dst, ro=False, rec=False):
    mount(src, dst, None, MS_BIND | (MS_REC if rec else 0))
    if ro:
        mount(None, dst, None, MS_BIND | MS_REMOUNT | MS_RDONLY)


# What every kubelet sets on its machine.  A lab's kubelet reads these values and so leaves the machine alone.
SYSCTLS = {"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
           "kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000"}


def rootfs_make(lab, machine):
    r = lab.root(machine)
    for d in ("usr", "etc", "etc/cni/net.d", "etc/containerd", "etc/kubernetes", "etc/kube-lab", "var/lib/kubelet", "var/lib/containerd",
              "var/log/pods", "var/log/containers", "var/tmp", "run", "proc", "sys", "dev", "root", "home", "mnt",
              "srv", "tmp", "opt/kube-lab", "opt/cni", VOLUMES_ON_NODE[1:], "volumes"):
        os.makedirs(os.path.join(r, d), exist_ok=True)
    for d in ("tmp", "var/tmp"):
        os.chmod(os.path.join(r, d), 0o1777)
    if not os.path.islink(r + "/var/run"):
        os.symlink("/run", r + "/var/run")
    for d in ("bin", "sbin", "lib", "lib64", "lib32"):
        p = os.path.join(r, d)
        if os.path.islink("/" + d) and not os.path.islink(p):
            os.symlink(os.readlink("/" + d), p)
        elif os.path.isdir("/" + d) and not os.path.islink("/" + d):
            os.makedirs(p, exist_ok=True)
    etc = os.path.join(r, "etc")
    if os.path.isdir("/etc/alternatives") and not os.path.exists(etc + "/alternatives"):
        shutil.copytree("/etc/alternatives", etc + "/alternatives", symlinks=True)
    for f in ("passwd", "group", "protocols", "services", "ld.so.cache", "ethertypes"):
        if os.path.exists("/etc/" + f):
            shutil.copy("/etc/" + f, os.path.join(etc, f))
    write(etc + "/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    write(etc + "/hostname", machine + "\n")
    write(etc + "/resolv.conf", "")
    write(etc + "/machine-id", uuid.uuid5(uuid.NAMESPACE_DNS, "%s.%s.%s" % (machine, lab.name, lab.doc["born"])).hex + "\n")
    write(etc + "/hosts", "127.0.0.1 localhost\n" + "".join("%s %s\n" % (lab.ip(m), m) for m in lab.machines) +
          "%s host.kube-lab.internal\n" % lab.ip("host"))
    for k, val in SYSCTLS.items():
        write(os.path.join(etc, "kube-lab", k.replace("/", ".")), val + "\n")


def machine_start(lab, machine):
    if machine_pid(lab, machine):
        return
    for p in cgroup_paths(lab, machine):
        if not cgroup_remove(p):
            raise Fail("%s: an earlier life left processes in %s" % (machine, p))
    cgroup_make(lab, machine)
    logfile = lab.path("m", machine, "init.log")
    with open(logfile, "ab") as f:
        p = subprocess.Popen([sys.executable, SELF, "__machine", lab.name, machine], stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                             start_new_session=True, cwd="/", env=dict(os.environ, KUBE_LAB_HOME=LABS))
    try:
        rc = p.wait(30)
    except subprocess.TimeoutExpired:
        p.kill()
        rc = -1
    if rc or not machine_pid(lab, machine):
        raise Fail("%s did not start: %s" % (machine, (read(logfile) or "")[-1500:]))


def machine_main(lab, machine):
    """Runs as a process of its own; leaves an init in new namespaces behind and returns."""
    spec = json.loads(read(lab.path("m", machine, "spec.json")))
    hier = cgroup_hierarchies()
    for p in cgroup_paths(lab, machine):
        with open(os.path.join(p, "cgroup.procs"), "w") as f:
            f.write(str(os.getpid()))
    fd = os.open("/run/netns/" + lab.netns(machine), os.O_RDONLY)
    sys_call("setns", libc.setns(fd, CLONE_NEWNET))
    os.close(fd)
    sys_call("unshare", libc.unshare(CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID))
    r, w = os.pipe()
    pid = os.fork()
    if pid:
        os.close(w)
        said = os.read(r, 4096)
        if said != b"up":
            sys.stderr.write(said.decode() or "the init of %s died\n" % machine)
            sys.stderr.flush()
            os._exit(1)
        write(lab.path("m", machine, "pid"), "%d %s" % (pid, proc_start(pid)))
        os._exit(0)
    os.close(r)
    try:
        machine_enter(lab, machine, spec, hier)
        os.write(w, b"up")
    except BaseException as e:
        os.write(w, ("%s: %s" % (type(e).__name__, e)).encode())
        os._exit(1)
    os.close(w)
    try:
        init_main(spec)
    except BaseException as e:
        print("init: %s: %s" % (type(e).__name__, e), flush=True)
    os._exit(0)


def machine_enter(lab, machine, spec, hier):
    os.setsid()
    socket.sethostname(machine)
    sys_call("unshare", libc.unshare(CLONE_NEWNS))
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    root = lab.root(machine)
    mount(root, root, None, MS_BIND)
    bind("/usr", root + "/usr", ro=True)
    for d in ("bin", "sbin", "lib", "lib64", "lib32"):
        if os.path.isdir("/" + d) and not os.path.islink("/" + d):
            bind("/" + d, os.path.join(root, d), ro=True)
    bind("/dev", root + "/dev", rec=True)
    if os.path.isdir(root + "/dev/shm"):
        mount("tmpfs", root + "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    bind(vdir(lab.minor), root + "/opt/kube-lab", ro=True)
    bind(os.path.realpath(cni_dir()), root + "/opt/cni", ro=True)
    for src, dst in spec["binds"]:
        bind(src, root + dst)
    mount("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for k in SYSCTLS:
        if os.path.exists(root + "/proc/sys/" + k):
            bind(os.path.join(root, "etc/kube-lab", k.replace("/", ".")), root + "/proc/sys/" + k)
    boot = root + "/etc/kube-lab/boot_id"  # a restarted machine must look rebooted
    write(boot, str(uuid.uuid4()) + "\n")
    bind(boot, root + "/proc/sys/kernel/random/boot_id")
    mount("sysfs", root + "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    cg = root + "/sys/fs/cgroup"
    if any(o is None for _, o in hier.values()):
        mount("cgroup2", cg, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        # no processes beside children in cgroup v2
        os.makedirs(cg + "/init", exist_ok=True)
        write_some(cg + "/init/cgroup.procs", "1")
        write_some(cg + "/cgroup.subtree_control", " ".join("+" + c for c in read(cg + "/cgroup.controllers", "").split()))
    else:
        mount("tmpfs", cg, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755")
        for name, opts in hier.values():
            os.mkdir(os.path.join(cg, name))
            mount("cgroup", os.path.join(cg, name), "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, opts)
    mount("tmpfs", root + "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    os.mkdir(root + "/run/netns")
    os.chdir(root)
    sys_call("pivot_root", libc.syscall(SYS_PIVOT_ROOT, b".", b"."))
    sys_call("umount of the old root", libc.umount2(b".", 2))
    os.chdir("/")
    mount(None, "/", None, MS_REC | MS_SHARED)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))


def machine_kill(lab, machine, sig=signal.SIGKILL, timeout=15.0):
    pid = machine_pid(lab, machine)
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)
        cgroup_freeze(lab, machine, False)  # a frozen process does not die
        until("%s to end" % machine, timeout, lambda: machine_pid(lab, machine) is None, 0.02)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(lab.path("m", machine, "pid"))
    until("the processes of %s to end" % machine, timeout, lambda: not cgroup_pids(lab, machine), 0.02)


def inside(lab, machine, *cmd):
    pid = machine_pid(lab, machine)
    if not pid:
        raise Fail("%s is not running" % machine)
    return ["nsenter", "-t", str(pid), "-m", "-n", "-p", "-u", "-i", "-C", "-r", "-w", "--"] + list(cmd)
