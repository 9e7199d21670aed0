//! Groups of real `orchestrator` processes, on loopback or each in a network namespace of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::disk::SmallDisk;
use crate::hosts::Hosts;
use crate::lab::Lab;
use crate::process::Process;
use crate::until::until;
use crate::{repository, server_binary};

/// HTTP port of every node; nodes differ by address.
pub const HTTP_PORT: u16 = 3000;
/// Port of the listener for probes, on nodes that have one.
pub const PROBE_PORT: u16 = 3001;
/// Raft port of every node.
pub const RAFT_PORT: u16 = 10_008;
/// Held for the life of a group: owning it means owning the group's addresses.
const LEASE_PORT: u16 = 10_007;
/// Generous on two busy cores; a benchmark prints what it really takes.
pub const HEALTHY_WITHIN: Duration = Duration::from_secs(30);
/// From one leader's end to the next one.
pub const LEADER_WITHIN: Duration = Duration::from_secs(15);
/// Lines of each node's log that a failed story shows.
const LOG_TAIL: usize = 60;

/// What to start.
#[derive(Debug, Clone)]
pub struct GroupPlan {
    /// Number of nodes: 1, 3 or 5.
    pub size: usize,
    /// Configuration keys that all nodes share, over the harness's own.
    pub conf: Map<String, Value>,
}

impl GroupPlan {
    /// A group of `size` nodes that watches nothing yet.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, conf: Map::new() }
    }

    /// A group of three with the keys that fit `lab`.
    ///
    /// # Errors
    /// When the lab is gone.
    pub fn for_lab(lab: &Lab) -> Result<Self> {
        Ok(Self { size: 3, conf: lab.conf()? })
    }

    /// Sets one key on every node.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.conf.insert(key.to_owned(), value.into());
        self
    }
}

/// One node.
#[derive(Debug)]
pub struct Node {
    /// Its API.
    pub api: Api,
    /// `host:port` that its peers know it by.
    pub raft: String,
    /// Environment of the next start.
    pub env: Vec<(String, String)>,
    dir: PathBuf,
    /// Path of its network namespace.
    netns: Option<String>,
    disk: Option<SmallDisk>,
    /// Path of a mount namespace of somebody else's.
    mounts: Option<String>,
    process: Option<Process>,
}

impl Node {
    fn config(&self) -> PathBuf {
        self.dir.join("orchestrator.conf.json")
    }

    /// Its log file: standard output and error of every run.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.dir.join("node.log")
    }

    /// Starts it; the data directory is as the last run left it.
    ///
    /// # Errors
    /// When it runs already or the binary is missing.
    pub fn start(&mut self) -> Result<()> {
        if self.process.as_mut().is_some_and(|p| p.ended().is_none()) {
            bail!("node {} runs already", self.raft);
        }
        let (binary, config) = (server_binary()?.display().to_string(), self.config().display().to_string());
        let net = self.netns.as_ref().map(|path| format!("--net={path}"));
        let mount = self.disk.as_ref().map(SmallDisk::namespace).or_else(|| self.mounts.clone());
        let mount = mount.map(|path| format!("--mount={path}"));
        let enter: Vec<&str> = [&net, &mount].into_iter().flatten().map(String::as_str).collect();
        let mut command = if enter.is_empty() { vec![] } else { vec!["nsenter"] };
        command.extend(enter);
        command.extend([binary.as_str(), "-config", &config, "http"]);
        self.process = Some(Process::spawn(&command, &self.env, &self.log())?);
        Ok(())
    }

    fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("the node was never started")
    }

    /// Sends a signal; returns the moment before.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&mut self, signal: Signal) -> Result<Instant> {
        let at = Instant::now();
        self.process()?.signal(signal).map(|()| at)
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill9(&mut self) -> Result<Instant> {
        let at = self.signal(Signal::KILL)?;
        self.process()?.wait(Duration::from_secs(10))?;
        Ok(at)
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When it has not ended after `limit`.
    pub fn terminate(&mut self, limit: Duration) -> Result<(ExitStatus, Duration)> {
        self.signal(Signal::TERM)?;
        self.process()?.wait(limit)
    }

    /// Waits until the process ends by itself.
    ///
    /// # Errors
    /// When it has not ended after `limit`.
    pub fn wait_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        Ok(self.process()?.wait(limit)?.0)
    }

    /// Everything that it has said so far, in all its runs.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Its folder: configuration, data, log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// Changes one key of its configuration file, for the next start.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn configure(&self, key: &str, value: impl Into<Value>) -> Result<()> {
        let mut conf: Map<String, Value> = serde_json::from_slice(&std::fs::read(self.config())?)?;
        conf.insert(key.to_owned(), value.into());
        write_configuration(&self.dir, &conf)
    }

    /// Puts a small disk under its subfolder `name`, for the next starts; it keeps its data until the node is dropped.
    ///
    /// # Errors
    /// Without root.
    pub fn put_on_disk(&mut self, name: &str, kib: u32) -> Result<()> {
        self.disk = Some(SmallDisk::over(&self.dir.join(name), kib)?);
        Ok(())
    }

    /// Has the next starts see what is mounted in this namespace, a path; a small disk has one of its own.
    pub fn enter(&mut self, mounts: String) {
        self.mounts = Some(mounts);
    }

    /// Its small disk.
    ///
    /// # Errors
    /// When it has none.
    pub fn disk(&self) -> Result<&SmallDisk> {
        self.disk.as_ref().context("the node has no small disk")
    }

    /// Whether the process runs.
    pub fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(|p| p.ended().is_none())
    }

    /// Its process id.
    ///
    /// # Errors
    /// When it was never started.
    pub fn pid(&mut self) -> Result<u32> {
        Ok(self.process()?.pid())
    }
}

