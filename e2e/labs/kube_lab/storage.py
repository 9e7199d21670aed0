"""A local-path provisioner, run on the control machine."""
import encodings.idna  # noqa: F401  (a machine cannot import once it has changed its root)
import http.client
import os
import shutil
import threading
import time

from .base import Fail, VOLUMES_ON_NODE
from .model import Lab
from .api import Api

STORAGE_PROVISIONER = "kube-lab.local/local-path"
MERGE = "application/merge-patch+json"


def storage_main(doc):
    lab = Lab(doc["name"], doc)
    api = Api("127.0.0.1", "/etc/kubernetes")
    classes = "/apis/storage.k8s.io/v1/storageclasses/"

    def grow(c):
        """A folder has no size of its own: what is asked for is granted."""
        m, wished = c["metadata"], c["spec"]["resources"]["requests"]["storage"]
        if ((c.get("status") or {}).get("capacity") or {}).get("storage") in (None, wished):
            return
        volume_at = "/api/v1/persistentvolumes/" + c["spec"]["volumeName"]
        pv = api.get(volume_at, missing_ok=True)
        if pv is None or (pv["metadata"].get("annotations") or {}).get("pv.kubernetes.io/provisioned-by") != STORAGE_PROVISIONER:
            return
        capacity = {"capacity": {"storage": wished}}
        api.call("PATCH", volume_at, {"spec": capacity}, MERGE)
        api.call("PATCH", "/api/v1/namespaces/%s/persistentvolumeclaims/%s/status" % (m["namespace"], m["name"]), {"status": capacity}, MERGE,
                 missing_ok=True)
        print("grew %s to %s" % (pv["metadata"]["name"], wished), flush=True)

    def claim(kind, c):
        m, spec = c["metadata"], c["spec"]
        if kind != "DELETED" and spec.get("volumeName"):
            return grow(c)
        notes = m.get("annotations") or {}
        node = notes.get("volume.kubernetes.io/selected-node")
        who = notes.get("volume.kubernetes.io/storage-provisioner") or notes.get("volume.beta.kubernetes.io/storage-provisioner")
        if kind == "DELETED" or who != STORAGE_PROVISIONER or m.get("deletionTimestamp") or not node:
            return
        sc = api.get(classes + spec["storageClassName"])
        name = "pvc-" + m["uid"]
        folder = "%s_%s_%s" % (name, m["namespace"], m["name"])
        if node not in lab.nodes:
            raise Fail("unknown node %s" % node)
        d = os.path.join("/volumes", node, folder)
        os.makedirs(d, exist_ok=True)
        os.chmod(d, 0o777)
        term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
        pv = {"apiVersion": "v1", "kind": "PersistentVolume",
              "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": STORAGE_PROVISIONER}},
              "spec": {"capacity": {"storage": spec["resources"]["requests"]["storage"]}, "accessModes": spec["accessModes"],
                       "volumeMode": spec.get("volumeMode", "Filesystem"), "storageClassName": spec["storageClassName"],
                       "persistentVolumeReclaimPolicy": sc.get("reclaimPolicy", "Delete"),
                       "hostPath": {"path": VOLUMES_ON_NODE + "/" + folder, "type": "DirectoryOrCreate"},
                       "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
                       "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": m["namespace"], "name": m["name"],
                                    "uid": m["uid"], "resourceVersion": m["resourceVersion"]}}}
        if api.get("/api/v1/persistentvolumes/" + name, missing_ok=True) is None:
            api.call("POST", "/api/v1/persistentvolumes", pv)
            print("made %s for %s/%s on %s" % (name, m["namespace"], m["name"], node), flush=True)

    def volume(kind, v):
        m, spec = v["metadata"], v["spec"]
        if (m.get("annotations") or {}).get("pv.kubernetes.io/provisioned-by") != STORAGE_PROVISIONER or kind == "DELETED":
            return
        if (v.get("status") or {}).get("phase") != "Released" or spec.get("persistentVolumeReclaimPolicy") != "Delete":
            return
        node = spec["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]["values"][0]
        folder = os.path.basename(spec["hostPath"]["path"])
        if node in lab.nodes and folder.startswith("pvc-"):
            shutil.rmtree(os.path.join("/volumes", node, folder), ignore_errors=True)
        api.call("DELETE", "/api/v1/persistentvolumes/" + m["name"], missing_ok=True)
        print("removed %s on %s" % (m["name"], node), flush=True)

    def follow(path, fn):
        for kind, o in api.follow(path):
            if o is None:
                continue
            for again in range(5):
                try:
                    fn(kind, o)
                    break
                except (Fail, OSError, KeyError, http.client.HTTPException) as e:
                    print("%s: %s: %s" % (o["metadata"]["name"], type(e).__name__, e), flush=True)
                    time.sleep(1)

    threading.Thread(target=follow, args=("/api/v1/persistentvolumes", volume), daemon=True).start()
    follow("/api/v1/persistentvolumeclaims", claim)
