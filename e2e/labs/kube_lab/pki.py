"""Certificates and kubeconfigs."""
import base64
import os

from .base import CONTROL, run, write

OPENSSL_CNF = "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\n"


class Pki:
    def __init__(self, d):
        self.d = d
        os.makedirs(d, mode=0o700, exist_ok=True)
        write(self.p("openssl.cnf"), OPENSSL_CNF)

    def p(self, name):
        return os.path.join(self.d, name)

    def cert(self, name, subject, ca=None, usage=None, san=None):
        cmd = ["openssl", "req", "-x509", "-config", self.p("openssl.cnf"), "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-days", "3650", "-subj", subject, "-keyout", self.p(name + ".key"), "-out", self.p(name + ".crt"),
               "-addext", "basicConstraints=critical,CA:" + ("FALSE" if ca else "TRUE"),
               "-addext", "keyUsage=critical," + ("digitalSignature" if ca else "digitalSignature,keyCertSign,cRLSign")]
        if ca:
            cmd += ["-CA", self.p(ca + ".crt"), "-CAkey", self.p(ca + ".key")]
        if usage:
            cmd += ["-addext", "extendedKeyUsage=" + usage]
        if san:
            cmd += ["-addext", "subjectAltName=" + ",".join(san)]
        run(cmd)

    def kubeconfig(self, out, lab, user, server=None):
        def b64(name):
            with open(self.p(name), "rb") as f:
                return base64.b64encode(f.read()).decode()
        write(out, {
            "apiVersion": "v1", "kind": "Config", "current-context": lab.name, "preferences": {},
            "clusters": [{"name": lab.name, "cluster": {"server": server or lab.server, "certificate-authority-data": b64("ca.crt")}}],
            "users": [{"name": user, "user": {"client-certificate-data": b64(user + ".crt"), "client-key-data": b64(user + ".key")}}],
            "contexts": [{"name": lab.name, "context": {"cluster": lab.name, "user": user, "namespace": "default"}}],
        }, 0o600)


def pki_up(lab, pool):
    pki = Pki(lab.path("pki"))
    list(pool.map(lambda a: pki.cert(*a), [("ca", "/CN=kube-lab-ca"), ("front-ca", "/CN=kube-lab-front-proxy-ca")]))
    dns = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost", CONTROL]
    client, server = "clientAuth", "serverAuth"
    jobs = [("apiserver", "/CN=kube-apiserver", "ca", server, ["DNS:" + d for d in dns] + [
                "IP:" + i for i in (lab.ip(CONTROL), lab.service_ip(1), "127.0.0.1")]),
            ("apiserver-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client", "ca", client),
            ("front-proxy", "/CN=front-proxy-client", "front-ca", client),
            ("admin", "/O=system:masters/CN=kubernetes-admin", "ca", client),
            ("kube-controller-manager", "/CN=system:kube-controller-manager", "ca", client),
            ("kube-scheduler", "/CN=system:kube-scheduler", "ca", client),
            ("kube-proxy", "/CN=system:kube-proxy", "ca", client)]
    for n in lab.nodes:
        jobs.append((n, "/O=system:nodes/CN=system:node:" + n, "ca", client))
        jobs.append((n + "-serving", "/O=system:nodes/CN=system:node:" + n, "ca", server, ["DNS:" + n, "IP:" + lab.ip(n)]))
    list(pool.map(lambda a: pki.cert(*a), jobs))
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", pki.p("sa.key")])
    run(["openssl", "pkey", "-in", pki.p("sa.key"), "-pubout", "-out", pki.p("sa.pub")])
    pki.kubeconfig(lab.path("kubeconfig"), lab, "admin")
    return pki
