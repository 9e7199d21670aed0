//! Recoveries on this node: beginning them when the group agreed, driving them stage by stage, and carrying
//! on with those that another leader left.
//!
//! A stage is committed before it is executed and its results after, in the term in which this node leads.
//! When a commit does not go through, the driver stops where it is: whoever leads next repeats the stage.

mod execute;
mod fault;
mod hooks;
mod journal;
mod reconnect;
mod record;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use orchestrator_backend::NodeIdentity;
use orchestrator_config::HookSettings;
use orchestrator_core::{
    InstanceKey, Timestamp,
    admission::{self, Objection},
    aftermath,
    analysis::{AnalysisCode, Finding, Response},
    grace::Absence,
    recovery::{
        self, Action, ActionResult, HookStage, Recovery, RecoveryPolicy, Refusal, Reply, Report, Request,
        Stage,
    },
};
use orchestrator_http::{
    Metrics,
    ports::{RecoverOutcome, RecoverWish},
};
use orchestrator_raft::RaftNode;
use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, error, info, info_span, warn};

use self::{
    execute::{Executor, Mandate},
    hooks::{HookFacts, HookList},
    journal::{Begun, JournalError, Unfinished},
};
use crate::{
    audit::Audit, clock, discovery::Discovery, fleet::SharedFleet, picture::Pictures, watching::Suspicion,
};

pub(crate) use self::{
    hooks::check as check_hooks,
    journal::{Journal, LOST_DOWNTIME},
};

/// A finding that is refused for the same reason is told again after this.
const REPEAT_REFUSAL: Duration = Duration::from_secs(60);

/// A stage that is begun again waits this long at first,
const REPEAT_MIN: Duration = Duration::from_millis(50);

/// and up to this long.
const REPEAT_MAX: Duration = Duration::from_secs(1);

/// What recoveries work with.
pub(crate) struct Recoveries {
    pub(crate) raft: RaftNode,
    pub(crate) journal: Journal,
    pub(crate) fleet: SharedFleet,
    pub(crate) pictures: Arc<Pictures>,
    pub(crate) discovery: Discovery,
    pub(crate) policy: RecoveryPolicy,
    pub(crate) hooks: HookSettings,
    pub(crate) node: NodeIdentity,
    pub(crate) audit: Audit,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) state: State,
}

/// What this node remembers about recoveries; losing it costs nothing but a repeated line.
#[derive(Default)]
pub(crate) struct State {
    /// Recoveries that a task of this node drives now.
    driven: Mutex<BTreeSet<String>>,
    /// Detections that lie in the log: instance, actionability, and the term in which this node put them there.
    detected: Mutex<BTreeSet<(InstanceKey, bool, u64)>>,
    /// Refusals that were told, and when.
    told: Mutex<std::collections::BTreeMap<(InstanceKey, String), Timestamp>>,
}

/// The term in which a recovery is driven.
struct Term {
    raft: RaftNode,
    term: u64,
}

impl Mandate for Term {
    fn holds(&self) -> bool {
        let leadership = self.raft.leadership();
        leadership.is_me && leadership.term == self.term
    }
}

/// Why a recovery was not begun.
#[derive(Debug, thiserror::Error)]
enum NotBegun {
    #[error("{0}")]
    Refused(Refusal),
    #[error("{0}")]
    Blocked(String),
    #[error("a hook of OnFailureDetectionProcesses failed: {0}")]
    Hook(String),
    #[error("{0}")]
    Journal(#[from] JournalError),
}

/// What led to the verdict that a primary is dead.
pub(crate) struct Agreement<'a> {
    /// What began the pursuit that ends here.
    pub(crate) suspicion: &'a Suspicion,
    /// How it went, and when.
    pub(crate) absence: Absence,
    /// For how long it was waited for.
    pub(crate) waited: Duration,
    /// The nodes that agree.
    pub(crate) agreed_by: Vec<String>,
    /// The others, with their reasons.
    pub(crate) others: Vec<(String, String)>,
}

