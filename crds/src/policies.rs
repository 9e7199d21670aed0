//! What the API server refuses or remarks beyond the schema: policies, which see keys that no schema names.
//!
//! They need no webhook, hence no certificates, and hold while the operator is down. Without them keys of the
//! configuration are refused in their documented spelling only, and protection against deletion does nothing.

use serde_json::{Map, Value, json};

use crate::{GROUP, PLURAL, RESERVED, annotation, label};

/// A policy and what makes it hold.
struct Policy {
    name: &'static str,
    operations: &'static [&'static str],
    /// `Deny` or `Warn`.
    action: &'static str,
    variables: Value,
    validations: Value,
}

/// All policies with their bindings, in the order in which they are applied.
pub(crate) fn policies() -> Vec<Value> {
    [config_keys(), deletion_protection(), advice()].iter().flat_map(Policy::documents).collect()
}

/// Reserved keys in any spelling, each with what to set instead.
fn config_keys() -> Policy {
    let instead: Map<String, Value> =
        RESERVED.iter().map(|r| (r.key.to_ascii_lowercase(), Value::from(r.instead))).collect();
    let refused = "has(object.spec.config) ? \
        object.spec.config.filter(key, key.lowerAscii() in variables.instead) : []";
    let message = "'spec.config may not contain ' + \
        variables.refused.map(key, key + ': ' + variables.instead[key.lowerAscii()]).join('; ')";
    Policy {
        name: "config-keys.orchestrator.rs",
        operations: &["CREATE", "UPDATE"],
        action: "Deny",
        variables: json!([
            // A map in CEL looks like one in JSON.
            { "name": "instead", "expression": Value::Object(instead).to_string() },
            { "name": "refused", "expression": refused },
        ]),
        validations: json!([{ "expression": "size(variables.refused) == 0", "messageExpression": message }]),
    }
}

fn deletion_protection() -> Policy {
    let message = concat!(
        r#""this OrchestratorCluster is protected: set spec.deletionProtection to false first, for example with "#,
        r#"kubectl -n " + oldObject.metadata.namespace + " patch orc " + oldObject.metadata.name + " "#,
        r#"--type=merge -p '{\"spec\":{\"deletionProtection\":false}}'""#,
    );
    Policy {
        name: "deletion-protection.orchestrator.rs",
        operations: &["DELETE"],
        action: "Deny",
        variables: json!([]),
        validations: json!([{ "expression": "!oldObject.spec.deletionProtection", "messageExpression": message }]),
    }
}

/// What is allowed and seldom meant.
fn advice() -> Policy {
    let tagged = "!has(object.spec.image) || object.spec.image.contains('@') || \
        (object.spec.image.matches('.*:[^/]+$') && !object.spec.image.endsWith(':latest'))";
    let advise = |expression: &str, message: &str| json!({ "expression": expression, "message": message });
    Policy {
        name: "advice.orchestrator.rs",
        operations: &["CREATE", "UPDATE"],
        action: "Warn",
        variables: json!([]),
        validations: json!([
            advise(
                tagged,
                "spec.image has no fixed tag: members that restart may run different versions; write one, or a digest"
            ),
            advise(
                "object.spec.replicas + size(object.spec.raft.externalMembers) > 1",
                "one member alone tolerates no failure: set spec.replicas to 3"
            ),
            advise(
                "!object.spec.storage.ephemeral",
                "with spec.storage.ephemeral all is forgotten when all members restart at once: set it to false, or \
                 be ready to declare downtimes, candidates and tags again"
            ),
        ]),
    }
}

impl Policy {
    fn documents(&self) -> [Value; 2] {
        let rule = json!({
            "apiGroups": [GROUP], "apiVersions": ["*"], "operations": self.operations, "resources": [PLURAL],
        });
        let mut spec = json!({
            "failurePolicy": "Fail",
            "matchConstraints": { "resourceRules": [rule] },
            "validations": self.validations,
        });
        if self.variables.as_array().is_some_and(|variables| !variables.is_empty()) {
            spec["variables"] = self.variables.clone();
        }
        let binding = json!({ "policyName": self.name, "validationActions": [self.action] });
        [
            self.object("ValidatingAdmissionPolicy", &spec),
            self.object("ValidatingAdmissionPolicyBinding", &binding),
        ]
    }

    fn object(&self, kind: &str, spec: &Value) -> Value {
        let [(name, named), _, (part_of, of), _] = label::FIXED;
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {
                "name": self.name,
                "labels": { name: named, part_of: of },
                "annotations": { annotation::CRD_VERSION: env!("CARGO_PKG_VERSION") },
            },
            "spec": spec,
        })
    }
}
