//! What the planner decides for drawn groups: rows of its table, one operation after the other.

mod bootstrap;
mod draw;
mod replace;
mod rescue;
mod roll;
mod scale;
mod settle;
