//! What a peer may say at all: bounds on terms and log indexes, and who may speak as whom.
//!
//! The raft library trusts its peers: it adopts whatever term it hears, and panics at what no peer of its own kind
//! sends. So what no correct peer can have sent is kept from it. This keeps out mistakes, and malice as far as it does
//! not imitate a member in every detail; who a member is, certificates prove.

use std::cmp::Ordering;

use openraft::EntryPayload;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::network::SnapshotBegin;
use super::wire::{MAX_ENTRIES, NodeReport};
use crate::command::{COMMAND_VERSION, Command};
use crate::local::Local;
use crate::member::{MemberInfo, NodeId, PeerName};
use crate::settings::MAX_NODES;
use crate::types::{LogId, TypeConfig, Vote};

/// A group may go through so many terms while a node is away: two elections a second for 68 years.
///
/// Whoever lies about the term takes a group that far at most with each lie, and not to where terms end.
const TERM_STEP: u64 = 1 << 32;
/// The same for a node that never heard of a term, and takes the group's whatever it is.
const FIRST_TERM_MAX: u64 = u64::MAX / 2;
/// SQLite has no unsigned integers, and the next index must be one too.
const INDEX_MAX: u64 = u64::MAX / 4;
/// Longest name, URI or identifier that a node has.
const TEXT_MAX: usize = 1024;
/// Voters of two lists while one is exchanged for the other, and learners.
const MEMBERS_MAX: usize = 4 * MAX_NODES;

const BEYOND_TERMS: &str = "its term lies so far beyond this node's that no group can have reached it";
const BEYOND_LOG: &str = "its log index lies beyond every log";
const NO_ORDER: &str = "its log entries do not follow one another";
const CONTRADICTION: &str = "its log contradicts what is committed here";

type Verdict = Result<(), String>;

/// The term that this node is in for good, by its log; 0 before the first one.
pub(super) fn own_term(local: &Local) -> u64 {
    local.log.durable().0.map_or(0, |vote| vote.leader_id.term)
}

fn demand(holds: bool, otherwise: &str) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// The peer that speaks, and what this node knows to judge it by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speaker {
    pub(super) from: NodeId,
    /// This node's own term; 0 before the first one.
    pub(super) own_term: u64,
    /// The last entry that this node knows to be committed and has.
    pub(super) committed: Option<LogId>,
}

impl Speaker {
    /// Entries, or a heartbeat.
    pub(super) fn append(&self, request: &AppendEntriesRequest<TypeConfig>) -> Verdict {
        let AppendEntriesRequest { vote, prev_log_id, entries, leader_commit } = request;
        self.leads(vote)?;
        demand(entries.len() <= MAX_ENTRIES, "it sends more entries than one message may have")?;
        let mut before = *prev_log_id;
        before.map_or(Ok(()), |id| self.log_id(id, vote))?;
        for entry in entries {
            let (id, next) = (entry.log_id, before.map_or(0, |before| before.index + 1));
            demand(
                id.index == next && before.is_none_or(|before| before.leader_id <= id.leader_id),
                NO_ORDER,
            )?;
            self.log_id(id, vote)?;
            if let EntryPayload::Membership(members) = &entry.payload {
                check_members(members)?;
            }
            before = Some(id);
        }
        leader_commit.map_or(Ok(()), |id| in_bounds(id, vote))
    }

    /// A vote, or the question whether there would be one.
    pub(super) fn vote(&self, asked: &VoteRequest<TypeConfig>) -> Verdict {
        demand(!asked.vote.committed, "it stands for election as one who is elected")?;
        self.is_own(&asked.vote)?;
        asked.last_log_id.map_or(Ok(()), |id| in_bounds(id, &asked.vote))
    }

    /// The wish of a leader that another node stands for election.
    pub(super) fn transfer(&self, wish: &TransferLeaderRequest<TypeConfig>) -> Verdict {
        self.leads(wish.from_leader())?;
        wish.last_log_id().map_or(Ok(()), |id| in_bounds(*id, wish.from_leader()))
    }

    /// A raft snapshot that is announced.
    pub(super) fn snapshot(&self, begin: &SnapshotBegin) -> Verdict {
        self.leads(&begin.vote)?;
        begin.last_log.map_or(Ok(()), |id| self.log_id(id, &begin.vote))?;
        let of = begin.membership.log_id();
        demand(of.as_ref() <= begin.last_log.as_ref(), "its raft snapshot has members of a later time")?;
        // Without any it would be one of no group.
        if of.is_some() { check_members(begin.membership.membership()) } else { Ok(()) }
    }

    /// It leads, and says so for itself: in the name of another it would make that one lead.
    fn leads(&self, vote: &Vote) -> Verdict {
        demand(vote.committed, "it sends what a leader sends, and was not elected")?;
        self.is_own(vote)
    }

    fn is_own(&self, vote: &Vote) -> Verdict {
        demand(vote.leader_id.voted_for == self.from, "it speaks for another node")?;
        check_term(vote.leader_id.term, self.own_term)
    }

    /// An entry of the log of who leads by `vote`.
    fn log_id(&self, id: LogId, vote: &Vote) -> Verdict {
        in_bounds(id, vote)?;
        // A former leader may have what was never committed; the raft library tells it that it is one.
        let former = vote.leader_id.term < self.own_term;
        let fits = self.committed.is_none_or(|held| match id.index.cmp(&held.index) {
            Ordering::Less => id.leader_id <= held.leader_id,
            Ordering::Equal => id == held,
            Ordering::Greater => id.leader_id >= held.leader_id,
        });
        demand(former || fits, CONTRADICTION)
    }
}

