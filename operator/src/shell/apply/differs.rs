//! Whether a live object is as it should be. The API server fills in defaults and writes some values in its own way;
//! others may have fields of theirs in it.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Map, Value};

use crate::shell::facts::bytes;

/// Fields whose strings are quantities: `0.5` becomes `500m`.
const QUANTITIES: [&str; 3] = ["requests", "limits", "sizeLimit"];

/// Maps that hold together: a key too many in them is another meaning.
const WHOLE: [&str; 4] = ["selector", "podSelector", "matchLabels", "nodeSelector"];

/// Everything in `wished` is so in `live`.
#[must_use]
pub(super) fn contains(live: &Value, wished: &Value) -> bool {
    within(live, wished, "")
}

/// `under` is the key below which both stand.
fn within(live: &Value, wished: &Value, under: &str) -> bool {
    match (live, wished) {
        (Value::Object(live), Value::Object(wished)) => fields(live, wished, under),
        (Value::Array(live), Value::Array(wished)) if under == "ownerReferences" => {
            wished.iter().all(|wished| live.iter().any(|live| within(live, wished, "")))
        }
        (Value::Array(live), Value::Array(wished)) => {
            live.len() == wished.len()
                && live.iter().zip(wished).all(|(live, wished)| within(live, wished, under))
        }
        (Value::Number(live), Value::Number(wished)) => live == wished || live.as_f64() == wished.as_f64(),
        (Value::String(live), Value::String(wished)) => {
            live == wished || (QUANTITIES.contains(&under) && same_quantity(live, wished))
        }
        (live, wished) => live == wished,
    }
}

fn fields(live: &Map<String, Value>, wished: &Map<String, Value>, under: &str) -> bool {
    if WHOLE.contains(&under) && live.keys().any(|key| !wished.contains_key(key)) {
        return false;
    }
    wished.iter().all(|(key, wished)| {
        // What stands below `requests` are names of resources.
        let under = if QUANTITIES.contains(&under) { under } else { key };
        match live.get(key) {
            Some(live) => within(live, wished, under),
            // Nothing is left of what is empty.
            None => is_empty(wished),
        }
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        // Written as `false` and 0 where that is the default; the API server leaves them out.
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
    }
}

fn same_quantity(one: &str, other: &str) -> bool {
    // In thousandths, so that parts of a core count.
    let thousandths = |text: &str| match text.strip_suffix('m') {
        Some(_) => bytes(&Quantity(text.trim_end_matches('m').to_owned())),
        None => bytes(&Quantity(text.to_owned())).and_then(|whole| {
            let fraction = text.parse::<f64>().ok().map(|value| (value * 1000.0).round() as u64);
            fraction.or_else(|| whole.checked_mul(1000))
        }),
    };
    thousandths(one).is_some_and(|one| Some(one) == thousandths(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_and_fields_of_others_are_no_difference() {
        let live = json!({ "metadata": { "labels": { "a": "1", "theirs": "x" }, "uid": "u" }, "spec": { "ports": [{ "port": 80, "protocol": "TCP" }] } });
        let wished = json!({ "metadata": { "labels": { "a": "1" } }, "spec": { "ports": [{ "port": 80 }], "empty": {}, "off": false } });
        assert!(contains(&live, &wished));
    }

    #[test]
    fn another_value_and_another_number_of_things_are_one() {
        let live = json!({ "spec": { "ports": [{ "port": 80 }, { "port": 81 }], "replicas": 3 } });
        assert!(!contains(&live, &json!({ "spec": { "ports": [{ "port": 80 }] } })));
        assert!(!contains(&live, &json!({ "spec": { "replicas": 5 } })));
        assert!(!contains(&live, &json!({ "spec": { "missing": "x" } })));
    }

    #[test]
    fn a_key_too_many_in_a_selector_is_a_difference() {
        let live = json!({ "spec": { "selector": { "a": "1", "theirs": "x" } } });
        assert!(!contains(&live, &json!({ "spec": { "selector": { "a": "1" } } })));
        assert!(contains(&live, &json!({ "spec": { "selector": { "a": "1", "theirs": "x" } } })));
    }

    #[test]
    fn quantities_are_compared_by_what_they_mean() {
        let of = |cpu: &str, memory: &str| json!({ "resources": { "requests": { "cpu": cpu, "memory": memory } } });
        assert!(contains(&of("500m", "1Gi"), &of("0.5", "1024Mi")));
        assert!(!contains(&of("500m", "1Gi"), &of("0.6", "1Gi")));
        assert!(
            !contains(&json!({ "name": "1024Mi" }), &json!({ "name": "1Gi" })),
            "only where quantities stand"
        );
    }

    #[test]
    fn somebody_elses_owner_reference_stays() {
        let live = json!({ "ownerReferences": [{ "uid": "x" }, { "uid": "u", "kind": "K" }] });
        assert!(contains(&live, &json!({ "ownerReferences": [{ "uid": "u" }] })));
    }
}
