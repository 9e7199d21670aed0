//! What comes round by itself: writing down what this node sees, its own sign of life, and, at the leader,
//! ending what is due and closing the door behind old primaries that return.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use orchestrator_backend::{
    BackendHandle, ClusterRow, Expiry, InstanceRow, NodeHealthRow, NodeIdentity, PurgeLimits,
};
use orchestrator_core::{InstanceKey, Timestamp, aftermath, analysis::AnalysisCode, view::InstanceRecord};
use orchestrator_http::{Metrics, ports::Picture};
use orchestrator_mysql::Change;
use orchestrator_raft::{
    RaftNode,
    command::{Command, Expire},
};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    api::NodeState,
    audit::Audit,
    clock,
    discovery::Discovery,
    failing::Failing,
    fleet::SharedFleet,
    picture::Pictures,
    recovery::{LOST_DOWNTIME, Recoveries},
};

/// Everything here comes round so often.
const ROUND: Duration = Duration::from_secs(1);

/// Observations are written down so often, the newest of each instance only: a restart begins with what was known
/// this long ago, and probes everybody at once.
const FLUSH_INTERVAL: Duration = Duration::from_secs(5);

/// History is purged so often.
const PURGE_INTERVAL: Duration = Duration::from_secs(60);

/// Recoveries that nobody drives are looked for so often; a new leader looks at once.
const RESUME_INTERVAL: Duration = Duration::from_secs(10);

/// How long a write to the own backend may take; one that takes longer is sick.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// How long a proposal may take.
const PROPOSE_DEADLINE: Duration = Duration::from_secs(2);

/// How long making an old primary read-only may take.
const FENCE_DEADLINE: Duration = Duration::from_secs(2);

/// A backend that takes no writes for this long ends the process: another node does the work, and a restart
/// may help. As the original. So do files that are lost, unless they are put back.
const BACKEND_DEAD_AFTER: Duration = Duration::from_secs(30);

/// Processes not seen for this long are not alive.
const PROCESS_SEEN_WITHIN: Duration = Duration::from_secs(2);

/// Refusals that were not repeated for this long are dropped from the list. As the original.
const BLOCKED_KEPT: Duration = Duration::from_secs(2);

/// What the rounds work with.
pub(crate) struct Duties {
    pub(crate) raft: RaftNode,
    pub(crate) backend: BackendHandle,
    pub(crate) pictures: Arc<Pictures>,
    pub(crate) discovery: Discovery,
    pub(crate) fleet: SharedFleet,
    pub(crate) recoveries: Arc<Recoveries>,
    pub(crate) audit: Audit,
    pub(crate) node: NodeIdentity,
    pub(crate) state: Arc<NodeState>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    /// An old primary was seen: do not wait for the next round.
    pub(crate) returned: Arc<Notify>,
}

/// Ages and switches of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) block_period: Duration,
    pub(crate) detection_block_period: Duration,
    pub(crate) candidate_expiry: Duration,
    pub(crate) audit_age: Duration,
    pub(crate) forget_after: Duration,
    pub(crate) close_old_primaries: bool,
    pub(crate) database: String,
    /// Raft's log must outlive the process: this node is one of a group.
    pub(crate) log_lasts: bool,
}

/// What is to be written down of what was observed; empty in most rounds.
#[derive(Default)]
struct Batch {
    instances: Vec<InstanceRow>,
    clusters: Vec<ClusterRow>,
}

