//! JSON text as Go writes it: compact, and safe to paste into HTML.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The bytes of `value`: no white space, no final line end; `<`, `>`, `&` and the two line separators
/// of Unicode are written as `\u003c` and so on, as clients that compare bytes expect.
///
/// # Errors
/// A map has a key that is not text; none of the types of this crate does.
pub fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(256);
    value.serialize(&mut Serializer::with_formatter(&mut bytes, HtmlSafe))?;
    Ok(bytes)
}

struct HtmlSafe;

impl Formatter for HtmlSafe {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, special)) = rest.char_indices().find(|(_, character)| is_special(*character)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            write!(writer, "\\u{:04x}", u32::from(special))?;
            rest = &rest[at + special.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

fn is_special(character: char) -> bool {
    matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::to_vec;

    #[test]
    fn html_characters_are_escaped_and_read_back() {
        let text = "a<b> & \u{2028}c\"é\n";
        let json = String::from_utf8(to_vec(&text).unwrap()).unwrap();
        assert_eq!(json, r#""a\u003cb\u003e \u0026 \u2028c\"é\n""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
