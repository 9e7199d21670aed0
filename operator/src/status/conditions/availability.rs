//! Whether the group works: `Available`, `QuorumLost`, `Bootstrapped`.

use orchestrator_crds::{ConditionType, OrchestratorClusterStatus, Reason};

use super::{
    super::{
        conditions::reason_of,
        facts::{ELECTION, Facts, sentences},
    },
    Said,
};
use crate::plan::view::Data;

pub(super) fn available(facts: &Facts<'_>) -> Said {
    let view = &facts.view;
    if facts.seen.spec.stopped {
        return (
            Reason::Stopped,
            "Stopped, as spec.stopped says. Set it to false to start the same group.".into(),
        );
    }
    if !facts.is_bootstrapped() {
        return (
            Reason::NotBootstrapped,
            "The group is not formed yet: see the condition Bootstrapped.".into(),
        );
    }
    if !facts.is_quorum_known() {
        return (Reason::MembersUnreachable, blind(facts));
    }
    if !facts.is_quorum_seen() {
        let troubles = sentences(&view.troubles());
        return (
            Reason::NoLeader,
            format!("No member leads: {}. {troubles}", facts.count()).trim_end().into(),
        );
    }
    if facts.ready() == 0 {
        let message =
            "A leader is there, and no pod is ready yet: the Service has nobody to send clients to.";
        return (Reason::NoReadyMember, message.into());
    }
    let Some(leader) = view.leader() else {
        let message =
            format!("Members hear a leader who does not answer the operator; {}.", facts.ready_pods());
        return (Reason::QuorumHealthy, message);
    };
    let name = view.called(leader.address);
    (Reason::QuorumHealthy, format!("{name} leads, {}.", facts.count()))
}

/// Why the operator cannot tell.
pub(super) fn blind(facts: &Facts<'_>) -> String {
    let unreached: Vec<u32> = facts.view.unreached().collect();
    format!(
        "{} ready, and the operator can call none of them, so it changes nothing: see whether a NetworkPolicy keeps \
         the operator from ports {} and {}.",
        facts.are(&unreached),
        facts.seen.spec.api.port,
        facts.seen.spec.api.probe_port
    )
}

pub(super) fn quorum_lost(facts: &Facts<'_>, next: &OrchestratorClusterStatus) -> Said {
    let present = |message: &str| (Reason::QuorumPresent, message.to_owned());
    if facts.seen.spec.stopped {
        return present("Stopped: no member is to run.");
    }
    if !facts.is_bootstrapped() {
        return present("The group is not formed yet.");
    }
    if !facts.is_quorum_known() {
        return present("No member answers the operator; they are ready, so they hear a leader.");
    }
    let open = next.last_quorum_loss.as_ref().filter(|loss| loss.until.is_none());
    let Some(loss) = open else { return present("A majority of the voters hears a leader.") };
    if facts.seen.now.duration_since(loss.since.0) < ELECTION {
        return present("No member leads at the moment; an election takes about a second.");
    }
    let lost = facts.without_data();
    let voters = facts.view.voters().len();
    let troubles = sentences(&facts.view.troubles());
    if voters > 0 && (voters - lost.len().min(voters)) < facts.view.majority() {
        let message = format!(
            "{}, and a majority of the volumes is lost: {}. {troubles} Bring a volume back. If that is impossible, \
             one member can go on alone with what it has: kubectl annotate orc {} {}=CLUSTER_ID/POD.",
            capital(&facts.count()),
            facts.names(&lost),
            facts.seen.name,
            orchestrator_crds::verb::FORCE_NEW_CLUSTER,
        );
        return (Reason::MajorityStorageLost, message);
    }
    let message = format!(
        "{}. {troubles} Nothing is changed meanwhile; the group goes on by itself as soon as a majority is back.",
        capital(&facts.count())
    );
    (Reason::MajorityUnreachable, message)
}

pub(super) fn bootstrapped(facts: &Facts<'_>) -> Said {
    let previous = facts.previous;
    if let Some(id) = &previous.cluster_id {
        // Never false again by itself, and how it began does not change either.
        let adopted = reason_of(previous, ConditionType::Bootstrapped) == Some(Reason::Adopted.as_str())
            || previous.bootstrap.is_none();
        return match adopted {
            true => (Reason::Adopted, format!("Group {id} was found in the members' volumes.")),
            false => (Reason::BootstrapCompleted, format!("Group {id} was formed.")),
        };
    }
    let waiting = |message: String| (Reason::WaitingForMembers, message);
    if facts.seen.spec.stopped {
        return waiting("Stopped before the group was formed. Set spec.stopped to false.".into());
    }
    if !facts.seen.invalid.is_empty() {
        return waiting("Nothing is started: see the condition ConfigValid.".into());
    }
    let wished = facts.view.wished_pods();
    let silent: Vec<u32> = (0..wished).filter(|ordinal| facts.view.data(*ordinal) == Data::Unknown).collect();
    if silent.is_empty() {
        return waiting("All members answer; the group is being formed.".into());
    }
    let troubles = facts.troubles_of(&silent);
    waiting(
        format!("Waiting for {} to answer, of {wished}. {troubles}", facts.names(&silent)).trim_end().into(),
    )
}

/// With a capital letter, as a sentence begins.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
