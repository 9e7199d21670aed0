//! The configuration of the members: what a person wrote and what the operator decides, in two files.
//!
//! What needs a restart is in an immutable file that is named by its hash, so that a new one is a new revision of the
//! pods and nothing picks it up by chance. What a running member takes over is in a second file, read over the first.
//! Keys that point at mounted files are never in the second: a pod of an older revision does not have the mount.

use orchestrator_config::{KEYS, Outside, Problem, RELOADABLE, Source, addresses_from_environment};
use orchestrator_crds::{AuthenticationMethod, BackendType, OrchestratorClusterSpec, Reason, reserved};
use serde_json::{Map, Value, json};

use super::{
    Objects,
    references::{AUTHORITY, CERTIFICATE, PRIVATE_KEY, ReferenceKind, has},
};
use crate::{
    names::{self, path},
    observation::Invalid,
};

/// A ConfigMap holds a megabyte; a document beyond a quarter of it is a mistake.
const SIZE_MAX: usize = 256 << 10;

/// Files with user and password of a mounted Secret.
pub(super) const USER_FILE: &str = "username";
/// See [`USER_FILE`].
pub(super) const PASSWORD_FILE: &str = "password";

/// Both files.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    /// Text of the immutable file.
    pub(super) text: String,
    /// Keys of the second file, but for `RaftNodes`.
    live: Map<String, Value>,
    /// Prefix of every route of the API, as the service reads it.
    pub(super) url_prefix: String,
}

impl Config {
    /// Text of the second file with these `RaftNodes`.
    pub(super) fn live_text(&self, peers: &[String]) -> String {
        let mut live = self.live.clone();
        live.insert("RaftNodes".to_owned(), json!(peers));
        text(live)
    }
}

/// What a member finds around its files.
pub(super) struct Surroundings<'s> {
    /// A variable of the container; `None` = it is not set.
    pub(super) variable: &'s dyn Fn(&str) -> Option<String>,
}

/// Reads `spec.config`, adds what the operator decides, and sorts both into the two files.
///
/// # Errors
/// Everything that is wrong with it at once.
pub(super) fn config(
    name: &str,
    namespace: &str,
    spec: &OrchestratorClusterSpec,
    objects: &Objects,
) -> Result<Config, Vec<Invalid>> {
    let wished = wished(&spec.config)?;
    let (live, mut restart): (Map<_, _>, Map<_, _>) =
        wished.into_iter().partition(|(key, _)| RELOADABLE.contains(&key.as_str()));
    let url_prefix = restart.get("URLPrefix").and_then(Value::as_str).unwrap_or_default();
    let url_prefix = match url_prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("/{prefix}"),
    };
    restart.extend(managed(name, namespace, spec, objects));
    let config = Config { text: text(restart), live, url_prefix };
    let size = config.text.len() + config.live_text(&names::addresses(name, namespace, spec)).len();
    if size > SIZE_MAX {
        let message =
            format!("spec.config is {size} bytes as a file: {SIZE_MAX} are possible. Make it shorter.");
        return Err(vec![Invalid { reason: Reason::TooLarge, message }]);
    }
    Ok(config)
}

/// What a person wrote, under the documented names. Remarks are left out, lest a new one restart members.
fn wished(config: &Map<String, Value>) -> Result<Map<String, Value>, Vec<Invalid>> {
    let mut wished = Map::new();
    let mut invalid = Vec::new();
    for (written, value) in config {
        if written.starts_with(['#', '_']) || written.starts_with("//") || value.is_null() {
            continue;
        }
        if let Some(reserved) = reserved(written) {
            let message = format!("spec.config may not contain {written}: {}.", reserved.instead);
            invalid.push(Invalid { reason: Reason::ReservedKey, message });
            continue;
        }
        let key = KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(written));
        let key = key.map_or(written.as_str(), |key| key.name);
        if wished.insert(key.to_owned(), value.clone()).is_some() {
            let message = format!("spec.config contains {key} twice, in different case: leave one of them.");
            invalid.push(Invalid { reason: Reason::RejectedByMember, message });
        }
    }
    if invalid.is_empty() { Ok(wished) } else { Err(invalid) }
}

