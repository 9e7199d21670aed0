//! Stories on a real Kubernetes: real kubelets, real volumes, nodes that are really cut off.
//!
//! A binary of its own: it needs a cluster with the operator and the images, and says so: `make e2e-k8s`. One story
//! alone, on a cluster that `make up-k8s` left running: see `e2e/labs/README.md`.

mod forming;
mod handling;
mod killing;
mod nodes;
mod operating;
mod plain;
mod replacing;
mod scaling;
mod servers;
mod support;
mod updating;
