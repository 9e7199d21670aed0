//! Real MySQL and MariaDB topologies: a thin wrapper around `e2e/labs/mysql-lab`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::{Map, Value};

use crate::process;

/// Which server the lab runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// MySQL 9.7.
    Mysql97,
    /// MariaDB 10.11, which Debian 12 ships.
    MariaDb1011,
    /// MariaDB 11.8.
    MariaDb118,
}

impl Flavor {
    /// All of them, the oldest grammar last.
    pub const ALL: [Self; 3] = [Self::Mysql97, Self::MariaDb118, Self::MariaDb1011];

    /// The lab's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mysql97 => "mysql-9.7",
            Self::MariaDb1011 => "mariadb-10.11",
            Self::MariaDb118 => "mariadb-11.8",
        }
    }
}

/// One server of a lab.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name in the topology: `a`, `b`, …
    pub letter: String,
    /// Address that it listens on and reports.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Unix socket; root logs in there without a password.
    pub socket: PathBuf,
    /// `@@server_id`.
    pub id: u32,
    /// Version as the server says it.
    pub version: String,
    dir: PathBuf,
}

impl Server {
    /// `host:port`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// `host/port`, as paths of the API want it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.host, self.port)
    }

    fn run_file(&self) -> Result<(u32, u64)> {
        let text = std::fs::read_to_string(self.dir.join("run")).context("run file of the server")?;
        let (pid, start) = text.trim().split_once(' ').context("run file is `pid start`")?;
        Ok((pid.parse()?, start.parse()?))
    }

    /// Sends a signal now and says when; the process is the one that the lab started, never a recycled pid.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn signal(&self, signal: Signal) -> Result<Instant> {
        let (pid, start) = self.run_file()?;
        let at = Instant::now();
        process::signal(pid, start, signal)?;
        Ok(at)
    }

    /// `kill -9`; returns the moment of the signal, once the process is gone.
    ///
    /// # Errors
    /// When the server does not run or does not go.
    pub fn kill9(&self) -> Result<Instant> {
        let (pid, start) = self.run_file()?;
        let at = self.signal(Signal::KILL)?;
        process::wait_gone(pid, start)?;
        Ok(at)
    }
}

/// What to bring up.
#[derive(Debug, Clone)]
pub struct LabPlan {
    /// The server software.
    pub flavor: Flavor,
    /// `"a>b,a>c,c>d"`: arrows point from source to replica.
    pub topology: String,
    /// Further arguments of `mysql-lab up`.
    pub extra: Vec<String>,
}

impl LabPlan {
    /// A plan without extras.
    #[must_use]
    pub fn new(flavor: Flavor, topology: &str) -> Self {
        Self { flavor, topology: topology.to_owned(), extra: Vec::new() }
    }

    /// Adds arguments of `mysql-lab up`.
    #[must_use]
    pub fn with(mut self, extra: &[&str]) -> Self {
        self.extra.extend(extra.iter().map(|&x| x.to_owned()));
        self
    }
}

/// A running lab; it goes when this value is dropped, and by itself when the owning process dies.
#[derive(Debug)]
pub struct Lab {
    name: String,
    servers: BTreeMap<String, Server>,
    keep: bool,
}

/// The lab tool.
#[must_use]
pub fn tool() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("labs/mysql-lab")
}

