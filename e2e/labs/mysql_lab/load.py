"""Counted inserts and their ledger."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import time

from .base import Fail, SELF, esc, tail
from .protocol import ConnError, MyError
from .model import pick, target


def find_writer(lab, timeout):
    for k in lab.servers:
        with contextlib.suppress(ConnError, MyError):
            c = lab.conn(k, user="app", tcp=True, db="app", timeout=timeout, connect_timeout=min(timeout, 0.5))
            if c.one("select @@global.read_only") == "0":
                return k, c
            c.close()
    return None, None


class Load:
    """Inserts ids 1, 2, 3 ...; an id is never tried twice, so an unknown outcome stays visible."""

    def __init__(self, lab, a, out):
        self.lab, self.a, self.out = lab, a, out
        self.stop = False
        self.r = dict(state="running", pid=os.getpid(), first_id=None, last_attempted=None, last_acked=None, acked=0, failed=[], unknown=[],
                      errors=[], gaps=[], longest_gap_ms=0, acked_by={}, started=time.time())

    def dump(self):
        tmp = self.out + ".new"
        with open(tmp, "w") as f:
            json.dump(self.r, f)
        os.rename(tmp, self.out)

    def run(self):
        a, lab, r = self.a, self.lab, self.r
        c = k = None
        end = time.time() + a.seconds if a.seconds else None
        nid = last_ok = None
        last_id = None
        next_dump = 0
        tick = time.time()
        while not self.stop and (end is None or time.time() < end) and (not a.count or r["acked"] < a.count):
            now = time.time()
            if now >= next_dump:
                self.dump()
                next_dump = now + 0.2
            try:
                if c is None:
                    if a.to:
                        k = a.to
                        c = lab.conn(k, user="app", tcp=True, db="app", timeout=a.timeout, connect_timeout=a.timeout)
                    else:
                        k, c = find_writer(lab, a.timeout)
                        if c is None:
                            time.sleep(0.05)
                            continue
                if nid is None:
                    nid = int(c.one("select coalesce(max(id),0) from app.counter")) + 1
                    r["first_id"] = nid
            except (ConnError, MyError) as e:
                c = None
                self.note(None, k, e)
                time.sleep(0.05)
                continue
            i, nid = nid, nid + 1
            r["last_attempted"] = i
            try:
                c.query("INSERT INTO app.counter (id, writer, server_id) VALUES (%d, %s, @@server_id)" % (i, esc(lab.name)))
                t = time.time()
                if last_ok and (t - last_ok) * 1000 > a.gap_ms:
                    r["gaps"].append(dict(after_id=last_id, at=last_ok, ms=round((t - last_ok) * 1000)))
                if last_ok:
                    r["longest_gap_ms"] = max(r["longest_gap_ms"], round((t - last_ok) * 1000))
                last_ok, last_id = t, i
                r["last_acked"] = i
                r["acked"] += 1
                b = r["acked_by"].setdefault(k, [i, i, 0])
                b[1], b[2] = i, b[2] + 1
            except MyError as e:
                # The server answered: not written. Except when it says that it stops or lost us.
                (r["unknown"] if e.code in (1053, 1927, 1077, 1317, 3032) else r["failed"]).append(i)
                self.note(i, k, e)
                if e.code in (1290, 1836, 1053, 1927) and not a.to:
                    c.close()
                    c = None
                time.sleep(0.02)
            except ConnError as e:
                r["unknown"].append(i)
                self.note(i, k, e)
                c = None
            if a.rate:
                tick += 1.0 / a.rate
                d = tick - time.time()
                if d > 0:
                    time.sleep(d)
                else:
                    tick = time.time()
        r["state"] = "finished"
        r["seconds"] = round(time.time() - r["started"], 3)
        self.dump()

    def note(self, i, k, e):
        es = self.r["errors"]
        key = (k, getattr(e, "code", None) or getattr(e, "kind", None))
        if es and (es[-1]["server"], es[-1]["code"]) == key:
            es[-1]["times"] += 1
            es[-1]["last_at"] = time.time()
        elif len(es) < 200:
            es.append(dict(at=time.time(), last_at=time.time(), id=i, server=k, code=key[1], message=str(e)[:200], times=1))


def cmd_load(a):
    lab = pick(a.name)
    out = a.out or os.path.join(lab.dir, "load.json")
    if a.stop or a.report:
        r = json.load(open(out))
        if a.stop and r["state"] == "running":
            with contextlib.suppress(OSError):
                os.kill(r["pid"], signal.SIGTERM)
            end = time.time() + 30
            while r["state"] == "running" and time.time() < end:
                time.sleep(0.02)
                r = json.load(open(out))
        print(json.dumps(r, indent=1))
        return
    if a.bg:
        with contextlib.suppress(OSError):
            os.unlink(out)
        argv = ["--timeout", str(a.timeout), "--rate", str(a.rate), "--seconds", str(a.seconds), "--count", str(a.count), "--gap-ms", str(a.gap_ms), "--out", out]
        if a.to:
            argv += ["--to", a.to]
        subprocess.Popen([sys.executable, SELF, "_load", lab.name] + argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, start_new_session=True)
        end = time.time() + 15
        while time.time() < end:
            with contextlib.suppress(OSError, ValueError):
                r = json.load(open(out))
                if r["acked"]:
                    print(json.dumps(dict(pid=r["pid"], out=out)))
                    return
            time.sleep(0.02)
        raise Fail("the write load has no acknowledged write after 15s: " + tail(out))
    ld = Load(lab, a, out)
    for sg in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sg, lambda *_: setattr(ld, "stop", True))
    ld.run()
    if a.cmd != "_load":
        print(json.dumps(ld.r, indent=1))


def cmd_check(a):
    lab, k = target(a.target)
    r = json.load(open(a.report or os.path.join(lab.dir, "load.json")))
    with lab.conn(k, timeout=60) as c:
        ids = {int(x[0]) for x in c.query("select id from app.counter where id >= %d" % (r["first_id"] or 1))[-1][1]}
    bad, unk = set(r["failed"]), set(r["unknown"])
    acked = [i for i in range(r["first_id"] or 1, (r["last_acked"] or 0) + 1) if i not in bad and i not in unk]
    missing = [i for i in acked if i not in ids]
    res = dict(server=k, acked=len(acked), last_acked=r["last_acked"], missing=len(missing), missing_ids=missing[:50],
               unknown_written=sorted(ids & unk)[:50], failed_written=sorted(ids & bad)[:50], max_id=max(ids, default=None))
    print(json.dumps(res, indent=1))
    return 1 if missing else 0
