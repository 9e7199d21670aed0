"""monitors: the API of the Prometheus operator, without anybody who acts on it."""
import json
import os

from .base import CACHE, Fail, log, run
from .golang import go_env, go_for
from .model import Lab

# Its definitions are files of this Go module.
MODULE = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
KINDS = ("podmonitors", "servicemonitors", "prometheusrules")


def definitions():
    go = go_for((1, 22))
    os.makedirs(CACHE, exist_ok=True)
    p = run([go, "mod", "download", "-json", MODULE], cwd=CACHE, env=go_env(go), check=False)
    info = json.loads(p.stdout or "{}")
    if info.get("Error") or not info.get("Dir"):
        raise Fail("%s: %s" % (MODULE, info.get("Error") or p.stderr))
    found = [os.path.join(info["Dir"], "example/prometheus-operator-crd/monitoring.coreos.com_%s.yaml" % k) for k in KINDS]
    missing = [f for f in found if not os.path.exists(f)]
    if missing:
        raise Fail("not in %s: %s" % (MODULE, ", ".join(missing)))
    return found


def cmd_monitors(a):
    lab = Lab(a.name)
    kubectl = [lab.bin("kubectl"), "--kubeconfig", lab.path("kubeconfig")]
    for f in definitions():
        run(kubectl + ["apply", "--server-side", "--force-conflicts", "-f", f])
        log("defined", os.path.basename(f))
    names = ["crd/%s.monitoring.coreos.com" % k for k in KINDS]
    run(kubectl + ["wait", "--for=condition=Established", "--timeout=30s"] + names)
    print(json.dumps(names))
