//! Stories on real servers and real processes; one binary, because each links everything anew.

mod audit;
mod backends;
mod bad_input;
mod bystanders;
mod client;
mod contract;
mod dead_primary;
mod discovery;
mod disks;
mod frozen_primary;
mod groups;
mod haproxy;
mod leader_dies;
mod members;
mod net;
mod partition;
mod planned_stop;
mod rare_stages;
mod stock_timeouts;
mod support;
mod victim;
