//! Machines with host names, a network and systemd, on which the commands of a page mean what they say.
//!
//! | Host | What it is |
//! |---|---|
//! | `orc-0` to `orc-3` | nodes; MariaDB is installed, and stopped |
//! | `admin` | a desk, and a load balancer: HAProxy is installed, and stopped |
//! | `db1` to `db3` | a topology on MariaDB: `db1` feeds the others |
//! | `my1` | a MySQL server |

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use orchestrator_e2e::process::Process;
use orchestrator_e2e::{Flavor, repository, server_binary, until};

/// Every host that a page may name, with the last number of its address.
const HOSTS: &[(&str, u8)] = &[
    ("admin", 5),
    ("orc-0", 10),
    ("orc-1", 11),
    ("orc-2", 12),
    ("orc-3", 13),
    ("db1", 31),
    ("db2", 32),
    ("db3", 33),
    ("my1", 41),
];
/// The network of every stage: each is alone with it.
const NETWORK: &str = "10.20.0";
/// Where they are at home.
const DOMAIN: &str = "example.net";
/// What pages use and Debian has: command:package.
const TOOLS: &str = "systemctl:systemd haproxy:haproxy openssl:openssl sqlite3:sqlite3 curl:curl jq:jq \
                     mariadb:mariadb-client strip:binutils useradd:passwd";
/// A machine is up after half a second; there may be eight of them on two busy cores.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// Longest run of one block; a command that waits for something has a shorter limit of its own.
const BLOCK_WITHIN_S: &str = "120";
/// Where a shell of a machine looks for programs.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Before the line of a script whose command failed; no program prints it.
const MARK: &str = "-- stopped at line ";
/// Before the process that owns a control group, in the group's name.
const GROUP: &str = "orchestrator-docs-";
/// Those of the fleet that follow.
const REPLICAS: [&str; 2] = ["db2", "db3"];

/// A running stage; dropping it ends all of it.
pub(crate) struct Stage {
    machines: BTreeMap<String, Machine>,
    switch: Process,
    folder: tempfile::TempDir,
}

struct Machine {
    process: Process,
    /// Its process 1, as the host numbers it.
    init: u32,
    group: PathBuf,
}

/// What a command printed, on both channels, and how it ended.
pub(crate) struct Answer {
    pub(crate) good: bool,
    pub(crate) text: String,
    /// Line of the script, from 1, whose command failed.
    pub(crate) line: Option<usize>,
}

impl Stage {
    /// Boots these hosts.
    ///
    /// # Errors
    /// Without root, or where control groups cannot be made.
    pub(crate) fn set(names: &BTreeSet<String>) -> Result<Self> {
        let image = image()?;
        sweep()?;
        let folder = tempfile::Builder::new().prefix("orchestrator-docs-").tempdir()?;
        std::fs::write(folder.path().join("hosts"), hosts())?;
        let network =
            "ip link set lo up; ip link add switch type bridge; ip link set switch up; exec sleep infinity";
        let log = folder.path().join("switch.log");
        let switch = Process::spawn(&["unshare", "--net", "sh", "-ec", network], &[], &log)?;
        let mut stage = Self { machines: BTreeMap::new(), switch, folder };
        stage.in_network(&["ip", "link", "show", "switch"])?;
        // Who has the primary has its replicas.
        let fleet = names.contains("db1").then_some(REPLICAS).into_iter().flatten().map(str::to_owned);
        for name in names.iter().cloned().chain(fleet).collect::<BTreeSet<_>>() {
            stage.boot(&name, &image)?;
        }
        stage.wait_up()?;
        stage.replicate()?;
        Ok(stage)
    }

