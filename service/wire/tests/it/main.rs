//! What clients read, byte by byte.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod fleet;
mod order;
mod records;
mod samples;
mod trees;
