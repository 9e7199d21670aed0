//! The contract of a backend, and what SQLite files can do to a node.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

mod acceptance;
mod apply;
mod deploys;
mod files;
mod handle;
mod mysql;
mod original;
mod servers;
mod suite;
mod support;
mod watched;
