//! Lists and error texts as the tables hold them.

use orchestrator_core::InstanceKey;
use serde::{Deserialize, Serialize};

/// An entry of a key list, as the original writes it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyForm {
    hostname: String,
    port: u16,
}

/// `[{"Hostname":"h","Port":3306},…]`, sorted.
pub(crate) fn keys_to_json<'k>(keys: impl IntoIterator<Item = &'k InstanceKey>) -> String {
    let mut keys: Vec<&InstanceKey> = keys.into_iter().collect();
    keys.sort();
    let forms: Vec<KeyForm> =
        keys.iter().map(|key| KeyForm { hostname: key.hostname.to_string(), port: key.port }).collect();
    serde_json::to_string(&forms).expect("names and numbers always have a JSON form")
}

/// Reads what [`keys_to_json`] writes; anything else is an empty list.
pub(crate) fn keys_from_json<C: FromIterator<InstanceKey>>(text: &str) -> C {
    let forms: Vec<KeyForm> = serde_json::from_str(text).unwrap_or_default();
    forms.into_iter().map(|form| InstanceKey::new(form.hostname, form.port)).collect()
}

/// `h1:3306,h2:3306`.
pub(crate) fn keys_to_list(keys: &[InstanceKey]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Reads what [`keys_to_list`] writes; entries that name nobody are left out.
pub(crate) fn keys_from_list(text: &str) -> Vec<InstanceKey> {
    text.split(',').filter_map(|entry| InstanceKey::parse(entry, 3306).ok()).collect()
}

/// Error text in double quotes with the escapes of the original; empty stays empty.
pub(crate) fn quote(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        push_escaped(&mut quoted, c);
    }
    quoted.push('"');
    quoted
}

fn push_escaped(quoted: &mut String, c: char) {
    let code = u32::from(c);
    match c {
        '"' => quoted.push_str("\\\""),
        '\\' => quoted.push_str("\\\\"),
        '\u{7}' => quoted.push_str("\\a"),
        '\u{8}' => quoted.push_str("\\b"),
        '\u{c}' => quoted.push_str("\\f"),
        '\n' => quoted.push_str("\\n"),
        '\r' => quoted.push_str("\\r"),
        '\t' => quoted.push_str("\\t"),
        '\u{b}' => quoted.push_str("\\v"),
        ' '..='~' => quoted.push(c),
        _ if code < 0x80 => quoted.push_str(&format!("\\x{code:02x}")),
        _ if code < 0x1_0000 => quoted.push_str(&format!("\\u{code:04x}")),
        _ => quoted.push_str(&format!("\\U{code:08x}")),
    }
}

/// The text that [`quote`] was given; text without quotes is returned as it is.
pub(crate) fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut plain = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        if c == '\\' { plain.extend(unescaped(&mut rest)) } else { plain.push(c) }
    }
    plain
}

fn unescaped(rest: &mut std::str::Chars<'_>) -> Option<char> {
    let width = match rest.next()? {
        'a' => return Some('\u{7}'),
        'b' => return Some('\u{8}'),
        'f' => return Some('\u{c}'),
        'n' => return Some('\n'),
        'r' => return Some('\r'),
        't' => return Some('\t'),
        'v' => return Some('\u{b}'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        other => return Some(other),
    };
    let digits: String = rest.by_ref().take(width).collect();
    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts_survive_quoting() {
        assert_eq!(quote(""), "");
        assert_eq!(quote("é \"x\"\n\0😀"), "\"\\u00e9 \\\"x\\\"\\n\\x00\\U0001f600\"");
        for text in ["", "plain", "é \"x\"\n\0😀 \\ tab\t"] {
            assert_eq!(unquote(&quote(text)), text);
        }
    }

    #[test]
    fn key_lists_are_sorted_and_tolerant() {
        let keys = [InstanceKey::new("b", 1), InstanceKey::new("a", 2)];
        let json = keys_to_json(&keys);
        assert_eq!(json, r#"[{"Hostname":"a","Port":2},{"Hostname":"b","Port":1}]"#);
        assert_eq!(keys_from_json::<Vec<_>>(&json), [keys[1].clone(), keys[0].clone()]);
        assert!(keys_from_json::<Vec<_>>("oops").is_empty());
        assert_eq!(keys_from_list(&keys_to_list(&keys)), keys);
        assert!(keys_from_list("").is_empty());
    }
}
