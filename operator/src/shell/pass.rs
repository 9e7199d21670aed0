//! One pass over one object: observe, decide, apply, act, say.

mod applying;
mod asking;
mod growing;
mod telling;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::join_all;
use jiff::Timestamp;
use orchestrator_crds::{EventReason, OperationType, OrchestratorCluster, OrchestratorClusterSpec};
use tracing::{debug, info, warn};

use super::{
    Operator,
    act::{ActError, Actor, Doors},
    apply::{Owner, Report},
    index::Key,
    metrics::PassResult,
    observe::{Surroundings, verbs},
};
use crate::{
    build::{Context, Rendering, Seen, digest, references, render},
    names,
    observation::{Answer, Invalid, Observation},
    plan::{Action, Event, Plan, plan},
    status::{Applied, Outcome, memory, status},
};

pub use asking::{Silences, Trusts};
use asking::{is_silent, leader, rightful};

/// After something that shows its effect within milliseconds.
const SOON: Duration = Duration::from_millis(300);

/// What a pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// For the numbers, and for the pause before another attempt.
    pub result: PassResult,
    /// When to look again; `None` = when something happens.
    pub again: Option<Duration>,
}

/// Something was not to be had that may be there a moment later: nothing was decided, done or told.
const ANOTHER_LOOK: Passed = Passed { result: PassResult::Failed, again: Some(SOON) };

/// What one pass works on.
struct Pass<'a> {
    operator: &'a Operator,
    key: &'a Key,
    object: &'a OrchestratorCluster,
    spec: Arc<OrchestratorClusterSpec>,
    uid: &'a str,
    now: Timestamp,
}

impl Operator {
    /// Looks at one object, and does what is to be done.
    pub async fn pass(&self, key: &Key) -> Passed {
        let idle = Passed { result: PassResult::Steady, again: None };
        let Some(cluster) = self.stores.clusters.get(key) else {
            self.forget(key);
            return idle;
        };
        let uid = cluster.meta.uid.as_deref().unwrap_or_default();
        let object = match cluster.object() {
            Ok(object) => object,
            Err(error) => {
                let note = format!(
                    "The object cannot be read, and nothing is done about it until it is changed: {error}"
                );
                let event = Event { reason: EventReason::InvalidConfig, pod: None, note };
                self.events.report(key, uid, &event).await;
                return Passed { result: PassResult::Failed, ..idle };
            }
        };
        let spec = Arc::new(object.spec.clone());
        let pass = Pass { operator: self, key, object: &object, spec, uid, now: (self.settings.clock)() };
        pass.run().await
    }

    /// Nothing is kept of what is gone.
    fn forget(&self, key: &Key) {
        self.metrics.forget(key);
        self.memo.forget(key);
        self.silences.forget(key);
        self.rolls.set(key, false);
    }
}

