"""What every lab uses."""
import subprocess


class Fail(Exception):
    pass


def run(cmd, check=True, **kw):
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.PIPE)
    kw.setdefault("text", True)
    p = subprocess.run(cmd, **kw)
    if check and p.returncode:
        raise Fail("%s: exit %d: %s" % (" ".join(cmd), p.returncode, (p.stderr or p.stdout or "").strip()[-2000:]))
    return p
