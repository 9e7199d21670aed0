//! The web UI in a real browser, served by real nodes over real servers.
//!
//! A binary of its own: these need Node, the packages of `service/web` and Debian's Chromium, and say so.

mod browser;
mod story;
