//! `spec.pod.template` over the operator's pod template, as `kubectl patch` merges a strategic patch.
//!
//! Maps are merged, `null` takes a key away, lists of objects are merged by the key that Kubernetes gives them, other
//! lists are replaced. Of the directives `$patch: delete`, `replace` and `merge` work; those that `kubectl apply`
//! computes for itself (`$setElementOrder`, `$deleteFromPrimitiveList`, `$retainKeys`) are refused.

use serde_json::{Map, Value};

/// Fields of a pod template that hold lists with a key, and that key.
const KEYED: &[(&str, &str)] = &[
    ("containers", "name"),
    ("initContainers", "name"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("hostAliases", "ip"),
    ("topologySpreadConstraints", "topologyKey"),
    ("schedulingGates", "name"),
    ("resourceClaims", "name"),
    ("env", "name"),
    ("ports", "containerPort"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
];

const DIRECTIVE: &str = "$patch";

/// The key of the list under `field`, when it is merged.
pub(super) fn key_of(field: &str) -> Option<&'static str> {
    KEYED.iter().find(|(name, _)| *name == field).map(|(_, key)| *key)
}

/// Merges `patch` into `into`; `at` names the place for people.
///
/// # Errors
/// The patch makes no sense; the text says where and why.
pub(super) fn merge(into: &mut Value, patch: &Value, at: &str) -> Result<(), String> {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return Ok(());
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let map = into.as_object_mut().expect("it was made one above");
    if matches!(directive(patch, at)?, Some("replace" | "delete")) {
        map.clear();
    }
    for (field, value) in patch.iter().filter(|(field, _)| *field != DIRECTIVE) {
        let at = format!("{at}.{field}");
        if field.starts_with('$') {
            return Err(format!("{at} is not supported: of the directives there is $patch alone"));
        }
        merge_field(map, field, value, &at)?;
    }
    Ok(())
}

fn merge_field(map: &mut Map<String, Value>, field: &str, value: &Value, at: &str) -> Result<(), String> {
    match value {
        Value::Null => {
            map.remove(field);
        }
        Value::Object(patch) if patch.get(DIRECTIVE).is_some_and(|word| word == "delete") => {
            map.remove(field);
        }
        Value::Array(patch) => match key_of(field) {
            Some(key) => {
                let into = map.entry(field).or_insert_with(|| Value::Array(Vec::new()));
                let Value::Array(list) = into else { return Err(format!("{at} is a list")) };
                merge_list(list, patch, key, at)?;
            }
            None => {
                map.insert(field.to_owned(), value.clone());
            }
        },
        _ => merge(map.entry(field).or_insert(Value::Null), value, at)?,
    }
    Ok(())
}

/// Elements with the same key are merged, others come behind.
fn merge_list(list: &mut Vec<Value>, patch: &[Value], key: &str, at: &str) -> Result<(), String> {
    let replaces = |element: &&Value| element.get(DIRECTIVE).is_some_and(|word| word == "replace");
    if patch.iter().any(|element| replaces(&element)) {
        list.clear();
    }
    for (index, element) in patch.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let Value::Object(fields) = element else { return Err(format!("{at} is an object")) };
        let word = directive(fields, &at)?;
        let Some(name) = fields.get(key) else {
            if word == Some("replace") {
                continue;
            }
            return Err(format!("{at} has no {key}, by which it is merged"));
        };
        let position = list.iter().position(|known| known.get(key) == Some(name));
        match (word, position) {
            (Some("delete"), Some(position)) => {
                list.remove(position);
            }
            (Some("delete"), None) => {}
            (_, Some(position)) => merge(&mut list[position], element, &at)?,
            (_, None) => {
                let mut new = Value::Null;
                merge(&mut new, element, &at)?;
                list.push(new);
            }
        }
    }
    Ok(())
}