    fn boot(&mut self, name: &str, image: &Path) -> Result<()> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number =
            HOSTS.iter().find(|(host, _)| *host == name).with_context(|| format!("no host {name}"))?.1;
        let unique = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let group = control_groups()?.join(format!("{GROUP}{unique}"));
        let (folder, log) = (self.folder.path().join(name), self.folder.path().join(format!("{name}.log")));
        std::fs::create_dir(&folder)?;
        let paths = [group.clone(), folder, image.to_owned(), self.folder.path().join("hosts")]
            .map(|path| path.display().to_string());
        let tool = repository().join("e2e/tests/docs/machine").display().to_string();
        let address = format!("{NETWORK}.{number}");
        let full = format!("{name}.{DOMAIN}");
        let process = Process::spawn(
            &[&tool, "boot", &paths[0], &paths[1], &paths[2], &full, &address, &paths[3]],
            &[],
            &log,
        )?;
        let init = until("process 1 of a machine", UP_WITHIN, || {
            first_of_namespace(process.pid()).ok_or_else(|| std::fs::read_to_string(&log).unwrap_or_default())
        })?;
        // systemd wants its control group for itself.
        std::fs::write(control_groups()?.join("cgroup.procs"), process.pid().to_string())?;
        let pid = process.pid().to_string();
        let card = format!("to-{name}");
        self.in_network(&[
            "ip", "link", "add", &card, "type", "veth", "peer", "name", "eth0", "netns", &pid,
        ])?;
        self.in_network(&["ip", "link", "set", &card, "master", "switch", "up"])?;
        self.machines.insert(name.to_owned(), Machine { process, init, group });
        Ok(())
    }

    /// Runs a command where the cables come together.
    fn in_network(&self, command: &[&str]) -> Result<()> {
        let network = format!("--net=/proc/{}/ns/net", self.switch.pid());
        until("the network of a stage (it needs root)", UP_WITHIN, || {
            let out =
                Command::new("nsenter").arg(&network).args(command).output().map_err(|e| e.to_string())?;
            if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
        })
    }

    fn wait_up(&mut self) -> Result<()> {
        for (name, machine) in &self.machines {
            let log = self.folder.path().join(format!("{name}.log"));
            until(&format!("{name} up"), UP_WITHIN, || {
                let state = machine.enter("systemctl is-system-running", "").map_err(|e| format!("{e:#}"))?;
                let said = || std::fs::read_to_string(&log).unwrap_or_default();
                if state.text.trim() == "running" {
                    Ok(())
                } else {
                    Err(format!("{} {}", state.text, said()))
                }
            })?;
        }
        Ok(())
    }

    /// Starts the fleet, and lets the replicas follow the primary.
    fn replicate(&self) -> Result<()> {
        for (name, unit) in [("db1", "mariadb"), ("db2", "mariadb"), ("db3", "mariadb"), ("my1", "mysql")] {
            if self.machines.contains_key(name) {
                self.must(name, &format!("systemctl enable --now {unit} 2>&1"))?;
            }
        }
        for name in REPLICAS.into_iter().filter(|name| self.machines.contains_key(*name)) {
            let sql = format!(
                "SET GLOBAL read_only = 1; CHANGE MASTER TO MASTER_HOST = 'db1.{DOMAIN}', MASTER_USER = 'repl', \
                 MASTER_PASSWORD = 'repl_password', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1; START SLAVE"
            );
            self.must(name, &format!("mariadb -e \"{sql}\""))?;
        }
        Ok(())
    }

    fn must(&self, host: &str, script: &str) -> Result<()> {
        let answer = self.run(host, script, "")?;
        let why =
            || self.run(host, "journalctl --no-pager -o cat -n 20", "").map(|a| a.text).unwrap_or_default();
        ensure!(answer.good, "{host}: {script}: {}{}", answer.text, why());
        Ok(())
    }

    /// Runs a script in a shell on a host, as root, from root's folder; it ends at the first command that fails.
    ///
    /// # Errors
    /// When there is no such host.
    pub(crate) fn run(&self, host: &str, script: &str, input: &str) -> Result<Answer> {
        self.machines.get(host).with_context(|| format!("{host} is not on this stage"))?.enter(script, input)
    }

    /// The ends of the logs of every host.
    pub(crate) fn last_words(&self) -> String {
        let said = |(name, machine): (&String, &Machine)| {
            let words =
                machine.enter("journalctl --no-pager --output cat -n 25 -u orchestrator -u haproxy", "");
            format!("--- {name} ---\n{}\n", words.map(|w| w.text).unwrap_or_default())
        };
        self.machines.iter().map(said).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for (_, machine) in std::mem::take(&mut self.machines) {
            drop(machine.process);
            let gone = || {
                remove_group(&machine.group);
                if machine.group.exists() { Err("a process is left") } else { Ok(()) }
            };
            if let Err(error) = until("an empty control group", Duration::from_secs(5), gone) {
                eprintln!("{error:#}");
            }
        }
    }
}