impl Duties {
    /// Goes round until stopped. Ends by itself, with the reason, when the backend is given up.
    pub(crate) async fn run(self, stop: CancellationToken) -> Option<String> {
        let started_at = clock::now();
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut leadership = self.raft.watch_leadership();
        let (mut flushed, mut purged, mut resumed) = (None, Instant::now(), Instant::now());
        let mut well_at = Instant::now();
        let (mut last_codes, mut failing) = (Codes::new(), Failing::default());
        loop {
            self.state.duties_went_round();
            let led = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                changed = leadership.changed() => {
                    changed.ok()?;
                    leadership.borrow_and_update().is_me
                }
                () = self.returned.notified() => false,
                _ = rounds.tick() => {
                    let batch = if flushed.is_none_or(|at: Instant| at.elapsed() >= FLUSH_INTERVAL) {
                        flushed = Some(Instant::now());
                        self.observed()
                    } else {
                        Batch::default()
                    };
                    match self.write_down(started_at, batch, &mut last_codes).await {
                        Ok(()) => well_at = Instant::now(),
                        Err(error) => {
                            warn!(%error, "the backend is not usable");
                            if well_at.elapsed() >= BACKEND_DEAD_AFTER {
                                return Some(format!("the backend was not usable for {} s: {error}", BACKEND_DEAD_AFTER.as_secs()));
                            }
                        }
                    }
                    if purged.elapsed() >= PURGE_INTERVAL {
                        purged = Instant::now();
                        self.purge().await;
                    }
                    false
                }
            };
            if !self.raft.leadership().is_me {
                continue;
            }
            if (led || resumed.elapsed() >= RESUME_INTERVAL)
                && self.raft.confirm_leadership(PROPOSE_DEADLINE).await.is_ok()
            {
                resumed = Instant::now();
                self.recoveries.resume().await;
            }
            self.close_doors(&mut failing).await;
            self.expire().await;
        }
    }

    /// What was observed since this was last asked.
    fn observed(&self) -> Batch {
        let picture = self.pictures.current();
        let changed = self.pictures.take_changed();
        Batch {
            instances: changed.into_iter().map(|record| row(&picture, record)).collect(),
            clusters: clusters(&picture),
        }
    }

    /// The sign of life, what was observed, and what analysis says anew: one transaction.
    async fn write_down(
        &self,
        started_at: Timestamp,
        observed: Batch,
        last_codes: &mut Codes,
    ) -> Result<(), String> {
        let now = clock::now();
        let health = NodeHealthRow {
            node: self.node.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            mode: "HttpMode".into(),
            command: String::new(),
            database: self.limits.database.clone(),
            first_seen: started_at,
            last_seen: now,
        };
        let picture = self.pictures.current();
        let codes = changed_codes(&picture, last_codes);
        self.count(&picture, observed.instances.len());
        let written = self
            .backend
            .call(WRITE_DEADLINE, move |backend| {
                backend.check_files()?;
                backend.in_transaction(|backend| {
                    backend.write_node_health(&health)?;
                    backend.write_instances(&observed.instances)?;
                    for (key, code) in &codes {
                        backend.note_analysis(key, code.as_str(), now)?;
                    }
                    backend.write_clusters(&observed.clusters, now)
                })?;
                backend.node_health(now - PROCESS_SEEN_WITHIN)
            })
            .await;
        let processes = written.as_ref().ok().cloned();
        let sick = match written {
            Ok(_) => self.check_log().await,
            Err(error) => Err(error.to_string()),
        };
        let error = sick.as_ref().err().cloned();
        self.state.set_backend(error.clone(), processes);
        self.raft.report_backend(error);
        sick
    }

    /// Raft's own files, where they must outlive the process.
    async fn check_log(&self) -> Result<(), String> {
        match self.limits.log_lasts {
            true => self.raft.check_files(WRITE_DEADLINE).await.map_err(|lost| lost.to_string()),
            false => Ok(()),
        }
    }

    /// Numbers that nobody else comes by.
    fn count(&self, picture: &Picture, rows_written: usize) {
        let raft = self.raft.health();
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.metrics.set_findings(&picture.findings);
        self.metrics.instances.set(signed(picture.view.len() as u64));
        self.metrics.instances_written.inc_by(rows_written as u64);
        self.metrics.raft_term.set(signed(raft.term));
        self.metrics.raft_applied_index.set(signed(raft.applied_index.unwrap_or(0)));
        self.metrics.raft_voters.set(signed(raft.peers.iter().filter(|peer| peer.voter).count() as u64));
    }

    async fn purge(&self) {
        let now = clock::now();
        let limits = PurgeLimits {
            audit_before: now - self.limits.audit_age,
            history_before: now - self.limits.forget_after,
            processes_before: now - PROCESS_SEEN_WITHIN,
            blocked_before: now - BLOCKED_KEPT,
        };
        match self.backend.call(WRITE_DEADLINE, move |backend| backend.purge(&limits)).await {
            Ok(removed) => debug!(removed, "history purged"),
            Err(error) => warn!(%error, "history was not purged"),
        }
    }

    /// Ends what is due, as one command, so that all nodes end the same.
    async fn expire(&self) {
        let at = clock::now();
        let expiry = Expiry {
            at,
            lost_until: at + LOST_DOWNTIME,
            candidates_before: at - self.limits.candidate_expiry,
            recoveries_before: at - self.limits.block_period,
            detections_before: at - self.limits.detection_block_period,
        };
        let due = self.backend.read(WRITE_DEADLINE, move |backend| backend.is_expiry_due(&expiry)).await;
        if due.unwrap_or(false) {
            let Expiry { at, lost_until, candidates_before, recoveries_before, detections_before } = expiry;
            let expire = Expire { at, lost_until, candidates_before, recoveries_before, detections_before };
            self.propose(Command::Expire(expire)).await;
        }
        let picture = self.pictures.current();
        for key in aftermath::brought_back(&picture.view, picture.now) {
            info!(instance = %key, "lost instance is well again, its downtime ends");
            self.propose(Command::EndDowntime { key }).await;
        }
    }

    async fn propose(&self, command: Command) {
        self.state.duties_went_round();
        let text = command.to_string();
        if let Err(error) = self.raft.propose(command, PROPOSE_DEADLINE).await {
            warn!(%error, command = text, "not agreed on, trying again");
        }
    }

    /// Makes old primaries read-only that came back writable, and detaches lost replicas that follow one.
    async fn close_doors(&self, failing: &mut Failing) {
        if !self.limits.close_old_primaries {
            return;
        }
        let picture = self.pictures.current();
        for key in picture.view.declared.downtimes.keys() {
            self.state.duties_went_round();
            let Some(record) = self.pictures.record(key) else { continue };
            let (change, operation, why) = if is_open_old_primary(&picture, &record) {
                (Change::SetReadOnly(true), "set-read-only", "an old primary returned")
            } else if aftermath::is_stray(&picture.view, &record, picture.now) {
                (Change::Detach, "detach-replica", "a lost replica followed an old primary")
            } else {
                failing.is_over(key);
                continue;
            };
            if !self.raft.leadership().is_me {
                return;
            }
            match self.fleet.change(key, change, FENCE_DEADLINE).await {
                Ok(()) => {
                    failing.is_over(key);
                    let cluster = picture.topology.place(key).map_or("", |place| &place.cluster);
                    self.audit.note(operation, Some(key), cluster, why);
                }
                Err(error) if failing.is_news(key, operation, picture.now) => {
                    warn!(instance = %key, %error, operation, "{why}, and stays as it is");
                }
                Err(_) => {}
            }
            self.discovery.request(key.clone());
        }
    }
}

