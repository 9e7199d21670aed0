//! What is tried: accepted, refused and remarked wishes, as data.

use orchestrator_crds::{API_VERSION, KIND, RESERVED, Reserved, yaml};
use serde::Deserialize;
use serde_json::{Value, json};

/// Who refuses a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Judge {
    Rule,
    Schema,
    Policy,
}

/// A wish and what becomes of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    #[serde(rename = "case")]
    pub(crate) title: String,
    /// Name of the object.
    #[serde(default = "name")]
    pub(crate) name: String,
    /// What was there; nothing, when the object is new.
    pub(crate) before: Option<Value>,
    /// What is wished.
    pub(crate) spec: Option<Value>,
    /// Or a number of members, through the scale subresource.
    pub(crate) scale: Option<i64>,
    /// Or that the object goes.
    #[serde(default)]
    pub(crate) delete: bool,
    pub(crate) by: Option<Judge>,
    pub(crate) refused: Option<String>,
    pub(crate) remark: Option<String>,
}

fn name() -> String {
    "main".to_owned()
}

impl Case {
    /// The object with `spec`.
    pub(crate) fn object(&self, spec: Option<&Value>) -> Value {
        let mut object =
            json!({ "apiVersion": API_VERSION, "kind": KIND, "metadata": { "name": self.name } });
        if let Some(spec) = spec {
            object["spec"] = spec.clone();
        }
        object
    }

    /// The object as it is wished, however it is wished.
    pub(crate) fn wished(&self) -> Value {
        let Some(replicas) = self.scale else { return self.object(self.spec.as_ref()) };
        let mut spec = self.before.clone().expect("something is scaled");
        spec["replicas"] = replicas.into();
        self.object(Some(&spec))
    }
}

fn read(text: &str) -> Vec<Case> {
    yaml::from_str(text).expect("the cases are YAML of the right shape")
}

pub(crate) fn accepted() -> Vec<Case> {
    read(include_str!("accepted.yaml"))
}

pub(crate) fn refused() -> Vec<Case> {
    let mut cases = read(include_str!("refused.yaml"));
    cases.extend(RESERVED.iter().map(reserved));
    cases
}

/// A key that is not the user's, with a value of its type.
fn reserved(reserved: &Reserved) -> Case {
    let value = match reserved.kind {
        "string" => json!("x"),
        "boolean" => json!(true),
        "integer" => json!(1),
        "array" => json!(["x"]),
        other => panic!("no key has the type {other}"),
    };
    Case {
        title: format!("the key {}", reserved.key),
        name: name(),
        before: None,
        spec: Some(json!({ "config": { reserved.key: value } })),
        scale: None,
        delete: false,
        by: Some(Judge::Rule),
        refused: Some(format!("spec.config may not contain {}: {}", reserved.key, reserved.instead)),
        remark: None,
    }
}

pub(crate) fn remarked() -> Vec<Case> {
    read(include_str!("remarked.yaml"))
}
