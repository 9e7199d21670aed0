#![doc = include_str!("../DESIGN.md")]

mod bug;
mod chaos;
mod detect;
mod driver;
mod gap;
mod group;
mod groups;
mod history;
mod invariants;
mod random;
mod rows;
mod server;
mod violation;
mod world;

pub use bug::Bug;
pub use gap::Gap;
pub use groups::{GroupBug, GroupHistory, play_group};
pub use history::{History, Setting, play};
pub use violation::Violation;
