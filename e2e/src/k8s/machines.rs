//! The machines under one of our own clusters: a thin wrapper around `e2e/labs/kube-lab`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// What is done to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A power cut: no connection is closed, all processes are gone. Undone by a new boot with the old disks.
    Killed,
    /// Shut down as people do it. Undone by a new boot.
    Stopped,
    /// It takes connections and answers nothing.
    Frozen,
    /// Its packets, and those of its pods, vanish.
    Cut,
}

impl Fault {
    fn verbs(self) -> (&'static str, &'static str) {
        match self {
            Self::Killed => ("kill", "start"),
            Self::Stopped => ("stop", "start"),
            Self::Frozen => ("freeze", "thaw"),
            Self::Cut => ("cut", "mend"),
        }
    }
}

/// The machines of a lab.
#[derive(Debug)]
pub struct Machines {
    lab: String,
    /// The lab's own `kubectl`.
    pub kubectl: PathBuf,
    /// Its `helm`.
    pub helm: PathBuf,
    /// Names of its nodes.
    pub nodes: Vec<String>,
    /// The address at which pods reach this machine: `host.kube-lab.internal`.
    pub host_ip: String,
    /// Where names of the cluster are resolved.
    pub dns_ip: String,
}

fn tool(arguments: &[&str]) -> Result<Value> {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("labs/kube-lab");
    let out = Command::new("python3").arg(tool).args(arguments).output();
    let out = out.context("python3 is needed for the lab")?;
    if !out.status.success() {
        bail!("kube-lab {}: {}", arguments.join(" "), String::from_utf8_lossy(&out.stderr).trim());
    }
    serde_json::from_slice(&out.stdout).context("the lab prints JSON")
}

impl Machines {
    /// Those of the lab of this name.
    ///
    /// # Errors
    /// When there is no such lab.
    pub fn of(lab: &str) -> Result<Self> {
        let info = tool(&["info", lab])?;
        let text = |key: &str| info[key].as_str().map(str::to_owned).with_context(|| format!("no {key}"));
        let nodes = info["nodes"].as_object().context("a lab has nodes")?;
        Ok(Self {
            lab: lab.to_owned(),
            kubectl: text("kubectl")?.into(),
            helm: text("helm")?.into(),
            nodes: nodes.keys().cloned().collect(),
            host_ip: text("host_ip")?,
            dns_ip: text("dns_ip")?,
        })
    }

    /// Does that to `node` (or `control`, on which the API server runs) until the value is mended or dropped.
    ///
    /// # Errors
    /// With the tool's words.
    pub fn breaks(&self, node: &str, fault: Fault) -> Result<Broken<'_>> {
        tool(&["node", &self.lab, node, fault.verbs().0])?;
        Ok(Broken { machines: self, node: node.to_owned(), fault, mended: false })
    }

    /// Cuts `node` and its pods off from these only; it stays in touch with the API server unless that is among them.
    ///
    /// # Errors
    /// With the tool's words.
    pub fn divides(&self, node: &str, peers: &[&str]) -> Result<Broken<'_>> {
        tool(&["node", &self.lab, node, "cut", "--peers", &peers.join(",")])?;
        Ok(Broken { machines: self, node: node.to_owned(), fault: Fault::Cut, mended: false })
    }

    /// Gives the API of the Prometheus operator to the cluster: definitions alone, nobody acts on them.
    ///
    /// # Errors
    /// With the tool's words.
    pub fn define_monitors(&self) -> Result<()> {
        tool(&["monitors", &self.lab]).map(drop)
    }

    /// Runs a command on a machine of the lab; what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&self, node: &str, command: &[&str]) -> Result<String> {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("labs/kube-lab");
        let out =
            Command::new("python3").arg(tool).args(["exec", &self.lab, node, "--"]).args(command).output()?;
        if !out.status.success() {
            bail!("{} on {node}: {}", command.join(" "), String::from_utf8_lossy(&out.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Kills the service's process in the pod of this uid, without a word to it; kubelet starts it again.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn kill9(&self, node: &str, uid: &str) -> Result<()> {
        let find = format!("grep -ls 'pod{uid}' /proc/[0-9]*/cgroup | cut -d/ -f3");
        let ours = "[ \"$(cat /proc/$pid/comm)\" = orchestrator ] && kill -9 $pid && killed=1";
        let script = format!("killed=; for pid in $({find}); do {ours}; done; [ -n \"$killed\" ]");
        self.run(node, &["sh", "-c", &script]).map(drop)
    }
}

/// A machine that something was done to.
#[derive(Debug)]
#[must_use = "a machine is mended when this is dropped"]
pub struct Broken<'m> {
    machines: &'m Machines,
    node: String,
    fault: Fault,
    mended: bool,
}

impl Broken<'_> {
    /// Undoes it; a machine that was off is waited for until its node is ready.
    ///
    /// # Errors
    /// With the tool's words.
    pub fn mend(mut self) -> Result<()> {
        self.mended = true;
        self.undo()
    }

    fn undo(&self) -> Result<()> {
        tool(&["node", &self.machines.lab, &self.node, self.fault.verbs().1]).map(drop)
    }
}

impl Drop for Broken<'_> {
    fn drop(&mut self) {
        if !self.mended
            && let Err(error) = self.undo()
        {
            eprintln!("{} stays {:?}: {error:#}", self.node, self.fault);
        }
    }
}
