//! Random histories of raft groups: the real `orchestrator-raft` on a network, disks and a clock that are played.

mod bug;
mod chance;
mod chaos;
mod clients;
mod disk;
mod history;
mod journal;
mod ledger;
mod life;
mod members;
mod net;
mod oracle;
mod peace;
mod pipe;
mod place;
mod rescue;
mod stream;
mod truth;
mod world;

pub use self::bug::Bug as GroupBug;
pub use self::history::{GroupHistory, play_group};
