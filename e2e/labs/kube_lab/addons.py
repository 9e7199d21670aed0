"""What every cluster has beside its components: names and two StorageClasses."""
from .sources import DNS_IMAGE
from .storage import STORAGE_PROVISIONER

COREFILE = """cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       ttl 5
    }
    prometheus :9153
    reload
    loadbalance
}
.:53 {
    errors
    template ANY ANY . {
       rcode NXDOMAIN
    }
}
kube-lab.internal:53 {
    errors
    hosts {
       %(host)s host.kube-lab.internal
       no_reverse
    }
}
"""


def addons(lab):
    """(collection, object) for what every cluster has beside its components."""
    rbac, sysns = "/apis/rbac.authorization.k8s.io/v1/", "/namespaces/kube-system/"
    labels = {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}
    meta = lambda n: {"name": n, "namespace": "kube-system", "labels": labels}  # noqa: E731
    rules = [{"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
             {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}]
    probe = lambda port, path: {"httpGet": {"path": path, "port": port}}  # noqa: E731
    dns = {"name": "coredns", "image": DNS_IMAGE, "imagePullPolicy": "Never", "args": ["-conf", "/etc/coredns/Corefile"],
           "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
                     {"name": "metrics", "containerPort": 9153, "protocol": "TCP"}],
           "resources": {"requests": {"cpu": "20m", "memory": "30Mi"}, "limits": {"memory": "170Mi"}},
           "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
           "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                               "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}},
           "livenessProbe": dict(probe(8080, "/health"), initialDelaySeconds=30, timeoutSeconds=5, failureThreshold=5),
           "readinessProbe": dict(probe(8181, "/ready"), periodSeconds=2, timeoutSeconds=2)}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]}}
    pod = {"priorityClassName": "system-cluster-critical", "serviceAccountName": "coredns", "dnsPolicy": "Default",
           "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}], "affinity": apart,
           "containers": [dns], "volumes": [{"name": "config", "configMap": {"name": "coredns"}}]}
    return [
        (rbac + "clusterroles", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                                 "metadata": {"name": "system:coredns"}, "rules": rules}),
        (rbac + "clusterrolebindings", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                                        "metadata": {"name": "system:coredns"},
                                        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
                                        "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}]}),
        ("/api/v1" + sysns + "serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("coredns")}),
        ("/api/v1" + sysns + "configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("coredns"),
                                            "data": {"Corefile": COREFILE % {"host": lab.ip("host")}}}),
        ("/api/v1" + sysns + "services", {
            "apiVersion": "v1", "kind": "Service", "metadata": meta("kube-dns"),
            "spec": {"clusterIP": lab.service_ip(10), "selector": {"k8s-app": "kube-dns"},
                     "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                               {"name": "metrics", "port": 9153, "protocol": "TCP"}]}}),
        ("/apis/apps/v1" + sysns + "deployments", {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("coredns"),
            "spec": {"replicas": min(2, len(lab.nodes)), "selector": {"matchLabels": {"k8s-app": "kube-dns"}},
                     "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
                     "template": {"metadata": {"labels": {"k8s-app": "kube-dns"}}, "spec": pod}}}),
        storage_class("standard", True),
        storage_class("fixed", False),
    ]


def storage_class(name, main):
    """The one that claims get which name none has volumes that can grow; those of the other one cannot."""
    return ("/apis/storage.k8s.io/v1/storageclasses", {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": STORAGE_PROVISIONER, "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": main,
        "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": str(main).lower()}}})
