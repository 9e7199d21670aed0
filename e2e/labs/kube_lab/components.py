"""What runs on the machines, and with which settings."""
import os
import re
import shutil

from .base import CONTROL, LABS, read, VOLUMES_ON_NODE, write
from .sources import PAUSE_IMAGE


def control_spec(lab, pki):
    k, etc = "/etc/kubernetes/", lab.root(CONTROL, "etc/kubernetes")
    for f in os.listdir(pki.d):
        if f.endswith((".crt", ".key", ".pub")) and not re.match(r"n\d", f):
            shutil.copy(pki.p(f), os.path.join(etc, f))
    for u in ("admin", "kube-controller-manager", "kube-scheduler", "kube-proxy"):
        pki.kubeconfig(os.path.join(etc, u + ".conf"), lab, u)
    opt = lab.doc["options"]
    apiserver = ["kube-apiserver", "--advertise-address=" + lab.ip(CONTROL), "--bind-address=0.0.0.0", "--secure-port=6443",
                 "--etcd-servers=http://127.0.0.1:2379", "--client-ca-file=" + k + "ca.crt",
                 "--tls-cert-file=" + k + "apiserver.crt", "--tls-private-key-file=" + k + "apiserver.key",
                 "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
                 "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                 "--service-account-key-file=" + k + "sa.pub", "--service-account-signing-key-file=" + k + "sa.key",
                 "--service-cluster-ip-range=" + lab.service_cidr,
                 "--kubelet-client-certificate=" + k + "apiserver-kubelet.crt", "--kubelet-client-key=" + k + "apiserver-kubelet.key",
                 "--kubelet-certificate-authority=" + k + "ca.crt", "--kubelet-preferred-address-types=InternalIP",
                 "--requestheader-client-ca-file=" + k + "front-ca.crt", "--requestheader-allowed-names=front-proxy-client",
                 "--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
                 "--requestheader-username-headers=X-Remote-User",
                 "--proxy-client-cert-file=" + k + "front-proxy.crt", "--proxy-client-key-file=" + k + "front-proxy.key",
                 "--default-not-ready-toleration-seconds=%d" % opt["eviction"],
                 "--default-unreachable-toleration-seconds=%d" % opt["eviction"], "--profiling=false"]
    if opt.get("audit"):
        # Who of this group asked for what, and what was answered; nothing of anybody else.
        rules = [{"level": "Metadata", "userGroups": [opt["audit"]], "omitStages": ["RequestReceived"]}, {"level": "None"}]
        write(os.path.join(etc, "audit.json"), {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules})
        apiserver += ["--audit-policy-file=" + k + "audit.json", "--audit-log-path=/var/log/audit.json"]
    conf = k + "kube-controller-manager.conf"
    manager = ["kube-controller-manager", "--kubeconfig=" + conf, "--authentication-kubeconfig=" + conf, "--authorization-kubeconfig=" + conf,
               "--bind-address=127.0.0.1", "--client-ca-file=" + k + "ca.crt", "--requestheader-client-ca-file=" + k + "front-ca.crt",
               "--cluster-cidr=" + lab.pod_cidr, "--service-cluster-ip-range=" + lab.service_cidr, "--allocate-node-cidrs=false",
               "--cluster-name=" + lab.name, "--root-ca-file=" + k + "ca.crt", "--service-account-private-key-file=" + k + "sa.key",
               "--cluster-signing-cert-file=" + k + "ca.crt", "--cluster-signing-key-file=" + k + "ca.key",
               "--use-service-account-credentials=true", "--leader-elect=false",
               # an account for each of some 40 controllers takes 4 s at the stock rate
               "--kube-api-qps=200", "--kube-api-burst=400", "--node-monitor-period=2s",
               "--node-monitor-grace-period=%ds" % opt["node_grace"], "--flex-volume-plugin-dir=/var/lib/volumeplugins", "--profiling=false"]
    conf = k + "kube-scheduler.conf"
    scheduler = ["kube-scheduler", "--kubeconfig=" + conf, "--authentication-kubeconfig=" + conf, "--authorization-kubeconfig=" + conf,
                 "--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false"]
    etcd = ["etcd", "--name=control", "--data-dir=/var/lib/etcd", "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380",
            "--initial-advertise-peer-urls=http://127.0.0.1:2380", "--initial-cluster=control=http://127.0.0.1:2380",
            "--unsafe-no-fsync", "--log-level=warn"]
    # The machine that tests run on, and the API server, reach services through here.  kube-proxy wants a node to belong to.
    write(os.path.join(etc, "proxy.json"), proxy_config(lab, lab.nodes[0], lab.ip(CONTROL)))
    gate = "/etc/kube-lab/api"
    services = [{"name": "etcd", "argv": etcd}, {"name": "kube-apiserver", "argv": apiserver},
                {"name": "kube-controller-manager", "argv": manager, "gates": [gate]},
                {"name": "kube-scheduler", "argv": scheduler, "gates": [gate]},
                {"name": "kube-proxy", "argv": ["kube-proxy", "--config=" + k + "proxy.json"], "gates": ["/etc/kube-lab/nodes"]},
                {"name": "storage", "function": "storage", "args": [lab.doc], "gates": [gate]}]
    os.makedirs(lab.path("volumes"), exist_ok=True)
    return {"services": services, "binds": [[lab.path("volumes"), "/volumes"]], "grace": 10}


