//! The API over fake ports, in process and over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod authentication;
mod commands;
mod fake;
mod fleet;
mod forwarding;
mod health;
mod history;
mod operator;
mod pki;
mod probes;
mod reads;
mod socket;
mod table;
mod tls;
mod transport;
mod web;