/// An old primary that this picture says must be shut out.
pub(crate) fn is_open_old_primary(picture: &Picture, record: &InstanceRecord) -> bool {
    aftermath::is_open_old_primary(&picture.view.declared, record, picture.now)
}

fn row(picture: &Picture, record: Arc<InstanceRecord>) -> InstanceRow {
    let key = &record.instance.key;
    let place = picture.topology.place(key);
    let errant = orchestrator_core::gtid::errant(&picture.view, &picture.topology, key);
    InstanceRow {
        cluster: place.map_or_else(|| key.to_string(), |place| place.cluster.to_string()),
        depth: place.map_or(0, |place| place.depth),
        is_co_primary: place.is_some_and(|place| place.is_co_primary),
        ancestry_uuid: place.map_or_else(String::new, |place| place.ancestry_uuid.clone()),
        errant_gtid: errant.map_or_else(String::new, |errant| errant.to_string()),
        record,
    }
}

/// Analysis codes of instances that others replicate from.
type Codes = BTreeMap<InstanceKey, AnalysisCode>;

/// Codes that are not what they were in the last round; `last` becomes what they are now.
fn changed_codes(picture: &Picture, last: &mut Codes) -> Vec<(InstanceKey, AnalysisCode)> {
    let found: BTreeMap<&InstanceKey, AnalysisCode> =
        picture.findings.iter().map(|finding| (&finding.key, finding.code)).collect();
    let sources = picture.topology.places().filter(|(_, place)| !place.replicas.is_empty());
    let now: Codes =
        sources.map(|(key, _)| (key.clone(), found.get(key).copied().unwrap_or_default())).collect();
    let changed = now.iter().filter(|(key, code)| last.get(*key) != Some(code));
    let changed = changed.map(|(key, code)| (key.clone(), *code)).collect();
    *last = now;
    changed
}

fn clusters(picture: &Picture) -> Vec<ClusterRow> {
    let named = picture.topology.clusters().map(|(cluster, _)| ClusterRow {
        cluster: cluster.to_string(),
        alias: picture.topology.alias(cluster).unwrap_or(cluster).into(),
        domain: picture.topology.domain(cluster).into(),
    });
    named.collect()
}
