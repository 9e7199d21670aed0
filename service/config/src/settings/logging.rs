//! The program's own log.

use super::check::Check;

/// How lines of the log are written (`LogFormat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `text`: for people.
    #[default]
    Text,
    /// `json`: one object a line, for programs.
    Json,
}

impl LogFormat {
    /// Reads the word; `None` if it is neither `text` nor `json`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

pub(super) fn build(check: &mut Check<'_>) -> LogFormat {
    let field = &check.file.LogFormat;
    LogFormat::parse(field).unwrap_or_else(|| {
        check.error(field, format!("{:?} is not known; write text or json", **field));
        LogFormat::default()
    })
}