/// What the operator decides: see [`orchestrator_crds::RESERVED`]. What is each member's own comes by environment.
fn managed(
    name: &str,
    namespace: &str,
    spec: &OrchestratorClusterSpec,
    objects: &Objects,
) -> Map<String, Value> {
    let raft = json!({
        "ListenAddress": format!(":{}", spec.api.port),
        "ProbeListenAddress": format!(":{}", spec.api.probe_port),
        "OperatorTokenFile": format!("{}/{}", path::OPERATOR, names::TOKEN_KEY),
        "RaftEnabled": true,
        // A name listens everywhere; 0.0.0.0 would leave out clusters that have IPv6 alone.
        "RaftBind": format!("{}{}:{}", names::raft_service(name), names::domain(namespace, spec), spec.raft.port),
        "DefaultRaftPort": spec.raft.port,
        "RaftDataDir": path::DATA,
        "RaftBootstrap": "external",
        "RaftMembershipSource": "api",
    });
    let mut keys = Map::new();
    for part in [raft, backend(spec), topology(spec, objects), tls(spec), authentication(spec)] {
        let Value::Object(part) = part else { continue };
        keys.extend(part);
    }
    keys
}

fn backend(spec: &OrchestratorClusterSpec) -> Value {
    match (spec.backend.backend_type, &spec.backend.mysql) {
        // Its host is each member's own.
        (BackendType::Mysql, Some(mysql)) => json!({
            "BackendDB": "mysql",
            "MySQLOrchestratorPort": mysql.port,
            "MySQLOrchestratorDatabase": mysql.database,
            "MySQLOrchestratorUser": content(path::BACKEND, USER_FILE),
            "MySQLOrchestratorPassword": content(path::BACKEND, PASSWORD_FILE),
        }),
        _ => json!({ "BackendDB": "sqlite", "SQLite3DataFile": path::DATABASE }),
    }
}

fn topology(spec: &OrchestratorClusterSpec, objects: &Objects) -> Value {
    let mut keys = json!({});
    if spec.topology.credentials_secret_ref.is_some() {
        keys["MySQLTopologyUser"] = json!(content(path::TOPOLOGY, USER_FILE));
        keys["MySQLTopologyPassword"] = json!(content(path::TOPOLOGY, PASSWORD_FILE));
    }
    if let Some(secret) = &spec.topology.tls_secret_ref {
        let file = |key: &str| json!(format!("{}/{key}", path::TOPOLOGY_TLS));
        keys["MySQLTopologyUseMutualTLS"] = json!(true);
        keys["MySQLTopologySSLCertFile"] = file(CERTIFICATE);
        keys["MySQLTopologySSLPrivateKeyFile"] = file(PRIVATE_KEY);
        if has(objects, ReferenceKind::Secret, &secret.name, AUTHORITY) {
            keys["MySQLTopologySSLCAFile"] = file(AUTHORITY);
        }
    }
    keys
}

fn tls(spec: &OrchestratorClusterSpec) -> Value {
    let Some(tls) = &spec.tls else { return Value::Null };
    let file = |key: &str| json!(format!("{}/{key}", path::TLS));
    let mut keys = json!({});
    if tls.raft {
        keys["RaftTLSCertFile"] = file(CERTIFICATE);
        keys["RaftTLSPrivateKeyFile"] = file(PRIVATE_KEY);
        keys["RaftTLSCAFile"] = file(AUTHORITY);
    }
    if tls.http {
        keys["UseSSL"] = json!(true);
        keys["SSLCertFile"] = file(CERTIFICATE);
        keys["SSLPrivateKeyFile"] = file(PRIVATE_KEY);
        keys["SSLCAFile"] = file(AUTHORITY);
    }
    keys
}

fn authentication(spec: &OrchestratorClusterSpec) -> Value {
    let method = match spec.api.authentication.method {
        AuthenticationMethod::None => return Value::Null,
        AuthenticationMethod::Basic => "basic",
        AuthenticationMethod::Multi => "multi",
        AuthenticationMethod::Proxy => "proxy",
        AuthenticationMethod::Token => "token",
    };
    let mut keys = json!({ "AuthenticationMethod": method });
    if spec.api.authentication.secret_ref.is_some() {
        keys["HTTPAuthUser"] = json!(content(path::API, USER_FILE));
        keys["HTTPAuthPassword"] = json!(content(path::API, PASSWORD_FILE));
    }
    keys
}

/// As the service writes "what is in this file".
fn content(folder: &str, file: &str) -> String {
    format!("file:{folder}/{file}")
}

