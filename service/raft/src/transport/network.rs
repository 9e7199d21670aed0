//! The raft library's calls, sent over [`super::link`].

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RPCTypes};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory, RaftNetworkV2};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use super::link::{Lane, LinkError, Links};
use super::plausible;
use super::votes::OwnVotes;
use super::wire::{Kind, decode, encode};
use crate::events::{EventKind, Happening, Round};
use crate::member::{MemberInfo, NodeId};
use crate::membership::joined_later;
use crate::state::{SNAPSHOT_FORMAT, SnapshotFile};
use crate::types::{LogId, Raft, SnapshotMeta, TypeConfig, Vote};

/// Entries are acknowledged after a sync of the peer's disk, which may take longer than a heartbeat.
const APPEND_LIMIT: Duration = Duration::from_secs(1);
/// We give up on an answer so long before the raft library does, so that we learn of it.
const BEFORE_THE_LIBRARY: Duration = Duration::from_millis(5);
/// Each chunk of a raft snapshot is acknowledged within this time.
pub(crate) const CHUNK_LIMIT: Duration = Duration::from_secs(5);
/// Small enough that heartbeats on the same wire are not delayed, large enough to cost few turns.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;
/// After the last chunk the peer puts the state in place, which takes as long as its disk needs.
pub(crate) const INSTALL_LIMIT: Duration = Duration::from_secs(60);

type RpcResult<T> = Result<T, RPCError<TypeConfig>>;
type RaftSnapshot = openraft::alias::SnapshotOf<TypeConfig, SnapshotFile>;

/// Announces a raft snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotBegin {
    pub(crate) format: u32,
    pub(crate) vote: Vote,
    pub(crate) last_log: Option<LogId>,
    pub(crate) membership: crate::types::StoredMembership,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl SnapshotBegin {
    /// Of a state that no log led to.
    pub(crate) fn outside_a_log(format: u32, bytes: u64, sha256: String) -> Self {
        let (vote, membership) = (Vote::new(0, 0), Default::default());
        Self { format, vote, last_log: None, membership, bytes, sha256 }
    }

    pub(crate) fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.last_log, last_membership: self.membership.clone() }
    }
}

/// Makes one [`Network`] per peer and lane; no I/O.
pub(crate) struct NetworkFactory {
    links: Arc<Links>,
    votes: OwnVotes,
}

impl NetworkFactory {
    /// `raft` is filled with the raft core that this is made for.
    pub(crate) fn new(links: Arc<Links>, raft: watch::Receiver<Option<Raft>>) -> Self {
        Self { links, votes: OwnVotes { raft } }
    }

    fn network(&self, target: NodeId, node: &MemberInfo, lane: Lane) -> Network {
        let (links, votes, name) = (self.links.clone(), self.votes.clone(), node.raft_addr.clone());
        Network { links, votes, target, name, lane, replicates_in: None }
    }
}

impl RaftNetworkFactory<TypeConfig> for NetworkFactory {
    type Network = Network;

    async fn new_client(&mut self, target: NodeId, node: &MemberInfo) -> Network {
        self.network(target, node, Lane::Entries)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, node: &MemberInfo) -> Network {
        self.network(target, node, Lane::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: NodeId, node: &MemberInfo) -> Network {
        self.network(target, node, Lane::Snapshot)
    }
}

/// The calls to one peer.
pub(crate) struct Network {
    links: Arc<Links>,
    target: NodeId,
    name: String,
    lane: Lane,
    votes: OwnVotes,
    /// The term in which entries were first acknowledged on this lane.
    replicates_in: Option<u64>,
}

impl Network {
    /// Asks for a vote, or whether there would be one, and tells what came of it.
    async fn ask_for_vote(
        &self,
        round: Round,
        rpc: VoteRequest<TypeConfig>,
        limit: Duration,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        let local = self.links.local();
        self.votes.asks(local, round, &rpc);
        let kind = if round == Round::Trial { Kind::PreVote } else { Kind::Vote };
        let limit = limit.saturating_sub(BEFORE_THE_LIBRARY);
        let answer = self.call(Lane::Election, kind, &rpc, limit).await;
        let answer = answer.and_then(|answer| {
            self.sensible(plausible::check_voted(&answer, rpc.vote.leader_id.term)).map(|()| answer)
        });
        let heard = answer.as_ref().map_err(ToString::to_string);
        self.votes.heard(local, round, &rpc, (self.target, &self.name), heard);
        answer.map_err(|error| self.error(RPCTypes::Vote, limit, &error))
    }

    /// What no correct peer answers is kept from the raft library.
    fn sensible(&self, verdict: Result<(), String>) -> Result<(), LinkError> {
        verdict.map_err(|reason| {
            let error = LinkError::Refused(format!("its answer makes no sense: {reason}"));
            self.links.local().not_reached(&self.name, &error.to_string());
            error
        })
    }

    /// The first entries that a peer acknowledged in a term.
    fn tell_replicating(&mut self, term: u64, log_index: Option<u64>) {
        if self.lane == Lane::Entries && self.replicates_in != Some(term) {
            self.replicates_in = Some(term);
            let told = Happening::new(EventKind::Replicating, term).peer(self.name.as_str());
            self.links.local().tell(Happening { log_index, ..told });
        }
    }

    async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        lane: Lane,
        kind: Kind,
        request: &Q,
        limit: Duration,
    ) -> Result<A, LinkError> {
        let body = encode(request).map_err(|error| LinkError::Failed(error.to_string()))?;
        let link = self.links.to(self.target, &self.name, lane);
        let answer = link.call(kind, &body, Instant::now() + limit).await?;
        decode(&answer).map_err(|error| LinkError::Failed(format!("its answer cannot be read: {error}")))
    }

