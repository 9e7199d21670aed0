#![doc = include_str!("../DESIGN.md")]

mod closed;
mod conditions;
mod definition;
mod events;
mod generated;
mod names;
mod policies;
mod reserved;
mod rules;
mod schema;
mod spec;
mod status;
pub mod yaml;

pub use conditions::{ConditionStatus, ConditionType, Reason};
pub use definition::definition;
pub use events::EventReason;
pub use generated::{VALUES_SCHEMA, copies, generated, values_schema};
pub use names::*;
pub use reserved::{RESERVED, Reserved, reserved};
pub use spec::*;
pub use status::*;
