"""Which versions there are, and the small programs in Go from which they are built."""
import hashlib
import json
import os

from .base import CACHE, Fail, go_arch

# A Kubernetes version with the companions that are built from the same set of Go modules.
VERSIONS = {
    "1.36": dict(kubernetes="1.36.3", etcd="3.6.8", helm="v3@v3.21.4", coredns="1.14.5", go=(1, 26)),
    # The oldest that the charts take, and one that they refuse; helm and CoreDNS come from the newest.
    "1.33": dict(kubernetes="1.33.13", etcd="3.5.21", go=(1, 24)),
    "1.31": dict(kubernetes="1.31.0", etcd="3.5.16", go=(1, 22)),
}
DEFAULT_VERSION = "1.36"
COMPONENTS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"]

HYPERKUBE = """package main

import (
%s	"fmt"
	"os"
	"path/filepath"
	_ "time/tzdata"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	name := filepath.Base(os.Args[0])
	var command *cobra.Command
	switch name {
	case "kube-apiserver":
		command = apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		command = controllers.NewControllerManagerCommand()
	case "kube-scheduler":
		command = scheduler.NewSchedulerCommand()
	case "kubelet":
		command = kubelet.NewKubeletCommand(%s)
	case "kube-proxy":
		command = proxy.NewProxyCommand()
	default:
		fmt.Fprintf(os.Stderr, "call me under the name of a component, not %%q\\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(command))
}
"""

ETCD = """package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
"""

DNS_PLUGINS = ["cache", "errors", "forward", "health", "hosts", "kubernetes", "loadbalance", "log", "loop", "metrics",
               "ready", "reload", "rewrite", "template"]
COREDNS = """package main

import (
	"github.com/coredns/coredns/coremain"
%s)

func main() { coremain.Run() }
""" % "".join('\t_ "github.com/coredns/coredns/plugin/%s"\n' % p for p in DNS_PLUGINS)

PAUSE = """package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ch := make(chan os.Signal, 16)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for s := range ch {
		if s != syscall.SIGCHLD {
			return
		}
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if err == syscall.EINTR {
				continue
			}
			if err != nil || pid <= 0 {
				break
			}
		}
	}
}
"""

PAUSE_IMAGE = "kube-lab.local/pause:1"
DNS_IMAGE = "kube-lab.local/coredns:1"


def version_of(name):
    if name in VERSIONS:
        return name, VERSIONS[name]
    for k, v in VERSIONS.items():
        if v["kubernetes"] == name.lstrip("v"):
            return k, v
    raise Fail("unknown version %s; known: %s" % (name, ", ".join(VERSIONS)))


def vdir(minor, *p):
    return os.path.join(CACHE, minor, *p)


def hyperkube(v):
    newer = tuple(map(int, v["kubernetes"].split(".")[:2])) >= (1, 34)
    return HYPERKUBE % (('\t"context"\n', "context.Background()") if newer else ("", ""))


def recipe(v):
    """Changes when anything must be built anew."""
    text = json.dumps([v, hyperkube(v), ETCD, COREDNS, PAUSE, go_arch()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
