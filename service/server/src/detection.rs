//! Following suspicions: from "something is odd about this primary" to a recovery, or to its refutation.
//!
//! A pursuit looks at the suspect over a new connection and, at the same time and again and again, at its
//! replicas, until analysis says what it is. Every node pursues, so that every node has fresh news; only the
//! leader gathers the votes of its peers and hands a dead primary over to recovery.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use orchestrator_core::{
    InstanceKey, admission,
    analysis::{Emergency, Finding, Response},
    grace::{Absence, Departure, Graces, Patience, Settling},
    lasting::Lasting,
    observation::Outcome,
    reconnect::{self, Reconnects},
    verdict::{self, Evidence, Question, Verdict},
};
use orchestrator_http::ports::Picture;
use orchestrator_raft::RaftNode;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    absence::Absences,
    clock,
    fleet::SharedFleet,
    picture::Pictures,
    recovery::{Agreement, Recoveries},
    watching::Suspicion,
    witness,
};

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

/// A pursuit that led nowhere ends, unless there is a grace to wait for; the next suspicion or round of findings
/// begins another.
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
    /// What the watches noticed.
    pub(crate) absences: Arc<Absences>,
    /// How long somebody who went away may take to come back.
    pub(crate) graces: Graces,
    /// Whom this node made connect anew.
    pub(crate) reconnects: Mutex<Reconnects>,
    pub(crate) settling: Settling,
    /// When this process began to look.
    pub(crate) began: Instant,
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
        let (mut noticing, mut lasting) = (JoinSet::new(), Lasting::default());
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
                Some(_) = noticing.join_next() => continue,
                _ = rounds.tick() => {
                    let others = self.others(&mut lasting);
                    if noticing.is_empty() && !others.is_empty() {
                        noticing.spawn(self.clone().notice(others));
                    }
                    self.found()
                }
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

    /// Failures that lead to no recovery of a primary and last, while this node leads.
    fn others(&self, lasting: &mut Lasting) -> Vec<Finding> {
        if !self.raft.leadership().is_me {
            lasting.clear();
            return Vec::new();
        }
        let picture = self.pictures.current();
        let findings = picture.findings.iter().filter(|finding| {
            self.has_settled(&picture, &finding.key)
                && !self.recoveries.is_answered(&finding.key)
                && !self.is_waited_for(&finding.key)
        });
        let round = lasting.round(findings, picture.now);
        round.over.iter().for_each(|key| self.recoveries.is_well(key));
        round.told.into_iter().cloned().collect()
    }

    /// It went away in a way that gives it time to come back.
    fn is_waited_for(&self, key: &InstanceKey) -> bool {
        let patience = self.absences.of(key).map(|absence| self.graces.patience(absence, clock::now()));
        matches!(patience, Some(Patience::Until(_)))
    }

    /// Registers failures and runs their hooks. That an instance is dead takes the word of the others here, too.
    async fn notice(self: Arc<Self>, findings: Vec<Finding>) {
        let term = self.raft.leadership().term;
        for finding in findings {
            if self.recoveries.is_noticed(term, &finding) {
                continue;
            }
            let seen = self.pictures.record(&finding.key).is_some_and(|record| record.checks.is_valid());
            if !seen {
                // Not asked about its replicas: where all of them are gone, too, people must be told all the more.
                let question = Question { primary: finding.key.clone(), replicas: Vec::new() };
                let evidence = witness::gather(&self.raft, &self.fleet, question).await;
                let verdict = verdict::decide(witness::voters(&self.raft), self.quorum, &evidence);
                if !matches!(verdict, Verdict::Dead { .. }) {
                    continue;
                }
            }
            self.recoveries.notice(term, &finding).await;
        }
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
        // Votes are gathered while the replicas are looked at, so that they are there when they are needed.
        tokio::select! {
            biased;
            () = self.follow_replicas(suspicion, &votes) => {}
            () = self.keep_gathering(key, &votes) => {}
        }
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
        let mut told = Told::default();
        let mut give_up_at = Instant::now() + PURSUIT_MAX;
        while Instant::now() < give_up_at {
            let picture = self.pictures.fresh();
            if picture.view.get(key).is_some_and(|record| record.checks.is_valid()) {
                return;
            }
            let step = match self.actionable(&picture, key) {
                Some(finding) => self.step(&picture, finding, suspicion, votes, &mut told).await,
                None => Step::LookOn,
            };
            let grace_ends = match step {
                Step::Done => return,
                Step::LookOn => give_up_at,
                Step::WaitUntil(end) => {
                    give_up_at = give_up_at.max(end + PURSUIT_MAX);
                    end
                }
            };
            tokio::select! {
                biased;
                () = votes.arrived.notified() => {}
                () = sleep_until(grace_ends) => {}
                () = self.look_at_replicas(key, &mut wait) => {}
            }
        }
        debug!(instance = %key, "looked long enough, the next round of findings takes over");
    }

    /// Whether this process knows enough of `key` to act.
    fn has_settled(&self, picture: &Picture, key: &InstanceKey) -> bool {
        let last_seen = picture.view.get(key).and_then(|record| record.checks.last_seen);
        self.settling.may_act_on(last_seen, self.began.elapsed())
    }

    /// The finding about `key`, if this node may do something about it.
    fn actionable<'p>(&self, picture: &'p Picture, key: &InstanceKey) -> Option<&'p Finding> {
        let may_act = self.raft.leadership().is_me && self.has_settled(picture, key);
        let finding = picture.findings.iter().find(|finding| finding.key == *key);
        finding.filter(|finding| may_act && reconnect::is_in_doubt(finding.code))
    }

    /// What there is to do about a primary that looks dead.
    async fn step(
        &self,
        picture: &Picture,
        finding: &Finding,
        suspicion: &Suspicion,
        votes: &Votes,
        told: &mut Told,
    ) -> Step {
        let absence = self.absences.of(&finding.key);
        let hearers = verdict::hearers(&picture.view, &picture.topology, &finding.key);
        if !hearers.is_empty() {
            told.hearers(finding, &hearers);
            if let (Some(absence), Some(evidence)) = (absence, votes.fresh()) {
                self.reveal(picture, finding, absence, &evidence).await;
            }
            return Step::LookOn;
        }
        if finding.code.response() != Response::RecoverPrimary {
            return Step::LookOn;
        }
        let now = clock::now();
        if let Some(end) = self.reconnects().pending_until(&picture.topology, &finding.key, now) {
            return Step::WaitUntil(Instant::now() + end.since(now));
        }
        let absence = absence.unwrap_or(Absence { departure: Departure::Abrupt, since: suspicion.at });
        if let Patience::Until(end) = self.graces.patience(absence, now) {
            let left = end.since(now);
            told.grace(finding, absence, left);
            return Step::WaitUntil(Instant::now() + left);
        }
        let Some(evidence) = votes.fresh() else { return Step::LookOn };
        if self.decide(&evidence, finding, suspicion, absence, told).await {
            Step::Done
        } else {
            Step::LookOn
        }
    }

    /// Makes replicas connect anew that may only seem to hear a primary that the group agrees to be out of reach.
    async fn reveal(&self, picture: &Picture, finding: &Finding, absence: Absence, evidence: &[Evidence]) {
        let verdict = verdict::decide(witness::voters(&self.raft), self.quorum, evidence);
        let agreed = matches!(verdict, Verdict::Dead { .. });
        if !agreed || admission::objection(finding, &picture.view.declared).is_some() {
            return;
        }
        let (view, topology) = (&picture.view, &picture.topology);
        let replicas = self.reconnects().wanted(view, topology, &finding.key, absence, clock::now());
        if replicas.is_empty() {
            return;
        }
        self.recoveries.reconnect(finding, &replicas).await;
        let now = clock::now();
        replicas.iter().for_each(|replica| self.reconnects().note(replica, now));
    }

    /// A poisoned lock holds no half-made state: every critical section is one call.
    fn reconnects(&self) -> MutexGuard<'_, Reconnects> {
        self.reconnects.lock().unwrap_or_else(PoisonError::into_inner)
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
        evidence: &[Evidence],
        finding: &Finding,
        suspicion: &Suspicion,
        absence: Absence,
        told: &mut Told,
    ) -> bool {
        match verdict::decide(witness::voters(&self.raft), self.quorum, evidence) {
            Verdict::Dead { agreed_by, others } => {
                debug!(instance = %finding.key, analysis = %finding.code, agreed_by = agreed_by.join(", "), "agreed to be dead");
                let waited = self.graces.of(absence.departure);
                let agreement = Agreement { suspicion, absence, waited, agreed_by, others };
                self.recoveries.consider(finding, &agreement).await;
                true
            }
            Verdict::NotAgreed { agreed, needed, votes } => {
                let votes = votes.into_iter().map(|(node, vote)| (node, vote.to_string())).collect();
                told.votes(finding, (agreed, needed), votes);
                false
            }
        }
    }
}

