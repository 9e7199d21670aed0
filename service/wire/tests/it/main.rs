//! What clients read, byte by byte.

mod fleet;
mod order;
mod records;
mod samples;
mod trees;
