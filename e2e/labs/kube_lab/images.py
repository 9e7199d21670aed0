"""Images: written by hand, since neither a registry nor a builder exists."""
import hashlib
import io
import json
import os
import tarfile

from .base import Fail, go_arch


def write_image(out, ref, files, config):
    """Writes an image of one layer in the format of `docker save`.

    files: (path in the image, mode, uid, gid, content), content being None for a directory, ("link", target) for a
    symbolic link, else the path of a file here.
    """
    layer = out + ".layer"
    made = set()
    with tarfile.open(layer, "w", format=tarfile.GNU_FORMAT) as tar:
        def add(name, mode, uid, gid, content):
            name = name.strip("/")
            parent = os.path.dirname(name)
            if parent and parent not in made:
                add(parent, 0o755, 0, 0, None)
            if not name or name in made:
                return
            made.add(name)
            t = tarfile.TarInfo(name)
            t.mode, t.uid, t.gid = mode, uid, gid
            if content is None:
                t.type = tarfile.DIRTYPE
                tar.addfile(t)
            elif isinstance(content, tuple):
                t.type, t.linkname = tarfile.SYMTYPE, content[1]
                tar.addfile(t)
            else:
                t.size = os.path.getsize(content)
                with open(content, "rb") as f:
                    tar.addfile(t, f)
        for f in files:
            add(*f)
    digest = hashlib.sha256()
    with open(layer, "rb") as f:
        for b in iter(lambda: f.read(1 << 20), b""):
            digest.update(b)
    doc = {"architecture": go_arch(), "os": "linux", "config": config, "created": "1970-01-01T00:00:00Z",
           "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest.hexdigest()]},
           "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "kube-lab"}]}
    doc = json.dumps(doc, sort_keys=True).encode()
    name = hashlib.sha256(doc).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": [ref], "Layers": ["layer.tar"]}]
    with tarfile.open(out + ".new", "w", format=tarfile.GNU_FORMAT) as tar:
        for path, data in ((name, doc), ("manifest.json", json.dumps(manifest).encode())):
            t = tarfile.TarInfo(path)
            t.size = len(data)
            tar.addfile(t, io.BytesIO(data))
        t = tarfile.TarInfo("layer.tar")
        t.size = os.path.getsize(layer)
        with open(layer, "rb") as f:
            tar.addfile(t, f)
    os.unlink(layer)
    os.replace(out + ".new", out)


def tagged(ref):
    return ref if ref.rfind(":") > ref.rfind("/") else ref + ":latest"


def cmd_image(a):
    files = []
    for spec in a.tree or []:
        top = spec
        for d, dirs, names in os.walk(top):
            for n in sorted(dirs) + sorted(names):
                p = os.path.join(d, n)
                st = os.lstat(p)
                rel = os.path.relpath(p, top)
                if os.path.islink(p):
                    files.append((rel, 0o777, 0, 0, ("link", os.readlink(p))))
                else:
                    files.append((rel, st.st_mode & 0o7777, 0, 0, None if os.path.isdir(p) else p))
    for spec in a.add or []:
        src, _, dst = spec.partition("=")
        if not dst:
            raise Fail("--add %s: want FILE=/path/in/image" % spec)
        files.append((dst, os.stat(src).st_mode & 0o7777, 0, 0, src))
    for spec in a.dir or []:
        path, _, mode = spec.partition("=")
        files.append((path, int(mode or "755", 8), 0, 0, None))
    for spec in a.link or []:
        path, _, target = spec.partition("=")
        files.append((path, 0o777, 0, 0, ("link", target)))
    config = {}
    for key, v in (("Entrypoint", a.entrypoint), ("Cmd", a.cmd), ("Env", a.env), ("User", a.user), ("WorkingDir", a.workdir)):
        if v:
            config[key] = v
    if a.label:
        config["Labels"] = dict(s.partition("=")[::2] for s in a.label)
    write_image(a.output, tagged(a.ref), files, config)
    print(json.dumps({"image": tagged(a.ref), "file": os.path.abspath(a.output), "bytes": os.path.getsize(a.output)}))


def image_refs(path):
    """The names that the images of an archive have for pods."""
    refs = []
    with tarfile.open(path) as tar:
        names = tar.getnames()
        if "manifest.json" in names:
            for m in json.load(tar.extractfile("manifest.json")):
                refs += m.get("RepoTags") or []
        elif "index.json" in names:
            for m in json.load(tar.extractfile("index.json")).get("manifests", []):
                notes = m.get("annotations") or {}
                ref = notes.get("io.containerd.image.name") or notes.get("org.opencontainers.image.ref.name")
                if ref:
                    refs.append(ref)
    return refs
