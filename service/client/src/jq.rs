//! The few things that the original asks of `jq`, with its rules: `null` has every field, and they are all `null`;
//! anything else of an unexpected type is an error.

use serde_json::Value;

/// An answer does not have the shape that its command expects; the text is one sentence about where.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mismatch(String);

/// `.name`
pub(crate) fn field<'a>(value: &'a Value, name: &str) -> Result<&'a Value, Mismatch> {
    match value {
        Value::Null => Ok(&Value::Null),
        Value::Object(fields) => Ok(fields.get(name).unwrap_or(&Value::Null)),
        _ => Err(Mismatch(format!("cannot look for {name} in {}", kind(value)))),
    }
}

/// `.[]`
pub(crate) fn items(value: &Value) -> Result<&[Value], Mismatch> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| Mismatch(format!("cannot list the elements of {}", kind(value))))
}

/// A part of a concatenation: text is itself, `null` adds nothing.
pub(crate) fn text(value: &Value) -> Result<&str, Mismatch> {
    match value {
        Value::Null => Ok(""),
        Value::String(text) => Ok(text),
        _ => Err(Mismatch(format!("cannot join {} with text", kind(value)))),
    }
}

/// `jq -r .`: text without quotes, anything else as indented JSON.
pub(crate) fn raw(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        _ => format!("{value:#}"),
    }
}

/// `host:port` of an object with `Hostname` and `Port`; `:null` of `null`.
pub(crate) fn key(value: &Value) -> Result<String, Mismatch> {
    Ok(format!("{}:{}", text(field(value, "Hostname")?)?, raw(field(value, "Port")?)))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Indented JSON squeezed onto one line: tokens separated by one blank, fields in the order they came.
///
/// `json` must be valid; otherwise the result is some text of about its length.
pub(crate) fn one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let mut rest = json.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = rest.split_at(token_length(rest, first));
        rest = after.trim_start();
        line.push_str(&plain_token(token));
        let before_end = rest.starts_with(['}', ']']);
        let blank = match first {
            ',' | ':' => true,
            '{' | '[' => !before_end,
            _ => before_end,
        };
        line.extend(blank.then_some(' '));
    }
    line
}

/// Strings lose escapes that need not be, such as the `\u003c` that Go writes for `<`.
fn plain_token(token: &str) -> String {
    let text = token.starts_with('"').then(|| serde_json::from_str::<String>(token).ok()).flatten();
    text.map_or_else(|| token.to_owned(), |text| Value::String(text).to_string())
}

fn token_length(rest: &str, first: char) -> usize {
    let inside = &rest[first.len_utf8()..];
    let more = match first {
        '"' => string_length(inside),
        '{' | '}' | '[' | ']' | ',' | ':' => 0,
        _ => inside
            .find(|c: char| c.is_whitespace() || matches!(c, '}' | ']' | ',' | ':'))
            .unwrap_or(inside.len()),
    };
    first.len_utf8() + more
}

/// Up to and with the closing quote.
fn string_length(inside: &str) -> usize {
    let mut escaped = false;
    let end = inside.find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    end.map_or(inside.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_line_is_what_an_unquoted_echo_makes_of_jq() {
        let cases = [
            (r#"{"Code":"OK","Details":[1,2]}"#, r#"{ "Code": "OK", "Details": [ 1, 2 ] }"#),
            ("{\"b\" :\n null,\"a\":{}, \"c\":[ ]}", r#"{ "b": null, "a": {}, "c": [] }"#),
            ("[[],[[1]],{}]", "[ [], [ [ 1 ] ], {} ]"),
            (r#""a \" , } \\""#, r#""a \" , } \\""#),
            (r#"["\u003cb\u003e","x  y"]"#, r#"[ "<b>", "x  y" ]"#),
            ("-1.5e3", "-1.5e3"),
        ];
        for (json, expected) in cases {
            assert_eq!(one_line(json), expected, "{json}");
        }
    }

    #[test]
    fn null_has_every_field_and_other_values_have_none() {
        assert_eq!(field(&Value::Null, "Key").unwrap(), &Value::Null);
        assert_eq!(field(&json!({}), "Key").unwrap(), &Value::Null);
        assert!(field(&json!("text"), "Key").is_err());
        assert!(items(&Value::Null).is_err());
    }

    #[test]
    fn a_key_prints_as_host_and_port() {
        assert_eq!(key(&json!({"Hostname": "db1", "Port": 3306})).unwrap(), "db1:3306");
        assert_eq!(key(&json!({"Hostname": "", "Port": 0})).unwrap(), ":0");
        assert_eq!(key(&Value::Null).unwrap(), ":null");
        assert!(key(&json!([])).is_err());
    }
}
