//! Addresses that change under running nodes: a name leads elsewhere, and nothing is lost but the connection.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::group::{HTTP_PORT, RAFT_PORT};
use orchestrator_e2e::{Api, Group, GroupPlan, Hosts, Names, until};
use serde_json::{Value, json};

use crate::replacing::wait_same;

/// Two nodes of three go on while the third moves; all three moved need one more election.
const TOGETHER_WITHIN: Duration = Duration::from_secs(30);

/// A group whose members know each other by name alone, on machines whose addresses can change.
struct Movable {
    hosts: Hosts,
    names: Names,
    group: Group,
    /// The last number of each node's address.
    at: Vec<usize>,
}

fn name(index: usize) -> String {
    format!("orc-{index}.test")
}

impl Movable {
    fn start(tag: &str, size: usize) -> Result<Self> {
        let hosts = Hosts::up(size)?;
        let mut group = Group::prepare_on(tag, &hosts, &GroupPlan::new(size))?;
        let names = Names::new(&group.nodes[0].folder().join("names"))?;
        let members: Vec<String> = (0..size).map(|i| format!("{}:{RAFT_PORT}", name(i))).collect();
        for (i, node) in group.nodes.iter_mut().enumerate() {
            node.configure("ListenAddress", format!(":{HTTP_PORT}"))?;
            node.configure("HTTPAdvertise", format!("http://{}:{HTTP_PORT}", name(i)))?;
            node.configure("RaftBind", members[i].as_str())?;
            node.configure("RaftNodes", json!(members))?;
            node.raft.clone_from(&members[i]);
            node.enter(names.namespace());
        }
        let mut movable = Self { hosts, names, group, at: (1..=size).collect() };
        movable.point()?;
        movable.group.start_all()?;
        Ok(movable)
    }

    /// Has the names, and this story, lead to where the nodes are.
    fn point(&mut self) -> Result<()> {
        let pairs: Vec<(String, String)> =
            self.at.iter().enumerate().map(|(i, &n)| (name(i), self.hosts.numbered(n))).collect();
        for (node, (_, address)) in self.group.nodes.iter_mut().zip(&pairs) {
            node.api = Api::new(&format!("http://{address}:{HTTP_PORT}"));
        }
        self.names.point(&pairs)
    }

    /// Moves these nodes, all at once.
    fn move_to(&mut self, moves: &[(usize, usize)]) -> Result<()> {
        for &(node, _) in moves {
            self.hosts.readdress(node, &[])?;
        }
        for &(node, last) in moves {
            self.hosts.readdress(node, &[last])?;
            self.at[node] = last;
        }
        self.point()
    }

    /// All healthy under one leader, reached by the follower that forwards; answers the members' numbers.
    fn together(&mut self, downtime: &str) -> Result<Vec<Value>> {
        self.group.wait_healthy()?;
        let nodes = &self.group.nodes;
        let numbers = until("one leader, and nobody out of reach", TOGETHER_WITHIN, || {
            let statuses = nodes.iter().map(|node| node.api.get("raft-status").and_then(|reply| reply.raw()));
            let statuses: Vec<Value> = statuses.collect::<Result<_>>().map_err(|e| format!("{e:#}"))?;
            let first = &statuses[0]["Leader"];
            let agreed = statuses.iter().all(|s| s["Leader"] == *first && s["PeerProblems"] == json!([]));
            if agreed {
                Ok(statuses.iter().map(|s| s["NodeID"].clone()).collect())
            } else {
                Err(json!(statuses))
            }
        })?;
        for node in nodes {
            let declared = format!("begin-downtime/{downtime}/3306/me/moved/1h");
            until("every node takes a command", TOGETHER_WITHIN, || {
                let reply = node.api.get(&declared).map_err(|e| format!("{e:#}"))?;
                reply.details().map_err(|e| format!("{e:#}"))
            })?;
        }
        Ok(numbers)
    }
}

#[test]
fn a_name_that_leads_elsewhere_costs_the_connection_and_nothing_else() -> Result<()> {
    let mut moving = Movable::start("moving", 3)?;
    let numbers = moving.together("first")?;
    for node in 0..3 {
        let others: Vec<Api> =
            (0..3).filter(|&i| i != node).map(|i| moving.group.nodes[i].api.clone()).collect();
        moving.move_to(&[(node, 101 + node)])?;
        until("those who stayed have a leader", TOGETHER_WITHIN, || {
            let well = others.iter().all(Api::healthy);
            if well { Ok(()) } else { Err("not healthy") }
        })?;
        ensure!(moving.together(&format!("after{node}"))? == numbers, "a node has another number");
    }
    wait_same(&moving.group, &[0, 1, 2], &["first", "after0", "after1", "after2"])?;
    moving.group.done();
    Ok(())
}

#[test]
fn all_nodes_at_once_may_swap_their_addresses() -> Result<()> {
    let mut moving = Movable::start("swapping", 3)?;
    let numbers = moving.together("first")?;
    // Each old address now leads to another member of the same group.
    moving.move_to(&[(0, 2), (1, 3), (2, 1)])?;
    ensure!(moving.together("swapped")? == numbers, "a node has another number");
    moving.move_to(&[(0, 201), (1, 202), (2, 203)])?;
    ensure!(moving.together("new")? == numbers, "a node has another number");
    moving.group.done();
    Ok(())
}
