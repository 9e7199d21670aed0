//! What is missing or at risk: `Degraded`, `MembersReachable`.

use std::collections::BTreeMap;

use orchestrator_crds::Reason;

use super::{
    super::facts::{Facts, list, sentences},
    Said, availability,
};
use crate::{
    observation::{Answer, Trouble},
    plan::view::Data,
};

/// One thing that may be wrong; the first that is, is said.
type Look = fn(&Facts<'_>) -> Option<Said>;

/// The worst first.
const LOOKS: &[(Reason, Look)] = &[
    (Reason::ForeignData, foreign),
    (Reason::StorageLost, storage_lost),
    (Reason::MemberCorrupt, corrupt),
    (Reason::MemberDown, member_down),
    (Reason::JointMembership, joint),
    (Reason::LearnerLagging, learner_lagging),
    (Reason::VotersColocated, colocated),
    (Reason::MixedVersions, mixed_versions),
];

/// How bad it is: the lower, the worse.
pub(super) fn rank((reason, _): &Said) -> usize {
    LOOKS.iter().position(|(one, _)| one == reason).unwrap_or(LOOKS.len())
}

pub(super) fn degraded(facts: &Facts<'_>) -> Said {
    let fine = |message: &str| (Reason::NotDegraded, message.to_owned());
    if facts.seen.spec.stopped {
        return fine("Stopped: no member is to run.");
    }
    if !facts.is_bootstrapped() {
        return fine("The group is not formed yet.");
    }
    LOOKS.iter().find_map(|(_, look)| look(facts)).unwrap_or_else(|| fine("All members are there."))
}

fn foreign(facts: &Facts<'_>) -> Option<Said> {
    let foreign = facts.holding(Data::Foreign);
    (!foreign.is_empty()).then(|| {
        let troubles = facts.troubles_of(&foreign);
        let advice = "The operator never deletes such a volume: find out whose it is, then delete it or bring back \
                      the right one.";
        (Reason::ForeignData, format!("{troubles} {advice}"))
    })
}

fn storage_lost(facts: &Facts<'_>) -> Option<Said> {
    let mut lost = facts.without_data();
    lost.retain(|ordinal| !facts.is_expected_away(&facts.view.pod_name(*ordinal)));
    (!lost.is_empty()).then(|| (Reason::StorageLost, facts.troubles_of(&lost)))
}

fn corrupt(facts: &Facts<'_>) -> Option<Said> {
    let corrupt = facts.holding(Data::Corrupt);
    let first = facts.view.pod_name(*corrupt.first()?);
    let advice = format!(
        "To give it a new volume: kubectl annotate pod {first} {}=true.",
        orchestrator_crds::verb::REPLACE
    );
    Some((Reason::MemberCorrupt, format!("{} {advice}", facts.troubles_of(&corrupt))))
}

/// Voters that should be there and are not, but for those that are being restarted.
fn member_down(facts: &Facts<'_>) -> Option<Said> {
    let view = &facts.view;
    let voters = view.voters().iter().filter(|voter| !view.contributes(voter));
    let mut troubles = Vec::new();
    for voter in voters {
        let name = view.called(&voter.addr);
        if facts.is_expected_away(&name) {
            continue;
        }
        let trouble = match view.ordinal_of(&voter.addr) {
            Some(ordinal) => view.trouble(ordinal),
            None => view.trouble_outside(&voter.addr),
        };
        let unheard = || format!("the leader does not hear {name}");
        troubles.push(trouble.unwrap_or_else(unheard));
    }
    // Who cannot be asked is not down for that; and before the first status nothing is known of anybody.
    let told = !troubles.is_empty() && facts.is_quorum_known();
    told.then(|| {
        let message = format!("{}: {} {}", capital_count(facts), sentences(&troubles), advice(facts));
        (Reason::MemberDown, message.trim_end().to_owned())
    })
}

/// What a person can do about the first pod that does not run for a reason of its own; empty = there is none.
pub(super) fn advice(facts: &Facts<'_>) -> String {
    let Some((_, pod, trouble)) = facts.hanging().next() else { return String::new() };
    let (name, namespace) = (&pod.name, &facts.seen.namespace);
    match trouble {
        Trouble::Unschedulable(_) => "Add a node that fits, or change what spec.pod asks for.".to_owned(),
        Trouble::Waiting(reason, _) if reason.contains("Image") => {
            "Correct spec.image or spec.imagePullSecrets; the pod is then made anew.".to_owned()
        }
        Trouble::Waiting(reason, _) if reason.contains("Config") => {
            format!("See kubectl -n {namespace} describe pod {name} for what is missing.")
        }
        Trouble::Waiting(..) | Trouble::Ended(..) => {
            format!("See kubectl -n {namespace} logs {name} --previous for why it ended.")
        }
    }
}

fn capital_count(facts: &Facts<'_>) -> String {
    availability::capital(&facts.count())
}

/// A change of members that nobody is working on.
fn joint(facts: &Facts<'_>) -> Option<Said> {
    let known = facts.view.known()?;
    let left =
        known.membership.joint && facts.plan.operation.as_ref().is_none_or(|underway| underway.stalled);
    let message = "A change of the members is half done; the leader finishes it as soon as a majority of the old and \
                   of the new members answers.";
    left.then(|| (Reason::JointMembership, message.to_owned()))
}

/// Learners that take longer than they may.
fn learner_lagging(facts: &Facts<'_>) -> Option<Said> {
    let view = &facts.view;
    let learners = view.learners().iter().filter(|learner| {
        !view.is_caught_up(learner.node_id) && !facts.is_expected_away(&view.called(&learner.addr))
    });
    let lagging: Vec<String> = learners
        .map(|learner| match view.lag(learner.node_id) {
            Some(lag) => format!("{} ({lag} entries behind)", view.called(&learner.addr)),
            None => view.called(&learner.addr),
        })
        .collect();
    (!lagging.is_empty()).then(|| {
        let message = format!("Members that shall vote do not catch up: {}.", list(&lagging));
        (Reason::LearnerLagging, message)
    })
}

/// One node of Kubernetes takes the quorum with it.
fn colocated(facts: &Facts<'_>) -> Option<Said> {
    let view = &facts.view;
    let mut nodes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for voter in view.voters() {
        let pod = view.ordinal_of(&voter.addr).and_then(|ordinal| view.pod(ordinal));
        if let Some(node) = pod.and_then(|pod| pod.node.as_deref()) {
            nodes.entry(node).or_default().push(view.called(&voter.addr));
        }
    }
    let several = view.voters().len() > 1;
    let (node, members) =
        nodes.into_iter().find(|(_, members)| several && members.len() >= view.majority())?;
    let message = format!(
        "{} run on node {node}: when it fails, the group fails. Add nodes, or set spec.pod.antiAffinity to Required.",
        list(&members)
    );
    Some((Reason::VotersColocated, message))
}

/// Versions that differ although nobody is being updated.
fn mixed_versions(facts: &Facts<'_>) -> Option<Said> {
    let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (address, _, status) in facts.view.answers().filter(|(.., status)| !status.version.is_empty()) {
        versions.entry(&status.version).or_default().push(facts.view.called(address));
    }
    let wanted = versions.len() > 1 && facts.plan.operation.is_none();
    wanted.then(|| {
        let each: Vec<String> =
            versions.iter().map(|(version, members)| format!("{version} on {}", list(members))).collect();
        (Reason::MixedVersions, format!("Members run different versions: {}.", each.join("; ")))
    })
}

pub(super) fn members_reachable(facts: &Facts<'_>) -> Said {
    if facts.view.is_blind() {
        return (Reason::OperatorCannotReachMembers, availability::blind(facts));
    }
    let unreached: Vec<u32> = facts.view.unreached().collect();
    // Those outside are asked while they lead alone; whether the leader hears them is said elsewhere.
    let external = facts.seen.external.iter().filter(|(_, answer)| matches!(answer, Answer::Silent(_)));
    let external: Vec<String> =
        external.filter_map(|(address, _)| facts.view.trouble_outside(address)).collect();
    if unreached.is_empty() && external.is_empty() {
        let running = facts.view.answers().count();
        let message =
            if running == 0 { "No member runs." } else { "All members that run answer the operator." };
        return (Reason::Reachable, message.to_owned());
    }
    let troubles = [facts.troubles_of(&unreached), sentences(&external)].join(" ");
    (Reason::SomeUnreachable, troubles.trim().to_owned())
}