/// Runs the lab tool and returns its standard output.
///
/// # Errors
/// With the tool's own words when it fails.
pub fn run_tool(args: &[&str]) -> Result<String> {
    let out =
        Command::new("python3").arg(tool()).args(args).output().context("python3 is needed for the lab")?;
    if !out.status.success() {
        bail!("mysql-lab {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

impl Lab {
    /// Brings up a lab under a name of its own that starts with `tag` (at most twelve letters).
    ///
    /// # Errors
    /// With the tool's words: servers that do not start, missing packages or rights.
    pub fn up(tag: &str, plan: &LabPlan) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let pid = std::process::id();
        let name = format!("{tag}-{pid}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let pid = pid.to_string();
        Self::bring_up(&name, plan, &["--owner-pid", &pid], false)
    }

    /// Brings up a lab that outlives this process; [`Lab::attach`] finds it again.
    ///
    /// # Errors
    /// As [`Lab::up`]; also when a lab of that name exists.
    pub fn up_lasting(name: &str, plan: &LabPlan) -> Result<Self> {
        Self::bring_up(name, plan, &[], true)
    }

    fn bring_up(name: &str, plan: &LabPlan, extra: &[&str], keep: bool) -> Result<Self> {
        let mut args = vec!["up", name, "--flavor", plan.flavor.name(), "--topology", &plan.topology];
        args.extend(extra);
        args.extend(plan.extra.iter().map(String::as_str));
        let info = run_tool(&args)?;
        Self::parse(name, &info, keep)
    }

    /// A lab that is up already; dropping this value leaves it up.
    ///
    /// # Errors
    /// When there is no such lab.
    pub fn attach(name: &str) -> Result<Self> {
        Self::parse(name, &run_tool(&["info", name])?, true)
    }

    fn parse(name: &str, info: &str, keep: bool) -> Result<Self> {
        let info: Map<String, Value> = serde_json::from_str(info).context("the lab prints JSON")?;
        let servers = info.iter().map(|(letter, v)| Ok((letter.clone(), server_of(letter, v)?)));
        let servers = servers.collect::<Result<_>>()?;
        Ok(Self { name: name.to_owned(), servers, keep })
    }

    /// The lab's name, which is also its cluster alias when it has one root.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One server.
    ///
    /// # Panics
    /// When the topology has no such letter: a mistake in the story.
    #[must_use]
    pub fn server(&self, letter: &str) -> &Server {
        self.servers.get(letter).unwrap_or_else(|| panic!("no server {letter} in lab {}", self.name))
    }

    /// All servers, in the order of their letters.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.values()
    }

    fn command(&self, verb: &str, target: &str, rest: &[&str]) -> Result<String> {
        let target = format!("{}/{target}", self.name);
        let mut args = vec![verb, &target];
        args.extend(rest);
        run_tool(&args)
    }

    /// Starts a stopped or killed server again and waits until it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&self, letter: &str) -> Result<()> {
        self.command("start", letter, &[]).map(drop)
    }

    /// Stops a server cleanly.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&self, letter: &str) -> Result<()> {
        self.command("stop", letter, &[]).map(drop)
    }

    /// Cuts `who` (a server or an extra host) off from `peers`, or from everybody when there are none.
    ///
    /// # Errors
    /// Without root or nftables.
    pub fn isolate(&self, who: &str, peers: &[&str]) -> Result<()> {
        let peers = peers.join(",");
        let rest = if peers.is_empty() { vec![] } else { vec!["--peers", peers.as_str()] };
        self.command("isolate", who, &rest).map(drop)
    }

    /// Undoes every cut.
    ///
    /// # Errors
    /// Without root or nftables.
    pub fn heal(&self) -> Result<()> {
        run_tool(&["heal", &self.name]).map(drop)
    }

    /// Commits transactions of a replica's own.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn errant(&self, letter: &str) -> Result<()> {
        self.command("errant", letter, &[]).map(drop)
    }

    /// Makes the applier of a replica fail on a duplicate key: it receives on, and executes nothing.
    ///
    /// # Errors
    /// When it is no replica, or does not fail.
    pub fn break_replication(&self, letter: &str) -> Result<()> {
        self.command("break-replication", letter, &["--kind", "duplicate"]).map(drop)
    }

    /// Configuration keys that fit this lab.
    ///
    /// # Errors
    /// When the lab is gone.
    pub fn conf(&self) -> Result<Map<String, Value>> {
        serde_json::from_str(&run_tool(&["orchestrator-conf", &self.name])?)
            .context("orchestrator-conf is JSON")
    }

    /// State of every server, as the lab sees it.
    ///
    /// # Errors
    /// When the lab is gone.
    pub fn status(&self) -> Result<Value> {
        serde_json::from_str(&run_tool(&["status", &self.name, "--json"])?).context("status is JSON")
    }

    /// Address and network namespace of an extra host (`--hosts`).
    ///
    /// # Errors
    /// When the lab has no such host.
    pub fn host(&self, name: &str) -> Result<(String, String)> {
        let full: Value = serde_json::from_str(&run_tool(&["info", &self.name, "--full"])?)?;
        let host = &full["hosts"][name];
        let text = |key: &str| host[key].as_str().map(str::to_owned);
        text("host").zip(text("netns")).with_context(|| format!("no extra host {name}"))
    }

    /// The server that now feeds `letter`, by its letter, or `None` when it replicates from nobody.
    ///
    /// # Errors
    /// When the lab is gone.
    pub fn source_of(&self, letter: &str) -> Result<Option<String>> {
        Ok(self.status()?[letter]["source"].as_str().map(str::to_owned))
    }
}

fn server_of(letter: &str, v: &Value) -> Result<Server> {
    let text = |key: &str| v[key].as_str().map(str::to_owned).with_context(|| format!("{letter}: no {key}"));
    let number = |key: &str| v[key].as_u64().with_context(|| format!("{letter}: no {key}"));
    let datadir = PathBuf::from(text("datadir")?);
    Ok(Server {
        letter: letter.to_owned(),
        host: text("host")?,
        port: u16::try_from(number("port")?)?,
        socket: PathBuf::from(text("socket")?),
        id: u32::try_from(number("server_id")?)?,
        version: text("version")?,
        dir: datadir.parent().context("a data directory has a parent")?.to_owned(),
    })
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.keep {
            // Nothing to do about a failure here; the guard process takes the lab down when we end.
            let _ = run_tool(&["down", &self.name]);
        }
    }
}
