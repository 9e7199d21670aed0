//! Values as SQL text, for the statements that no server prepares (`CHANGE …`, `SET GLOBAL …`).
//!
//! Invariant: whatever the value and whatever the session's `sql_mode`, the text is one literal and nothing
//! more. Quotes are doubled, which is right in every mode; backslashes are doubled too, which is right unless
//! `NO_BACKSLASH_ESCAPES` is on, where it is merely one backslash too many: sessions that write clear that
//! mode (see [`crate::dialect::CLEAR_SQL_MODE`]).

use std::fmt;

/// A text as an SQL string literal.
pub struct Literal<'a>(pub &'a str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("'")?;
        for character in self.0.chars() {
            match character {
                '\'' => f.write_str("''")?,
                '\\' => f.write_str("\\\\")?,
                '\0' => f.write_str("\\0")?,
                other => fmt::Write::write_char(f, other)?,
            }
        }
        f.write_str("'")
    }
}

/// A list of string literals, for `IN (…)`.
pub struct Literals<'a>(pub &'a [&'a str]);

impl fmt::Display for Literals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, text) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            Literal(text).fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a literal as a server does; `None` when it does not end exactly at the end of the text.
    fn read_back(text: &str, backslash_escapes: bool) -> Option<String> {
        let mut inside = text.strip_prefix('\'')?.strip_suffix('\'')?.chars().peekable();
        let mut value = String::new();
        while let Some(character) = inside.next() {
            match character {
                '\'' => value.push(inside.next().filter(|next| *next == '\'')?),
                '\\' if backslash_escapes => value.push(match inside.next()? {
                    '0' => '\0',
                    other => other,
                }),
                other => value.push(other),
            }
        }
        Some(value)
    }

    #[test]
    fn a_literal_is_one_literal_whatever_it_holds() {
        for hostile in
            ["", "plain", "it's", "\\", "\\'", "'; DROP TABLE x; -- ", "a\0b", "naïve\u{2603}", "''"]
        {
            let text = Literal(hostile).to_string();
            assert_eq!(read_back(&text, true).as_deref(), Some(hostile), "{text}");
            assert!(read_back(&text, false).is_some(), "{text} breaks out where backslashes do not escape");
        }
    }

    #[test]
    fn lists_are_separated_by_commas() {
        assert_eq!(Literals(&["a", "b'c"]).to_string(), "'a','b''c'");
    }
}
