//! What `make up` leaves running: three nodes on this machine and a small MariaDB topology beside them.
//!
//! Everything that outlives this program is under `run/`: a folder per node with its configuration, its data and its
//! log. A node is known by the configuration file that it was started with, at every moment of its life.

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
/// As the harness names a node's configuration file.
const CONFIGURATION: &str = "orchestrator.conf.json";
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
fn port(variable: &str, default: u16) -> Result<u16> {
    let Ok(text) = std::env::var(variable) else { return Ok(default) };
    let last = u16::MAX - NODES + 1;
    match text.parse() {
        Ok(port) if (1..=last).contains(&port) => Ok(port),
        _ => bail!("{variable}={text}: a number from 1 to {last} is wanted, the first of {NODES} ports"),
    }
}

fn http_address(n: u16) -> Result<String> {
    Ok(format!("127.0.0.1:{}", port("HTTP_PORT", HTTP_PORT)? + n))
}

fn raft_address(n: u16) -> Result<String> {
    Ok(format!("127.0.0.1:{}", port("RAFT_PORT", RAFT_PORT)? + n))
}

/// Pid and start time of the node of that folder, if it runs.
fn running(folder: &Path) -> Option<(u32, u64)> {
    let conf = folder.join(CONFIGURATION);
    let conf = conf.as_os_str().as_encoded_bytes();
    let pids = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pid = pids.find(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // A node's own line: a program that was told `-config FILE http`.
        line.split(|byte| *byte == 0).rev().skip(1).take(2).eq([&b"http"[..], conf])
    })?;
    let (_, start) = proc_stat(pid)?;
    alive(pid, start).then_some((pid, start))
}

/// Whether `make down` has something to do.
pub(crate) fn is_something_left() -> bool {
    folder().exists()
}

/// What is up already; refuses when only a part of it is.
pub(crate) fn standing() -> Result<Option<Stand>> {
    match (0..NODES).filter(|&n| running(&node_folder(n)).is_some()).count() {
        0 => Ok(None),
        all if all == usize::from(NODES) => {
            let lab = Lab::attach(LAB).context("its servers are gone; `make down` ends the rest")?;
            let apis = (0..NODES).map(|n| Ok(Api::new(&configured_api(&node_folder(n))?)));
            Ok(Some(Stand { lab, apis: apis.collect::<Result<_>>()? }))
        }
        some => bail!("{some} of {NODES} nodes run from an earlier time; `make down` ends them"),
    }
}

/// Where a node was told to serve its API: not necessarily at the ports of today's command line.
fn configured_api(folder: &Path) -> Result<String> {
    let conf: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join(CONFIGURATION))?)?;
    conf["HTTPAdvertise"].as_str().map(str::to_owned).context("the node's configuration names its API")
}

fn check_free() -> Result<()> {
    for n in 0..NODES {
        for (address, variable) in [(http_address(n)?, "HTTP_PORT"), (raft_address(n)?, "RAFT_PORT")] {
            TcpListener::bind(&address).with_context(|| {
                format!(
                    "{address} is taken; choose other ports with make up {variable}=… (the first of {NODES})"
                )
            })?;
        }
    }
    Ok(())
}

/// Starts a process that outlives us: in a session of its own, its output in its log.
fn start_node(n: u16) -> Result<()> {
    let folder = node_folder(n);
    let out = File::create(folder.join("node.log"))?;
    Command::new("setsid")
        .arg(server_binary()?)
        .arg("-config")
        .arg(folder.join(CONFIGURATION))
        .arg("http")
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .context("setsid")?;
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
    let peers = (0..NODES).map(raft_address).collect::<Result<Vec<String>>>()?;
    let shared = lab.conf()?;
    for n in 0..NODES {
        let conf = configuration(&http_address(n)?, &raft_address(n)?, &peers, &node_folder(n), &shared);
        write_configuration(&node_folder(n), &conf)?;
        start_node(n)?;
    }
    let apis = (0..NODES).map(|n| Ok(Api::new(&format!("http://{}", http_address(n)?))));
    let stand = Stand { lab, apis: apis.collect::<Result<_>>()? };
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
        println!("  {}/web/clusters                 # in a browser; any node serves it", leader.base);
        println!("  curl -s {}/api/raft-status", leader.base);
        println!(
            "  curl -s {}/api/topology/{} | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"Details\"])'",
            leader.base, LAB
        );
        println!("  export ORCHESTRATOR_API='{}'", all.join(" "));
        println!("  target/debug/orchestrator-client -c topology -a {LAB}");
        println!("  target/debug/orchestrator-client -c replication-analysis");
        println!(
            "  less run/o1/node.log                 # what node 1 does; run/o2 and run/o3 have the others"
        );
        println!(
            "  e2e/labs/mysql-lab kill {LAB}/a -9      # the first primary, {}; then the topology again",
            a.key()
        );
        println!("  make demo                            # starts anew, does the same, and tells the story");
        println!("  make down                            # ends it and leaves nothing");
        Ok(())
    }
}