/// A raft group of real processes; dropping it kills them.
///
/// Call [`Group::done`] as the last line of a story: a group that is dropped without it shows its logs and keeps
/// its folder.
#[derive(Debug)]
pub struct Group {
    /// The nodes, in the order of `RaftNodes`.
    pub nodes: Vec<Node>,
    dir: PathBuf,
    done: bool,
    _lease: Option<TcpListener>,
}

impl Group {
    /// Writes configurations for nodes on loopback addresses that nobody else uses, and starts nothing.
    ///
    /// # Errors
    /// When no addresses are free or the folder cannot be written.
    pub fn prepare(tag: &str, plan: &GroupPlan) -> Result<Self> {
        let (lease, net) = free_network()?;
        let places = (1..=plan.size).map(|n| (format!("{net}.{n}"), None)).collect();
        Self::write(tag, plan, places, Some(lease))
    }

    /// As [`Group::prepare`], with each node in the namespace of one of the lab's extra hosts.
    ///
    /// # Errors
    /// When the lab has no such host.
    pub fn prepare_in(lab: &Lab, hosts: &[&str], plan: &GroupPlan) -> Result<Self> {
        let places = hosts
            .iter()
            .map(|h| lab.host(h).map(|(address, ns)| (address, Some(format!("/run/netns/{ns}")))));
        Self::write(lab.name(), plan, places.collect::<Result<_>>()?, None)
    }

    /// As [`Group::prepare`], with each node on one of these machines.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn prepare_on(tag: &str, hosts: &Hosts, plan: &GroupPlan) -> Result<Self> {
        let places = (0..plan.size).map(|i| (hosts.address(i), Some(hosts.namespace(i)))).collect();
        Self::write(tag, plan, places, None)
    }

    fn write(
        tag: &str,
        plan: &GroupPlan,
        places: Vec<(String, Option<String>)>,
        lease: Option<TcpListener>,
    ) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("{tag}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = repository().join("target/e2e").join(name);
        let peers: Vec<String> = places.iter().map(|(host, _)| format!("{host}:{RAFT_PORT}")).collect();
        let nodes = places.iter().zip(&peers).enumerate().map(|(i, ((host, netns), raft))| {
            let dir = dir.join(format!("o{}", i + 1));
            let http = format!("{host}:{HTTP_PORT}");
            let conf = configuration(&http, raft, &peers, &dir, &plan.conf);
            write_configuration(&dir, &conf)?;
            let api = Api::new(&format!("http://{http}"));
            let (raft, netns) = (raft.clone(), netns.clone());
            Ok(Node { api, raft, env: Vec::new(), dir, netns, disk: None, mounts: None, process: None })
        });
        let nodes = nodes.collect::<Result<_>>()?;
        Ok(Self { nodes, dir, done: false, _lease: lease })
    }

    /// Starts every node at once and waits until all are healthy.
    ///
    /// # Errors
    /// When one of them is not healthy in time.
    pub fn start(tag: &str, plan: &GroupPlan) -> Result<Self> {
        let mut group = Self::prepare(tag, plan)?;
        group.start_all()?;
        Ok(group)
    }

    /// Starts every node that [`Group::prepare`] prepared and waits until all are healthy.
    ///
    /// # Errors
    /// When one of them is not healthy in time.
    pub fn start_all(&mut self) -> Result<Duration> {
        let began = Instant::now();
        for node in &mut self.nodes {
            node.start()?;
        }
        self.wait_healthy()?;
        Ok(began.elapsed())
    }

    /// Waits until every running node says that it is healthy.
    ///
    /// # Errors
    /// Names those that do not, and those that have ended.
    pub fn wait_healthy(&mut self) -> Result<()> {
        let nodes = &mut self.nodes;
        until("every running node healthy", HEALTHY_WITHIN, || {
            let sick: Vec<String> = nodes
                .iter_mut()
                .filter_map(|n| (n.runs() && !n.api.healthy()).then(|| n.raft.clone()))
                .collect();
            let running = nodes.iter_mut().filter_map(|n| n.runs().then_some(())).count();
            if sick.is_empty() && running > 0 {
                Ok(())
            } else {
                Err(format!("{running} run, unhealthy: {sick:?}"))
            }
        })
    }

    /// Index of the node that leads; waits for one.
    ///
    /// # Errors
    /// When none leads in time.
    pub fn leader(&self) -> Result<usize> {
        until("a leader", LEADER_WITHIN, || self.leaders().first().copied().ok_or("nobody leads"))
    }

    /// The API of the node that leads; waits for one.
    ///
    /// # Errors
    /// When none leads in time.
    pub fn leader_api(&self) -> Result<Api> {
        Ok(self.nodes[self.leader()?].api.clone())
    }

    /// Everybody who says at this moment that it leads.
    #[must_use]
    pub fn leaders(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&i| self.nodes[i].api.leads()).collect()
    }

    /// Makes node `wanted` the leader.
    ///
    /// # Errors
    /// When it does not become leader in time.
    pub fn lead_with(&self, wanted: usize) -> Result<()> {
        until("the wanted leader", HEALTHY_WITHIN, || {
            let leader = self.leader().map_err(|e| e.to_string())?;
            if leader == wanted {
                return Ok(());
            }
            let answer = self.nodes[leader].api.get(&format!("raft-yield/{}", self.nodes[wanted].raft));
            Err(format!("node {} leads; yield answered {answer:?}", leader + 1))
        })
    }

    /// The story went well: nothing is shown, nothing is kept.
    pub fn done(mut self) {
        self.done = true;
    }
}

