//! A change of the members that is under way, and a leader that is new: the group is left alone.
//!
//! The leader itself finishes a change that was left half way, so there is nothing to ask for. A leader that is new
//! holds up only what disturbs somebody: a group in which all is as wished is so at once.

use jiff::SignedDuration;
use orchestrator_crds::{ConditionType, Reason};

use super::{
    Flow,
    draft::{Draft, SOON},
    view::View,
};

/// A change takes milliseconds; one that is half done for this long lacks voters.
const LONG: SignedDuration = SignedDuration::from_secs(30);

pub(super) fn settle(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    let is_changing = view.is_changing();
    if !is_changing && view.is_led_steadily() {
        return Flow::Next;
    }
    draft.carry();
    draft.wait(SOON);
    if !is_changing {
        return Flow::Held;
    }
    let leads = view.seen().memory.leader.map(|(.., since)| view.now().duration_since(since));
    let is_joint = view.leader().is_some_and(|leader| leader.status.membership.joint);
    if is_joint && leads.is_some_and(|leads| leads > LONG) {
        let troubles = view.troubles().join("; ");
        let message = format!(
            "A change of the members is half done and needs more of them to be finished: {troubles}. It goes on by \
             itself when they are back."
        );
        draft.say(ConditionType::Degraded, Reason::JointMembership, message);
    }
    Flow::Decided
}
