#![doc = include_str!("../DESIGN.md")]

// Pure: what a person wishes and what was seen → what is to be done, rendered and said.
pub mod build;
pub mod names;
pub mod observation;
pub mod plan;
pub mod status;

// The shell: what is seen and done on a real cluster.
pub mod shell;
