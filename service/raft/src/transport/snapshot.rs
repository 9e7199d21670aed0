//! Takes the leader's raft snapshots, and hears the leader while one is put in place.
//!
//! The raft library answers nothing of a leader before its raft snapshot is in place, which takes as long as the backend
//! needs. A heartbeat of that leader counts when it comes, and is answered by saying so: for the leader it is none.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use openraft::storage::Snapshot;
use tokio::time::{Instant, timeout};
use tracing::info;

use super::incoming::Incoming;
use super::server::{Answer, Problem, Server, read, reply};
use super::session::Session;
use super::wire::{Frame, Kind};
use crate::local::lock;
use crate::member::Member;
use crate::state::Part;
use crate::types::{Raft, TypeConfig, Vote};

/// While a raft snapshot is put in place, an answer that does not come within this time does not come before the end.
/// Shorter than a heartbeat, so that each of them is heard.
const ANSWER_WITHIN: Duration = Duration::from_millis(50);

/// Whose raft snapshot is put in place at this moment.
#[derive(Default)]
pub(crate) struct Installing(Mutex<Option<Vote>>);

/// Until this is dropped, one is.
struct Installation<'a>(&'a Installing);

impl Installing {
    fn begin(&self, leader: Vote) -> Installation<'_> {
        *lock(&self.0) = Some(leader);
        Installation(self)
    }

    /// Whether it is one of this leader's.
    fn is_of(&self, leader: Vote) -> bool {
        *lock(&self.0) == Some(leader)
    }
}

impl Drop for Installation<'_> {
    fn drop(&mut self) {
        *lock(&self.0.0) = None;
    }
}

impl Server {
    pub(super) async fn snapshot(
        &self,
        raft: &Raft,
        session: &mut Session,
        peer: &Member,
        frame: Frame,
    ) -> Answer {
        let failed = |error: io::Error| Problem::Failed(error.to_string());
        let current = session.incoming.take();
        if frame.header.kind == Kind::SnapshotBegin {
            let begin = read(&frame.body)?;
            self.speaker(raft, peer).snapshot(&begin).map_err(Problem::Refused)?;
            let dir = self.founding.dir();
            session.incoming =
                Some(self.local.work.blocking(move || Incoming::begin(&dir, begin)).await.map_err(failed)?);
            return Ok(Vec::new());
        }
        let current = current.ok_or_else(|| Problem::Failed("no raft snapshot was announced".into()))?;
        self.local.heard_from_leader(peer.node_id, Instant::now(), frame.header.unheard_ms);
        if frame.header.kind == Kind::SnapshotChunk {
            session.incoming =
                Some(self.local.work.blocking(move || current.chunk(&frame.body)).await.map_err(failed)?);
            return Ok(Vec::new());
        }
        // Time has passed since it was announced.
        self.speaker(raft, peer).snapshot(&current.begin).map_err(Problem::Refused)?;
        let (begin, file) = self.local.work.blocking(move || current.finish()).await.map_err(failed)?;
        info!(node = self.local.name(), peer = peer.raft_addr, bytes = file.bytes, "raft snapshot received");
        if let Err(error) = self.founding.check(&file).await {
            drop(Part(file));
            return Err(Problem::Refused(error.to_string()));
        }
        let snapshot = Snapshot { meta: begin.meta(), snapshot: file };
        let _installation = self.installing.begin(begin.vote);
        reply(raft.install_full_snapshot(begin.vote, snapshot).await)
    }

    /// Has the raft core take entries, or a heartbeat, from `peer`.
    pub(super) async fn append_to(
        &self,
        raft: &Raft,
        peer: &Member,
        unheard_ms: u64,
        request: AppendEntriesRequest<TypeConfig>,
    ) -> Answer {
        let received = Instant::now();
        // It spoke when it came, not when this node's disk was done with it.
        let heard = || self.local.heard_from_leader(peer.node_id, received, unheard_ms);
        let answer = if self.installing.is_of(request.vote) {
            heard();
            let answer = timeout(ANSWER_WITHIN, raft.append_entries(request)).await;
            answer.map_err(|_| Problem::Failed("its raft snapshot is being put in place".into()))?
        } else {
            raft.append_entries(request).await
        };
        if answer.as_ref().is_ok_and(|answer| !matches!(answer, AppendEntriesResponse::HigherVote(_))) {
            heard();
        }
        reply(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_leader_whose_raft_snapshot_is_put_in_place_is_heard_before_its_end() {
        let (leader, next) = (Vote::new_committed(3, 1), Vote::new_committed(4, 2));
        let installing = Installing::default();
        assert!(!installing.is_of(leader));
        let installation = installing.begin(leader);
        assert_eq!((installing.is_of(leader), installing.is_of(next)), (true, false));
        drop(installation);
        assert!(!installing.is_of(leader));
    }
}
