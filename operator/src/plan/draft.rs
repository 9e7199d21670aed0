//! A plan while the rows of the table write it.

use std::time::Duration;

use jiff::SignedDuration;
use orchestrator_crds::{ConditionType, EventReason, OperationStatus, OperationType, Reason};

use super::{
    Action, Change, Event, Finding, Plan, Target, Underway,
    view::{Leader, View},
};
use crate::observation::Pod;

/// When nothing is under way.
const STEADY_PAUSE: Duration = Duration::from_secs(30);
/// Until what was asked of the group can be seen.
pub(super) const SOON: Duration = Duration::from_secs(2);
/// Until what was asked of Kubernetes can be seen.
pub(super) const PODS_PAUSE: Duration = Duration::from_secs(5);
/// A group whose members all run forms within a second; after this something is wrong that a person must see.
pub(super) const FORMING_LIMIT: SignedDuration = SignedDuration::from_mins(5);

/// A plan in the making.
pub(super) struct Draft<'a> {
    view: &'a View<'a>,
    pub(super) replicas: u32,
    pub(super) peers: Vec<String>,
    action: Option<Action>,
    operation: Option<Underway>,
    findings: Vec<Finding>,
    events: Vec<Event>,
    again: Duration,
}

impl<'a> Draft<'a> {
    /// What holds unless a row says otherwise: pods and peers as they are.
    pub(super) fn new(view: &'a View<'a>) -> Self {
        let replicas = standing(view);
        Self {
            view,
            replicas,
            peers: peers(view, replicas),
            action: None,
            operation: None,
            findings: Vec::new(),
            events: Vec::new(),
            again: STEADY_PAUSE,
        }
    }

    pub(super) fn finish(self, row: &'static str) -> Plan {
        let Self { replicas, peers, action, operation, findings, events, again, .. } = self;
        Plan { replicas, peers, action, operation, findings, events, again, row }
    }

    /// What shall be done, and when to look what came of it.
    pub(super) fn act(&mut self, action: Action, again: Duration) {
        debug_assert!(self.action.is_none(), "one action in a pass");
        self.action = Some(action);
        self.again = again;
    }

    /// Asks the leader for a change of the members that it told.
    pub(super) fn change(&mut self, leader: &Leader<'_>, change: Change) {
        let action = Action::Membership {
            change,
            expect: leader.status.membership_log_index.unwrap_or(0),
            cluster_id: leader.status.cluster_id.clone(),
        };
        self.act(action, SOON);
    }

    pub(super) fn wait(&mut self, again: Duration) {
        self.again = again;
    }

    /// Says what is under way, and whether it takes too long.
    pub(super) fn under(&mut self, operation: OperationType, targets: Vec<String>, step: String) {
        let mut now = Underway { operation, targets, step, stalled: false };
        let member_limit = self.view.seen().spec.update.member_timeout_seconds;
        let limit = match operation {
            OperationType::Bootstrap => FORMING_LIMIT,
            _ => SignedDuration::from_secs(member_limit.into()),
        };
        now.stalled = self.lasting(&now) > limit;
        let is_said = self.operation.as_ref().is_some_and(|said| said.operation == operation);
        if !is_said && self.earlier().is_none_or(|earlier| earlier.operation_type != operation) {
            self.tell_begun(&now);
        }
        self.operation = Some(now);
    }

    /// Another step of what was just said to be under way.
    pub(super) fn rename(&mut self, step: &str) {
        let Some(now) = self.operation.clone() else { return };
        self.under(now.operation, now.targets, step.to_owned());
    }

    fn tell_begun(&mut self, now: &Underway) {
        let reason = match now.operation {
            OperationType::Bootstrap => EventReason::Bootstrapping,
            OperationType::RollingUpdate => EventReason::RollingUpdateStarted,
            OperationType::PeerListRoll => EventReason::PeerListRollStarted,
            OperationType::ForceNewCluster => EventReason::ForceNewClusterRequested,
            _ => return,
        };
        self.tell(reason, None, format!("{}: {}", now.targets.join(", "), now.step));
    }

    /// Says that what was under way still is: it is only not its turn.
    pub(super) fn carry(&mut self) {
        let Some(earlier) = self.earlier() else { return };
        self.under(earlier.operation_type, earlier.targets.clone(), earlier.step.clone());
    }

    /// Says that nothing of `operation` is left to do: reports it, if it was under way.
    pub(super) fn done(&mut self, operation: OperationType, reason: EventReason, note: &str) {
        if self.earlier().is_some_and(|earlier| earlier.operation_type == operation) {
            self.tell(reason, None, note.to_owned());
        }
    }

