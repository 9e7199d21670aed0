//! Stories on a real Kubernetes: real kubelets, real volumes, nodes that are really cut off.
//!
//! Letters and numbers are those of the list of acceptance tests. All of them have real kubelets, those of the control
//! plane (C03 to C09) too; their first line says where the operator runs. C01 is `cargo test -p orchestrator-crds --test
//! apiserver`, which `make e2e-k8s` runs as well. P01 and P02 have no operator, X01 to X03 something beside the cluster.
//!
//! A binary of its own: it needs a cluster with the operator and the images, and says so: `make e2e-k8s`. One story
//! alone, on a cluster that `make up-k8s` left running: see `e2e/labs/README.md`.

mod forming;
mod growing;
mod handling;
mod installing;
mod killing;
mod nodes;
mod operating;
mod outside;
mod plain;
mod racing;
mod replacing;
mod rights;
mod scaling;
mod servers;
mod steady;
mod support;
mod updating;
