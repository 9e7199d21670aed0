//! The service's image on a real Docker engine, started with the commands that people know.
//!
//! A binary of its own: it needs root, Debian's `docker.io` and the image, and says so: `make test-docker`.
//! Names, addresses and ports are those of the known texts, so the stories take turns on one engine.

mod alone;
mod engine;
mod group;
mod mysql;
