//! The API over fake ports, in process and over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod commands;
mod fake;
mod fleet;
mod forwarding;
mod health;
mod history;
mod reads;
mod socket;
mod table;
mod transport;