impl Machine {
    fn enter(&self, script: &str, input: &str) -> Result<Answer> {
        let init = self.init.to_string();
        let mut file = tempfile::tempfile()?;
        std::io::Write::write_all(&mut file, input.as_bytes())?;
        std::io::Seek::rewind(&mut file)?;
        let script = format!("cd /root; exec 2>&1; trap 'echo \"{MARK}$((LINENO - 1))\"' ERR\n{script}");
        let out: Output = Command::new("timeout")
            .args([BLOCK_WITHIN_S, "nsenter", "--target", &init, "--all"])
            .args(["env", "-i", "HOME=/root", "USER=root", "LC_ALL=C.UTF-8", PATH])
            .args(["bash", "-euo", "pipefail", "-c", &script])
            .stdin(file)
            .output()?;
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        let (marks, lines): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| line.starts_with(MARK));
        let line = marks.last().and_then(|mark| mark[MARK.len()..].parse().ok());
        let text = lines.iter().map(|line| format!("{line}\n")).collect();
        Ok(Answer { good: out.status.success(), text, line })
    }
}

/// The child of `unshare`, once the namespaces are made.
fn first_of_namespace(pid: u32) -> Option<u32> {
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next().filter(|_| comm.trim() == "unshare")?.parse().ok()
}

/// The root of the second version of control groups, which systemd needs a part of.
fn control_groups() -> Result<PathBuf> {
    let places = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from);
    let found = places.into_iter().find(|place| place.join("cgroup.controllers").is_file());
    found.context("no control groups of version 2 under /sys/fs/cgroup: systemd cannot run on a stage")
}

/// Removes control groups of tests that were killed: they are empty, and their owner is gone.
fn sweep() -> Result<()> {
    for entry in std::fs::read_dir(control_groups()?)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(GROUP).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove_group(&entry.path());
        }
    }
    Ok(())
}

/// Removes a control group and those in it, if no process is left there.
fn remove_group(group: &Path) {
    // What cannot be removed is looked at by the caller, or by the next run.
    let _ = Command::new("find").arg(group).args(["-depth", "-type", "d", "-delete"]).output();
}

fn hosts() -> String {
    let line = |(name, number): &(&str, u8)| {
        // The service address of the group is the load balancer's.
        let more = if *name == "admin" { " orc.example.net" } else { "" };
        format!("{NETWORK}.{number} {name}.{DOMAIN} {name}{more}\n")
    };
    format!("127.0.0.1 localhost\n{}", HOSTS.iter().map(line).collect::<String>())
}

/// The folder that is laid over every machine's root: what a page takes for given. Built once.
fn image() -> Result<PathBuf> {
    static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| build_image().map_err(|e| format!("{e:#}"))).clone().map_err(anyhow::Error::msg)
}

fn build_image() -> Result<PathBuf> {
    let tools = Command::new(repository().join("e2e/labs/tools")).env("WANTED", TOOLS).status();
    ensure!(tools.context("e2e/labs/tools")?.success(), "the tools of the pages cannot be installed");
    for flavor in [Flavor::MariaDb1011, Flavor::Mysql97] {
        orchestrator_e2e::lab::run_tool(&["install", flavor.name()])?;
    }
    let image = repository().join("target/e2e/docs-image");
    let server = server_binary()?;
    let client = server.with_file_name("orchestrator-client");
    ensure!(client.is_file(), "build the client: cargo build -p orchestrator-client");
    let [image_, server, client, docs] =
        [&image, &server, &client, &repository().join("docs")].map(|p| p.display().to_string());
    let script = repository().join("e2e/tests/docs/image").display().to_string();
    let out = Command::new(script).args([&image_, &server, &client, &docs]).output()?;
    if !out.status.success() {
        bail!("the image of a stage: {}", String::from_utf8_lossy(&out.stderr));
    }
    Ok(image)
}
