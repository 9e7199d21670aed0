//! What stands beside the cluster on this machine, and is reached by pods: servers, and a member that no pod holds.

use std::net::{IpAddr, TcpListener};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, json};
use tempfile::TempDir;

use super::machines::Machines;
use crate::api::Api;
use crate::group::configuration;
use crate::process::Process;
use crate::server_binary;

/// The name of this machine in the cluster.
const NAME: &str = "host.kube-lab.internal";

/// Three addresses of this machine on the lab's network; they go with the value.
pub struct Addresses {
    /// What a lab of servers calls `--ip-base`: its servers are `base1` to `base3`.
    pub base: String,
    added: Vec<String>,
    link: String,
}

impl Addresses {
    /// `<net>.201` to `.203` on the interface that has the host's own address.
    ///
    /// # Errors
    /// Without root, or when somebody else has them.
    pub fn on(machines: &Machines) -> Result<Self> {
        let (net, _) = machines.host_ip.rsplit_once('.').context("an address has dots")?;
        let out = Command::new("ip").args(["-o", "-4", "addr", "show", "to", &machines.host_ip]).output()?;
        let shown = String::from_utf8_lossy(&out.stdout).into_owned();
        let link = shown.split_whitespace().nth(1).context("the host is on the lab's network")?.to_owned();
        let mut addresses = Self { base: format!("{net}.20"), added: Vec::new(), link };
        for n in 1..=3 {
            let address = format!("{}{n}/32", addresses.base);
            let done = Command::new("ip").args(["addr", "add", &address, "dev", &addresses.link]).status()?;
            ensure!(done.success(), "ip addr add {address} dev {}", addresses.link);
            addresses.added.push(address);
        }
        Ok(addresses)
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        for address in &self.added {
            // They go with the lab at the latest.
            let _ = Command::new("ip").args(["addr", "del", address, "dev", &self.link]).status();
        }
    }
}

/// A member that no pod holds: a process of this machine, which finds the others by the cluster's names.
pub struct Outside {
    /// By which the others know it: `host:port`.
    pub raft: String,
    /// Its API.
    pub api: Api,
    ip: IpAddr,
    port: u16,
    dns: String,
    folder: TempDir,
    process: Option<Process>,
}

/// A port that nobody has at this moment.
fn free_port(ip: IpAddr) -> Result<u16> {
    let listener = TcpListener::bind((ip, 0)).context("a port of our own")?;
    Ok(listener.local_addr()?.port())
}

impl Outside {
    /// One that does not run yet.
    ///
    /// # Errors
    /// When this machine has no address on the lab's network.
    pub fn prepare(machines: &Machines) -> Result<Self> {
        let ip: IpAddr = machines.host_ip.parse()?;
        let (port, http) = (free_port(ip)?, free_port(ip)?);
        Ok(Self {
            raft: format!("{NAME}:{port}"),
            api: Api::new(&format!("http://{ip}:{http}")),
            ip,
            port,
            dns: machines.dns_ip.clone(),
            folder: tempfile::tempdir()?,
            process: None,
        })
    }

    /// Starts it, or starts it again on the same data; `peers` are all members, itself too.
    ///
    /// # Errors
    /// When the binary is missing.
    pub fn start(&mut self, peers: &[String]) -> Result<()> {
        let mut shared = Map::new();
        shared.insert("RaftAdvertise".into(), json!(self.raft));
        let bind = format!("{}:{}", self.ip, self.port);
        let http = self.api.base.trim_start_matches("http://");
        let conf = configuration(http, &bind, peers, self.folder.path(), &shared);
        let (config, names) = (self.folder.path().join("conf.json"), self.folder.path().join("resolv.conf"));
        std::fs::write(&config, json!(conf).to_string())?;
        std::fs::write(&names, format!("nameserver {}\noptions timeout:1\n", self.dns))?;
        // The cluster's names, for this process alone.
        let script = "mount --bind \"$1\" /etc/resolv.conf && exec \"$2\" -config \"$3\" http";
        let (names, binary) = (names.display().to_string(), server_binary()?.display().to_string());
        let config = config.display().to_string();
        let command = ["unshare", "--mount", "sh", "-c", script, "sh", &names, &binary, &config];
        self.process = Some(Process::spawn(&command, &[], &self.folder.path().join("log"))?);
        Ok(())
    }

    /// `kill -9`.
    pub fn kill9(&mut self) {
        // Dropping a process kills it.
        self.process = None;
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}
