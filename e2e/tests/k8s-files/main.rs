//! Charts, manifests, alerts and the page on Kubernetes, without a cluster: what is generated is fresh, what is written
//! twice agrees, and typing errors are refused.
//!
//! Modules whose name begins with `with_` need a program that Debian has not (helm, kubectl) or that is fetched
//! (promtool); without it they fail and say where to get it, and `make test` leaves them out and says so.
//! `UPDATE_EXPECT=1` writes the generated files anew, which is what `make generate` does.

mod charts;
mod dashboard;
mod examples;
mod manifests;
mod page;
mod rights;
mod tools;
mod tree;
mod with_helm;
mod with_promtool;