impl Agreement<'_> {
    /// When something was first amiss.
    fn noticed_at(&self) -> Timestamp {
        self.suspicion.at.min(self.absence.since)
    }

    /// How it came to this, for the audit.
    fn story(&self, finding: &Finding, now: Timestamp) -> Vec<String> {
        let elapsed_ms = now.since(self.noticed_at()).as_millis();
        let mut story = vec![format!("suspected: {}", self.suspicion.reason)];
        if !self.waited.is_zero() {
            let Absence { departure, .. } = self.absence;
            story.push(format!("{departure}; waited {} s for it to come back", self.waited.as_secs()));
        }
        story.push(format!(
            "+{elapsed_ms} ms: {} of {}: agreed by {}",
            finding.code,
            finding.key,
            self.agreed_by.join(", ")
        ));
        story.extend(self.others.iter().map(|(node, vote)| format!("{node} {vote}")));
        story
    }
}

impl Recoveries {
    /// Answers a finding that the group agreed on: registers the detection, runs its hooks, and begins a
    /// recovery where nothing stands against it.
    pub(crate) async fn consider(self: &Arc<Self>, finding: &Finding, agreement: &Agreement<'_>) {
        if self.stop.is_cancelled() {
            return;
        }
        let term = self.raft.leadership().term;
        if let Err(error) = self.detected(term, finding).await {
            warn!(instance = %finding.key, %error, "the detection was not registered, trying again");
            return;
        }
        let picture = self.pictures.current();
        if let Some(objection) = admission::objection(finding, &picture.view.declared) {
            if let Objection::Blocked(by) = objection {
                // The log would say the same when asked to begin; asking it each second would fill it.
                self.journal.note_blocked(finding, by.id).await;
            }
            self.tell_refusal(finding, &objection.to_string());
            return;
        }
        let request = Request {
            code: finding.code,
            failed: finding.key.clone(),
            forced: false,
            requested: None,
            skip_hooks: false,
        };
        let noticed_at = agreement.noticed_at();
        match self.begin(term, &request, agreement.story(finding, clock::now()), noticed_at).await {
            Ok(begun) => {
                let agreed_by = agreement.agreed_by.join(", ");
                info!(instance = %finding.key, analysis = %finding.code, agreed_by, "agreed to be dead, recovering");
                self.spawn_drive(begun);
            }
            Err(NotBegun::Journal(error)) => {
                warn!(instance = %finding.key, %error, "the recovery was not begun")
            }
            Err(NotBegun::Refused(refusal)) => {
                if self.tell_refusal(finding, &refusal.to_string()) {
                    self.nobody_promoted(finding, &refusal.to_string()).await;
                }
            }
            Err(other) => {
                self.tell_refusal(finding, &other.to_string());
            }
        }
    }

    /// A failure that calls for no recovery, or for one that this version does not have: it is told and its hooks
    /// run, once.
    pub(crate) async fn notice(&self, term: u64, finding: &Finding) {
        match self.detected(term, finding).await {
            Ok(()) if finding.code.response().is_recovery() => {
                self.tell_refusal(finding, "this version does not repair it");
            }
            Ok(()) => {}
            Err(error) => {
                warn!(instance = %finding.key, analysis = %finding.code, %error, "the detection was not registered");
            }
        }
    }

    /// Somebody must know that nothing was done: the audit, and the hooks of recoveries that failed.
    async fn nobody_promoted(&self, finding: &Finding, reason: &str) {
        let text = format!("{} of {}: nobody is promoted: {reason}", finding.code, finding.key);
        self.audit.note("recover", Some(&finding.key), &finding.cluster, &text);
        let list = HookList::Recovery(HookStage::PostUnsuccessfulFailover);
        if hooks::is_empty(&self.hooks, list) {
            return;
        }
        let facts = self.hook_facts(finding, "");
        let (_, result) = hooks::run(&self.hooks, list, &facts, &self.tasks).await;
        if let Err(error) = result {
            warn!(instance = %finding.key, %error, "a hook failed");
        }
    }

