//! Quoting of error texts as the original quotes them.

use std::fmt::Write;

/// Go's `strconv.QuoteToASCII`: surrounding double quotes, everything outside printable ASCII escaped.
/// An empty text stays empty: that is how clients see that there is no error.
pub fn error_text(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        push_escaped(&mut quoted, character);
    }
    quoted.push('"');
    quoted
}

fn push_escaped(quoted: &mut String, character: char) {
    let code = u32::from(character);
    let written = match character {
        '"' | '\\' => write!(quoted, "\\{character}"),
        ' '..='~' => write!(quoted, "{character}"),
        '\u{07}' => write!(quoted, "\\a"),
        '\u{08}' => write!(quoted, "\\b"),
        '\u{0c}' => write!(quoted, "\\f"),
        '\n' => write!(quoted, "\\n"),
        '\r' => write!(quoted, "\\r"),
        '\t' => write!(quoted, "\\t"),
        '\u{0b}' => write!(quoted, "\\v"),
        _ if code < 0x20 || code == 0x7f => write!(quoted, "\\x{code:02x}"),
        _ if code <= 0xffff => write!(quoted, "\\u{code:04x}"),
        _ => write!(quoted, "\\U{code:08x}"),
    };
    written.expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::error_text;

    #[test]
    fn no_error_is_no_text() {
        assert_eq!(error_text(""), "");
    }

    #[test]
    fn quotes_control_characters_and_other_scripts_are_escaped() {
        assert_eq!(error_text("a \"b\"\n\\ \u{1}é\u{1F600}"), r#""a \"b\"\n\\ \x01\u00e9\U0001f600""#);
    }
}
