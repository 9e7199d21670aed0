"""Process 1 of a machine."""
import contextlib
import os
import signal
import time

from .storage import storage_main

# Services that are functions of this program. Imported before the machine has a root of its own: there is no way back.
FUNCTIONS = {"storage": storage_main}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Service:
    def __init__(self, spec):
        self.spec, self.name = spec, spec["name"]
        self.pid, self.not_before, self.started = None, 0.0, 0.0

    def ready(self, now):
        return self.pid is None and now >= self.not_before and all(os.path.exists(g) for g in self.spec.get("gates", []))

    def start(self):
        self.started = time.monotonic()
        out = os.open("/var/log/%s.log" % self.name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        pid = os.fork()
        if pid:
            os.close(out)
            self.pid = pid
            return
        try:
            os.setsid()
            os.dup2(out, 1)
            os.dup2(out, 2)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            if "function" in self.spec:
                FUNCTIONS[self.spec["function"]](*self.spec["args"])
            else:
                env = {"PATH": "/opt/kube-lab/bin:" + PATH, "HOME": "/root"}
                env.update(self.spec.get("env", {}))
                os.execvpe(self.spec["argv"][0], self.spec["argv"], env)
        except BaseException as e:
            print("%s: %s" % (type(e).__name__, e), flush=True)
        os._exit(127)

    def ended(self, status):
        now = time.monotonic()
        self.pid, self.not_before = None, now + (0.5 if now - self.started > 10 else 2.0)
        print("%s: %s ended with %s" % (time.strftime("%H:%M:%S"), self.name, status), flush=True)


def init_main(spec):
    """Process 1 of a machine: starts the services, starts them again when they end, collects orphans."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGTERM, signal.SIGINT])
    services = [Service(s) for s in spec["services"]]
    while True:
        for s in services:
            if s.ready(time.monotonic()):
                s.start()
        pending = any(s.pid is None for s in services)
        got = signal.sigtimedwait([signal.SIGCHLD, signal.SIGTERM], 0.1 if pending else 30)
        if got and got.si_signo == signal.SIGTERM:
            break
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            for s in services:
                if s.pid == pid:
                    s.ended(status)
    # A clean shutdown: what starts containers first, then everything, then what is left.
    for s in services:
        if s.pid and s.spec.get("first_to_stop"):
            with contextlib.suppress(OSError):
                os.kill(s.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.kill(-1, signal.SIGTERM)
    end = time.monotonic() + spec.get("grace", 10)
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                if not [p for p in os.listdir("/proc") if p.isdigit() and p != "1"]:
                    break
                signal.sigtimedwait([signal.SIGCHLD], 0.1)
        except ChildProcessError:
            break
    with contextlib.suppress(OSError):
        os.kill(-1, signal.SIGKILL)