    /// Recovers because a person asked for it; waits for the end.
    pub(crate) async fn on_request(self: &Arc<Self>, wish: RecoverWish) -> Result<RecoverOutcome, String> {
        let term = self.raft.leadership().term;
        let picture = self.pictures.fresh();
        let finding =
            picture.findings.iter().find(|finding| finding.key == *picture.view.canonical(&wish.failed));
        let Some(finding) = finding.filter(|finding| finding.code != AnalysisCode::NoProblem) else {
            return Ok(RecoverOutcome::NotAttempted(format!("nothing is wrong with {}", wish.failed)));
        };
        if finding.code.response() != Response::RecoverPrimary {
            let text = format!(
                "{} of {} is not something that this version recovers from",
                finding.code, finding.key
            );
            return Ok(RecoverOutcome::NotAttempted(text));
        }
        if let Err(error) = self.detected(term, finding).await {
            return Err(error.to_string());
        }
        let request = Request {
            code: finding.code,
            failed: finding.key.clone(),
            forced: true,
            requested: wish.candidate,
            skip_hooks: wish.skip_hooks,
        };
        let story = vec![format!("{} of {}: recovery asked for by {}", finding.code, finding.key, wish.by)];
        let begun = match self.begin(term, &request, story, clock::now()).await {
            Ok(begun) => begun,
            Err(NotBegun::Journal(error)) => return Err(error.to_string()),
            Err(other) => return Ok(RecoverOutcome::NotAttempted(other.to_string())),
        };
        let this = self.clone();
        let driven = self.tasks.spawn(async move { this.drive(begun).await });
        match driven.await {
            Ok(Some(Report { successor: Some(successor), .. })) => Ok(RecoverOutcome::Promoted(successor)),
            Ok(Some(report)) => Ok(RecoverOutcome::NobodyPromoted(report.errors.join("; "))),
            _ => Err("the recovery goes on at another node".into()),
        }
    }

    /// Carries on with recoveries that nobody drives.
    pub(crate) async fn resume(self: &Arc<Self>) {
        let term = self.raft.leadership().term;
        let unfinished = match self.journal.unfinished().await {
            Ok(unfinished) => unfinished,
            Err(error) => {
                warn!(%error, "cannot read what recoveries are unfinished");
                return;
            }
        };
        for Unfinished { uid, id, seq, record } in unfinished {
            if self.is_driven(&uid) {
                continue;
            }
            match record::from_text(&record) {
                Ok(recovery) => {
                    info!(id, recovery_uid = %uid, step = recovery.stage.as_str(), "carrying on with a recovery");
                    let text = format!(
                        "carried on at stage {} by {}",
                        recovery.stage.as_str(),
                        self.raft.health().me.raft_addr
                    );
                    let story = vec![(clock::now(), text)];
                    self.spawn_drive(Begun { uid, id, seq, term, recovery, story, noticed_at: clock::now() });
                }
                Err(error) => error!(recovery_uid = %uid, %error, "cannot carry on with a recovery"),
            }
        }
    }

    /// The instance is well again: its next failure is a new one.
    pub(crate) fn is_well(&self, key: &InstanceKey) {
        self.state.detected.lock().unwrap_or_else(PoisonError::into_inner).retain(|(seen, ..)| seen != key);
        self.state.told.lock().unwrap_or_else(PoisonError::into_inner).retain(|(seen, _), _| seen != key);
    }

    /// Somebody recovers this instance already, or has: there is nothing to find out about it.
    pub(crate) fn is_answered(&self, key: &InstanceKey) -> bool {
        aftermath::is_answered(&self.pictures.current().view.declared, key)
    }

    /// A stage of some recovery is under way here.
    pub(crate) fn is_driving(&self) -> bool {
        self.driving() > 0
    }

