//! What lies where in a member's container.

use orchestrator_crds::{CredentialsReference, OrchestratorClusterSpec};
use serde_json::{Value, json};

use super::{
    Objects,
    config::{PASSWORD_FILE, USER_FILE},
    references::{AUTHORITY, CERTIFICATE, PRIVATE_KEY, ReferenceKind, has},
};
use crate::names::{self, path};

/// Files with secrets: their owner is root, and members read them as their group.
const SECRET_MODE: u32 = 0o440;

/// Programs.
const HOOK_MODE: u32 = 0o555;

/// A volume and its place.
pub(super) struct Mount {
    /// Name of the volume.
    name: String,
    /// Where it is mounted.
    path: String,
    /// What it is, as the fields of a volume; `None` = a volume claim of that name.
    source: Option<Value>,
    /// Members need it as it is; others can be changed by `spec.pod.template`.
    pub(super) reserved: bool,
}

impl Mount {
    fn reserved(name: &str, path: &str, source: Value) -> Self {
        Self { name: name.into(), path: path.into(), source: Some(source), reserved: true }
    }

    fn scratch(name: &str, path: &str) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            source: Some(json!({ "emptyDir": {} })),
            reserved: false,
        }
    }

    /// An element of `volumes`; `None` for a volume claim, which the StatefulSet adds.
    pub(super) fn volume(&self) -> Option<Value> {
        let mut volume = self.source.clone()?;
        volume["name"] = json!(self.name);
        Some(volume)
    }

    /// An element of `volumeMounts`.
    pub(super) fn mount(&self) -> Value {
        let writable = self.source.as_ref().is_none_or(|source| source.get("emptyDir").is_some());
        let mut mount = json!({ "name": self.name, "mountPath": self.path });
        if !writable {
            mount["readOnly"] = json!(true);
        }
        mount
    }
}

/// All of them. Folders are mounted, never single files: those are never refreshed.
pub(super) fn mounts(
    name: &str,
    spec: &OrchestratorClusterSpec,
    config: &str,
    objects: &Objects,
) -> Vec<Mount> {
    let config_map = |name: &str| json!({ "configMap": { "name": name } });
    let token = secret(&names::token_secret(name), &[(names::TOKEN_KEY, names::TOKEN_KEY)]);
    let mut mounts = vec![
        data(spec),
        Mount::reserved(names::CONFIG_VOLUME, path::CONFIG, config_map(config)),
        Mount::reserved("live", path::LIVE, config_map(&names::live_config(name))),
        Mount::reserved("operator", path::OPERATOR, token),
    ];
    mounts.extend(referenced(spec, objects));
    mounts.push(Mount::scratch("tmp", "/tmp"));
    mounts.push(Mount::scratch("run", path::RUN));
    mounts
}

fn data(spec: &OrchestratorClusterSpec) -> Mount {
    let (name, path) = (names::DATA_VOLUME.to_owned(), path::DATA.to_owned());
    // A member that fills its node's disk harms others; the pod ends instead.
    let scratch = || json!({ "emptyDir": { "sizeLimit": spec.storage.size } });
    let source = spec.storage.ephemeral.then(scratch);
    Mount { name, path, source, reserved: true }
}

fn referenced(spec: &OrchestratorClusterSpec, objects: &Objects) -> Vec<Mount> {
    let credentials = |reference: &CredentialsReference| {
        secret(&reference.name, &[(&reference.user_key, USER_FILE), (&reference.password_key, PASSWORD_FILE)])
    };
    let mut mounts = Vec::new();
    if let Some(reference) = &spec.topology.credentials_secret_ref {
        mounts.push(Mount::reserved("topology", path::TOPOLOGY, credentials(reference)));
    }
    if let Some(reference) = &spec.topology.tls_secret_ref {
        let mut keys = vec![(CERTIFICATE, CERTIFICATE), (PRIVATE_KEY, PRIVATE_KEY)];
        if has(objects, ReferenceKind::Secret, &reference.name, AUTHORITY) {
            keys.push((AUTHORITY, AUTHORITY));
        }
        mounts.push(Mount::reserved("topology-tls", path::TOPOLOGY_TLS, secret(&reference.name, &keys)));
    }
    if let Some(mysql) = &spec.backend.mysql {
        mounts.push(Mount::reserved("backend", path::BACKEND, credentials(&mysql.credentials_secret_ref)));
    }
    if let Some(reference) = &spec.api.authentication.secret_ref {
        mounts.push(Mount::reserved("api", path::API, credentials(reference)));
    }
    if let Some(tls) = &spec.tls {
        let keys = [CERTIFICATE, PRIVATE_KEY, AUTHORITY].map(|key| (key, key));
        mounts.push(Mount::reserved("tls", path::TLS, secret(&tls.secret_ref.name, &keys)));
    }
    mounts.extend(hooks(spec));
    mounts
}

fn hooks(spec: &OrchestratorClusterSpec) -> Vec<Mount> {
    let programs = spec.hooks.config_map_ref.as_ref().map(|map| {
        let source = json!({ "configMap": { "name": map.name, "defaultMode": HOOK_MODE } });
        Mount::reserved("hooks", path::HOOKS, source)
    });
    // A Secret's name may be longer than a volume's, so volumes are numbered.
    let secrets = spec.hooks.secret_refs.iter().enumerate().map(|(index, reference)| {
        let path = format!("{}/{}", path::HOOK_SECRETS, reference.name);
        Mount::reserved(&format!("hook-secret-{index}"), &path, secret(&reference.name, &[]))
    });
    programs.into_iter().chain(secrets).collect()
}

/// A Secret with these keys as these files; all of them as they are, if none is named.
fn secret(name: &str, keys: &[(&str, &str)]) -> Value {
    let mut secret = json!({ "secretName": name, "defaultMode": SECRET_MODE });
    if !keys.is_empty() {
        let items = keys.iter().map(|(key, path)| json!({ "key": key, "path": path }));
        secret["items"] = Value::Array(items.collect());
    }
    json!({ "secret": secret })
}
