//! What `make up` leaves running: three nodes on this machine and a small MariaDB topology beside them.
//!
//! Everything that outlives this program is written down under `run/`: a folder per node with its configuration,
//! its data, its log and `pid` (`PID START`, so that a recycled pid is never signalled).

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use orchestrator_e2e::group::{HEALTHY_WITHIN, configuration, write_configuration};
use orchestrator_e2e::lab::run_tool;
use orchestrator_e2e::process::{alive, proc_stat, signal, wait_gone};
use orchestrator_e2e::{Api, Flavor, Lab, LabPlan, repository, server_binary, until};
use rustix::process::Signal;

/// Name of the lab, and alias of its cluster.
const LAB: &str = "demo";
/// A primary, two replicas, one below them.
const TOPOLOGY: &str = "a>b,a>c,c>d";
const NODES: u16 = 3;
/// The first node's; the others count on from it.
const HTTP_PORT: u16 = 3000;
const RAFT_PORT: u16 = 10_008;
/// A node that was told to end does so in five seconds; after this it is killed.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Everything that `make up` started.
pub(crate) struct Stand {
    pub(crate) lab: Lab,
    pub(crate) apis: Vec<Api>,
}

fn folder() -> PathBuf {
    repository().join("run")
}

fn node_folder(n: u16) -> PathBuf {
    folder().join(format!("o{}", n + 1))
}

/// `make up HTTP_PORT=4000 RAFT_PORT=20000` for those whose ports are taken.
fn port(variable: &str, default: u16) -> u16 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn http_address(n: u16) -> String {
    format!("127.0.0.1:{}", port("HTTP_PORT", HTTP_PORT) + n)
}

fn raft_address(n: u16) -> String {
    format!("127.0.0.1:{}", port("RAFT_PORT", RAFT_PORT) + n)
}

/// Pid and start time of a node that runs.
fn running(folder: &Path) -> Option<(u32, u64)> {
    let text = std::fs::read_to_string(folder.join("pid")).ok()?;
    let (pid, start) = text.trim().split_once(' ')?;
    let (pid, start) = (pid.parse().ok()?, start.parse().ok()?);
    alive(pid, start).then_some((pid, start))
}

fn check_free() -> Result<()> {
    if (0..NODES).any(|n| running(&node_folder(n)).is_some()) {
        bail!("it is up already; `make down` ends it");
    }
    for address in (0..NODES).flat_map(|n| [http_address(n), raft_address(n)]) {
        TcpListener::bind(&address)
            .with_context(|| format!("{address} is taken; choose others: make up HTTP_PORT=… RAFT_PORT=…"))?;
    }
    Ok(())
}

/// Starts a process that outlives us: in a session of its own, its output in its log.
fn start_node(n: u16) -> Result<()> {
    let folder = node_folder(n);
    let out = File::create(folder.join("node.log"))?;
    let child = Command::new("setsid")
        .arg(server_binary()?)
        .arg("-config")
        .arg(folder.join("orchestrator.conf.json"))
        .arg("http")
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .context("setsid")?;
    let (_, start) = proc_stat(child.id()).context("the node ended at once; see its log under run/")?;
    std::fs::write(folder.join("pid"), format!("{} {start}\n", child.id()))?;
    Ok(())
}

/// Starts all, discovers from one seed, and waits until everything is seen.
pub(crate) fn up() -> Result<Stand> {
    server_binary()?;
    check_free()?;
    println!("starting MariaDB 10.11: {TOPOLOGY} …");
    // Semi-synchronous: what the client of the demo was promised is on a replica.
    let plan = LabPlan::new(Flavor::MariaDb1011, TOPOLOGY).with(&["--semi-sync"]);
    let lab = Lab::up_lasting(LAB, &plan).context("a lab may be left over; `make down` removes it")?;
    println!("starting {NODES} orchestrator nodes …");
    let peers: Vec<String> = (0..NODES).map(raft_address).collect();
    let shared = lab.conf()?;
    for n in 0..NODES {
        let conf = configuration(&http_address(n), &raft_address(n), &peers, &node_folder(n), &shared);
        write_configuration(&node_folder(n), &conf)?;
        start_node(n)?;
    }
    let apis: Vec<Api> = (0..NODES).map(|n| Api::new(&format!("http://{}", http_address(n)))).collect();
    let stand = Stand { lab, apis };
    stand.wait_healthy()?;
    println!("discovering from one seed: {} …", stand.lab.server("a").key());
    stand.leader()?.discover(stand.lab.server("a"))?;
    stand.wait_seen()?;
    Ok(stand)
}