    /// How many recoveries have a stage under way here.
    pub(crate) fn driving(&self) -> usize {
        self.state.driven.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn is_driven(&self, uid: &str) -> bool {
        self.state.driven.lock().unwrap_or_else(PoisonError::into_inner).contains(uid)
    }

    /// Its detection was registered in this term.
    pub(crate) fn is_noticed(&self, term: u64, finding: &Finding) -> bool {
        let seen = (finding.key.clone(), finding.code.response().is_recovery(), term);
        self.state.detected.lock().unwrap_or_else(PoisonError::into_inner).contains(&seen)
    }

    /// Registers a detection; runs its hooks when it is new.
    async fn detected(&self, term: u64, finding: &Finding) -> Result<(), NotBegun> {
        if self.is_noticed(term, finding) {
            return Ok(());
        }
        let seen = (finding.key.clone(), finding.code.response().is_recovery(), term);
        let is_new = self.journal.detect(term, finding).await?;
        self.state.detected.lock().unwrap_or_else(PoisonError::into_inner).insert(seen);
        if !is_new {
            return Ok(());
        }
        info!(instance = %finding.key, cluster = %finding.cluster, analysis = %finding.code, "failure detected");
        self.audit.note(
            "detect",
            Some(&finding.key),
            &finding.cluster,
            &format!("{}: {}", finding.code, finding.code.description()),
        );
        if hooks::is_empty(&self.hooks, HookList::FailureDetection) {
            return Ok(());
        }
        let facts = self.hook_facts(finding, "");
        let (_, result) = hooks::run(&self.hooks, HookList::FailureDetection, &facts, &self.tasks).await;
        result.map_err(NotBegun::Hook)
    }

    /// Plans a recovery on a fresh picture and commits its beginning.
    async fn begin(
        &self,
        term: u64,
        request: &Request,
        story: Vec<String>,
        noticed_at: Timestamp,
    ) -> Result<Begun, NotBegun> {
        let picture = self.pictures.fresh();
        let planned = recovery::plan(
            request,
            &picture.view,
            &picture.topology,
            &self.policy,
            &**self.pictures.filters(),
            clock::now(),
        );
        let recovery = planned.map_err(NotBegun::Refused)?;
        let begun = self.journal.begin(term, recovery, story, noticed_at).await?;
        begun.map_err(|by| NotBegun::Blocked(format!("{} (recovery {})", by.reason, by.id)))
    }

    fn spawn_drive(self: &Arc<Self>, begun: Begun) {
        self.metrics.primary_recoveries_started.inc();
        let this = self.clone();
        self.tasks.spawn(async move { this.drive(begun).await });
    }

    /// Drives one recovery to its end, or until this node does not lead any more.
    async fn drive(self: &Arc<Self>, begun: Begun) -> Option<Report> {
        let uid = begun.uid.clone();
        if !self.state.driven.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.clone()) {
            return None;
        }
        self.metrics.recoveries_pending.inc();
        let span = info_span!("recovery", id = begun.id, failed = %begun.recovery.case.failed);
        let result = self.drive_stages(begun).instrument(span).await;
        self.metrics.recoveries_pending.dec();
        self.state.driven.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
        match result {
            Ok(report) => Some(report),
            Err(error) => {
                warn!(recovery_uid = %uid, %error, "stopped driving the recovery");
                None
            }
        }
    }

    async fn drive_stages(self: &Arc<Self>, mut begun: Begun) -> Result<Report, JournalError> {
        let mandate = Term { raft: self.raft.clone(), term: begun.term };
        let mut pause = REPEAT_MIN;
        loop {
            if let Some(report) = begun.recovery.report() {
                let alias = report.successor.as_ref().map_or_else(String::new, |key| self.alias_of(key));
                self.journal.end(&mut begun, &report, alias).await?;
                self.ended(&begun, &report);
                return Ok(report);
            }
            if self.stop.is_cancelled() {
                return Err(JournalError::NotOurs);
            }
            let stage = begun.recovery.stage;
            let actions = self.wanted(&begun.recovery);
            if !actions.is_empty() {
                self.journal.progress(&mut begun).await?;
                fault::point("before", stage);
            }
            let results = self.execute(&mut begun, actions, &mandate).await;
            if !mandate.holds() {
                return Err(JournalError::NotOurs);
            }
            let told = begun.recovery.advance(results, &self.policy);
            told.into_iter().for_each(|line| begun.tell(stage, &line));
            if stage == Stage::Promote && begun.recovery.promoted().is_some() {
                self.metrics.promotion_seconds.observe(begun.elapsed().as_secs_f64());
            }
            fault::point("after", stage);
            if begun.recovery.stage == stage {
                sleep(pause).await;
                pause = (pause * 2).min(REPEAT_MAX);
            } else {
                pause = REPEAT_MIN;
            }
        }
    }

    fn alias_of(&self, key: &InstanceKey) -> String {
        self.pictures.record(key).map_or_else(String::new, |record| record.instance.labels.alias.clone())
    }

    /// Hooks that the configuration does not have need no commit of their own.
    fn wanted(&self, recovery: &Recovery) -> Vec<Action> {
        let mut actions = recovery.actions(&self.policy);
        actions.retain(|action| match action {
            Action::RunHooks(stage) => !hooks::is_empty(&self.hooks, HookList::Recovery(*stage)),
            _ => true,
        });
        actions
    }