def proxy_config(lab, node, address):
    return {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": "/etc/kubernetes/kube-proxy.conf"}, "hostnameOverride": node, "bindAddress": address,
            "clusterCIDR": lab.pod_cidr, "mode": lab.doc["options"]["proxy_mode"], "detectLocalMode": "ClusterCIDR",
            "healthzBindAddress": "127.0.0.1:10256", "metricsBindAddress": "127.0.0.1:10249",
            # the table of connections is sized for the whole machine, outside
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}}


CONTAINERD_TOML = """version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
  "io.containerd.internal.v1.opt"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "%(pause)s"
  stream_server_address = "127.0.0.1"
  # without CAP_SYS_RESOURCE a score can only be raised
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "%(snapshotter)s"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def filesystem_of(path):
    best, fs = "", ""
    for line in read("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4]
        if os.path.commonpath([point, os.path.realpath(path)]) == point and len(point) >= len(best):
            best, fs = point, right.split()[0]
    return fs


def snapshotter():
    return "native" if filesystem_of(LABS) == "overlay" else "overlayfs"  # overlays do not stack


def node_spec(lab, pki, node):
    etc, opt = lab.root(node, "etc"), lab.doc["options"]
    k = os.path.join(etc, "kubernetes")
    for f in ("ca.crt", node + "-serving.crt", node + "-serving.key"):
        shutil.copy(pki.p(f), os.path.join(k, f.replace(node + "-", "kubelet-")))
    pki.kubeconfig(os.path.join(k, "kubelet.conf"), lab, node)
    pki.kubeconfig(os.path.join(k, "kube-proxy.conf"), lab, "kube-proxy")
    write(os.path.join(k, "proxy.json"), proxy_config(lab, node, "0.0.0.0"))
    write(os.path.join(etc, "containerd/config.toml"), CONTAINERD_TOML % {"pause": PAUSE_IMAGE, "snapshotter": snapshotter()})
    write(os.path.join(etc, "cni/net.d/10-kube-lab.conflist"), {
        "cniVersion": "1.0.0", "name": "kube-lab", "plugins": [
            {"type": "bridge", "bridge": "cni0", "isGateway": True, "isDefaultGateway": True, "hairpinMode": True,
             "ipam": {"type": "host-local", "ranges": [[{"subnet": lab.node_cidr(node)}]], "dataDir": "/run/cni-addresses"}},
            {"type": "portmap", "capabilities": {"portMappings": True}}]})
    lease = max(4, opt["node_grace"] * 4 // 5)  # renewed every quarter of it
    write(os.path.join(k, "kubelet.json"), {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": "/etc/kubernetes/ca.crt"}},
        "authorization": {"mode": "Webhook"}, "tlsCertFile": "/etc/kubernetes/kubelet-serving.crt",
        "tlsPrivateKeyFile": "/etc/kubernetes/kubelet-serving.key", "clusterDNS": [lab.service_ip(10)], "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock", "cgroupDriver": "cgroupfs", "failCgroupV1": False,
        "failSwapOn": False, "resolvConf": "/etc/resolv.conf", "podLogsDir": "/var/log/pods",
        "volumePluginDir": "/var/lib/volumeplugins", "rotateCertificates": False,
        "nodeLeaseDurationSeconds": lease, "nodeStatusUpdateFrequency": "%ds" % max(2, min(10, lease // 2)),
        # the disk is the machine's: a full one must not start evictions in every lab
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%",
                         "imagefs.inodesFree": "0%"},
        "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99})
    kubelet = ["kubelet", "--config=/etc/kubernetes/kubelet.json", "--kubeconfig=/etc/kubernetes/kubelet.conf", "--root-dir=/var/lib/kubelet",
               "--hostname-override=" + node, "--node-ip=" + lab.ip(node),
               "--node-labels=topology.kubernetes.io/region=lab,topology.kubernetes.io/zone=" + lab.zone(node)]
    gate = "/etc/kube-lab/api"
    services = [{"name": "containerd", "argv": ["containerd", "--config=/etc/containerd/config.toml"]},
                {"name": "kubelet", "argv": kubelet, "gates": [gate], "first_to_stop": True},
                {"name": "kube-proxy", "argv": ["kube-proxy", "--config=/etc/kubernetes/proxy.json"], "gates": [gate]}]
    volumes = lab.path("volumes", node)
    os.makedirs(volumes, exist_ok=True)
    return {"services": services, "binds": [[volumes, VOLUMES_ON_NODE]], "grace": 10}


def open_gate(lab, machine, gate):
    write(lab.root(machine, "etc/kube-lab", gate), "")
