//! Members whose disk is not what the group expects: empty, given up, lost, or to be replaced as somebody wished.
//!
//! The name stays, the identity does not: an empty disk joins under a new number, follows, and one joint change puts
//! it in the place of the old one. No healthy member is restarted, and the number of voters stays as it is.

use orchestrator_crds::{ConditionType, EventReason, OperationType, Reason, ReplacementPolicy, verb};

use super::{
    Action, Change, Flow,
    draft::{Draft, PODS_PAUSE, SOON, target},
    view::{Data, Leader, View},
    wipe::{Wipe, wipe},
};
use crate::observation::Seat;

/// What a seat needs next.
enum Step {
    /// Nothing.
    Nothing,
    /// A change of the members.
    Change(&'static str, Change),
    /// Its storage goes.
    Wipe(&'static str),
    /// Somebody else leads first.
    HandOver(String),
    /// What was asked for is refused for good.
    Refuse(String),
    /// Time, for this reason, before anything else is changed.
    Wait(String),
    /// Better times, for this reason; whatever else is to be done may bring them.
    Later(String),
}

pub(super) fn decide(view: &View<'_>, draft: &mut Draft<'_>) -> Flow {
    let Some(leader) = view.leader() else { return Flow::Next };
    report(view, draft);
    if foreign(view, draft) {
        return Flow::Decided;
    }
    // The leader last: before its turn leadership goes to one that need not be replaced any more.
    let mut seats: Vec<(&u32, &Seat)> = view.seen().seats.iter().collect();
    seats.sort_by_key(|(ordinal, _)| (Some(**ordinal) == leader.ordinal, **ordinal));
    let steps =
        seats.into_iter().map(|(ordinal, seat)| (seat.address.as_str(), next(view, leader, *ordinal, seat)));
    let outside = view.seen().external.iter().map(|(address, _)| (address.as_str(), rejoin(view, address)));
    let (mut waiting, mut later) = (None, None);
    for (address, step) in steps.chain(outside) {
        match step {
            Step::Nothing => {}
            // A member that waits does not hold up the next one.
            Step::Wait(why) => waiting = waiting.or(Some((address, why))),
            Step::Later(why) => later = later.or(Some((address, why))),
            step => {
                carry_out(view, leader, address, step, draft);
                return Flow::Decided;
            }
        }
    }
    let is_urgent = waiting.is_some();
    let Some((address, why)) = waiting.or(later) else {
        let last = draft.last_target(OperationType::MemberReplacement).unwrap_or_default();
        draft.done(
            OperationType::MemberReplacement,
            EventReason::MemberReplaced,
            &format!("{last} is a member again"),
        );
        return Flow::Next;
    };
    draft.under(OperationType::MemberReplacement, vec![view.called(address)], why);
    draft.wait(SOON);
    if is_urgent { Flow::Decided } else { Flow::Next }
}

fn carry_out(view: &View<'_>, leader: &Leader<'_>, address: &str, step: Step, draft: &mut Draft<'_>) {
    let name = view.called(address);
    let pod = view.seat_at(address).map(|_| name.clone());
    let under = |draft: &mut Draft<'_>, step: &str| {
        draft.under(OperationType::MemberReplacement, vec![name.clone()], step.to_owned());
    };
    match step {
        Step::Change(words, change) => {
            under(draft, words);
            // Who is to vote is seen twice in a row to have caught up, as everybody who gets a vote.
            if matches!(change, Change::Voters(_)) && !draft.is_continued() {
                draft.wait(SOON);
                return;
            }
            if matches!(change, Change::AddLearner(_)) {
                draft.tell(
                    EventReason::MemberJoining,
                    pod,
                    format!("{name} joins as a new member with an empty disk"),
                );
            }
            draft.change(leader, change);
        }
        Step::Wipe(words) => {
            under(draft, words);
            renew(view, address, words, draft);
        }
        Step::HandOver(to) => {
            under(draft, "hands leadership over before it is replaced");
            draft.act(Action::Transfer { to }, SOON);
        }
        Step::Refuse(why) => {
            let annotated = view.seat_at(address).and_then(|(_, seat)| seat.pod.as_ref()).map(target);
            draft.tell(EventReason::ReplacementBlocked, pod, why);
            draft.act(Action::ClearVerb { key: verb::REPLACE, pod: annotated }, SOON);
        }
        Step::Nothing | Step::Wait(_) | Step::Later(_) => {}
    }
}

fn renew(view: &View<'_>, address: &str, words: &str, draft: &mut Draft<'_>) {
    let Some((ordinal, _)) = view.seat_at(address) else { return };
    match wipe(view, ordinal) {
        Wipe::Do(action) => draft.act(action, PODS_PAUSE),
        Wipe::Wait(why) => {
            draft.rename(&format!("{words}: {why}"));
            draft.wait(PODS_PAUSE);
        }
        Wipe::Foreign => say_foreign(view, ordinal, draft),
    }
}

fn next(view: &View<'_>, leader: &Leader<'_>, ordinal: u32, seat: &Seat) -> Step {
    if is_lost(view, seat) {
        return Step::Wipe("its volume is lost: gets a new one");
    }
    let membership = rejoin(view, &seat.address);
    if !matches!(membership, Step::Nothing) {
        return membership;
    }
    if view.data(ordinal) == Data::Stale && ordinal < view.wished_pods() {
        return Step::Wipe("holds data of a member that the group let go: gets new storage");
    }
    let is_wiped = seat.volume.as_ref().is_some_and(|volume| volume.terminating) && seat.pod.is_some();
    let is_asked = seat.pod.as_ref().is_some_and(|pod| pod.replace && !pod.terminating);
    match is_asked || (is_wiped && !is_only_voter(view, seat)) {
        true => on_request(view, leader, ordinal, seat),
        // A claim that was deleted under the only voter lasts as long as its pod: meanwhile others can come.
        false => Step::Nothing,
    }
}

/// What the membership needs for the disk that is there now.
fn rejoin(view: &View<'_>, address: &str) -> Step {
    let mut older = view
        .learners()
        .iter()
        .filter(|learner| learner.addr == address && Some(learner.node_id) != view.learner_at(address));
    if let Some(older) = older.next() {
        return Step::Change("an older new identity is dropped", Change::RemoveLearner(older.node_id));
    }
    let (voter, learner) = (view.voter_at(address), view.learner_at(address));
    match (voter, learner, view.data_at(address)) {
        (Some(voter), Some(learner), Data::Own(node)) if node == voter => {
            Step::Change("its old disk is back: the new identity is dropped", Change::RemoveLearner(learner))
        }
        (_, Some(learner), Data::Empty) => {
            Step::Change("lost its disk again: the new identity is dropped", Change::RemoveLearner(learner))
        }
        (Some(voter), None, Data::Empty) => match view.is_heard(voter) {
            true => Step::Wait("waits until the old member is silent".into()),
            false => Step::Change("joins as a new member", Change::AddLearner(address.to_owned())),
        },
        (Some(voter), Some(learner), _) if view.is_caught_up(learner) => {
            Step::Change("takes the place of its old identity", swap(view, voter, learner))
        }
        (Some(voter), Some(learner), _) => Step::Wait(catching_up(view, address, voter, learner)),
        _ => Step::Nothing,
    }
}

/// All voters, with `new` in the place of `old`.
fn swap(view: &View<'_>, old: u64, new: u64) -> Change {
    let kept = view.voters().iter().map(|voter| voter.node_id).filter(|node| *node != old);
    let mut voters: Vec<u64> = kept.chain([new]).collect();
    voters.sort_unstable();
    Change::Voters(voters)
}

fn catching_up(view: &View<'_>, address: &str, voter: u64, learner: u64) -> String {
    let name = view.called(address);
    match view.lag(learner) {
        Some(lag) if view.is_heard(learner) => format!(
            "catches up: {name} joined as learner (node id {learner}), {lag} entries behind; will replace node id {voter}"
        ),
        _ => {
            let trouble =
                view.trouble_at(address).unwrap_or_else(|| format!("{name} is not heard by the leader"));
            format!("catches up: {trouble}")
        }
    }
}

/// The volume is proven to be lost for long enough, its member is of no use, and it is the operator's to act.
fn is_lost(view: &View<'_>, seat: &Seat) -> bool {
    let spec = &view.seen().spec.replacement;
    let lost = seat.volume.as_ref().and_then(|volume| volume.state.lost_for(view.now()));
    let is_asked = seat.pod.as_ref().is_some_and(|pod| pod.replace);
    let is_silent = seat.answer.status().is_none();
    let members = [view.voter_at(&seat.address), view.learner_at(&seat.address)];
    let is_heard = members.into_iter().flatten().any(|node| view.is_heard(node));
    let is_old = lost.is_some_and(|lost| lost.as_secs() >= spec.storage_lost_after_seconds.into());
    is_silent && !is_heard && is_old && (is_asked || spec.policy == ReplacementPolicy::Automatic)
}

/// Its data is the group's only copy.
fn is_only_voter(view: &View<'_>, seat: &Seat) -> bool {
    view.voters().len() == 1 && view.voter_at(&seat.address).is_some()
}

/// Somebody annotated the pod, or its claim was deleted under it: only while all others are well.
fn on_request(view: &View<'_>, leader: &Leader<'_>, ordinal: u32, seat: &Seat) -> Step {
    let is_voter = view.voter_at(&seat.address).is_some();
    if is_only_voter(view, seat) {
        return Step::Refuse("it is the only voter: its data is the group's only copy".into());
    }
    if let Some(why) = view.indispensable(ordinal, false).filter(|_| is_voter) {
        return Step::Later(format!("waits until all others are well: {why}"));
    }
    if leader.ordinal != Some(ordinal) {
        return Step::Wipe("gets new storage, as asked");
    }
    let heir = view.heir(|_| true);
    heir.map_or_else(
        || Step::Later("waits to hand leadership over: no other member is fit to lead".into()),
        |to| Step::HandOver(to.to_owned()),
    )
}

/// Foreign data is never wiped, and nobody knows what it means for the rest: a person decides.
fn foreign(view: &View<'_>, draft: &mut Draft<'_>) -> bool {
    let found = view.seen().seats.keys().find(|ordinal| view.data(**ordinal) == Data::Foreign);
    let Some(ordinal) = found else { return false };
    say_foreign(view, *ordinal, draft);
    draft.carry();
    draft.wait(PODS_PAUSE);
    true
}

fn say_foreign(view: &View<'_>, ordinal: u32, draft: &mut Draft<'_>) {
    let name = view.pod_name(ordinal);
    let what = view
        .trouble(ordinal)
        .filter(|_| view.data(ordinal) == Data::Foreign)
        .unwrap_or_else(|| format!("The volume of {name} is labelled with another group"));
    let claim = view.seat(ordinal).and_then(|seat| seat.volume.as_ref()).map_or("", |volume| &volume.name);
    let message = format!(
        "{what}. It is never wiped, and members are neither changed nor restarted meanwhile. If it is not needed: \
         kubectl delete pvc {claim} --wait=false, then kubectl delete pod {name}"
    );
    draft.say(ConditionType::Degraded, Reason::ForeignData, message);
}

/// What is wrong with disks and waits for a person or for time.
fn report(view: &View<'_>, draft: &mut Draft<'_>) {
    let spec = &view.seen().spec.replacement;
    for (ordinal, seat) in &view.seen().seats {
        let name = view.pod_name(*ordinal);
        let asks = format!("kubectl annotate pod {name} orchestrator.rs/replace=true");
        let trouble = || view.trouble(*ordinal).unwrap_or_default();
        if view.data(*ordinal) == Data::Corrupt {
            let message = format!("{}. To give it new storage: {asks}", trouble());
            draft.say(ConditionType::Degraded, Reason::MemberCorrupt, message);
        }
        let Some(lost) = seat.volume.as_ref().and_then(|volume| volume.state.lost_for(view.now())) else {
            continue;
        };
        let rest = i64::from(spec.storage_lost_after_seconds) - lost.as_secs();
        let message = match spec.policy {
            ReplacementPolicy::Manual => format!("{}. To give it a new one: {asks}", trouble()),
            ReplacementPolicy::Automatic if rest > 0 => {
                format!("{}. It is replaced if it is not back in {rest}s", trouble())
            }
            ReplacementPolicy::Automatic => format!("{}. It gets a new one", trouble()),
        };
        draft.say(ConditionType::Degraded, Reason::StorageLost, message);
    }
}