impl Pass<'_> {
    async fn run(&self) -> Passed {
        let mut report = self.operator.memo.report(self.key);
        let passed = self.look(&mut report).await;
        self.operator.memo.keep(self.key, &report);
        passed
    }

    async fn look(&self, report: &mut Report) -> Passed {
        let surroundings = Surroundings {
            stores: &self.operator.stores,
            losses: &self.operator.losses,
            key: self.key,
            uid: self.uid,
            spec: &self.spec,
            now: self.now,
        };
        let Some(rendering) = self.render(report).await else { return ANOTHER_LOOK };
        let (mut seen, doors) = self.observe(&surroundings, &rendering).await;
        if self.operator.silences.begin(self.key, is_silent(&seen.seats)) {
            return ANOTHER_LOOK;
        }
        let plan = plan(&seen);
        self.operator.rolls.set(self.key, seen.may_roll && is_rolling(&plan));
        let rendering = rendering.ok();
        let is_free = !(seen.deleting || seen.spec.paused || seen.verbs.paused);
        if is_free {
            self.apply(rendering.as_ref(), &plan, &seen, report).await;
        }
        let acted = self.act(&plan, &seen, &doors, rendering.as_ref()).await;
        let current = acted.written.as_ref().unwrap_or(self.object);
        let previous = current.status.clone().unwrap_or_default();
        // What was just written down is remembered: members of a group that we know by now are no strangers.
        seen.memory = memory(&previous);
        let applied =
            self.applied(rendering.as_ref(), &plan, report, acted.outcome.clone(), &surroundings, &seen);
        let next = status(&seen, &plan, &applied, &previous);
        let told = self.tell(current, &seen, &plan, &applied, report, &next).await;
        if is_free {
            self.label(&next, &seen, &doors).await;
        }
        let passed = passed(&plan, &acted, report, told);
        debug!(namespace = %self.key.namespace, name = %self.key.name, row = plan.row, result = ?passed.result, again = ?passed.again, writes = report.writes, "looked");
        passed
    }

    fn owner(&self) -> Owner<'_> {
        let operator = self.operator;
        Owner {
            client: &operator.client,
            stores: &operator.stores,
            metrics: &operator.metrics,
            memo: &operator.memo,
            key: self.key,
            uid: self.uid,
        }
    }

    /// What the spec means, with everything that it names; what cannot be read is trouble, and says nothing about it.
    /// `None`: that may be only so at this moment, and nothing is decided on it.
    async fn render(&self, report: &mut Report) -> Option<Result<Rendering, Vec<Invalid>>> {
        let mut objects = BTreeMap::new();
        for reference in references(&self.spec) {
            let key = self.key.beside(reference.name.as_str());
            match self.operator.secrets.get(reference.kind, &key).await {
                Ok(found) => {
                    let digests = found.map(|contents| contents.digests.clone());
                    objects.insert((reference.kind, reference.name), digests);
                }
                Err(error) => self.owner().failed(report, reference.kind.as_str(), reference.name, &error),
            }
        }
        if report.awaits_another_look() {
            return None;
        }
        let status = self.object.status.as_ref();
        let live = self.operator.stores.sets.get(&self.key.beside(names::stateful_set(&self.key.name)));
        let seen = Seen {
            objects,
            resolved_image: status.and_then(|status| status.resolved_image.clone()),
            template_version: status.and_then(|status| status.template_version.clone()),
            live: live.filter(|set| set.controller.as_deref() == Some(self.uid)).map(|set| set.object()),
        };
        let installed = self.operator.platform.installed(&self.operator.client).await;
        let installed = installed.map_err(|error| {
            warn!(namespace = %self.key.namespace, name = %self.key.name, %error, "what is installed is not known yet");
            self.operator.metrics.error(error.reason());
        });
        let installed = installed.ok()?;
        let context = Context {
            default_image: self.operator.settings.default_image.clone(),
            operator: self.operator.settings.operator_pods.clone(),
            pod_monitors: installed.pod_monitors,
            openshift: installed.openshift,
        };
        Some(render(self.object, &context, &seen))
    }

    async fn observe(
        &self,
        surroundings: &Surroundings<'_>,
        rendering: &Result<Rendering, Vec<Invalid>>,
    ) -> (Observation, Doors) {
        let set = surroundings.set();
        let live = surroundings.live_text();
        let mut seats = surroundings.seats(set.as_ref(), live.as_deref());
        self.ask_classes(&mut seats).await;
        let prefix = rendering.as_ref().map(Rendering::url_prefix).unwrap_or_default();
        let mut doors = self.doors(surroundings, &seats, prefix).await;
        let asked = doors.seats.iter().map(async |(ordinal, (_, door))| (*ordinal, self.ask(door).await));
        for (ordinal, answer) in join_all(asked).await {
            if let Some(seat) = seats.get_mut(&ordinal) {
                seat.answer = rightful(answer, &seat.address);
            }
        }
        let answers: Vec<&Answer> = seats.values().map(|seat| &seat.answer).collect();
        let external = self.ask_external(&answers, &doors).await;
        doors.leader = leader(&seats, &doors);
        let status = self.object.status.clone().unwrap_or_default();
        let observation = Observation {
            now: self.now,
            name: self.key.name.to_string(),
            namespace: self.key.namespace.to_string(),
            deleting: self.object.metadata.deletion_timestamp.is_some(),
            spec: self.spec.clone(),
            verbs: verbs(self.object),
            memory: memory(&status),
            delivery: surroundings.delivery(live.as_deref()),
            set,
            seats,
            external,
            invalid: rendering.as_ref().err().cloned().unwrap_or_default(),
            may_roll: self.operator.rolls.may(self.key),
            fresh_id: uuid(),
        };
        (observation, doors)
    }

    async fn act(
        &self,
        plan: &Plan,
        seen: &Observation,
        doors: &Doors,
        rendering: Option<&Rendering>,
    ) -> Acted {
        let Some(action) = &plan.action else { return Acted::default() };
        let live_digest = rendering.map(|of| digest(of.live_text(&plan.peers).as_bytes()));
        let actor = Actor {
            owner: self.owner(),
            object: self.object,
            seen,
            doors,
            live_digest: live_digest.as_deref(),
            once: &self.operator.once,
        };
        info!(namespace = %self.key.namespace, name = %self.key.name, row = plan.row, ?action, "acting");
        match actor.act(action).await {
            Ok(written) => {
                if let Some(object) = &written {
                    self.learn(object.clone());
                }
                Acted { outcome: Outcome::Done, written, soon: shows_soon(action), failed: false }
            }
            Err(error) if error.is_passing() => {
                debug!(namespace = %self.key.namespace, name = %self.key.name, %error, "not done yet");
                let is_blocked = matches!(error, ActError::Budget(_));
                let told = if is_blocked { Outcome::Blocked } else { Outcome::Failed };
                Acted { outcome: told(error.to_string()), soon: !is_blocked, ..Acted::default() }
            }
            Err(error) => {
                warn!(namespace = %self.key.namespace, name = %self.key.name, %error, "not done");
                self.operator.metrics.error("action");
                Acted { outcome: Outcome::Failed(error.to_string()), failed: true, ..Acted::default() }
            }
        }
    }

    fn learn(&self, object: OrchestratorCluster) {
        self.operator.stores.clusters.learn(kube::core::DeserializeGuard(Ok(object)));
    }

    fn applied(
        &self,
        rendering: Option<&Rendering>,
        plan: &Plan,
        report: &Report,
        outcome: Outcome,
        surroundings: &Surroundings<'_>,
        seen: &Observation,
    ) -> Applied {
        Applied {
            generation: self.object.metadata.generation.unwrap_or_default(),
            image: rendering.map(|of| of.image.clone()),
            template_version: rendering.map(|of| of.template_version.clone()),
            config_hash: rendering.map(|of| of.config_hash(&plan.peers)),
            remarks: rendering.map(|of| of.remarks.clone()).unwrap_or_default(),
            rewritten: report.rewritten,
            troubles: report.troubles.clone(),
            outcome,
            zones: surroundings.zones(&seen.seats),
        }
    }
}

