"""The API of Kubernetes, as far as this tool needs it."""
import contextlib
import http.client
import json
import os
import ssl
import time
import urllib.parse

from .base import CONTROL, Fail, read, until


class Api:
    def __init__(self, host, pki, timeout=10.0):
        self.host, self.timeout = host, timeout
        self.ctx = ssl.create_default_context(cafile=os.path.join(pki, "ca.crt"))
        self.ctx.load_cert_chain(os.path.join(pki, "admin.crt"), os.path.join(pki, "admin.key"))

    def open(self, method, path, body=None, kind="application/json", timeout=None):
        c = http.client.HTTPSConnection(self.host, 6443, context=self.ctx, timeout=timeout or self.timeout)
        c.request(method, path, None if body is None else json.dumps(body), {"Content-Type": kind, "Accept": "application/json"})
        return c, c.getresponse()

    def call(self, method, path, body=None, kind="application/json", missing_ok=False):
        c, r = self.open(method, path, body, kind)
        try:
            text = r.read().decode()
        finally:
            c.close()
        if r.status == 404 and missing_ok:
            return None
        if r.status >= 300:
            with contextlib.suppress(ValueError):
                text = json.loads(text).get("message") or text
            raise Fail("%s %s: %d %s" % (method, path, r.status, text[:500]))
        return json.loads(text) if text[:1] in "{[" else text

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def apply(self, path, obj):
        q = "?fieldManager=kube-lab&force=true"
        return self.call("PATCH", path + "/" + urllib.parse.quote(obj["metadata"]["name"]) + q, obj, "application/apply-patch+yaml")

    def follow(self, path):
        """Yields (type, object) for ever: what is there, then what changes; ("SYNCED", None) after each listing."""
        while True:
            try:
                doc = self.get(path)
                for o in doc.get("items") or []:
                    yield "ADDED", o
                yield "SYNCED", None
                rv = doc["metadata"]["resourceVersion"]
                c, r = self.open("GET", "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=240&resourceVersion=%s" % (path, rv), timeout=300)
                try:
                    for line in r:
                        e = json.loads(line)
                        if e.get("type") == "ERROR":
                            break
                        if e.get("type") != "BOOKMARK":
                            yield e["type"], e["object"]
                finally:
                    c.close()
            except (OSError, Fail, ValueError, KeyError, http.client.HTTPException) as e:
                print("watch of %s: %s" % (path, e), flush=True)
                time.sleep(1)


def api_of(lab):
    return Api(lab.ip(CONTROL), lab.path("pki"))


def ready_condition(obj, kind="Ready"):
    for c in (obj.get("status") or {}).get("conditions") or []:
        if c["type"] == kind:
            return c["status"]
    return "Unknown"


def wait_nodes(lab, api, nodes, timeout):
    def all_ready():
        items = {n["metadata"]["name"]: n for n in api.get("/api/v1/nodes")["items"]}
        for n in nodes:
            if n in items and not items[n]["spec"].get("podCIDR"):
                api.call("PATCH", "/api/v1/nodes/" + n, {"spec": {"podCIDR": lab.node_cidr(n), "podCIDRs": [lab.node_cidr(n)]}},
                         "application/merge-patch+json")
        # ready in this life of the machine, not in an earlier one
        late = [n for n in nodes if n not in items or ready_condition(items[n]) != "True" or items[n]["status"]["nodeInfo"]["bootID"]
                != (read(lab.root(n, "etc/kube-lab/boot_id")) or "").strip()]
        if late:
            raise Fail("not ready: " + ", ".join(late))
        return True
    until("nodes to become ready", timeout, all_ready, 0.25)
