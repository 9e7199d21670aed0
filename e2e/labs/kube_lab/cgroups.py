"""Control groups of a lab, versions 1 and 2."""
import contextlib
import os
import time

from .base import CGROUP, read, write_some


def cgroup_hierarchies():
    """{mount point: (name of its directory, mount options)}; cgroup v2 has one entry with options None."""
    out = {}
    for line in read("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        point, fs = left.split()[4], right.split()[0]
        if not point.startswith("/sys/fs/cgroup"):
            continue
        if fs == "cgroup":
            opts = [o for o in right.split()[2].split(",") if o not in ("rw", "ro") and not o.startswith("release_agent")
                    and o not in ("xattr", "clone_children", "noprefix")]
            out[point] = (os.path.basename(point), ",".join(opts))
        elif fs == "cgroup2" and point == "/sys/fs/cgroup":
            out[point] = ("", None)
    return out


def cgroup_paths(lab, machine=None):
    return [os.path.join(p, CGROUP, lab.name, *([machine] if machine else [])) for p in cgroup_hierarchies()]


def cgroup_make(lab, machine):
    for point, (name, opts) in cgroup_hierarchies().items():
        d = point
        for part in (CGROUP, lab.name, machine):
            if opts is None:
                have = read(os.path.join(d, "cgroup.controllers"), "").split()
                write_some(os.path.join(d, "cgroup.subtree_control"), " ".join("+" + c for c in have))
            d = os.path.join(d, part)
            with contextlib.suppress(FileExistsError):
                os.mkdir(d)
            if opts and "cpuset" in opts.split(","):
                for f in ("cpuset.cpus", "cpuset.mems"):
                    if not read(os.path.join(d, f), "").strip():
                        write_some(os.path.join(d, f), read(os.path.join(os.path.dirname(d), f)).strip())


def cgroup_remove(path, timeout=10.0):
    end = time.monotonic() + timeout
    while os.path.isdir(path):
        for d, _, _ in os.walk(path, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(d)
        if not os.path.isdir(path):
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def cgroup_freeze(lab, machine, frozen):
    ok = False
    for p in cgroup_paths(lab, machine):
        for f, text in (("freezer.state", "FROZEN" if frozen else "THAWED"), ("cgroup.freeze", "1" if frozen else "0")):
            f = os.path.join(p, f)
            if os.path.exists(f):
                with open(f, "w") as h:
                    h.write(text)
                ok = True
    return ok


def cgroup_frozen(lab, machine):
    return any((read(os.path.join(p, "freezer.self_freezing")) or read(os.path.join(p, "cgroup.freeze")) or "0").strip() == "1"
               for p in cgroup_paths(lab, machine))


def cgroup_pids(lab, machine):
    for p in cgroup_paths(lab, machine):
        if os.path.basename(p.split("/" + CGROUP + "/")[0]) in ("memory", "cgroup"):
            out = []
            for d, _, files in os.walk(p):
                out += [int(x) for x in (read(os.path.join(d, "cgroup.procs")) or "").split()]
            return out
    return []
