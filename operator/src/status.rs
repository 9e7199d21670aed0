//! What people read: `status` of the object, made of what was seen, decided and done. Pure.
//!
//! Everything in it follows from one pass but for timers, the fence of the bootstrap and the group's id, which are
//! taken over from the status before. A group in which nothing changes gives the same status again, and nothing is
//! written. Messages answer alone: what is wrong, with which member, what the operator waits for, what a person can do.

mod conditions;
mod events;
mod facts;
mod members;
mod operation;
mod phase;
mod record;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use orchestrator_crds::{EndpointsStatus, OrchestratorClusterStatus, QuorumLoss};

pub use events::events;
pub use record::{memory, record};

use self::facts::Facts;
use crate::{
    names,
    observation::Observation,
    plan::{Plan, view::View},
};

/// What this pass did to the objects, beside what it saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Generation of the object that was looked at.
    pub generation: i64,
    /// The image that members run; `None` when the spec could not be rendered.
    pub image: Option<String>,
    /// The template that members are made from; `None` as above.
    pub template_version: Option<String>,
    /// What members report as `ConfigHash` once they read everything; `None` as above.
    pub config_hash: Option<String>,
    /// What members remark about their configuration.
    pub remarks: Vec<String>,
    /// The template or the configuration was written in this pass: what was seen before does not tell who has it.
    pub rewritten: bool,
    /// Objects that could not be applied or read.
    pub troubles: Vec<Trouble>,
    /// What came of the plan's action.
    pub outcome: Outcome,
    /// Zones of nodes, where they are known.
    pub zones: BTreeMap<String, String>,
}

/// An object that could not be applied or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What is in the way.
    pub problem: Problem,
    /// The words of the API server, or what is wrong with it, without a full stop.
    pub message: String,
}

/// What keeps an object from being applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// There is one of that name which belongs to somebody else.
    OwnershipConflict,
    /// The operator may not.
    Forbidden,
    /// A quota or limit of the namespace.
    Quota,
    /// Anything else.
    Other,
}

/// What came of an action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Outcome {
    /// There was none, or it was not begun.
    #[default]
    Untried,
    /// It was done, or taken on.
    Done,
    /// It was refused or failed: why.
    Failed(String),
    /// The disruption budget does not allow it now: in words.
    Blocked(String),
}

impl Outcome {
    /// Why it was not done, if it was tried.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed(why) | Self::Blocked(why) => Some(why),
            Self::Untried | Self::Done => None,
        }
    }
}

/// The status after a pass. `previous` is the one before it, with what the pass itself wrote down by [`record`].
#[must_use]
pub fn status(
    seen: &Observation,
    plan: &Plan,
    applied: &Applied,
    previous: &OrchestratorClusterStatus,
) -> OrchestratorClusterStatus {
    let facts = Facts { seen, view: View::new(seen), plan, applied, previous };
    let mut next = OrchestratorClusterStatus {
        observed_generation: Some(applied.generation),
        cluster_id: previous.cluster_id.clone(),
        bootstrap: previous.bootstrap.clone(),
        selector: Some(names::selector_text(&seen.name)),
        operation: operation::operation(&facts),
        resolved_image: applied.image.clone().or_else(|| previous.resolved_image.clone()),
        template_version: applied.template_version.clone().or_else(|| previous.template_version.clone()),
        config_hash: applied.config_hash.clone().or_else(|| previous.config_hash.clone()),
        update_revision: update_revision(&facts),
        endpoints: Some(endpoints(seen)),
        last_quorum_loss: quorum_loss(&facts),
        ..OrchestratorClusterStatus::default()
    };
    members::fill(&mut next, &facts);
    next.conditions = conditions::conditions(&facts, &next);
    next.phase = Some(phase::phase(&facts, &next));
    next
}

fn update_revision(facts: &Facts<'_>) -> Option<String> {
    let seen = facts.seen.set.as_ref().map(|set| set.update_revision.clone());
    seen.filter(|revision| !revision.is_empty()).or_else(|| facts.previous.update_revision.clone())
}

fn endpoints(seen: &Observation) -> EndpointsStatus {
    let Observation { name, namespace, spec, .. } = seen;
    let count = u32::try_from(spec.replicas).unwrap_or(0);
    EndpointsStatus {
        api: names::service_url(name, namespace, spec),
        members: (0..count).map(|ordinal| names::member_url(name, namespace, spec, ordinal)).collect(),
    }
}

fn quorum_loss(facts: &Facts<'_>) -> Option<QuorumLoss> {
    let now = time(facts.seen.now);
    match (&facts.previous.last_quorum_loss, facts.is_quorum_lost()) {
        (Some(open @ QuorumLoss { until: None, .. }), true) => Some(open.clone()),
        (_, true) => Some(QuorumLoss { since: now, until: None }),
        (Some(QuorumLoss { since, until: None }), false) if facts.is_quorum_known() => {
            Some(QuorumLoss { since: since.clone(), until: Some(now) })
        }
        (earlier, false) => earlier.clone(),
    }
}

/// To the second, as the API server keeps it: more would differ from what it gives back, and be written again.
fn time(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}