    async fn execute(
        &self,
        begun: &mut Begun,
        actions: Vec<Action>,
        mandate: &dyn Mandate,
    ) -> Vec<ActionResult> {
        let stage = begun.recovery.stage;
        let (hooks, others): (Vec<_>, Vec<_>) =
            actions.into_iter().partition(|action| matches!(action, Action::RunHooks(_)));
        let mut results = Vec::new();
        for action in hooks {
            let Action::RunHooks(list) = &action else { continue };
            let facts = self.hook_facts_of(begun);
            let (told, result) =
                hooks::run(&self.hooks, HookList::Recovery(*list), &facts, &self.tasks).await;
            told.into_iter().for_each(|line| begun.tell(stage, &line));
            results.push((action, result.map(|()| Reply::Done)));
        }
        let mut policy = self.policy.clone();
        if stage == Stage::Late {
            policy.repoint_deadline = policy.late_repoint_deadline;
        }
        let executor = Executor { fleet: self.fleet.clone(), pictures: self.pictures.clone(), policy };
        results.extend(executor.run(others, mandate, &mut |line| begun.tell(stage, &line)).await);
        results
    }

    /// Tells people and looks at everybody anew, so that the next picture shows the new topology.
    fn ended(&self, begun: &Begun, report: &Report) {
        let case = &begun.recovery.case;
        match &report.successor {
            Some(_) => self.metrics.primary_recoveries_succeeded.inc(),
            None => self.metrics.primary_recoveries_failed.inc(),
        }
        let text = match &report.successor {
            Some(successor) => format!("{} of {}: promoted {successor}", case.code, case.failed),
            None => {
                format!("{} of {}: nobody was promoted: {}", case.code, case.failed, report.errors.join("; "))
            }
        };
        info!(
            successor = report.successor.as_ref().map(tracing::field::display),
            lost = report.lost.len(),
            "recovery finished"
        );
        self.audit.note("recover", Some(&case.failed), &case.cluster, &text);
        let touched = case.replicas.iter().map(|replica| &replica.key).chain([&case.failed]);
        touched.for_each(|key| self.discovery.request(key.clone()));
    }

    fn hook_facts(&self, finding: &Finding, uid: &str) -> HookFacts {
        HookFacts {
            failure_type: finding.code.as_str().into(),
            instance_type: finding.instance_type().as_str().into(),
            description: finding.code.description().into(),
            failed: Some(finding.key.clone()),
            cluster: (finding.cluster.to_string(), finding.alias.clone(), finding.domain.clone()),
            replicas: finding.replicas.clone(),
            is_downtimed: finding.facts.downtimed,
            automated: (finding.recovers_primaries, finding.recovers_intermediates),
            orchestrator_host: self.node.hostname.clone(),
            recovery_uid: uid.into(),
            ..HookFacts::default()
        }
    }

    fn hook_facts_of(&self, begun: &Begun) -> HookFacts {
        let Recovery { case, progress, .. } = &begun.recovery;
        let filters = self.pictures.filters();
        let successor = begun.recovery.promoted().map(|key| {
            let record = self.pictures.record(key);
            let coordinates =
                record.and_then(|record| Some(record.instance.binary_log.as_ref()?.to_string()));
            (key.clone(), self.alias_of(key), coordinates)
        });
        HookFacts {
            failure_type: case.code.as_str().into(),
            instance_type: "master".into(),
            description: case.code.description().into(),
            command: String::new(),
            failed: Some(case.failed.clone()),
            cluster: (case.cluster.clone(), case.alias.clone(), String::new()),
            replicas: case.followers().cloned().collect(),
            is_downtimed: false,
            automated: (
                filters.recovers_primaries(&case.cluster, &case.alias),
                filters.recovers_intermediate_primaries(&case.cluster, &case.alias),
            ),
            orchestrator_host: self.node.hostname.clone(),
            recovery_uid: begun.uid.clone(),
            successor,
            lost: progress.lost.iter().cloned().collect(),
        }
    }

    /// Says why nothing is done, but not each time that the finding comes round; true when it was said.
    fn tell_refusal(&self, finding: &Finding, reason: &str) -> bool {
        let now = clock::now();
        let mut told = self.state.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| now.since(*at) < REPEAT_REFUSAL);
        let is_new = told.insert((finding.key.clone(), reason.to_owned()), now).is_none();
        if is_new {
            warn!(instance = %finding.key, analysis = %finding.code, reason, "no recovery");
        }
        is_new
    }
}