/// What a member would say of these files at its start: why it would refuse them, and what it would only remark.
/// Asked of the service's own reader, before any member is restarted for them.
pub(super) fn judge(
    config: &Config,
    peers: &[String],
    wished: &Map<String, Value>,
    around: &Surroundings<'_>,
) -> Result<Vec<String>, Vec<Invalid>> {
    let live = config.live_text(peers);
    let file = |folder: &str, key: &str, text: &str| Source {
        path: format!("{folder}/{key}").into(),
        text: text.to_owned(),
    };
    let mut sources =
        vec![file(path::CONFIG, names::CONFIG_KEY, &config.text), file(path::LIVE, names::LIVE_KEY, &live)];
    sources.extend(addresses_from_environment(around.variable));
    // What is in a Secret is never read here; that it is there is seen to elsewhere.
    let outside = Outside { variable: around.variable, read: &|_| Ok("content".to_owned()) };
    let said = |problem: &Problem| sentence(problem, wished);
    match orchestrator_config::load(&sources, &outside) {
        Ok(loaded) => Ok(loaded.warnings.iter().map(said).collect()),
        Err(refusal) => {
            let invalid = refusal
                .errors
                .iter()
                .map(|problem| Invalid { reason: Reason::RejectedByMember, message: said(problem) });
            Err(invalid.collect())
        }
    }
}

/// A problem as people can find it: places in a file that the operator made tell nobody anything.
fn sentence(problem: &Problem, wished: &Map<String, Value>) -> String {
    let text = &problem.text;
    let stop = if text.ends_with('?') { "" } else { "." };
    match &problem.key {
        Some(key) if wished.keys().any(|written| written.eq_ignore_ascii_case(key)) => {
            format!("spec.config.{key}: {text}{stop}")
        }
        Some(key) => format!("{key}: {text}{stop}"),
        None => format!("spec.config: {text}{stop}"),
    }
}

/// The same text for the same content, whatever order and spelling of numbers it came in.
fn text(keys: Map<String, Value>) -> String {
    let sorted = canonical(Value::Object(keys));
    let text = serde_json::to_string_pretty(&sorted).expect("keys of JSON objects are texts");
    format!("{text}\n")
}

fn canonical(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(entries.into_iter().map(|(key, value)| (key, canonical(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(canonical).collect()),
        Value::Number(number) => Value::Number(whole(number)),
        other => other,
    }
}

/// `5.0` is `5` for whoever stored it, and no count for the service.
fn whole(number: serde_json::Number) -> serde_json::Number {
    /// Up to here each whole number has a form of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the bounds of i64")]
            let integer = float as i64;
            integer.into()
        }
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_depends_on_content_alone() {
        let one = json!({"b": {"y": 1, "x": [2.0, {"d": 1, "c": 2}]}, "a": 1.5});
        let other = json!({"a": 1.5, "b": {"x": [2, {"c": 2, "d": 1}], "y": 1}});
        let [one, other] = [one, other].map(|value| text(value.as_object().expect("it is one").clone()));
        assert_eq!(one, other);
        assert!(one.starts_with("{\n  \"a\": 1.5,\n  \"b\": {\n    \"x\": [\n      2,"), "{one}");
    }

    #[test]
    fn remarks_are_left_out_and_keys_get_their_documented_names() {
        let config =
            json!({"readonly": true, "#why": "x", "_": 1, "//": 2, "Own": 3, "DataCenterPattern": null});
        let kept = wished(config.as_object().expect("it is one")).expect("nothing is wrong");
        assert_eq!(Value::Object(kept), json!({"ReadOnly": true, "Own": 3}));
    }

    #[test]
    fn every_reserved_key_in_another_case_and_every_key_twice_is_told_at_once() {
        let config = json!({"raftnodes": [], "LISTENADDRESS": ":1", "ReadOnly": true, "readonly": false});
        let said = wished(config.as_object().expect("it is one")).expect_err("it is wrong");
        let said: Vec<&str> = said.iter().map(|invalid| invalid.message.as_str()).collect();
        assert_eq!(
            said,
            [
                "spec.config may not contain LISTENADDRESS: set spec.api.port.",
                "spec.config may not contain raftnodes: set spec.replicas, and spec.raft.externalMembers for members \
                 outside of Kubernetes.",
                "spec.config contains ReadOnly twice, in different case: leave one of them.",
            ]
        );
    }
}
