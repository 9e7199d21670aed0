//! What is to be done next: a pure function of what was seen.
//!
//! Every operation is derived anew in each pass from the wish, the committed membership, pods and volumes; the memory
//! in the status holds timers and words only. So an operator that dies between any two calls is resumed by the next.

mod bootstrap;
mod change;
mod draft;
mod life;
mod peers;
mod replace;
mod rescue;
mod revive;
mod roll;
mod scale;
mod storage;
mod transfer;
mod version;
pub mod view;
mod wipe;

use std::{collections::BTreeMap, time::Duration};

use orchestrator_crds::{ConditionType, EventReason, OperationStatus, OperationType, Reason};

use self::{draft::Draft, view::View};
use crate::observation::Observation;

pub use self::storage::bytes as storage_bytes;

/// One row of the table by which a pass decides.
struct Row {
    /// The state that it is about, for logs.
    state: &'static str,
    decide: fn(&View<'_>, &mut Draft<'_>) -> Flow,
}

/// Whether a row decided the pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// It did: nothing below is looked at.
    Decided,
    /// The next row is asked.
    Next,
    /// It did, unless the rows below would change nothing: only what disturbs somebody has to wait.
    Held,
}

/// What is to be done, most urgent first. The first row that decides ends the pass, so that what heals always comes
/// before what changes, and an operation that waits never holds up one above it.
const ROWS: &[Row] = &[
    Row { state: "being deleted", decide: life::deleting },
    Row { state: "paused", decide: life::paused },
    Row { state: "stopped", decide: life::stopped },
    Row { state: "two leaders in one term", decide: rescue::split },
    Row { state: "a pod that cannot run as it is", decide: revive::decide },
    Row { state: "no group yet", decide: bootstrap::decide },
    Row { state: "a rescue is asked for", decide: rescue::asked },
    Row { state: "no quorum", decide: rescue::without_quorum },
    Row { state: "not settled", decide: change::settle },
    Row { state: "a member without its data", decide: replace::decide },
    Row { state: "learners nobody wants", decide: scale::unwanted },
    Row { state: "members with an older configuration", decide: peers::decide },
    Row { state: "an outdated member that does not work", decide: roll::heal },
    Row { state: "more or fewer members wished", decide: scale::decide },
    Row { state: "outdated members", decide: roll::decide },
    Row { state: "volumes smaller than wished", decide: storage::decide },
    Row { state: "another leader wished", decide: transfer::decide },
];

/// What the last row of the table is called in logs.
const STEADY: &str = "as wished";

/// What a pass decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// How many pods the StatefulSet shall have now; a step on the way to what is wished.
    pub replicas: u32,
    /// The peers that the live configuration shall hold now, addresses in order.
    pub peers: Vec<String>,
    /// The one thing to do, at most one that disturbs anybody.
    pub action: Option<Action>,
    /// What is under way, for people; `None` = nothing.
    pub operation: Option<Underway>,
    /// What is to be said beyond what can be seen: why something is not done, and what a person can do.
    pub findings: Vec<Finding>,
    /// What is to be reported once the action was carried out; at once, without one.
    pub events: Vec<Event>,
    /// When to look again if nothing changes before.
    pub again: Duration,
    /// The state that decided, for logs.
    pub row: &'static str,
}

impl Plan {
    /// Whether it changes pods or members, and `other` does not. To take an annotation away changes neither.
    fn changes_more_than(&self, other: &Self) -> bool {
        let acts = self.action.as_ref().is_some_and(|action| !matches!(action, Action::ClearVerb { .. }));
        acts || self.replicas != other.replicas
    }
}

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Underway {
    /// What it is.
    pub operation: OperationType,
    /// Pods (or addresses of external members) that it is about.
    pub targets: Vec<String>,
    /// Where it is, in words. What stands before the first `: ` names the step, the rest may change while it lasts:
    /// `joins the group: main-3 catches up, 1240 entries behind`.
    pub step: String,
    /// The step waits for longer than it may.
    pub stalled: bool,
}

impl Underway {
    /// Whether this is the step that was under way `earlier`, so that its timers go on: of the same operation and
    /// targets, and of the same name. Numbers in a name do not count.
    #[must_use]
    pub fn continues(&self, earlier: &OperationStatus) -> bool {
        self.operation == earlier.operation_type
            && self.targets == earlier.targets
            && name_of(&self.step).eq(name_of(&earlier.step))
    }
}

fn name_of(step: &str) -> impl Iterator<Item = char> + '_ {
    let name = step.split_once(": ").map_or(step, |(name, _)| name);
    name.chars().filter(|letter| !letter.is_ascii_digit())
}

/// Something that a condition says. Of several for one condition the first wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The condition.
    pub condition: ConditionType,
    /// Why; it decides the status.
    pub reason: Reason,
    /// Whole sentences that name members and the next human step.
    pub message: String,
}