    fn error(&self, action: RPCTypes, timeout: Duration, error: &LinkError) -> RPCError<TypeConfig> {
        match error {
            LinkError::Timeout => RPCError::Timeout(Timeout {
                action,
                id: self.links.local().identity().map_or(0, |identity| identity.node_id),
                target: self.target,
                timeout,
            }),
            LinkError::Unreachable(_) | LinkError::Refused(_) => {
                RPCError::Unreachable(Unreachable::from_string(error))
            }
            LinkError::Broken(_) | LinkError::Failed(_) => {
                RPCError::Network(NetworkError::from_string(error))
            }
        }
    }

    async fn send_file(
        &self,
        vote: Vote,
        snapshot: RaftSnapshot,
    ) -> Result<SnapshotResponse<TypeConfig>, LinkError> {
        let failed =
            |error: std::io::Error| LinkError::Failed(format!("cannot read the raft snapshot: {error}"));
        // Opened first: a newer raft snapshot may unlink the file, which does not harm an open one.
        let (work, path) = (&self.links.local().work, snapshot.snapshot.path);
        let mut file = work.blocking(move || File::open(path)).await.map_err(failed)?;
        let begin = SnapshotBegin {
            format: SNAPSHOT_FORMAT,
            vote,
            last_log: snapshot.meta.last_log_id,
            membership: snapshot.meta.last_membership,
            bytes: snapshot.snapshot.bytes,
            sha256: snapshot.snapshot.sha256,
        };
        let link = self.links.to(self.target, &self.name, Lane::Snapshot);
        let begin = encode(&begin).map_err(failed)?;
        link.call(Kind::SnapshotBegin, &begin, Instant::now() + CHUNK_LIMIT).await?;
        loop {
            let (rest, chunk) = work.blocking(move || read_chunk(file)).await.map_err(failed)?;
            file = rest;
            if chunk.is_empty() {
                break;
            }
            link.call(Kind::SnapshotChunk, &chunk, Instant::now() + CHUNK_LIMIT).await?;
        }
        let answer = link.call(Kind::SnapshotEnd, &[], Instant::now() + INSTALL_LIMIT).await?;
        let answer: SnapshotResponse<TypeConfig> = decode(&answer)
            .map_err(|error| LinkError::Failed(format!("its answer cannot be read: {error}")))?;
        let term = vote.leader_id.term;
        self.sensible(plausible::check_term(answer.vote.leader_id.term, term)).map(|()| answer)
    }
}

/// The next chunk, empty at the end; gives the file back, so that it can visit a thread for blocking work.
fn read_chunk(mut file: File) -> std::io::Result<(File, Vec<u8>)> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    Ok((file, chunk))
}

/// Whether these are the first entries of the log.
fn is_beginning(rpc: &AppendEntriesRequest<TypeConfig>) -> bool {
    rpc.prev_log_id.is_none() && !rpc.entries.is_empty()
}

impl RaftNetworkV2<TypeConfig> for Network {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<AppendEntriesResponse<TypeConfig>> {
        if joined_later(self.target) && is_beginning(&rpc) {
            // Lets it go, and sends a raft snapshot then: see `membership::beginning`.
            self.links.local().knock.notify_one();
            let reason = LinkError::Failed("it needs a raft snapshot, and there is none for it yet".into());
            return Err(RPCError::Unreachable(Unreachable::from_string(reason)));
        }
        let limit = match self.lane {
            // The raft library does not wait longer.
            Lane::Heartbeat => option.hard_ttl().saturating_sub(BEFORE_THE_LIBRARY),
            _ => APPEND_LIMIT,
        };
        let (local, term) = (self.links.local(), rpc.vote.leader_id.term);
        let answer = self.call(self.lane, Kind::AppendEntries, &rpc, limit).await;
        let answer = answer.and_then(|answer| {
            let acknowledged = local.acknowledged_by(self.target, term);
            self.sensible(plausible::check_appended(&answer, &rpc, term, acknowledged)).map(|()| answer)
        });
        let answer = answer.map_err(|error| self.error(RPCTypes::AppendEntries, limit, &error))?;
        if let (AppendEntriesResponse::Success, Some(last)) = (&answer, rpc.entries.last()) {
            self.links.local().acknowledged(self.target, term, last.log_id);
            self.tell_replicating(term, Some(last.log_id.index));
        }
        Ok(answer)
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.ask_for_vote(Round::Vote, rpc, option.hard_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.ask_for_vote(Round::Trial, rpc, option.hard_ttl()).await
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<TransferLeaderResponse<TypeConfig>> {
        let limit = option.hard_ttl().saturating_sub(BEFORE_THE_LIBRARY);
        let answer = self.call(Lane::Election, Kind::TransferLeader, &request, limit).await;
        let term = request.from_leader().leader_id.term;
        let answer = answer
            .and_then(|answer| self.sensible(plausible::check_transferred(&answer, term)).map(|()| answer));
        answer.map_err(|error| self.error(RPCTypes::TransferLeader, limit, &error))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: RaftSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            biased;
            closed = cancel => Err(closed.into()),
            sent = self.send_file(vote, snapshot) => {
                sent.map_err(|error| self.error(RPCTypes::InstallSnapshot, INSTALL_LIMIT, &error).into())
            }
        }
    }
}
