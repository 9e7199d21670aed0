//! Groups of real nodes in one process, over loopback, on temporary directories.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod alone;
mod bad_input;
mod events;
mod formation;
mod group;
mod hostile;
mod leadership;
mod machine;
mod membership;
mod newcomers;
mod orders;
mod panics;
mod partition;
mod raw;
mod replication;
mod silence;
mod survivors;
mod tls;
mod transport;
mod waiting;