/// An answer to `append`, in which this node's term is `own_term`, and of which that peer has `acknowledged` this index
/// before.
pub(super) fn check_appended(
    answer: &AppendEntriesResponse<TypeConfig>,
    request: &AppendEntriesRequest<TypeConfig>,
    own_term: u64,
    acknowledged: Option<u64>,
) -> Verdict {
    let before = request.prev_log_id;
    match answer {
        AppendEntriesResponse::Success => Ok(()),
        AppendEntriesResponse::PartialSuccess(upto) => {
            let sent = *upto == before || request.entries.iter().any(|entry| Some(entry.log_id) == *upto);
            demand(sent, "it has entries that were never sent")
        }
        AppendEntriesResponse::Conflict => {
            let at = before.ok_or("it contradicts the beginning of the log")?;
            demand(Some(at.index) > acknowledged, "it denies entries that it acknowledged")
        }
        AppendEntriesResponse::HigherVote(vote) => check_term(vote.leader_id.term, own_term),
    }
}

/// An answer to a candidate whose term was `own_term`, or would have been.
pub(super) fn check_voted(answer: &VoteResponse<TypeConfig>, own_term: u64) -> Verdict {
    check_term(answer.vote.leader_id.term, own_term)?;
    answer.last_log_id.map_or(Ok(()), |id| check_index(id.index))
}

/// An answer to a leader that wished to be followed by another.
pub(super) fn check_transferred(answer: &TransferLeaderResponse<TypeConfig>, own_term: u64) -> Verdict {
    match answer {
        Err(TransferLeaderError::VoteChanged { actual, .. }) => check_term(actual.leader_id.term, own_term),
        _ => Ok(()),
    }
}

/// What a node says about itself.
pub(super) fn check_report(report: &NodeReport, own_term: u64) -> Verdict {
    let NodeReport { name, info, cluster, node_id: _, epoch: _, nodes, vote, last_log, members } = report;
    let named = |name: &PeerName| PeerName::parse(name.as_str()).as_ref() == Some(name);
    demand(named(name) && nodes.iter().all(named), "it names nodes by what is no host:port")?;
    demand(nodes.len() <= MAX_NODES, "its RaftNodes are too many")?;
    let MemberInfo { raft_addr, http_uri, hostname } = info;
    let texts = [name.as_str(), raft_addr, http_uri, hostname, cluster.as_deref().unwrap_or_default()];
    let plain = |text: &str| text.len() <= TEXT_MAX && !text.contains(char::is_control);
    demand(texts.into_iter().all(plain), "it describes itself with what is no name")?;
    demand(nodes.iter().all(|node| plain(node.as_str())), "its RaftNodes are no names")?;
    vote.map_or(Ok(()), |vote| check_term(vote.leader_id.term, own_term))?;
    last_log.map_or(Ok(()), |id| check_index(id.index))?;
    let Some(members) = members else { return Ok(()) };
    demand(members.ids.len() <= MEMBERS_MAX, "its group has too many members")?;
    check_index(members.index)
}

pub(super) fn check_term(term: u64, own_term: u64) -> Verdict {
    let last = if own_term == 0 { FIRST_TERM_MAX } else { own_term.saturating_add(TERM_STEP) };
    demand(term <= last, BEYOND_TERMS)
}

fn check_index(index: u64) -> Verdict {
    demand(index <= INDEX_MAX, BEYOND_LOG)
}

fn in_bounds(id: LogId, vote: &Vote) -> Verdict {
    check_index(id.index)?;
    demand(id.leader_id.term <= vote.leader_id.term, "its log has entries of a term after its own")
}

fn check_members(members: &openraft::Membership<NodeId, MemberInfo>) -> Verdict {
    let configs = members.get_joint_config();
    demand(
        !configs.is_empty() && configs.len() <= 2,
        "its group has no voters, or more than two sets of them",
    )?;
    demand(configs.iter().all(|voters| !voters.is_empty()), "its group has no voters")?;
    demand(members.nodes().count() <= MEMBERS_MAX, "its group has too many members")?;
    let known = |id: NodeId| id != 0 && members.get_node(&id).is_some();
    demand(members.voter_ids().all(known), "its group has voters without a name")
}

/// Whether a request of entries that cannot be read has a command in it that is newer than this program.
///
/// Answers the rest of the request, to be judged as any other one.
pub(super) fn newer_command(body: &[u8]) -> Option<AppendEntriesRequest<TypeConfig>> {
    let mut request: serde_json::Value = serde_json::from_slice(body).ok()?;
    let mut found = false;
    for entry in request.get_mut("entries")?.as_array_mut()? {
        let Some(command) = entry.get_mut("payload").and_then(|payload| payload.get_mut("Normal")) else {
            continue;
        };
        let newer = command.get("v")?.as_u64()? > u64::from(COMMAND_VERSION) && command.get("c").is_some();
        if newer {
            found = true;
            *command = serde_json::to_value(Command::Heartbeat {}).ok()?;
        }
    }
    let request = serde_json::from_value(request).ok()?;
    found.then_some(request)
}

#[cfg(test)]
mod tests;