/// Something to report with `kubectl get events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub reason: EventReason,
    /// The pod that it is about.
    pub pod: Option<String>,
    /// In words.
    pub note: String,
}

/// One thing to do. Each carries what it was decided upon, so that a stale view does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Writes down, guarded by the object's version, that a group is going to be formed. `members`: number → address.
    RecordBootstrap {
        /// Names this one attempt.
        token: String,
        /// The group to be.
        cluster_id: String,
        /// Its first voters.
        members: BTreeMap<u64, String>,
    },
    /// Asks the member of ordinal 0 to form the group that was written down.
    Bootstrap,
    /// Writes down that the group exists: formed by us, or found.
    RecordGroup {
        /// Its id.
        cluster_id: String,
        /// It was there before.
        adopted: bool,
    },
    /// Asks the leader for a change of the membership.
    Membership {
        /// The change.
        change: Change,
        /// Index of the membership that it was decided upon.
        expect: u64,
        /// The group.
        cluster_id: String,
    },
    /// Asks the leader to hand over to the member at this address.
    Transfer {
        /// Address (`host:port`) of who shall lead.
        to: String,
    },
    /// Asks a member to read its files again.
    Reload {
        /// Its ordinal.
        ordinal: u32,
    },
    /// Ends a pod through the eviction API, which keeps to the disruption budget.
    Evict(Target),
    /// Ends a pod that contributes nothing, or whose volume goes.
    DeletePod(Target),
    /// Deletes a volume claim.
    DeleteVolume {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Its version.
        resource_version: String,
    },
    /// Asks for more bytes of a volume claim.
    GrowVolume {
        /// Its name.
        name: String,
        /// Bytes.
        bytes: u64,
    },
    /// Deletes the StatefulSet and leaves its pods, so that one with a larger volume template takes them over.
    RecreateSet {
        /// Its uid.
        uid: String,
        /// Its version.
        resource_version: String,
    },
    /// Asks a member to go on alone, in a new epoch.
    ForceNewCluster {
        /// Its ordinal.
        ordinal: u32,
        /// The group.
        cluster_id: String,
        /// The epoch that it is in.
        epoch: u64,
    },
    /// Takes away an annotation that was carried out or refused (key of [`orchestrator_crds::verb`]); on the pod, if
    /// one is named.
    ClearVerb {
        /// The annotation.
        key: &'static str,
        /// The pod; otherwise the object itself.
        pod: Option<Target>,
    },
    /// Forgets that there was a group, before another is formed with nothing, as somebody wished.
    ForgetGroup,
}

/// A change of the membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new member at this address, which does not vote yet. The group gives the number.
    AddLearner(String),
    /// These vote, nobody else.
    Voters(Vec<u64>),
    /// This member, which does not vote, goes.
    RemoveLearner(u64),
}

/// A pod, and which of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub pod: String,
    /// Its uid: a precondition of whatever is done to it.
    pub uid: String,
    /// Its version: a precondition of [`Action::DeletePod`], which is decided upon a pod that is not ready.
    pub resource_version: String,
}

/// Decides what happens next to the group that was seen.
#[must_use]
pub fn plan(seen: &Observation) -> Plan {
    let view = View::new(seen);
    let mut draft = Draft::new(&view);
    let (mut held, mut state) = (None, STEADY);
    for row in ROWS {
        match (row.decide)(&view, &mut draft) {
            Flow::Next => {}
            Flow::Decided => {
                state = row.state;
                break;
            }
            Flow::Held => held = Some(std::mem::replace(&mut draft, Draft::new(&view)).finish(row.state)),
        }
    }
    let plan = draft.finish(state);
    held.filter(|held| plan.changes_more_than(held)).unwrap_or(plan)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn earlier(step: &str) -> OperationStatus {
        OperationStatus {
            id: "1".into(),
            operation_type: OperationType::ScaleUp,
            targets: vec!["main-3".into()],
            step: step.into(),
            started_at: Time(Timestamp::UNIX_EPOCH),
            step_started_at: Time(Timestamp::UNIX_EPOCH),
            attempts: 0,
            last_error: None,
        }
    }

    #[test]
    fn a_step_goes_on_while_only_its_details_change() {
        let now = Underway {
            operation: OperationType::ScaleUp,
            targets: vec!["main-3".into()],
            step: "joins the group as member 4: 12 entries behind".into(),
            stalled: false,
        };
        assert!(now.continues(&earlier("joins the group as member 3: main-3 waits")));
        assert!(!now.continues(&earlier("leaves the group: 12 entries behind")));
        let other = Underway { targets: vec!["main-4".into()], ..now };
        assert!(!other.continues(&earlier("joins the group as member 3")));
    }
}
