//! Machines for a group alone: namespaces on a switch, without any database server, whose cables can be cut.
//!
//! Everything hangs on processes that end with the thread that made them: with the last process of a namespace its
//! cables go too, on both ends, so that a story that is killed leaves nothing to clean up.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process::Process;
use crate::until::until;

/// Networks that may exist side by side: 10.78.N.0/24.
const NETWORKS: u32 = 250;
/// A holder only has to leave the machine's own namespace.
const HELD_WITHIN: Duration = Duration::from_secs(10);

/// A process that does nothing but keep a network namespace.
#[derive(Debug)]
struct Namespace(Process);

impl Namespace {
    fn new() -> Result<Self> {
        let process = Process::spawn(
            &["unshare", "--net", "sleep", "infinity"],
            &[],
            std::path::Path::new("/dev/null"),
        )?;
        let own = std::fs::read_link("/proc/self/ns/net")?;
        let namespace = Self(process);
        until("a namespace (are you root?)", HELD_WITHIN, || {
            let now = std::fs::read_link(namespace.path()).map_err(|error| error.to_string())?;
            // `sleep` is the last of three programs that this process becomes.
            let name = std::fs::read_to_string(format!("/proc/{}/comm", namespace.0.pid()));
            let sleeps = name.is_ok_and(|name| name.trim() == "sleep");
            if sleeps && now != own { Ok(()) } else { Err("the holder is still outside".to_owned()) }
        })?;
        Ok(namespace)
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.pid())
    }

    /// Runs `command` inside, with `input` on its standard input.
    fn run(&self, command: &[&str], input: &str) -> Result<()> {
        let net = format!("--net={}", self.path());
        run(&[&["nsenter", &net], command].concat(), input)
    }
}

fn run(command: &[&str], input: &str) -> Result<()> {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {command:?}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let out = child.wait_with_output()?;
    ensure!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr).trim());
    Ok(())
}

/// Machines on a switch; dropping it takes everything down.
#[derive(Debug)]
pub struct Hosts {
    hosts: Vec<Namespace>,
    _switch: Namespace,
    net: String,
}

impl Hosts {
    /// So many machines, each reaching each other and reached from here.
    ///
    /// # Errors
    /// Without root, or when no network is free.
    pub fn up(size: usize) -> Result<Self> {
        let switch = Namespace::new()?;
        let number = uplink(&switch)?;
        let net = format!("10.78.{number}");
        run(&["ip", "addr", "add", &format!("{net}.254/24"), "dev", &format!("oh{number}")], "")?;
        run(&["ip", "link", "set", &format!("oh{number}"), "up"], "")?;
        let bridge =
            "set -e\nip link add br0 type bridge\nip link set br0 up\nip link set top master br0 up\n";
        switch.run(&["sh"], bridge)?;
        let hosts = (1..=size).map(|n| plug(&switch, &net, n)).collect::<Result<_>>()?;
        Ok(Self { hosts, _switch: switch, net })
    }

    /// Address of machine `index`, from 0.
    #[must_use]
    pub fn address(&self, index: usize) -> String {
        format!("{}.{}", self.net, index + 1)
    }

    /// Its network namespace, as a path.
    #[must_use]
    pub fn namespace(&self, index: usize) -> String {
        self.hosts[index].path()
    }

    /// Gives machine `index` other addresses in place of all that it has; the last number of each. Whoever is connected
    /// to the old ones hears nothing any more.
    ///
    /// # Errors
    /// When an address cannot be taken.
    pub fn readdress(&self, index: usize, last: &[usize]) -> Result<()> {
        let mut script = "set -e\nip addr flush dev eth0\n".to_owned();
        for n in last {
            writeln!(script, "ip addr add {}.{n}/24 dev eth0", self.net)?;
        }
        self.hosts[index].run(&["sh"], &script)?;
        self.announce()
    }

    /// What a machine does that takes an address: nobody sends to whoever had it before any more.
    fn announce(&self) -> Result<()> {
        let subnet = format!("{}.0/24", self.net);
        let forget = ["ip", "neigh", "flush", "to", &subnet];
        self.hosts.iter().try_for_each(|host| host.run(&forget, ""))?;
        run(&forget, "")
    }

