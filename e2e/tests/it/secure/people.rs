//! Users by password, by a proxy in front, or not at all: who reads, who changes, and whose name is noted.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::group::HEALTHY_WITHIN;
use orchestrator_e2e::{Flavor, Group, GroupPlan, Lab, LabPlan, until};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::browser::{Page, get};
use crate::support::{recovered, sees_all};

/// `dba:secret`, `dba:wrong`, and `readonly` with some password.
const DBA: (&str, &str) = ("authorization", "Basic ZGJhOnNlY3JldA==");
const WRONG: (&str, &str) = ("authorization", "Basic ZGJhOndyb25n");
const READ_ONLY: (&str, &str) = ("authorization", "Basic cmVhZG9ubHk6YW55dGhpbmc=");

type Headers<'h> = &'h [(&'h str, &'h str)];

/// A group whose ways of letting people in change by a signal.
struct Door {
    group: Group,
    readings: usize,
}

impl Door {
    /// Has all nodes let people in by these keys from now on.
    fn by(&mut self, keys: &[(&str, Value)]) -> Result<()> {
        for node in &mut self.group.nodes {
            for (key, value) in keys {
                node.configure(key, value.clone())?;
            }
            node.signal(Signal::HUP)?;
        }
        self.readings += 1;
        until("all read their configuration again", HEALTHY_WITHIN, || {
            let count = |text: String| text.matches("configuration read again").count();
            let seen: Vec<usize> = self.group.nodes.iter().map(|node| count(node.said())).collect();
            if seen.iter().all(|&count| count == self.readings) { Ok(()) } else { Err(format!("{seen:?}")) }
        })
    }

    fn get(&self, node: usize, route: &str, headers: Headers<'_>) -> Result<Page> {
        get(&format!("{}/api/{route}", self.group.nodes[node].api.base), None, headers)
    }

    /// What every node answers to a read and to a change.
    fn answers(&self, headers: Headers<'_>, read: u16, change: u16) -> Result<()> {
        for node in 0..self.group.nodes.len() {
            let page = self.get(node, "clusters", headers)?;
            ensure!(page.status == read, "read by {headers:?}: {page:?}");
            let page = self.get(node, "begin-downtime/db1/3306/me/test/1h", headers)?;
            ensure!(page.status == change, "change by {headers:?}: {page:?}");
            ensure!(change != 500 || page.message() == "Unauthorized", "{page:?}");
        }
        Ok(())
    }
}

#[test]
fn every_method_lets_in_whom_it_should_on_every_node_and_changes_by_a_signal() -> Result<()> {
    let group = Group::start("people", &GroupPlan::new(3))?;
    let mut door = Door { group, readings: 0 };
    door.answers(&[], 200, 200)?;

    let user = [("HTTPAuthUser", json!("dba")), ("HTTPAuthPassword", json!("secret"))];
    door.by(&[&user[..], &[("AuthenticationMethod", json!("basic"))]].concat())?;
    door.answers(&[DBA], 200, 200)?;
    for headers in [&[][..], &[WRONG], &[READ_ONLY]] {
        door.answers(headers, 401, 401)?;
    }

    door.by(&[("AuthenticationMethod", json!("multi"))])?;
    door.answers(&[DBA], 200, 200)?;
    door.answers(&[READ_ONLY], 200, 500)?;
    door.answers(&[WRONG], 401, 401)?;

    let power = [("PowerAuthUsers", json!(["ann"])), ("PowerAuthGroups", json!(["root"]))];
    let header = ("AuthUserHeader", json!("X-Forwarded-User"));
    door.by(&[&power[..], &[header, ("AuthenticationMethod", json!("proxy"))]].concat())?;
    for (user, change) in [("ann", 200), ("root", 200), ("eve", 500), ("", 500)] {
        door.answers(&[("x-forwarded-user", user)], 200, change)?;
    }
    door.answers(&[], 200, 500)?;
    door.answers(&[("x-forwarded-user", "eve"), ("x-forwarded-user", "ann")], 200, 500)?;

    door.by(&[("AuthenticationMethod", json!("token"))])?;
    door.answers(&[], 200, 500)?;
    door.answers(&[DBA], 200, 500)?;

    door.by(&[("AuthenticationMethod", json!("")), ("ReadOnly", json!(true))])?;
    door.answers(&[], 200, 500)?;
    door.group.done();
    Ok(())
}

/// Waits until a recovery is noted as acknowledged, and answers by whom.
fn acknowledged_by(door: &Door, node: usize, headers: Headers<'_>, id: &Value) -> Result<String> {
    let route = format!("audit-recovery/id/{id}");
    until("an acknowledged recovery", Duration::from_secs(20), || {
        let page = door.get(node, &route, headers).map_err(|error| format!("{error:#}"))?;
        let list: Value = serde_json::from_str(&page.text).map_err(|error| error.to_string())?;
        let by = list[0]["AcknowledgedBy"].as_str().unwrap_or_default();
        if by.is_empty() { Err(page.text) } else { Ok(by.to_owned()) }
    })
}

#[test]
fn whoever_acts_through_a_follower_is_noted_by_name_on_every_node() -> Result<()> {
    let lab = Lab::up("people", &LabPlan::new(Flavor::MariaDb1011, "a>b,c>d"))?;
    let group = Group::start("noted", &GroupPlan::for_lab(&lab)?)?;
    for letter in ["a", "c"] {
        group.leader_api()?.discover(lab.server(letter))?;
    }
    group.nodes.iter().try_for_each(|node| sees_all(&node.api, &lab))?;
    for letter in ["a", "c"] {
        lab.server(letter).kill9()?;
    }
    let (first, second) = (recovered(&group, lab.server("a"))?, recovered(&group, lab.server("c"))?);
    let mut door = Door { group, readings: 0 };
    let leader = door.group.leader()?;
    let follower = (leader + 1) % 3;

    let user = [("HTTPAuthUser", json!("dba")), ("HTTPAuthPassword", json!("secret"))];
    door.by(&[&user[..], &[("AuthenticationMethod", json!("multi"))]].concat())?;
    let route = |recovery: &Value| format!("ack-recovery/{}?comment=seen", recovery["Id"]);
    let refused = door.get(follower, &route(&first), &[READ_ONLY])?;
    ensure!(refused.message() == "Unauthorized", "{refused:?}");
    let done = door.get(follower, &route(&first), &[DBA])?;
    ensure!(done.status == 200, "{done:?}");
    for node in 0..3 {
        let by = acknowledged_by(&door, node, &[DBA], &first["Id"])?;
        ensure!(by == "dba", "by {by}");
    }

    let power = [("PowerAuthUsers", json!(["ann"])), ("AuthenticationMethod", json!("proxy"))];
    door.by(&power)?;
    let ann = ("x-forwarded-user", "ann");
    // A client may not have the follower take off what says who it is.
    let done = door.get(follower, &route(&second), &[ann, ("connection", "close, X-Forwarded-User")])?;
    ensure!(done.status == 200, "{done:?}");
    for node in 0..3 {
        let by = acknowledged_by(&door, node, &[], &second["Id"])?;
        ensure!(by == "ann", "by {by}");
    }
    door.group.done();
    Ok(())
}
