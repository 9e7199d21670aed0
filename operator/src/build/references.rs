//! Secrets and ConfigMaps that a spec names: what must be in them, and whose change restarts members.

use std::collections::BTreeMap;

use orchestrator_crds::{CredentialsReference, OrchestratorClusterSpec, Reason};

use super::digest::digest;
use crate::observation::Invalid;

/// The kind of an object that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReferenceKind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

impl ReferenceKind {
    /// As it stands in a manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

/// An object in the same namespace that a spec names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What it is.
    pub kind: ReferenceKind,
    /// Its name.
    pub name: String,
    /// Where the spec names it.
    pub field: &'static str,
    /// Keys that must be there.
    pub keys: Vec<String>,
    /// Keys that are used when they are there.
    pub optional: Vec<String>,
    /// Members read it at their start alone, so a change restarts them.
    pub restarts: bool,
}

/// Of the objects that were looked for: the SHA-256 of each key's value; `None` = there is no such object. What is not
/// in the map could not be read.
pub type Objects = BTreeMap<(ReferenceKind, String), Option<BTreeMap<String, String>>>;

/// Keys of a Secret with a certificate, as cert-manager makes it.
pub(super) const CERTIFICATE: &str = "tls.crt";
pub(super) const PRIVATE_KEY: &str = "tls.key";
pub(super) const AUTHORITY: &str = "ca.crt";

/// Everything that `spec` names and that must be there before a member can start.
#[must_use]
pub fn references(spec: &OrchestratorClusterSpec) -> Vec<Reference> {
    let mut found = Vec::new();
    if let Some(secret) = &spec.topology.credentials_secret_ref {
        found.push(credentials(secret, "spec.topology.credentialsSecretRef"));
    }
    if let Some(secret) = &spec.topology.tls_secret_ref {
        let keys = [CERTIFICATE, PRIVATE_KEY].map(str::to_owned).into();
        let optional = vec![AUTHORITY.to_owned()];
        let field = "spec.topology.tlsSecretRef";
        found.push(Reference { keys, optional, restarts: true, ..plain(&secret.name, field) });
    }
    if let Some(mysql) = &spec.backend.mysql {
        found.push(credentials(&mysql.credentials_secret_ref, "spec.backend.mysql.credentialsSecretRef"));
    }
    if let Some(secret) = &spec.api.authentication.secret_ref {
        found.push(credentials(secret, "spec.api.authentication.secretRef"));
    }
    if let Some(tls) = &spec.tls {
        // Members read it again by themselves.
        let keys = [CERTIFICATE, PRIVATE_KEY, AUTHORITY].map(str::to_owned).into();
        found.push(Reference { keys, ..plain(&tls.secret_ref.name, "spec.tls.secretRef") });
    }
    // Programs read what they need each time that they run.
    if let Some(map) = &spec.hooks.config_map_ref {
        let kind = ReferenceKind::ConfigMap;
        found.push(Reference { kind, ..plain(&map.name, "spec.hooks.configMapRef") });
    }
    found.extend(spec.hooks.secret_refs.iter().map(|secret| plain(&secret.name, "spec.hooks.secretRefs")));
    found
}

fn plain(name: &str, field: &'static str) -> Reference {
    let (kind, name) = (ReferenceKind::Secret, name.to_owned());
    Reference { kind, name, field, keys: Vec::new(), optional: Vec::new(), restarts: false }
}

fn credentials(secret: &CredentialsReference, field: &'static str) -> Reference {
    let keys = vec![secret.user_key.clone(), secret.password_key.clone()];
    Reference { keys, restarts: true, ..plain(&secret.name, field) }
}

/// What of `references` is missing in `objects`, each with what to do.
pub(super) fn missing(references: &[Reference], objects: &Objects) -> Vec<Invalid> {
    references.iter().filter_map(|reference| missing_one(reference, objects)).collect()
}

fn missing_one(reference: &Reference, objects: &Objects) -> Option<Invalid> {
    let Reference { kind, name, field, keys, .. } = reference;
    let kind_name = kind.as_str();
    let say = |reason, message| Some(Invalid { reason, message });
    match objects.get(&(*kind, name.clone())) {
        None => say(
            Reason::SecretNotFound,
            format!("{kind_name} {name}, which {field} names, cannot be read: allow the operator to get it."),
        ),
        Some(None) => say(
            Reason::SecretNotFound,
            format!("{kind_name} {name}, which {field} names, is not there: create it, or name another one."),
        ),
        Some(Some(there)) => {
            let absent: Vec<&str> =
                keys.iter().map(String::as_str).filter(|key| !there.contains_key(*key)).collect();
            if absent.is_empty() {
                return None;
            }
            let (absent, has) = (absent.join(" and "), there.keys().cloned().collect::<Vec<_>>());
            let has = if has.is_empty() { "nothing".to_owned() } else { has.join(", ") };
            say(
                Reason::KeyNotFound,
                format!("{kind_name} {name}, which {field} names, has no key {absent}: it has {has}."),
            )
        }
    }
}

/// Changes when a member has to read something again that it reads at its start alone; `None` when there is nothing of
/// that kind.
pub(super) fn restart_hash(references: &[Reference], objects: &Objects) -> Option<String> {
    let lines: Vec<String> = references
        .iter()
        .filter(|reference| reference.restarts)
        .flat_map(|reference| {
            let there = objects.get(&(reference.kind, reference.name.clone())).and_then(Option::as_ref);
            let keys = reference.keys.iter().chain(&reference.optional);
            keys.filter_map(move |key| {
                let value = there?.get(key)?;
                Some(format!("{} {} {key} {value}", reference.field, reference.name))
            })
        })
        .collect();
    (!lines.is_empty()).then(|| digest(lines.join("\n").as_bytes()))
}

/// Whether the object that was seen has `key`.
pub(super) fn has(objects: &Objects, kind: ReferenceKind, name: &str, key: &str) -> bool {
    objects
        .get(&(kind, name.to_owned()))
        .is_some_and(|seen| seen.as_ref().is_some_and(|keys| keys.contains_key(key)))
}