/// What a pursuit does next.
enum Step {
    /// It may become clear.
    LookOn,
    /// Nothing before then, unless the suspect comes back.
    WaitUntil(Instant),
    /// There is nothing more to find out.
    Done,
}

/// What this pursuit said last about why nothing is done: it says so again only when that changes.
#[derive(Default)]
struct Told(BTreeMap<String, String>);

impl Told {
    fn is_news(&mut self, what: BTreeMap<String, String>) -> bool {
        let news = self.0 != what;
        self.0 = what;
        news
    }

    fn hearers(&mut self, finding: &Finding, hearers: &[InstanceKey]) {
        let hearers = hearers.iter().map(|key| (key.to_string(), "receives from it".to_owned())).collect();
        if self.is_news(hearers) {
            debug!(instance = %finding.key, analysis = %finding.code, hearers = ?self.0.keys(), "replicas still receive from it, nothing is done");
        }
    }

    fn grace(&mut self, finding: &Finding, absence: Absence, left: Duration) {
        let Absence { departure, since } = absence;
        if self.is_news(BTreeMap::from([(departure.to_string(), format!("{since:?}"))])) {
            info!(instance = %finding.key, analysis = %finding.code, %departure, left_ms = millis(left),
                "it may come back before it is replaced");
        }
    }

    fn votes(
        &mut self,
        finding: &Finding,
        (agreed, needed): (usize, usize),
        votes: BTreeMap<String, String>,
    ) {
        let said: Vec<String> = votes.iter().map(|(node, vote)| format!("{node} {vote}")).collect();
        if self.is_news(votes) {
            warn!(instance = %finding.key, analysis = %finding.code, agreed, needed, votes = said.join("; "),
                "not enough nodes agree that it is dead, nothing is done");
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
