//! Counts elections and moments without a leader while the machine is overloaded.
//!
//! Three nodes, each a process of its own, beside `busy` processes that only burn the processor.
//!
//! `cargo run --release -p orchestrator-raft --example busy_raft [seconds] [busy ...]`
//!
//! `BUSY_RAFT_LOG=<directory>` keeps each node's log there, filtered by `RUST_LOG`.
//! `BUSY_RAFT_WORK=<tasks>` has each node do other work on its runtime: so many tasks that each use the
//! processor for 10 ms in 50, as probing and rendering would.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints figures or fails")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use orchestrator_raft::command::{Command, Reply};
use orchestrator_raft::{Answerer, Machine, MachineError, Member, RaftNode, RaftSettings, Timings};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

const NODES: usize = 3;
/// How long a calm group may take to form before anything is burnt.
const CALM: Duration = Duration::from_secs(3);

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

    fn write_empty(&mut self, file: &Path) -> Result<(), MachineError> {
        self.write_snapshot(file)
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

/// What one node saw.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    first_term: u64,
    last_term: u64,
    /// How often it lost health, and for how long in all.
    losses: u64,
    unhealthy_ms: u64,
    /// How often a leader's own lease ended.
    leases_lost: u64,
    proposals: u64,
    refused: u64,
}

async fn node(index: usize, names: Vec<String>, dir: PathBuf, busy_for: Duration) {
    let settings = RaftSettings {
        data_dir: dir,
        bind: names[index].clone(),
        advertise: String::new(),
        nodes: names,
        http_uri: "http://localhost:3000".into(),
        hostname: "localhost".into(),
        timings: Timings::default(),
    };
    let node = RaftNode::start(settings, Box::new(Nothing::default()), Arc::new(Echo)).await.unwrap();
    tokio::time::sleep(CALM).await;
    let tasks: usize = std::env::var("BUSY_RAFT_WORK").map_or(0, |tasks| tasks.parse().unwrap());
    let mut work = tokio::task::JoinSet::new();
    for _ in 0..tasks {
        work.spawn(other_work());
    }
    let mut seen = Seen { first_term: node.health().term, ..Seen::default() };
    let (mut health, mut leadership) = (node.watch_health(), node.watch_leadership());
    let (mut sick_since, mut led) = (None, node.leadership().is_me);
    let end = Instant::now() + busy_for;
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(end) => break,
            _ = health.changed() => {
                let healthy = health.borrow_and_update().healthy;
                match (healthy, sick_since) {
                    (false, None) => { sick_since = Some(Instant::now()); seen.losses += 1; }
                    (true, Some(since)) => { seen.unhealthy_ms += ms(since); sick_since = None; }
                    _ => {}
                }
            }
            _ = leadership.changed() => {
                let leads = leadership.borrow_and_update().is_me;
                seen.leases_lost += u64::from(led && !leads);
                led = leads;
            }
            _ = second.tick() => if led {
                let done = node.propose(Command::Heartbeat {}, Duration::from_millis(900)).await.is_ok();
                seen.proposals += 1;
                seen.refused += u64::from(!done);
            }
        }
    }
    seen.unhealthy_ms += sick_since.map_or(0, ms);
    seen.last_term = node.health().term;
    println!("{}", serde_json::to_string(&seen).unwrap());
    node.stop().await;
}

async fn other_work() {
    loop {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(10) {
            std::hint::spin_loop();
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

fn ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap()
}

/// Ends the process with its owner.
struct Burner(Child);

impl Drop for Burner {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn round(seconds: u64, busy: usize) {
    let listeners: Vec<_> = (0..NODES).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let names: Vec<_> = listeners.iter().map(|it| it.local_addr().unwrap().to_string()).collect();
    drop(listeners);
    let dir = tempfile::tempdir().unwrap();
    let children: Vec<Child> = (0..NODES)
        .map(|index| {
            let log = std::env::var_os("BUSY_RAFT_LOG").map_or(Stdio::null(), |dir| {
                let name = format!("busy{busy}-node{index}.log");
                std::fs::File::create(PathBuf::from(dir).join(name)).unwrap().into()
            });
            Process::new(std::env::current_exe().unwrap())
                .args(["node", &index.to_string(), &names.join(","), &seconds.to_string()])
                .arg(dir.path().join(index.to_string()))
                .stdout(Stdio::piped())
                .stderr(log)
                .spawn()
                .unwrap()
        })
        .collect();
    std::thread::sleep(CALM);
    let burn = |_| Burner(Process::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap());
    let burners: Vec<Burner> = (0..busy).map(burn).collect();
    let seen: Vec<Seen> = children.into_iter().map(finish).collect();
    drop(burners);
    let sum = |of: fn(&Seen) -> u64| seen.iter().map(of).sum::<u64>();
    let terms = seen.iter().map(|it| it.last_term).max().unwrap()
        - seen.iter().map(|it| it.first_term).min().unwrap();
    println!(
        "{busy:3} busy: {:5.1} elections a minute, {:3} losses of health, {:6} ms unhealthy in all, \
         {:3} leases lost, {:3} of {:3} proposals failed",
        terms as f64 * 60.0 / seconds as f64,
        sum(|it| it.losses),
        sum(|it| it.unhealthy_ms),
        sum(|it| it.leases_lost),
        sum(|it| it.refused),
        sum(|it| it.proposals),
    );
}

fn finish(mut child: Child) -> Seen {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.wait().unwrap();
    serde_json::from_str(&line).unwrap()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [role, index, names, seconds, dir] = args.as_slice()
        && role == "node"
    {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
        let names = names.split(',').map(str::to_owned).collect();
        let busy_for = Duration::from_secs(seconds.parse().unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        return runtime.block_on(node(index.parse().unwrap(), names, dir.into(), busy_for));
    }
    let mut numbers = args.iter().map(|arg| arg.parse().unwrap());
    let seconds = numbers.next().unwrap_or(30);
    let busy: Vec<u64> = numbers.collect();
    for busy in if busy.is_empty() { vec![0, 8, 16] } else { busy } {
        round(seconds, usize::try_from(busy).unwrap());
    }
}
