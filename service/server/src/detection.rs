//! Following suspicions: from "something is odd about this primary" to a recovery, or to its refutation.
//!
//! A pursuit looks at the suspect over a new connection and, at the same time and again and again, at its
//! replicas, until analysis says what it is. Every node pursues, so that every node has fresh news; only the
//! leader gathers the votes of its peers and hands a dead primary over to recovery.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use orchestrator_core::{
    InstanceKey, Timestamp,
    analysis::{Emergency, Finding, Response},
    observation::Outcome,
    verdict::{self, Evidence, Question, Verdict},
};
use orchestrator_http::ports::Picture;
use orchestrator_raft::RaftNode;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{fleet::SharedFleet, picture::Pictures, recovery::Recoveries, watching::Suspicion, witness};

/// All findings are gone through so often, for those that no suspicion led to. As the original's
/// `RecoveryPollSeconds`.
const FINDINGS_INTERVAL: Duration = Duration::from_secs(1);

/// How long the first look at a suspect over a new connection may take: a living one answers within
/// milliseconds, a frozen one is told from a busy one by this.
const CONFIRM_DEADLINE: Duration = Duration::from_secs(1);

/// How long one look at a replica may take in a pursuit.
const REPLICA_DEADLINE: Duration = Duration::from_millis(500);

/// Time between two looks at the replicas: at first a killed primary shows within 20 to 70 ms,
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(10);

/// later a frozen one shows within seconds.
const LOOK_AGAIN_MAX: Duration = Duration::from_millis(200);

/// A pursuit that led nowhere ends; the next suspicion or round of findings begins another.
const PURSUIT_MAX: Duration = Duration::from_secs(30);

/// Votes older than this are gathered again before they count.
const EVIDENCE_AGE_MAX: Duration = Duration::from_millis(1500);

/// Time between two rounds of votes in one pursuit: the first may come before a peer noticed anything,
const GATHER_AGAIN_MIN: Duration = Duration::from_millis(50);

/// later ones cost every node a login at each suspect.
const GATHER_AGAIN_MAX: Duration = Duration::from_millis(500);

/// What detection works with.
pub(crate) struct Detection {
    pub(crate) pictures: Arc<Pictures>,
    pub(crate) fleet: SharedFleet,
    pub(crate) raft: RaftNode,
    pub(crate) recoveries: Arc<Recoveries>,
    /// A majority must agree; off: one observer is enough.
    pub(crate) quorum: bool,
    /// When this process began.
    pub(crate) started_at: Timestamp,
    /// A process younger than this does not act on an instance that it has not seen alive itself: after a power
    /// cut, a primary may only be slower to start than its replicas and we.
    pub(crate) settle_time: Duration,
}

/// The votes of the last round, and word of each new one.
#[derive(Default)]
struct Votes {
    last: Mutex<Option<(Instant, Arc<Vec<Evidence>>)>>,
    arrived: Notify,
}

impl Votes {
    fn put(&self, evidence: Vec<Evidence>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), Arc::new(evidence)));
        self.arrived.notify_one();
    }

    /// Votes that still count.
    fn fresh(&self) -> Option<Arc<Vec<Evidence>>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(at, _)| at.elapsed() < EVIDENCE_AGE_MAX).map(|(_, evidence)| evidence.clone())
    }
}

