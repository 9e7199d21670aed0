//! The API over fake ports, in process and over real sockets.

mod commands;
mod fake;
mod forwarding;
mod health;
mod history;
mod reads;
mod socket;
mod table;
mod transport;
