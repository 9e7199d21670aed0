//! The contract of a backend, and what SQLite files can do to a node.

mod acceptance;
mod files;
mod handle;
mod original;
mod suite;
mod support;
