//! The operator from outside: what it renders, decides, does and says.

mod build;
mod model;
mod plan;
mod shell;
mod status;
