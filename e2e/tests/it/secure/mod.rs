//! Who may talk to whom, and who may change what: real processes, real certificates, real servers.

mod browser;
mod fleet;
mod https;
mod links;
mod people;
mod pki;
mod state;
mod tokens;

use std::time::Duration;

use anyhow::Result;
use orchestrator_e2e::{Node, until};

/// From a reason in one process to a line in a log.
const SAID_WITHIN: Duration = Duration::from_secs(20);

/// Waits until the node's log holds all of these texts in one line.
fn says(node: &Node, texts: &[&str]) -> Result<String> {
    until(&format!("{} says {texts:?}", node.raft), SAID_WITHIN, || {
        let said = node.said();
        let line = said.lines().find(|line| texts.iter().all(|text| line.contains(text)));
        line.map(str::to_owned).ok_or("not yet")
    })
}
