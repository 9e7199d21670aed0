//! A real Kubernetes for stories: the cluster that `KUBECONFIG` names, and, if it is one of ours, the machines under
//! it, which can be killed, frozen and cut off.
//!
//! Stories share one cluster and have a namespace each. What people do is done by `kubectl`, as people do it; what a
//! story looks at comes from the API, typed, by watches.

mod between;
mod clients;
mod cluster;
mod group;
mod machines;
mod members;
mod operator;
mod outside;
mod plain;
mod space;
mod story;

pub use between::{Between, Call, Judge, Spoilt};
pub use clients::{Clients, Tally};
pub use cluster::{Cluster, HOW};
pub use group::{Orc, READY_WITHIN};
pub use machines::{Broken, Fault, Machines};
pub use members::{Member, Members};
pub use operator::Operator;
pub use outside::{Addresses, Outside};
pub use plain::{Plain, image};
pub use space::{Object, Space};
pub use story::Story;
