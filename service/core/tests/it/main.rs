//! Tests of topology, GTID and analysis through the public interface: drawn topologies and properties.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which the lint does not know as such")]

mod actions;
mod codes_below;
mod codes_primary;
mod gtid;
mod gtid_laws;
mod original;
mod problems;
mod random;
mod silence;
mod stale;
mod structure;
mod support;
mod topology;
