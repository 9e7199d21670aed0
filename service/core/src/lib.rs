#![doc = include_str!("../DESIGN.md")]
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod admission;
pub mod aftermath;
pub mod analysis;
pub mod grace;
pub mod gtid;
pub mod heuristic;
pub mod instance;
pub mod key;
pub mod lasting;
pub mod lookup;
pub mod observation;
#[cfg(any(test, feature = "picture"))]
pub mod picture;
pub mod policy;
pub mod reconnect;
pub mod recovery;
pub mod standing;
pub mod time;
pub mod topology;
pub mod verdict;
pub mod view;

pub use instance::Instance;
pub use key::InstanceKey;
pub use time::Timestamp;
pub use view::TopologyView;
