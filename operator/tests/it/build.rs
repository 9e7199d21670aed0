//! What a spec means in Kubernetes, and what is said of one that makes no sense.

mod golden;
mod kept;
mod refused;

use std::collections::BTreeMap;

use orchestrator_crds::{API_VERSION, KIND, OrchestratorCluster, yaml};
use orchestrator_operator::{
    build::{Context, OperatorPods, ReferenceKind, Rendering, Seen, digest, references, render},
    observation::Invalid,
};
use serde_json::{Value, json};

/// The object `main` in the namespace `db`, with this spec in YAML.
pub(crate) fn cluster(spec: &str) -> OrchestratorCluster {
    let spec: Vec<Value> = yaml::from_str(spec).expect("the test's YAML is fine");
    let spec = spec.into_iter().next().unwrap_or_else(|| json!({}));
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": { "name": "main", "namespace": "db", "uid": "0c5e5b5e-0000-4000-8000-000000000001" },
        "spec": spec,
    });
    serde_json::from_value(object).expect("the test's object is fine")
}

pub(crate) fn context() -> Context {
    let labels = [("app.kubernetes.io/name".to_owned(), "orchestrator-operator".to_owned())].into();
    Context {
        default_image: Some("orchestrator:1.2.3".to_owned()),
        operator: Some(OperatorPods { namespace: "operators".to_owned(), labels }),
        pod_monitors: true,
        openshift: false,
    }
}

/// Everything that the spec names is there, with all keys.
pub(crate) fn seen(cluster: &OrchestratorCluster) -> Seen {
    let mut seen = Seen::default();
    for reference in references(&cluster.spec) {
        let keys = reference.keys.iter().chain(&reference.optional);
        let keys: BTreeMap<String, String> = keys.map(|key| (key.clone(), digest(key.as_bytes()))).collect();
        seen.objects.insert((reference.kind, reference.name), Some(keys));
    }
    seen
}

pub(crate) fn rendered(spec: &str) -> Rendering {
    let cluster = cluster(spec);
    render(&cluster, &context(), &seen(&cluster)).expect("the spec makes sense")
}

/// Reasons and messages, one a line.
pub(crate) fn refusal(result: Result<Rendering, Vec<Invalid>>) -> String {
    let Err(invalid) = result else { return "nothing".to_owned() };
    invalid.iter().map(|one| format!("{}: {}\n", one.reason, one.message)).collect()
}

/// The Secret `name` with these keys.
pub(crate) fn put_secret(seen: &mut Seen, name: &str, keys: &[(&str, &str)]) {
    let keys = keys.iter().map(|(key, value)| ((*key).to_owned(), digest(value.as_bytes()))).collect();
    seen.objects.insert((ReferenceKind::Secret, name.to_owned()), Some(keys));
}
