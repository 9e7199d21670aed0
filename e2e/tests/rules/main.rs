//! The rules of the tree that the compiler does not check: who may import whom, and how long things may be.

mod imports;
mod sizes;
