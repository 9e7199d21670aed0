//! The shell on an API server and on members that are made here.

mod acting;
mod applying;
mod fake;
mod leasing;
mod members;
mod passing;
