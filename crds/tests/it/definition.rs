//! What is installed: committed, small, and in step with the service.

use std::collections::BTreeMap;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use orchestrator_crds::{
    BootstrapStatus, CRD_NAME, MemberStatus, OrchestratorClusterSpec, OrchestratorClusterStatus, QuorumLoss,
    RESERVED, Role, StorageState, definition, generated,
};
use serde_json::{Value, json};

/// `kubectl apply` keeps a copy of what it applies in an annotation; beyond 256 KiB it fails.
const APPLY_MAX_BYTES: usize = 250 << 10;

/// The files as they are in the tree.
const COMMITTED: [(&str, &str); 2] = [
    ("orchestratorclusters.yaml", include_str!("../../generated/orchestratorclusters.yaml")),
    ("admission-policies.yaml", include_str!("../../generated/admission-policies.yaml")),
];

pub(crate) fn schema() -> Value {
    let crd = serde_json::to_value(definition()).expect("JSON");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Every schema within a schema, with its path.
pub(crate) fn walk<'s>(path: &str, schema: &'s Value, found: &mut Vec<(String, &'s Value)>) {
    found.push((path.to_owned(), schema));
    for (name, part) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), part, found);
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            walk(&format!("{path}[]"), &schema[key], found);
        }
    }
}

#[test]
fn committed_files_are_what_make_generate_writes() {
    let generated = generated().expect("it can be written");
    assert_eq!(generated.len(), COMMITTED.len());
    for ((name, text), (committed_name, committed)) in generated.iter().zip(COMMITTED) {
        assert_eq!(*name, committed_name);
        assert!(text == committed, "crds/generated/{name} is old: run `make generate` and look at the diff");
    }
}

#[test]
fn the_definition_can_be_applied_by_kubectl() {
    let crd = serde_json::to_string(&definition()).expect("JSON");
    assert!(crd.len() < APPLY_MAX_BYTES, "{} bytes", crd.len());
    assert_eq!(definition().metadata.name.as_deref(), Some(CRD_NAME));
}

/// Where types of Kubernetes begin: it explains and limits what is below.
const EMBEDDED: [&str; 7] = [
    ".spec.networkPolicy.apiFrom",
    ".spec.networkPolicy.metricsFrom",
    ".spec.pod.affinity",
    ".spec.pod.resources",
    ".spec.pod.tolerations",
    ".spec.pod.topologySpreadConstraints",
    ".status.conditions",
];

/// Fields of ours, with their paths.
fn ours(schema: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    walk("", schema, &mut found);
    found.retain(|(path, _)| !EMBEDDED.iter().any(|root| path.len() > root.len() && path.starts_with(root)));
    found.retain(|(path, _)| path.starts_with(".spec.") || path.starts_with(".status."));
    found
}

#[test]
fn every_field_explains_itself() {
    let schema = schema();
    let fields = ours(&schema).into_iter().filter(|(path, _)| !path.ends_with("[]"));
    let silent =
        fields.filter(|(_, field)| field["description"].as_str().is_none_or(|text| !text.ends_with('.')));
    let silent: Vec<String> = silent.map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn nothing_is_nullable_and_what_rules_read_is_bounded() {
    let schema = schema();
    let fields = ours(&schema);
    let nullable: Vec<&str> =
        fields.iter().filter(|(_, field)| field["nullable"] == true).map(|(path, _)| path.as_str()).collect();
    assert!(nullable.is_empty(), "{nullable:#?}");
    let reserved = |path: &str| path.starts_with(".spec.config.");
    let lists = fields.iter().filter(|(path, field)| field["type"] == "array" && !reserved(path));
    let unbounded: Vec<&str> =
        lists.filter(|(_, list)| list["maxItems"].is_null()).map(|(path, _)| path.as_str()).collect();
    assert!(unbounded.is_empty(), "{unbounded:#?}");
}

#[test]
fn what_the_schema_fills_in_is_what_an_absent_field_is_read_as() {
    let filled = kube::core::cel::apply_defaults(&schema()["properties"]["spec"], &json!({}));
    let read: OrchestratorClusterSpec = serde_json::from_value(filled.clone()).expect("it is a spec");
    assert_eq!(read, OrchestratorClusterSpec::default());
    assert_eq!(serde_json::to_value(read).expect("JSON"), filled);
}

#[test]
fn reserved_keys_are_keys_of_the_service_with_their_types() {
    let kinds = BTreeMap::from([
        ("bool", "boolean"),
        ("string", "string"),
        ("[]string", "array"),
        ("int", "integer"),
        ("uint", "integer"),
    ]);
    for reserved in RESERVED {
        let known = orchestrator_config::KEYS.iter().find(|known| known.name == reserved.key);
        let known = known.unwrap_or_else(|| panic!("the service knows no key {}", reserved.key));
        assert_eq!(kinds.get(known.kind), Some(&reserved.kind), "{}", reserved.key);
    }
}

/// What `schema` requires of `value` and it has not.
fn required(path: &str, schema: &Value, value: &Value, missing: &mut Vec<String>) {
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.is_object() && value[key].is_null() {
            missing.push(format!("{path}.{key}"));
        }
    }
    for (key, part) in value.as_object().into_iter().flatten() {
        required(&format!("{path}.{key}"), &schema["properties"][key], part, missing);
    }
    for part in value.as_array().into_iter().flatten() {
        required(&format!("{path}[]"), &schema["items"], part, missing);
    }
}

#[test]
fn a_status_may_lack_what_nobody_knows_yet() {
    let member = MemberStatus {
        pod: "main-0".to_owned(),
        ordinal: None,
        address: "main-0.main-raft.default.svc:10008".to_owned(),
        node_id: None,
        role: Role::None,
        ready: false,
        reachable: true,
        lag: None,
        version: None,
        revision: None,
        node: None,
        zone: None,
        storage_state: StorageState::Empty,
        last_seen: None,
    };
    let now = || Time(Timestamp::UNIX_EPOCH);
    let status = OrchestratorClusterStatus {
        members: vec![member],
        bootstrap: Some(BootstrapStatus {
            token: "t".to_owned(),
            cluster_id: "c".to_owned(),
            members: Vec::new(),
            started_at: now(),
            completed_at: None,
        }),
        last_quorum_loss: Some(QuorumLoss { since: now(), until: None }),
        ..OrchestratorClusterStatus::default()
    };
    let mut missing = Vec::new();
    let status = serde_json::to_value(status).expect("JSON");
    required("status", &schema()["properties"]["status"], &status, &mut missing);
    assert!(missing.is_empty(), "{missing:?}");
}