impl Detection {
    /// Follows suspicions until stopped.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut suspicions: mpsc::Receiver<Suspicion>,
        stop: CancellationToken,
    ) {
        let mut pursuits: JoinSet<InstanceKey> = JoinSet::new();
        let mut pursued: BTreeSet<InstanceKey> = BTreeSet::new();
        let mut rounds = interval(FINDINGS_INTERVAL);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let suspects = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(ended) = pursuits.join_next() => {
                    if let Ok(key) = ended {
                        pursued.remove(&key);
                    }
                    continue;
                }
                Some(suspicion) = suspicions.recv() => vec![suspicion],
                _ = rounds.tick() => self.found(),
            };
            for suspicion in suspects {
                if pursued.contains(&suspicion.key) || self.recoveries.is_answered(&suspicion.key) {
                    continue;
                }
                debug!(instance = %suspicion.key, reason = suspicion.reason, "looking closer");
                pursued.insert(suspicion.key.clone());
                let this = self.clone();
                pursuits.spawn(async move {
                    this.pursue(&suspicion).await;
                    suspicion.key
                });
            }
        }
    }

    /// Findings that call for a closer look.
    fn found(&self) -> Vec<Suspicion> {
        let picture = self.pictures.current();
        let looks = picture.findings.iter().filter_map(|finding| {
            let key = match finding.code.emergency() {
                Some(Emergency::ReprobeSource) => finding.source.clone()?,
                Some(_) => finding.key.clone(),
                None if finding.code.response() == Response::RecoverPrimary => finding.key.clone(),
                None => return None,
            };
            Some(Suspicion::new(key, finding.code.as_str()))
        });
        looks.collect()
    }

    async fn pursue(&self, suspicion: &Suspicion) {
        let key = &suspicion.key;
        let mut wait = LOOK_AGAIN_MIN;
        let alive = {
            let confirmed = self.confirm(key);
            tokio::pin!(confirmed);
            loop {
                tokio::select! {
                    biased;
                    alive = &mut confirmed => break alive,
                    () = self.look_at_replicas(key, &mut wait) => {}
                }
            }
        };
        if alive {
            self.recoveries.is_well(key);
            debug!(instance = %key, "suspicion refuted");
            return;
        }
        let votes = Votes::default();
        let followed = async {
            // Votes are gathered while the replicas are looked at, so that they are there when they are needed.
            tokio::select! {
                biased;
                () = self.follow_replicas(suspicion, &votes) => {}
                () = self.keep_gathering(key, &votes) => {}
            }
        };
        if timeout(PURSUIT_MAX, followed).await.is_err() {
            debug!(instance = %key, "looked long enough, the next round of findings takes over");
        }
    }

    fn is_settled(&self, picture: &Picture, key: &InstanceKey) -> bool {
        let last_seen = picture.view.get(key).and_then(|record| record.checks.last_seen);
        last_seen.is_some_and(|seen| seen >= self.started_at)
            || picture.now.since(self.started_at) >= self.settle_time
    }

    /// Looks at the suspect itself, over a new connection.
    async fn confirm(&self, key: &InstanceKey) -> bool {
        let observation = self.fleet.probe_fresh(key, CONFIRM_DEADLINE).await;
        let alive = matches!(observation.outcome, Outcome::Read(_));
        self.pictures.observe(&observation);
        alive
    }

    /// Looks at the replicas until analysis says what it is.
    async fn follow_replicas(&self, suspicion: &Suspicion, votes: &Votes) {
        let key = &suspicion.key;
        let mut wait = LOOK_AGAIN_MIN;
        let mut told = BTreeMap::new();
        loop {
            let picture = self.pictures.fresh();
            let finding = picture.findings.iter().find(|finding| finding.key == *key);
            if picture.view.get(key).is_some_and(|record| record.checks.is_valid()) {
                return;
            }
            let may_act = self.raft.leadership().is_me && self.is_settled(&picture, key);
            if let Some(finding) =
                finding.filter(|finding| finding.code.response() == Response::RecoverPrimary)
                && may_act
            {
                let hearers = verdict::hearers(&picture.view, &picture.topology, key);
                if !hearers.is_empty() {
                    tell_hearers(finding, &hearers, &mut told);
                } else if self.decide(votes.fresh(), finding, suspicion, &mut told).await {
                    return;
                }
            }
            tokio::select! {
                biased;
                () = votes.arrived.notified() => {}
                () = self.look_at_replicas(key, &mut wait) => {}
            }
        }
    }

    /// One look at each replica, and a pause that grows.
    async fn look_at_replicas(&self, key: &InstanceKey, wait: &mut Duration) {
        let picture = self.pictures.current();
        let replicas = picture.topology.place(key).map_or(&[][..], |place| &place.replicas);
        let looks = replicas.iter().map(|replica| async move {
            let observation = match timeout(REPLICA_DEADLINE, self.fleet.probe(replica)).await {
                Ok(observation) => observation,
                Err(_) => return,
            };
            self.pictures.observe(&observation);
        });
        join_all(looks).await;
        sleep(*wait).await;
        *wait = (*wait * 2).min(LOOK_AGAIN_MAX);
    }

    /// Has everybody look, again and again, while this node leads.
    async fn keep_gathering(&self, key: &InstanceKey, votes: &Votes) {
        let mut wait = GATHER_AGAIN_MIN;
        loop {
            if self.raft.leadership().is_me {
                let picture = self.pictures.current();
                let replicas =
                    picture.topology.place(key).map_or_else(Vec::new, |place| place.replicas.clone());
                let question = Question { primary: key.clone(), replicas };
                votes.put(witness::gather(&self.raft, &self.fleet, question).await);
            }
            sleep(wait).await;
            wait = (wait * 2).min(GATHER_AGAIN_MAX);
        }
    }

    /// True when there is nothing more to find out.
    async fn decide(
        &self,
        evidence: Option<Arc<Vec<Evidence>>>,
        finding: &Finding,
        suspicion: &Suspicion,
        told: &mut BTreeMap<String, String>,
    ) -> bool {
        let Some(evidence) = evidence else { return false };
        match verdict::decide(witness::voters(&self.raft), self.quorum, &evidence) {
            Verdict::Dead { agreed_by, others } => {
                info!(instance = %finding.key, analysis = %finding.code, agreed_by = agreed_by.join(", "), "agreed to be dead");
                self.recoveries.consider(finding, suspicion, &agreed_by, &others).await;
                true
            }
            Verdict::NotAgreed { agreed, needed, votes } => {
                let votes: BTreeMap<String, String> =
                    votes.into_iter().map(|(node, vote)| (node, vote.to_string())).collect();
                if *told != votes {
                    let said: Vec<String> =
                        votes.iter().map(|(node, vote)| format!("{node} {vote}")).collect();
                    warn!(instance = %finding.key, analysis = %finding.code, agreed, needed, votes = said.join("; "),
                        "not enough nodes agree that it is dead, nothing is done");
                    *told = votes;
                }
                false
            }
        }
    }
}

/// Says once whose word keeps us from acting.
fn tell_hearers(finding: &Finding, hearers: &[InstanceKey], told: &mut BTreeMap<String, String>) {
    let hearers: Vec<String> = hearers.iter().map(ToString::to_string).collect();
    let hearers = BTreeMap::from([(hearers.join(", "), "receives from it".to_owned())]);
    if *told != hearers {
        debug!(instance = %finding.key, analysis = %finding.code, ?hearers, "replicas still receive from it, nothing is done");
        *told = hearers;
    }
}
