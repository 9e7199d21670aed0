//! The version around each command, read before the command itself.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{COMMAND_VERSION, Command};

#[derive(Serialize)]
struct Outgoing<'c> {
    v: u32,
    c: Body<'c>,
}

struct Body<'c>(&'c Command);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The derived form, an inherent function: not the one below.
        Command::serialize(self.0, serializer)
    }
}

#[derive(Deserialize)]
struct Incoming {
    v: u32,
    c: serde_json::Value,
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Outgoing { v: self.version(), c: Body(self) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Incoming { v, c } = Incoming::deserialize(deserializer)?;
        if v > COMMAND_VERSION {
            return Err(D::Error::custom(format!(
                "a command of version {v}; this node knows up to {COMMAND_VERSION}: upgrade it"
            )));
        }
        Command::deserialize(c)
            .map_err(|error| D::Error::custom(format!("a command of version {v} makes no sense: {error}")))
    }
}
