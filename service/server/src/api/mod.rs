//! What the HTTP crate asks for, in terms of the rest of this node.

mod commands;
mod events;
mod history;
mod members;
mod node;
mod pulse;
mod tokens;

use std::{sync::Arc, time::Duration};

use orchestrator_backend::{BackendHandle, HandleError, NodeIdentity};
use orchestrator_config::RaftSettings;
use orchestrator_core::view::Declared;
use orchestrator_http::ports::{Picture, PortError, Reads};
use orchestrator_raft::{
    ProposeError, RaftNode,
    command::{Command, Reply},
};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

pub(crate) use self::node::NodeState;
use crate::{
    audit::Audit,
    discovery::{Discovery, DiscoveryFilters},
    fleet::SharedFleet,
    picture::Pictures,
    recovery::Recoveries,
    reload::Door,
};

/// How long one command of a person may take to be agreed on. The original waits as long.
const PROPOSE_DEADLINE: Duration = Duration::from_secs(10);

/// How long a list of the past may take.
const LIST_DEADLINE: Duration = Duration::from_secs(10);

/// Everything that requests are answered from.
pub(crate) struct NodeApi {
    pub(crate) raft: RaftNode,
    /// How this node takes part in a group; `None` without one.
    pub(crate) group: Option<RaftSettings>,
    /// Where the configuration is read again.
    pub(crate) door: Door,
    pub(crate) backend: BackendHandle,
    pub(crate) pictures: Arc<Pictures>,
    /// What is declared, as of the last applied command.
    pub(crate) declared: watch::Receiver<Arc<Declared>>,
    pub(crate) discovery: Discovery,
    pub(crate) filters: Arc<dyn DiscoveryFilters>,
    pub(crate) fleet: SharedFleet,
    pub(crate) recoveries: Arc<Recoveries>,
    pub(crate) audit: Audit,
    pub(crate) node: NodeIdentity,
    pub(crate) state: Arc<NodeState>,
    pub(crate) tasks: TaskTracker,
    /// How long a change of an instance may take.
    pub(crate) operation_timeout: Duration,
    /// How long a probe may take that somebody waits for.
    pub(crate) probe_timeout: Duration,
    /// Old primaries that return are made read-only.
    pub(crate) closes_old_primaries: bool,
}

impl Reads for NodeApi {
    fn picture(&self) -> Arc<Picture> {
        self.pictures.current()
    }
}

impl NodeApi {
    async fn propose(&self, command: Command) -> Result<Reply, PortError> {
        match self.raft.propose(command, PROPOSE_DEADLINE).await {
            Ok((_, Reply::Refused { reason })) => Err(PortError::Refused(reason)),
            Ok((_, reply)) => {
                // What the command declared is applied here; the next read must show it.
                let declared = self.declared.borrow().clone();
                self.pictures.declare(&declared);
                Ok(reply)
            }
            Err(ProposeError::NotLeader { .. }) => Err(PortError::NotLeader),
            Err(ProposeError::Unconfirmed { .. }) => Err(PortError::Unconfirmed),
            Err(other) => Err(PortError::Failed(other.to_string())),
        }
    }
}

fn failed(error: &HandleError) -> PortError {
    PortError::Failed(format!("the backend did not answer: {error}"))
}
