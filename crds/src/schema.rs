//! Pieces of schema that the derives do not make.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::{RESERVED, Reserved, rules};

/// More keys than the service knows; a document beyond it is a mistake.
const CONFIG_KEYS_MAX: usize = 400;

/// A type of Kubernetes as it is, without the descriptions of its parts: `kubectl explain pod` has them, and they
/// would make up most of the definition, which `kubectl apply` limits to 256 KiB.
pub(crate) fn embedded<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    undescribe(schema.ensure_object().values_mut());
    schema.remove("description");
    schema
}

/// A list of a type of Kubernetes.
pub(crate) fn embedded_list<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": embedded::<T>(generator), "maxItems": 32 })
}

/// Takes away what describes a schema; a property that happens to be called `description` stays.
fn undescribe<'v>(values: impl Iterator<Item = &'v mut Value>) {
    for value in values {
        match value {
            Value::Object(map) => {
                if map.get("description").is_some_and(Value::is_string) {
                    map.remove("description");
                }
                undescribe(map.values_mut());
            }
            Value::Array(list) => undescribe(list.iter_mut()),
            _ => {}
        }
    }
}

/// An object whose fields Kubernetes does not look at.
pub(crate) fn opaque(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Any keys; the reserved ones are there to be refused by [`crate::rules`], and to be explained.
pub(crate) fn config(_: &mut SchemaGenerator) -> Schema {
    let keys: Map<String, Value> = RESERVED.iter().map(reserved).collect();
    let mut schema = json_schema!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "maxProperties": CONFIG_KEYS_MAX,
        "properties": keys,
    });
    rules::config(&mut schema);
    schema
}

fn reserved(Reserved { key, kind, instead }: &Reserved) -> (String, Value) {
    let mut schema = json!({ "type": kind, "description": format!("Refused here: {instead}.") });
    if *kind == "array" {
        schema["items"] = json!({ "type": "string" });
    }
    ((*key).to_owned(), schema)
}

/// A quantity written as text, such as `1Gi`. Kubernetes' own type is a number as well, of which rules cannot tell
/// whether it is one.
pub(crate) fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 32 })
}
