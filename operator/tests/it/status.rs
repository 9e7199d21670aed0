//! What people read of a group that was drawn.

mod conditions;
mod drawn;
mod events;
mod members;
mod random;
mod wishes;