    /// Address with this last number on the switch.
    #[must_use]
    pub fn numbered(&self, last: usize) -> String {
        format!("{}.{last}", self.net)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.hosts.len()
    }

    /// Lets machines reach each other only within the same group of `groups`; who is in none is alone.
    /// All still answer whoever asks from here.
    ///
    /// # Errors
    /// Without nftables.
    pub fn divide(&self, groups: &[&[usize]]) -> Result<()> {
        let together = |a, b| groups.iter().any(|group| group.contains(&a) && group.contains(&b));
        for me in 0..self.count() {
            let blocked: BTreeSet<usize> =
                (0..self.count()).filter(|&other| other != me && !together(me, other)).collect();
            self.filter(me, &blocked)?;
        }
        Ok(())
    }

    /// Cuts machine `index` off from the others.
    ///
    /// # Errors
    /// Without nftables.
    pub fn isolate(&self, index: usize) -> Result<()> {
        let others = (0..self.count()).filter(|&other| other != index).collect();
        self.filter(index, &others)
    }

    /// Everybody reaches everybody again.
    ///
    /// # Errors
    /// Without nftables.
    pub fn heal(&self) -> Result<()> {
        (0..self.count()).try_for_each(|index| self.filter(index, &BTreeSet::new()))
    }

    fn filter(&self, index: usize, blocked: &BTreeSet<usize>) -> Result<()> {
        let (mut input, mut output) = (String::new(), String::new());
        for &other in blocked {
            let address = self.address(other);
            write!(input, "ip saddr {address} drop; ")?;
            write!(output, "ip daddr {address} drop; ")?;
        }
        let table = format!(
            "table inet cut {{ }}\ndelete table inet cut\ntable inet cut {{\n\
             chain i {{ type filter hook input priority 0; {input} }}\n\
             chain o {{ type filter hook output priority 0; {output} }}\n}}\n"
        );
        self.hosts[index].run(&["nft", "-f", "-"], &table)
    }

    /// Bytes that arrived at machine `index` since it is up, headers of Ethernet included.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn received(&self, index: usize) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/net/dev", self.hosts[index].0.pid()))?;
        let line = text.lines().find_map(|line| line.trim().strip_prefix("eth0:"));
        let first = line.and_then(|line| line.split_whitespace().next()).context("eth0 counts bytes")?;
        Ok(first.parse()?)
    }
}

/// Connects the switch with this machine by the first free number. Making the cable is what takes the number.
fn uplink(switch: &Namespace) -> Result<u32> {
    let pid = switch.0.pid();
    let mut last = None;
    for i in 0..NETWORKS {
        let number = 1 + (pid + i) % NETWORKS;
        let (name, holder) = (format!("oh{number}"), pid.to_string());
        let cable = ["ip", "link", "add", &name, "type", "veth", "peer", "name", "top", "netns", &holder];
        match run(&cable, "") {
            Ok(()) => return Ok(number),
            Err(error) if format!("{error:#}").contains("exists") => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    bail!("no free network: {last:?}")
}

/// One more machine at the switch.
fn plug(switch: &Namespace, net: &str, n: usize) -> Result<Namespace> {
    let host = Namespace::new()?;
    let (at, pid, port) = (switch.0.pid().to_string(), host.0.pid().to_string(), format!("p{n}"));
    run(
        &["ip", "link", "add", &port, "netns", &at, "type", "veth", "peer", "name", "eth0", "netns", &pid],
        "",
    )?;
    switch.run(&["ip", "link", "set", &port, "master", "br0", "up"], "")?;
    // Without IPv6 nothing is on the cable but what the nodes send.
    let script = format!(
        "set -e\necho 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || true\nip link set lo up\n\
         ip addr add {net}.{n}/24 dev eth0\nip link set eth0 up\n"
    );
    host.run(&["sh"], &script)?;
    Ok(host)
}
