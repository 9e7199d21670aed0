//! Committing what a recovery is about to do and what came of it, in the term in which it is driven.

use std::time::Duration;

use orchestrator_backend::{BackendHandle, BlockedRecoveryRow, HandleError, NodeIdentity};
use orchestrator_core::{
    InstanceKey, Timestamp,
    analysis::Finding,
    recovery::{Recovery, Report, Stage},
    view::LOST_IN_RECOVERY,
};
use orchestrator_raft::{
    ProposeError, RaftNode,
    command::{
        BeginRecovery, BlockedBy, Command, DeclareDowntime, EndRecovery, RecoveryProgress, RegisterDetection,
        Reply, Step,
    },
};

use tracing::{info, warn};

use super::record;
use crate::{clock, process};

/// How long one commit may take. A healthy group needs a millisecond; one that needs this long has no quorum.
const COMMIT_DEADLINE: Duration = Duration::from_secs(2);

/// How long reading the backend may take.
const READ_DEADLINE: Duration = Duration::from_secs(2);

/// How long what a recovery left behind stays in downtime. As the original; it is lifted as soon as it is well.
pub(crate) const LOST_DOWNTIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// Writes recoveries into the log, and reads those that are unfinished.
#[derive(Clone)]
pub(crate) struct Journal {
    pub(crate) raft: RaftNode,
    pub(crate) backend: BackendHandle,
    pub(crate) node: NodeIdentity,
    /// Finished recoveries block others of their cluster this long.
    pub(crate) block_period: Duration,
    /// Detections are not announced again within this time.
    pub(crate) detection_block_period: Duration,
}

/// A recovery that lies in the log, and where.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) uid: String,
    pub(super) id: i64,
    pub(super) seq: i64,
    pub(super) term: u64,
    pub(super) recovery: Recovery,
    /// What is to be written with the next commit, and when it happened.
    pub(super) story: Vec<(Timestamp, String)>,
    /// When the failure was first suspected; of a resumed one, when it was resumed.
    pub(super) noticed_at: Timestamp,
}

impl Begun {
    /// Time since the failure was first suspected.
    pub(super) fn elapsed(&self) -> Duration {
        clock::now().since(self.noticed_at)
    }

    /// Tells what just happened: to the log now, to the audit with the next commit.
    pub(super) fn tell(&mut self, stage: Stage, line: &str) {
        let elapsed_ms = self.elapsed().as_millis();
        info!(step = stage.as_str(), elapsed_ms, "{line}");
        self.story.push((clock::now(), format!("+{elapsed_ms} ms: {line}")));
    }
}

/// A recovery that has not ended.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) uid: String,
    pub(crate) id: i64,
    pub(crate) seq: i64,
    pub(crate) record: String,
}

