//! What most answers are wrapped in.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// *Shape*: `{"Code":"OK","Message":"...","Details":null}`; all three always present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Envelope<D = Value> {
    /// How it went.
    pub code: Code,
    /// A sentence for people. Clients match parts of some of them.
    pub message: String,
    /// The result; `null` when there is none.
    pub details: D,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Code {
    /// As asked.
    Ok,
    /// Not as asked; the message says why.
    Error,
}

impl<D> Envelope<D> {
    /// It went well.
    pub fn ok(message: impl Into<String>, details: D) -> Self {
        Self { code: Code::Ok, message: message.into(), details }
    }

    /// It did not.
    pub fn error(message: impl Into<String>, details: D) -> Self {
        Self { code: Code::Error, message: message.into(), details }
    }
}

/// The envelope around details that are JSON already.
pub fn assemble(code: Code, message: &str, details: &[u8]) -> Vec<u8> {
    let message = crate::json::to_vec(&message).expect("text can always be written as JSON");
    let code: &[u8] = match code {
        Code::Ok => b"OK",
        Code::Error => b"ERROR",
    };
    [b"{\"Code\":\"", code, b"\",\"Message\":", &message, b",\"Details\":", details, b"}"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn assembled_and_serialized_envelopes_are_the_same() {
        let details = serde_json::json!({"a": [1, "<"]});
        for (code, envelope) in [
            (Code::Ok, Envelope::ok("a \"b\" & c", details.clone())),
            (Code::Error, Envelope::error("a \"b\" & c", details.clone())),
        ] {
            let details = json::to_vec(&details).unwrap();
            assert_eq!(assemble(code, "a \"b\" & c", &details), json::to_vec(&envelope).unwrap());
        }
    }
}