/// Writes a node's configuration file into its folder.
///
/// # Errors
/// When the folder cannot be made or written.
pub fn write_configuration(dir: &Path, conf: &Map<String, Value>) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    std::fs::write(dir.join("orchestrator.conf.json"), serde_json::to_string_pretty(conf)?)?;
    Ok(())
}

/// The original's keys for one node of a raft group with embedded SQLite; `http` and `raft` are `host:port`.
#[must_use]
pub fn configuration(
    http: &str,
    raft: &str,
    peers: &[String],
    dir: &Path,
    shared: &Map<String, Value>,
) -> Map<String, Value> {
    let mut conf = Map::new();
    let mut set = |key: &str, value: Value| conf.insert(key.to_owned(), value);
    set("Debug", json!(true));
    set("ListenAddress", json!(http));
    set("HTTPAdvertise", json!(format!("http://{http}")));
    set("BackendDB", json!("sqlite"));
    set("SQLite3DataFile", json!(dir.join("orchestrator.sqlite3")));
    set("RaftEnabled", json!(true));
    set("RaftDataDir", json!(dir.join("raft")));
    set("RaftBind", json!(raft));
    set("RaftNodes", json!(peers));
    for (key, value) in shared {
        conf.insert(key.clone(), value.clone());
    }
    conf
}

/// A 127.x.y network that no other group of this machine uses, for as long as the listener lives.
fn free_network() -> Result<(TcpListener, String)> {
    let seed = std::process::id();
    for i in 0..5_000_u32 {
        let n = (seed.wrapping_mul(7) + i) % 12_500;
        // 127.200.0 to 127.249.249: the labs take 127.1 to 127.199.
        let net = format!("127.{}.{}", 200 + n / 250, n % 250);
        if let Ok(lease) = TcpListener::bind((format!("{net}.254"), LEASE_PORT)) {
            return Ok((lease, net));
        }
    }
    bail!("no free loopback network")
}

fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.done {
            for node in &self.nodes {
                eprintln!("--- {} ({}) ---\n{}", node.raft, node.log().display(), tail(&node.log()));
            }
        }
        self.nodes.clear();
        if self.done {
            // A folder that stays behind costs a few kilobytes and the next `cargo clean` takes it.
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_groups_never_share_a_network() {
        let (_first, one) = free_network().expect("loopback has room");
        let (_second, two) = free_network().expect("loopback has room");
        assert_ne!(one, two);
    }

    #[test]
    fn keys_of_the_story_win_over_those_of_the_harness() {
        let shared = json!({"Debug": false, "RecoveryPeriodBlockSeconds": 1});
        let shared = shared.as_object().expect("an object");
        let conf = configuration("127.0.0.1:3000", "127.0.0.1:10008", &[], Path::new("/x"), shared);
        assert_eq!(conf["Debug"], json!(false));
        assert_eq!(conf["RecoveryPeriodBlockSeconds"], json!(1));
        assert_eq!(conf["BackendDB"], json!("sqlite"));
    }
}
