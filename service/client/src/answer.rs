//! A JSON answer, and the refusal that may be inside it. The HTTP status is of no interest here.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::jq;

/// What the server said, as text and as a value.
#[derive(Debug)]
pub(crate) struct Answer {
    text: String,
    pub(crate) body: Value,
    /// The `-i` value as `host:port`, for commands whose answer does not name their instance.
    pub(crate) asked: String,
}

/// The `Details` of an envelope with its fields in their own order.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "Details")]
    details: Option<&'a RawValue>,
}

impl Answer {
    /// # Errors
    /// The text is not one JSON value.
    pub(crate) fn parse(text: String) -> Result<Self, serde_json::Error> {
        Ok(Self { body: serde_json::from_str(&text)?, text, asked: String::new() })
    }

    /// `Details` of an envelope; `null` in any other answer.
    pub(crate) fn details(&self) -> &Value {
        self.body.get("Details").unwrap_or(&Value::Null)
    }

    pub(crate) fn message(&self) -> String {
        self.body.get("Message").map(jq::raw).unwrap_or_default()
    }

    /// The whole answer as one line.
    pub(crate) fn body_line(&self) -> String {
        jq::one_line(&self.text)
    }

    /// `Details` as one line; `None` if they are `null`.
    pub(crate) fn details_line(&self) -> Option<String> {
        let envelope: Envelope<'_> = serde_json::from_str(&self.text).ok()?;
        envelope.details.map(|details| jq::one_line(details.get()))
    }

    /// The answer, unless its `Code` says that the server refused.
    pub(crate) fn accepted(self) -> Result<Self, Failure> {
        if !self.is_refusal() {
            return Ok(self);
        }
        Err(Failure::Refused { message: self.message(), details: self.details_line() })
    }

    /// The same for `-c api`, which prints a refusal as it prints anything else.
    pub(crate) fn accepted_whole(self) -> Result<Self, Failure> {
        if self.is_refusal() { Err(Failure::RefusedWhole { answer: self.body_line() }) } else { Ok(self) }
    }

    fn is_refusal(&self) -> bool {
        self.body.get("Code").is_some_and(|code| jq::raw(code).contains("ERROR"))
    }
}