/// What came of the plan's action.
#[derive(Default)]
struct Acted {
    outcome: Outcome,
    /// The object, when it was written.
    written: Option<OrchestratorCluster>,
    /// Looking again at once shows its effect, or lets it be tried again.
    soon: bool,
    /// It was refused, or nobody answered: not what happens when things change under our hands.
    failed: bool,
}

fn passed(plan: &Plan, acted: &Acted, report: &Report, told: Result<bool, ()>) -> Passed {
    let refused = !(report.troubles.is_empty() && report.refused.is_empty());
    let result = if acted.failed || told.is_err() || refused {
        PassResult::Failed
    } else if report.writes > 0 || told == Ok(true) || acted.outcome != Outcome::Untried {
        PassResult::Changed
    } else {
        PassResult::Steady
    };
    // What we wrote wakes nobody: it was learned with the answer.
    let again = if acted.soon || report.rewritten { plan.again.min(SOON) } else { plan.again };
    Passed { result, again: Some(again) }
}

/// Its effect is there when it is done.
fn shows_soon(action: &Action) -> bool {
    matches!(
        action,
        Action::RecordBootstrap { .. }
            | Action::RecordGroup { .. }
            | Action::ForgetGroup
            | Action::Bootstrap
            | Action::Membership { .. }
            | Action::ClearVerb { .. }
    )
}

fn is_rolling(plan: &Plan) -> bool {
    plan.operation.as_ref().is_some_and(|under_way| under_way.operation == OperationType::RollingUpdate)
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let bits = (rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_random_uuids() {
        let id = uuid();
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "4");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        assert_ne!(id, uuid());
    }
}