/// What `$patch` says.
fn directive<'p>(patch: &'p Map<String, Value>, at: &str) -> Result<Option<&'p str>, String> {
    match patch.get(DIRECTIVE) {
        None => Ok(None),
        Some(Value::String(word)) if matches!(word.as_str(), "delete" | "replace" | "merge") => {
            Ok(Some(word))
        }
        Some(other) => Err(format!("{at}.{DIRECTIVE} is {other}: write delete, replace or merge")),
    }
}

/// Fields of `written` that `read` does not have: nobody knows them. Empty values do not count.
pub(super) fn unknown(written: &Value, read: &Value, at: &str, found: &mut Vec<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (field, value) in written {
                let at = format!("{at}.{field}");
                match read.get(field) {
                    Some(kept) => unknown(value, kept, &at, found),
                    None if is_empty(value) => {}
                    None => found.push(at),
                }
            }
        }
        (Value::Array(written), Value::Array(read)) => {
            for (index, (value, kept)) in written.iter().zip(read).enumerate() {
                unknown(value, kept, &format!("{at}[{index}]"), found);
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(into: Value, patch: Value) -> Result<Value, String> {
        let mut into = into;
        merge(&mut into, &patch, "template")?;
        Ok(into)
    }

    #[test]
    fn containers_are_merged_by_name_and_their_variables_too() {
        let into = json!({"containers": [{"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}]}]});
        let patch = json!({"containers": [
            {"name": "a", "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "3"}]},
            {"name": "b", "image": "y"},
        ]});
        let both = json!({"containers": [
            {"name": "a", "image": "x", "env": [{"name": "A", "value": "3"}, {"name": "B", "value": "2"}]},
            {"name": "b", "image": "y"},
        ]});
        assert_eq!(merged(into, patch), Ok(both));
    }

    #[test]
    fn null_takes_away_and_other_lists_are_replaced() {
        let into = json!({"a": {"b": 1, "c": 2}, "command": ["x", "y"]});
        assert_eq!(
            merged(into, json!({"a": {"b": null}, "command": ["z"], "d": {"e": null, "f": 1}})),
            Ok(json!({"a": {"c": 2}, "command": ["z"], "d": {"f": 1}}))
        );
    }

    #[test]
    fn directives_delete_and_replace() {
        let into = || json!({"volumes": [{"name": "a"}, {"name": "b"}], "m": {"x": 1}});
        let delete = json!({"volumes": [{"name": "a", "$patch": "delete"}], "m": {"$patch": "delete"}});
        assert_eq!(merged(into(), delete), Ok(json!({"volumes": [{"name": "b"}]})));
        let replace =
            json!({"volumes": [{"$patch": "replace"}, {"name": "c"}], "m": {"$patch": "replace", "y": 2}});
        assert_eq!(merged(into(), replace), Ok(json!({"volumes": [{"name": "c"}], "m": {"y": 2}})));
    }

    #[test]
    fn what_cannot_be_merged_is_refused_with_its_place() {
        for (patch, wanted) in [
            (json!({"spec": {"containers": [{"image": "x"}]}}), "template.spec.containers[0] has no name"),
            (json!({"spec": {"containers": ["x"]}}), "template.spec.containers[0] is an object"),
            (json!({"spec": {"$retainKeys": ["x"]}}), "template.spec.$retainKeys is not supported"),
            (json!({"spec": {"$patch": "remove"}}), "template.spec.$patch is \"remove\""),
        ] {
            let refused = merged(json!({}), patch).expect_err("it makes no sense");
            assert!(refused.starts_with(wanted), "{refused}");
        }
    }

    #[test]
    fn fields_that_nobody_knows_are_found() {
        let mut found = Vec::new();
        let written = json!({"a": 1, "b": [{"c": 1, "d": 2}], "e": {}, "f": null});
        unknown(&written, &json!({"b": [{"c": 1}]}), "t", &mut found);
        assert_eq!(found, ["t.a", "t.b[0].d"]);
    }
}
