//! The definition and its rules without an API server.

#[path = "../cases/mod.rs"]
mod cases;
mod definition;
mod rules;
