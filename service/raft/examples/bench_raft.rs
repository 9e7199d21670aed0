//! Prints how long elections, hand-overs, proposals and questions take, and what an idle group costs.
//!
//! `cargo run --release -p orchestrator-raft --example bench_raft [rounds]`
//!
//! The traffic is that of the loopback interface: run it under `unshare -n` (with `lo` up) to have it alone.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints figures or fails")]

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use orchestrator_raft::command::{Command, Reply};
use orchestrator_raft::{Answerer, Machine, MachineError, Member, RaftNode, RaftSettings, Timings};
use tempfile::TempDir;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(5);
/// After this time nothing is left of the forming and of the proposals.
const CALM: Duration = Duration::from_secs(4);

#[derive(Default)]
struct Nothing(Option<Vec<u8>>);

impl Machine for Nothing {
    fn applied(&mut self) -> Result<Option<Vec<u8>>, MachineError> {
        Ok(self.0.clone())
    }

    fn apply(&mut self, mark: &[u8], commands: &[(u64, &Command)]) -> Result<Vec<Reply>, MachineError> {
        self.0 = Some(mark.to_vec());
        Ok(commands.iter().map(|_| Reply::default()).collect())
    }

    fn write_snapshot(&mut self, file: &Path) -> Result<(), MachineError> {
        std::fs::write(file, b"nothing").map_err(|error| MachineError::caused_by("cannot write", error))
    }

    fn install_snapshot(&mut self, _: &Path, mark: &[u8]) -> Result<(), MachineError> {
        self.0 = Some(mark.to_vec());
        Ok(())
    }
}

struct Echo;

impl Answerer for Echo {
    fn answer(&self, _: Member, question: Vec<u8>) -> BoxFuture<'static, Vec<u8>> {
        async move { question }.boxed()
    }
}

struct Place {
    dir: TempDir,
    name: String,
}

async fn start(places: &[Place], index: usize) -> RaftNode {
    let settings = RaftSettings {
        data_dir: places[index].dir.path().into(),
        bind: places[index].name.clone(),
        advertise: String::new(),
        nodes: places.iter().map(|place| place.name.clone()).collect(),
        http_uri: "http://localhost:3000".into(),
        hostname: "localhost".into(),
        timings: Timings::default(),
    };
    RaftNode::start(settings, Box::new(Nothing::default()), Arc::new(Echo)).await.unwrap()
}

async fn leader(nodes: &[Option<RaftNode>]) -> usize {
    let watched = nodes.iter().enumerate().filter_map(|(index, node)| Some((index, node.as_ref()?)));
    let waits = watched.map(|(index, node)| {
        let mut leadership = node.watch_leadership();
        async move {
            leadership.wait_for(|now| now.is_me).await.unwrap();
            index
        }
        .boxed()
    });
    tokio::time::timeout(LIMIT, futures::future::select_all(waits)).await.unwrap().0
}

async fn all_healthy(nodes: &[Option<RaftNode>]) {
    for node in nodes.iter().flatten() {
        let mut health = node.watch_health();
        tokio::time::timeout(LIMIT, health.wait_for(|health| health.healthy)).await.unwrap().unwrap();
    }
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    println!("{what:34} p50 {:8.2} ms  p99 {:8.2} ms  max {:8.2} ms", at(50), at(99), at(100));
}

/// Processor time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Bytes that went over the loopback interface, headers included.
fn loopback() -> u64 {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lo:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::main]
async fn main() {
    let rounds: usize = std::env::args().nth(1).map_or(20, |rounds| rounds.parse().unwrap());
    let listeners: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let name = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    let places: Vec<Place> = listeners
        .iter()
        .map(|listener| Place { dir: tempfile::tempdir().unwrap(), name: name(listener) })
        .collect();
    drop(listeners);

    let begun = Instant::now();
    let mut nodes = Vec::new();
    for index in 0..3 {
        nodes.push(Some(start(&places, index).await));
    }
    all_healthy(&nodes).await;
    println!("three empty nodes to all healthy: {:?}", begun.elapsed());

    let first = leader(&nodes).await;
    let node = nodes[first].clone().unwrap();
    let (mut proposals, mut questions, mut proofs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..500 {
        let at = Instant::now();
        node.propose(Command::Heartbeat {}, LIMIT).await.unwrap();
        proposals.push(at.elapsed());
        let at = Instant::now();
        node.ask_peers(b"alive?".to_vec(), LIMIT).await;
        questions.push(at.elapsed());
        let at = Instant::now();
        node.confirm_leadership(LIMIT).await.unwrap();
        proofs.push(at.elapsed());
    }
    report("proposal, one at a time", proposals);
    report("question to both peers", questions);
    report("proof of leadership", proofs);
    let begun = Instant::now();
    let many = (0..5000).map(|_| node.propose(Command::Heartbeat {}, LIMIT));
    assert!(futures::future::join_all(many).await.iter().all(Result::is_ok));
    println!("5000 proposals at once: {:.0} a second", 5000.0 / begun.elapsed().as_secs_f64());
    drop(node);

    tokio::time::sleep(CALM).await;
    let (before, sent) = (cpu(), loopback());
    tokio::time::sleep(IDLE).await;
    let share = (cpu() - before).as_secs_f64() / IDLE.as_secs_f64() / 3.0;
    let rate = (loopback() - sent) as f64 / IDLE.as_secs_f64() / 1000.0;
    println!("idle: {:.2} % of one core per node, {rate:.1} kB/s between all three", share * 100.0);

    let (mut handovers, mut elections) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let old = leader(&nodes).await;
        let at = Instant::now();
        nodes[old].as_ref().unwrap().yield_to(None, LIMIT).await.unwrap();
        handovers.push(at.elapsed());
        all_healthy(&nodes).await;
    }
    report("hand-over", handovers);
    for _ in 0..rounds {
        let old = leader(&nodes).await;
        let at = Instant::now();
        nodes[old].take().unwrap().stop().await;
        leader(&nodes).await;
        elections.push(at.elapsed());
        nodes[old] = Some(start(&places, old).await);
        all_healthy(&nodes).await;
    }
    report("killed leader to new leader", elections);
}
