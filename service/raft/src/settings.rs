//! What a node is told at its start, and the checks on it that need no disk and no network.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::StartError;
use crate::member::{MemberInfo, PeerName};
use crate::transport::Tls;

/// The most voters of one group: beyond that, each write waits for more disks and gains no safety.
pub const MAX_NODES: usize = 9;

/// How a node is started.
#[derive(Debug, Clone)]
pub struct RaftSettings {
    /// `RaftDataDir`: holds identity, log and raft snapshots. Created if missing.
    pub data_dir: PathBuf,
    /// `RaftBind`: where to listen, `host[:port]`.
    pub bind: String,
    /// `RaftAdvertise`: the name that peers use, `host[:port]`. Empty means the same as `bind`.
    pub advertise: String,
    /// `RaftNodes`: every node of the group with this one, `host[:port]`. Empty means this one alone.
    pub nodes: Vec<String>,
    /// Where this node's HTTP API is: `scheme://host:port`, no path.
    pub http_uri: String,
    /// The host name of this machine.
    pub hostname: String,
    /// Clocks and sizes.
    pub timings: Timings,
}

/// Who decides on the members of the group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Who forms it.
    pub bootstrap: Bootstrap,
    /// Who changes it.
    pub membership: MembershipSource,
}

/// `RaftBootstrap`: who forms a group out of empty nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bootstrap {
    /// `auto`: the nodes themselves, as soon as every node of `RaftNodes` answers and is empty.
    #[default]
    Auto,
    /// `external`: only [`crate::RaftNode::bootstrap`]; a node with an empty directory waits to be told.
    External,
}

/// `RaftMembershipSource`: whose word changes the members of a running group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MembershipSource {
    /// `config`: a new `RaftNodes` that the leader and a majority of the voters hold. Nodes that lost their
    /// disk are replaced by themselves. Calls on demand work too.
    #[default]
    Config,
    /// `api`: calls only; `RaftNodes` says where to find peers.
    Api,
}

/// Clocks and sizes of a group. Every node should have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timings {
    /// A leader sends a heartbeat so often. 100 ms: twenty small messages a second in a group of three.
    pub heartbeat: Duration,
    /// The shortest time that a follower waits, after the lease, before it stands for election.
    /// 250 ms: two heartbeats may be lost without an election.
    pub election_min: Duration,
    /// The longest such time, and the length of the leader's lease. A killed leader is replaced after
    /// `election_max` + (`election_min`..`election_max`): 0.75 to 1 s. A lease of 500 ms survives a short stall of a busy
    /// machine; half of it would save a quarter of a second in a rare case and cost elections in a common one.
    pub election_max: Duration,
    /// [`crate::Health`] is computed so often; also its resolution.
    pub health_tick: Duration,
    /// A raft snapshot is built after so many new log entries.
    pub snapshot_every: u64,
    /// So many entries stay in the log behind a snapshot, for peers that were away for a short time.
    pub keep_logs: u64,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(100),
            election_min: Duration::from_millis(250),
            election_max: Duration::from_millis(500),
            health_tick: Duration::from_millis(100),
            snapshot_every: 5000,
            keep_logs: 1000,
        }
    }
}

impl Timings {
    /// How long the answer to a heartbeat may take and still count: nearly `election_min`.
    ///
    /// A machine that is overloaded, or a container that used up its share, answers late and is alive.
    pub(crate) fn answer_limit(&self) -> Duration {
        self.election_min * 24 / 25
    }

    /// What "within two election timeouts" means: the longest silence of a healthy member.
    pub fn silence_limit(&self) -> Duration {
        self.election_max * 2
    }
}

/// Settings that cannot be wrong: names are read, distinct, and contain this node.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) data_dir: PathBuf,
    pub(crate) bind: PeerName,
    pub(crate) name: PeerName,
    /// Sorted; contains `name`.
    pub(crate) nodes: Vec<PeerName>,
    pub(crate) info: MemberInfo,
    pub(crate) timings: Timings,
    pub(crate) policy: Policy,
    /// `None`: connections are plain, and whoever reaches the port can claim a name.
    pub(crate) tls: Option<Arc<Tls>>,
}

impl RaftSettings {
    pub(crate) fn check(&self, policy: Policy) -> Result<Checked, StartError> {
        if self.data_dir.as_os_str().is_empty() {
            return Err(StartError::NoDataDir);
        }
        let bind = read_name("RaftBind", &self.bind)?;
        let name = match self.advertise.as_str() {
            "" => bind.clone(),
            advertise => read_name("RaftAdvertise", advertise)?,
        };
        let nodes = group_of(&self.nodes, &name)?;
        if !nodes.contains(&name) {
            let nodes = nodes.iter().map(PeerName::as_str).collect::<Vec<_>>().join(", ");
            return Err(StartError::NotInNodes { node: name.to_string(), nodes });
        }
        let info = MemberInfo {
            raft_addr: name.as_str().to_owned(),
            http_uri: self.http_uri.clone(),
            hostname: self.hostname.clone(),
        };
        let timings = self.timings.clone();
        Ok(Checked { data_dir: self.data_dir.clone(), bind, name, nodes, info, timings, policy, tls: None })
    }
}

/// Reads `RaftNodes`; empty means `name` alone. Need not contain `name`.
pub(crate) fn group_of(nodes: &[String], name: &PeerName) -> Result<Vec<PeerName>, StartError> {
    if nodes.is_empty() {
        return Ok(vec![name.clone()]);
    }
    let mut nodes: Vec<PeerName> =
        nodes.iter().map(|node| read_name("RaftNodes", node)).collect::<Result<_, _>>()?;
    nodes.sort();
    if let Some(pair) = nodes.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(StartError::DuplicateNode { node: pair[0].to_string() });
    }
    if nodes.len() > MAX_NODES {
        return Err(StartError::TooManyNodes { nodes: nodes.len(), limit: MAX_NODES });
    }
    Ok(nodes)
}

fn read_name(setting: &'static str, value: &str) -> Result<PeerName, StartError> {
    PeerName::parse(value).ok_or_else(|| StartError::BadName { setting, value: value.to_owned() })
}
