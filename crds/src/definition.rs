//! The definition of the custom resource, as it is installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use schemars::Schema;
use serde_json::{Value, json};

use crate::{OrchestratorCluster, annotation, label, rules};

/// The definition, with rules for the name of an object, and no more than the API server needs.
#[must_use]
pub fn definition() -> CustomResourceDefinition {
    let mut crd = OrchestratorCluster::crd();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    crd.metadata.annotations.get_or_insert_default().insert(annotation::CRD_VERSION.to_owned(), version);
    let [name, _, part_of, _] = label::FIXED.map(|(key, value)| (key.to_owned(), value.to_owned()));
    crd.metadata.labels.get_or_insert_default().extend([name, part_of]);
    let schema = crd.spec.versions[0].schema.get_or_insert_default();
    let derived = schema.open_api_v3_schema.take().expect("kube derives a schema");
    let derived = serde_json::to_value(derived).expect("a schema is JSON");
    let finished = serde_json::from_value(finish(derived)).expect("it is a schema still");
    schema.open_api_v3_schema = Some(finished);
    crd
}

fn finish(derived: Value) -> Value {
    let mut schema = Schema::try_from(derived).expect("a schema is an object");
    rules::root(&mut schema);
    let mut schema = schema.to_value();
    // The limit lets the API server estimate what the rule on the name costs; it is that of every object's name.
    schema["properties"]["metadata"] =
        json!({ "type": "object", "properties": { "name": { "type": "string", "maxLength": 253 } } });
    tidy(&mut schema);
    schema
}

/// Takes out what the derive cannot leave out.
///
/// `nullable`: a field is there or not, so that rules need not ask for a third case. The title, which is the kind
/// again. Line breaks of comments.
///
/// Defaults of objects stay whole, although those of their parts say the same: the API server judges a default by the
/// rules before it fills in the parts, and refuses the definition.
fn tidy(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    map.remove("nullable");
    map.remove("title");
    if let Some(Value::String(text)) = map.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    if let Some(Value::Object(parts)) = map.get_mut("properties") {
        parts.values_mut().for_each(tidy);
    }
    for key in ["additionalProperties", "items"] {
        if let Some(part) = map.get_mut(key) {
            tidy(part);
        }
    }
}