/// Why a commit did not go through.
#[derive(Debug, thiserror::Error)]
pub(super) enum JournalError {
    /// The group did not take it.
    #[error("{0}")]
    Propose(#[from] ProposeError),
    /// The own backend did not answer.
    #[error("{0}")]
    Backend(#[from] HandleError),
    /// Another node drives this recovery, or this one does not lead any more.
    #[error("this node does not drive it any more")]
    NotOurs,
}

impl Journal {
    async fn propose(&self, term: u64, command: Command) -> Result<Reply, JournalError> {
        let (_, reply) = self.raft.propose_in_term(term, command, COMMIT_DEADLINE).await?;
        Ok(reply)
    }

    async fn next_ids(&self) -> Result<(i64, i64), JournalError> {
        let (recovery, detection) = self.backend.read(READ_DEADLINE, |backend| backend.highest_ids()).await?;
        Ok((recovery + 1, detection + 1))
    }

    /// Registers a detection; `true` when it is new.
    pub(super) async fn detect(&self, term: u64, finding: &Finding) -> Result<bool, JournalError> {
        let (_, at_least_id) = self.next_ids().await?;
        let at = clock::now();
        let command = Command::RegisterDetection(RegisterDetection {
            at_least_id,
            key: finding.key.clone(),
            analysis: finding.code.as_str().into(),
            cluster: finding.cluster.to_string(),
            cluster_alias: finding.alias.clone(),
            replica_count: count(&finding.replicas),
            replicas: finding.replicas.clone(),
            actionable: finding.code.response().is_recovery(),
            node_hostname: self.node.hostname.clone(),
            node_token: self.node.token.clone(),
            at,
            active_since: at - self.detection_block_period,
        });
        let reply = self.propose(term, command).await?;
        Ok(matches!(reply, Reply::Detected { id: Some(_) }))
    }

    /// Commits the beginning of a recovery, or says what is in its way.
    pub(super) async fn begin(
        &self,
        term: u64,
        recovery: Recovery,
        story: Vec<String>,
        noticed_at: Timestamp,
    ) -> Result<Result<Begun, BlockedBy>, JournalError> {
        let (at_least_id, _) = self.next_ids().await?;
        let at = clock::now();
        let uid = format!("{}:{}", i128::from(at.as_millis()) * 1_000_000, process::token());
        let case = &recovery.case;
        let replicas: Vec<InstanceKey> = case.followers().cloned().collect();
        let command = Command::BeginRecovery(BeginRecovery {
            uid: uid.clone(),
            at_least_id,
            failed: case.failed.clone(),
            analysis: case.code.as_str().into(),
            cluster: case.cluster.clone(),
            cluster_alias: case.alias.clone(),
            replica_count: count(&replicas),
            replicas,
            node_hostname: self.node.hostname.clone(),
            node_token: self.node.token.clone(),
            at,
            active_since: at - self.block_period,
            forced: case.forced,
            stage: recovery.stage.as_str().into(),
            record: record::to_text(&recovery),
        });
        match self.propose(term, command).await? {
            Reply::Accepted { id } => {
                let story = story.into_iter().map(|line| (at, line)).collect();
                Ok(Ok(Begun { uid, id, seq: 0, term, recovery, story, noticed_at }))
            }
            Reply::Blocked(by) => Ok(Err(by)),
            _ => Err(JournalError::NotOurs),
        }
    }

    /// Notes in this node's own history that a finding was not answered because of a recovery.
    pub(super) async fn note_blocked(&self, finding: &Finding, blocking_id: i64) {
        let row = BlockedRecoveryRow {
            key: finding.key.clone(),
            cluster: finding.cluster.to_string(),
            analysis: finding.code.as_str().into(),
            blocked_at: clock::now(),
            blocking_id,
        };
        let noted =
            self.backend.call(READ_DEADLINE, move |backend| backend.note_blocked_recovery(&row)).await;
        if let Err(error) = noted {
            warn!(%error, "cannot note a blocked recovery");
        }
    }

    /// Commits where a recovery is, and what happened since the last commit.
    pub(super) async fn progress(&self, begun: &mut Begun) -> Result<(), JournalError> {
        let at = clock::now();
        let steps = steps(begun);
        let recovery = &begun.recovery;
        let command = Command::RecoveryProgress(RecoveryProgress {
            uid: begun.uid.clone(),
            expected_seq: begun.seq,
            stage: recovery.stage.as_str().into(),
            record: record::to_text(recovery),
            successor: recovery.progress.successor.clone(),
            steps,
            at,
        });
        match self.propose(begun.term, command).await? {
            Reply::Progressed { seq } => {
                begun.seq = seq;
                Ok(())
            }
            _ => Err(JournalError::NotOurs),
        }
    }

    /// Commits the end, with everything that is to be declared about what the recovery leaves behind.
    ///
    /// `alias` is the successor's own, as its classification says.
    pub(super) async fn end(
        &self,
        begun: &mut Begun,
        report: &Report,
        alias: String,
    ) -> Result<(), JournalError> {
        let at = clock::now();
        let steps = steps(begun);
        let case = &begun.recovery.case;
        // An attempt to open a successor that was not seen to succeed may have: the old primary stays shut out.
        let replaced = begun.recovery.progress.successor.is_some();
        let left_behind = report.lost.iter().chain(replaced.then_some(&case.failed));
        let downtimes = left_behind.map(|key| DeclareDowntime {
            key: key.clone(),
            owner: "orchestrator".into(),
            reason: LOST_IN_RECOVERY.into(),
            begins_at: at,
            ends_at: at + LOST_DOWNTIME,
        });
        let has_alias = case.alias != case.cluster;
        let aliases = report.successor.iter().filter(|_| has_alias);
        let command = Command::EndRecovery(EndRecovery {
            uid: begun.uid.clone(),
            expected_seq: begun.seq,
            success: report.successor.is_some(),
            successor: report.successor.clone(),
            successor_alias: alias,
            lost_replicas: report.lost.iter().cloned().collect(),
            participants: report.touched.iter().cloned().collect(),
            errors: report.errors.iter().map(|error| error.replace(['\n', '\r'], " ")).collect(),
            steps,
            downtimes: downtimes.collect(),
            end_downtimes: report.successor.iter().cloned().collect(),
            aliases: aliases.map(|successor| (successor.to_string(), case.alias.clone())).collect(),
            at,
        });
        match self.propose(begun.term, command).await? {
            Reply::Ended { .. } => Ok(()),
            _ => Err(JournalError::NotOurs),
        }
    }

    /// Recoveries that have not ended, oldest first.
    pub(super) async fn unfinished(&self) -> Result<Vec<Unfinished>, JournalError> {
        let rows = self.backend.read(READ_DEADLINE, |backend| backend.unfinished_recoveries()).await?;
        let unfinished = rows.into_iter().map(|(_, row)| Unfinished {
            uid: row.uid,
            id: row.id,
            seq: row.seq,
            record: row.record,
        });
        Ok(unfinished.collect())
    }
}

/// Takes what is to be written.
fn steps(begun: &mut Begun) -> Vec<Step> {
    begun.story.drain(..).map(|(at, message)| Step { at, message }).collect()
}

fn count(keys: &[InstanceKey]) -> u32 {
    u32::try_from(keys.len()).unwrap_or(u32::MAX)
}