/// Ends everything that is written down, and removes it.
pub(crate) fn down() -> Result<()> {
    for n in 0..NODES {
        let Some((pid, start)) = running(&node_folder(n)) else { continue };
        signal(pid, start, Signal::TERM)?;
        let ended =
            until("the node's end", ENDS_WITHIN, || if alive(pid, start) { Err("runs") } else { Ok(()) });
        if ended.is_err() {
            println!("node {} did not end in {} s: killed", n + 1, ENDS_WITHIN.as_secs());
            signal(pid, start, Signal::KILL)?;
            wait_gone(pid, start)?;
        }
    }
    run_tool(&["down", LAB])?;
    if folder().exists() {
        std::fs::remove_dir_all(folder()).context("remove run/")?;
    }
    println!("all is down");
    Ok(())
}

impl Stand {
    fn wait_healthy(&self) -> Result<()> {
        until("three healthy nodes (their logs are run/o*/node.log)", HEALTHY_WITHIN, || {
            let ended: Vec<u16> =
                (0..NODES).filter(|&n| running(&node_folder(n)).is_none()).map(|n| n + 1).collect();
            let healthy = self.apis.iter().filter(|api| api.healthy()).count();
            if healthy == self.apis.len() {
                Ok(())
            } else {
                Err(format!("{healthy} healthy, ended: {ended:?}"))
            }
        })
    }

    /// The node that leads.
    pub(crate) fn leader(&self) -> Result<&Api> {
        until("a leader", HEALTHY_WITHIN, || self.apis.iter().find(|api| api.leads()).ok_or("nobody leads"))
    }

    fn wait_seen(&self) -> Result<()> {
        until("all servers seen", HEALTHY_WITHIN, || {
            let leader = self.leader().map_err(|e| e.to_string())?;
            let text = leader.topology(LAB).map_err(|e| format!("{e:#}"))?;
            let seen = text.lines().count() == self.lab.servers().count() && !text.contains("unknown");
            if seen { Ok(()) } else { Err(text) }
        })
    }

    /// The topology as the leader draws it.
    pub(crate) fn drawing(&self) -> Result<String> {
        self.leader()?.topology(self.lab.name())
    }

    /// Says what runs, where, and what to try.
    pub(crate) fn describe(&self) -> Result<()> {
        let leader = self.leader()?;
        println!("\n{}\n", self.drawing()?);
        for (n, api) in self.apis.iter().enumerate() {
            let role = if api.base == leader.base { "leads" } else { "follows" };
            println!("node {}  {}  {role}", n + 1, api.base);
        }
        let a = self.lab.server("a");
        let all: Vec<&str> = self.apis.iter().map(|api| api.base.as_str()).collect();
        println!("\ntry:");
        println!("  curl -s {}/api/raft-status", leader.base);
        println!(
            "  curl -s {}/api/topology/{} | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"Details\"])'",
            leader.base, LAB
        );
        println!("  export ORCHESTRATOR_API='{}'", all.join(" "));
        println!("  target/debug/orchestrator-client -c topology -a {LAB}");
        println!("  target/debug/orchestrator-client -c replication-analysis");
        println!("  e2e/labs/mysql-lab kill {LAB}/a -9      # the primary, {}", a.key());
        println!("  make demo                            # the same, with the story told");
        println!("  make down                            # ends it and leaves nothing");
        Ok(())
    }
}
