//! What several parts of the status ask.

use jiff::SignedDuration;
use orchestrator_crds::{OperationType, OrchestratorClusterStatus};

use super::Applied;
use crate::{
    observation::{Observation, Pod, Trouble},
    plan::{
        Plan, Underway,
        view::{Data, View},
    },
};

/// For so long nobody calls it a loss that there is no leader: twice the longest time after which followers stand for
/// election, with which one is over.
pub(super) const ELECTION: SignedDuration = SignedDuration::from_secs(2);

/// Everything that a status is made of.
pub(super) struct Facts<'f> {
    pub(super) seen: &'f Observation,
    pub(super) view: View<'f>,
    pub(super) plan: &'f Plan,
    pub(super) applied: &'f Applied,
    pub(super) previous: &'f OrchestratorClusterStatus,
}

impl Facts<'_> {
    /// There is a group.
    pub(super) fn is_bootstrapped(&self) -> bool {
        self.previous.cluster_id.is_some()
    }

    /// Whether it can be told that there is a quorum, or that there is none.
    pub(super) fn is_quorum_known(&self) -> bool {
        !self.view.is_blind()
    }

    /// A member says that it hears a leader with a quorum, or is it.
    pub(super) fn is_quorum_seen(&self) -> bool {
        self.view.is_led()
    }

    /// There is a group that should work, and nobody hears a leader.
    pub(super) fn is_quorum_lost(&self) -> bool {
        let should_work = self.is_bootstrapped() && !self.seen.spec.stopped && !self.seen.deleting;
        should_work && self.is_quorum_known() && !self.is_quorum_seen()
    }

    /// Somebody wished that nothing is changed.
    pub(super) fn is_paused(&self) -> bool {
        self.seen.spec.paused || self.seen.verbs.paused
    }

    /// Pods that are ready.
    pub(super) fn ready(&self) -> usize {
        self.seen
            .seats
            .values()
            .filter(|seat| seat.pod.as_ref().is_some_and(|pod| pod.ready_since.is_some()))
            .count()
    }

    /// Members that vote, when all is as wished.
    pub(super) fn wished_voters(&self) -> usize {
        self.view.wished_pods() as usize + self.seen.spec.raft.external_members.len()
    }

    /// `2 of 3 voters are healthy`; without a leader, by whom that is known, how many of them answer.
    pub(super) fn count(&self) -> String {
        let voters = self.view.voters();
        let answers = voters.iter().filter(|voter| self.view.status_at(&voter.addr).is_some());
        match (self.view.leader(), voters.len()) {
            (_, 0) => format!("the list of members is not known, {} are wished", self.wished_voters()),
            (None, all) => match answers.count() {
                1 => format!("1 of {all} voters answers"),
                answering => format!("{answering} of {all} voters answer"),
            },
            (Some(_), 1) => "the only voter leads".to_owned(),
            (Some(_), all) => match self.view.contributing().len() {
                1 => format!("1 of {all} voters is healthy"),
                healthy => format!("{healthy} of {all} voters are healthy"),
            },
        }
    }

    /// Members that are restarted, replaced, or come at the moment, as long as that goes well: one that was restarted
    /// and cannot run is not awaited.
    pub(super) fn is_expected_away(&self, member: &str) -> bool {
        let underway = self.plan.operation.as_ref().filter(|underway| !underway.stalled);
        underway.is_some_and(|underway| {
            let is_restarted = underway.operation == OperationType::RollingUpdate;
            let hangs = is_restarted && self.hanging().any(|(_, pod, _)| pod.name == member);
            underway.targets.iter().any(|target| target == member) && !hangs
        })
    }

    /// Pods that cannot run, for another reason than that their node or their volume is gone.
    pub(super) fn hanging(&self) -> impl Iterator<Item = (u32, &Pod, &Trouble)> {
        let seats = self.seen.seats.iter().filter(|(_, seat)| {
            seat.volume.as_ref().is_none_or(|volume| volume.state.lost_for(self.seen.now).is_none())
        });
        let pods = seats.filter_map(|(ordinal, seat)| Some((*ordinal, seat.pod.as_ref()?)));
        let stay = pods.filter(|(_, pod)| !pod.terminating && pod.node_problem.is_none());
        stay.filter_map(|(ordinal, pod)| Some((ordinal, pod, pod.trouble.as_ref()?)))
    }

    /// What is under way, as a sentence: of whom, and where it is.
    pub(super) fn step(&self, underway: &Underway) -> String {
        let step = match underway.targets.is_empty() {
            true => underway.step.clone(),
            false => format!("{}: {}", list(&underway.targets), underway.step),
        };
        sentences(&[step])
    }

    /// Ordinals whose pod is of an older template, or whose member has not taken over its configuration.
    pub(super) fn outdated(&self) -> Vec<u32> {
        let ordinals = self.seen.seats.keys().copied();
        ordinals
            .filter(|ordinal| self.view.is_outdated(*ordinal) || self.view.awaits_restart(*ordinal))
            .collect()
    }

    /// Ordinals with such data, or with none.
    pub(super) fn holding(&self, data: Data) -> Vec<u32> {
        self.seen.seats.keys().copied().filter(|ordinal| self.view.data(*ordinal) == data).collect()
    }

    /// Ordinals whose volume is proven to be lost, or whose voter begins with nothing.
    pub(super) fn without_data(&self) -> Vec<u32> {
        let seats = self.seen.seats.iter();
        let lost = seats.filter(|(ordinal, seat)| {
            let gone =
                seat.volume.as_ref().is_some_and(|volume| volume.state.lost_for(self.seen.now).is_some());
            let emptied =
                self.view.data(**ordinal) == Data::Empty && self.view.voter_at(&seat.address).is_some();
            gone || emptied
        });
        lost.map(|(ordinal, _)| *ordinal).collect()
    }

    /// Names of pods.
    pub(super) fn names(&self, ordinals: &[u32]) -> String {
        list(&ordinals.iter().map(|ordinal| self.view.pod_name(*ordinal)).collect::<Vec<_>>())
    }

    /// `main-0 is`, `main-0 and main-1 are`.
    pub(super) fn are(&self, ordinals: &[u32]) -> String {
        format!("{} {}", self.names(ordinals), if ordinals.len() == 1 { "is" } else { "are" })
    }

    /// `main-0 has`, `main-0 and main-1 have`.
    pub(super) fn have(&self, ordinals: &[u32]) -> String {
        format!("{} {}", self.names(ordinals), if ordinals.len() == 1 { "has" } else { "have" })
    }

    /// `3 pods are ready`.
    pub(super) fn ready_pods(&self) -> String {
        match self.ready() {
            1 => "1 pod is ready".to_owned(),
            ready => format!("{ready} pods are ready"),
        }
    }

    /// Ordinals whose member answers and has read other files than its pod holds.
    pub(super) fn unread(&self) -> Vec<u32> {
        let seats = self.seen.seats.iter().filter(|(_, seat)| {
            let expected = seat.pod.as_ref().and_then(|pod| pod.config_hash.as_ref());
            let told = seat.answer.status().map(|status| &status.config_hash);
            expected.zip(told).is_some_and(|(expected, told)| expected != told)
        });
        seats.map(|(ordinal, _)| *ordinal).collect()
    }

    /// What was seen does not tell yet who is of the newest template and configuration.
    pub(super) fn is_unseen(&self) -> bool {
        self.applied.rewritten || self.seen.set.as_ref().is_some_and(|set| !set.observed)
    }

    /// What is wrong with these, a sentence each.
    pub(super) fn troubles_of(&self, ordinals: &[u32]) -> String {
        let troubles = ordinals.iter().filter_map(|ordinal| self.view.trouble(*ordinal));
        sentences(&troubles.collect::<Vec<_>>())
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Each with a full stop, one after the other.
pub(super) fn sentences(texts: &[String]) -> String {
    let full = texts
        .iter()
        .map(|text| if text.ends_with(['.', '!', '?']) { text.clone() } else { format!("{text}.") });
    full.collect::<Vec<_>>().join(" ")
}