    /// The member whom `operation` was about in the last pass.
    pub(super) fn last_target(&self, operation: OperationType) -> Option<String> {
        let earlier = self.earlier().filter(|earlier| earlier.operation_type == operation)?;
        earlier.targets.first().cloned()
    }

    fn earlier(&self) -> Option<&'a OperationStatus> {
        self.view.seen().memory.operation.as_ref()
    }

    fn lasting(&self, now: &Underway) -> SignedDuration {
        let same = self.earlier().filter(|earlier| now.continues(earlier));
        same.map_or(SignedDuration::ZERO, |earlier| self.view.now().duration_since(earlier.step_started_at.0))
    }

    /// For how long the present step lasts, and how often it was tried.
    pub(super) fn so_far(&self) -> (SignedDuration, i32) {
        let Some(now) = &self.operation else { return (SignedDuration::ZERO, 0) };
        let same = self.earlier().filter(|earlier| now.continues(earlier));
        (self.lasting(now), same.map_or(0, |earlier| earlier.attempts))
    }

    /// Whether the present step was under way in the last pass as well.
    pub(super) fn is_continued(&self) -> bool {
        self.operation.as_ref().zip(self.earlier()).is_some_and(|(now, earlier)| now.continues(earlier))
    }

    /// Since when the present operation lasts.
    pub(super) fn begun(&self) -> Option<jiff::Timestamp> {
        let operation = self.operation.as_ref()?.operation;
        let same = self.earlier().filter(|earlier| earlier.operation_type == operation);
        same.map(|earlier| earlier.started_at.0)
    }

    /// Says it as whole sentences: the last one gets its full stop here.
    pub(super) fn say(&mut self, condition: ConditionType, reason: Reason, mut message: String) {
        debug_assert!(condition.status(reason).is_some(), "{reason} is no reason of {condition}");
        if !message.ends_with(['.', '!', '?']) {
            message.push('.');
        }
        self.findings.push(Finding { condition, reason, message });
    }

    pub(super) fn tell(&mut self, reason: EventReason, pod: Option<String>, note: String) {
        self.events.push(Event { reason, pod, note });
    }
}

/// How many pods there shall be while nobody decides otherwise. Pods that run are kept, and so is the place of
/// everybody who belongs to the group. As long as nobody says who does, whoever is wished may be needed, and whoever
/// has a volume of this group. After a stop, or without a StatefulSet, all of them come at once.
fn standing(view: &View<'_>) -> u32 {
    let seen = view.seen();
    let group = seen.memory.cluster_id.as_deref();
    let mut pods = view.occupied();
    let set = seen.set.as_ref().map_or(0, |set| set.replicas);
    pods = pods.max(set);
    if view.known().is_none() || set == 0 {
        pods = pods.max(view.wished_pods());
    }
    for (ordinal, seat) in &seen.seats {
        let is_running = set == 0 && seat.pod.is_some();
        let volume = seat.volume.as_ref().filter(|_| view.known().is_none() && group.is_some());
        let may_belong = volume.is_some_and(|volume| volume.group.as_deref() == group);
        if is_running || may_belong {
            pods = pods.max(ordinal + 1);
        }
    }
    pods
}

/// Who stands in `RaftNodes` of everybody: members that are wished and members that are still there.
pub(super) fn peers(view: &View<'_>, replicas: u32) -> Vec<String> {
    let pods = view.wished_pods().max(view.occupied()).max(replicas);
    let mut peers: Vec<String> = (0..pods).filter_map(|ordinal| view.address_of(ordinal)).collect();
    let there = view.members().map(|member| &member.addr);
    for address in view.seen().spec.raft.external_members.iter().chain(there) {
        if !peers.contains(address) {
            peers.push(address.clone());
        }
    }
    peers
}

/// How a pod is named in an action.
pub(super) fn target(pod: &Pod) -> Target {
    let Pod { name, uid, resource_version, .. } = pod;
    Target { pod: name.clone(), uid: uid.clone(), resource_version: resource_version.clone() }
}

/// Ends a pod that may be ended: through the disruption budget if it is ready, since what makes it useless may have
/// passed meanwhile; else bound to the version that was not ready.
pub(super) fn end(pod: &Pod) -> Action {
    match pod.ready_since {
        Some(_) => Action::Evict(target(pod)),
        None => Action::DeletePod(target(pod)),
    }
}
