//! What is wrong with a member, in words that name the next human step.

use jiff::SignedDuration;

use super::{Data, View};
use crate::observation::{Answer, Pod, Trouble};

impl View<'_> {
    /// What is wrong with the member of `ordinal`, as a sentence without a full stop that begins with its pod;
    /// `None` = nothing that can be seen.
    #[must_use]
    pub fn trouble(&self, ordinal: u32) -> Option<String> {
        let name = self.pod_name(ordinal);
        let Some(seat) = self.seat(ordinal) else { return Some(format!("{name} has no pod yet")) };
        let lost = seat.volume.as_ref().and_then(|volume| Some((volume, volume.state.lost_for(self.now())?)));
        if let Some((volume, lost)) = lost {
            return Some(format!("{name}: its volume {} is lost for {}", volume.name, short(lost)));
        }
        let Some(pod) = &seat.pod else {
            return Some(format!(
                "{name} has no pod: see kubectl describe statefulset {} for why none is made",
                self.seen.name
            ));
        };
        self.pod_trouble(&name, pod)
            .or_else(|| answer_trouble(&name, pod, &seat.answer))
            .or_else(|| self.data_trouble(&name, ordinal))
    }

    fn pod_trouble(&self, name: &str, pod: &Pod) -> Option<String> {
        if let Some(problem) = &pod.node_problem {
            let node = pod.node.as_deref().unwrap_or("unknown");
            return Some(format!(
                "{name}: node {node} {problem}: bring the node back, or, when it is off for good, delete the Node or \
                 taint it with node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
            ));
        }
        if pod.terminating {
            return Some(format!("{name} is being deleted"));
        }
        let words = |reason: &str, message: &str| match message {
            "" => reason.to_owned(),
            message => format!("{reason}: {message}"),
        };
        Some(match pod.trouble.as_ref()? {
            Trouble::Unschedulable(why) => format!("{name} is Pending: {why}"),
            Trouble::Waiting(reason, message) => {
                format!("{name} does not start: {}", words(reason, message))
            }
            Trouble::Ended(reason, message) => format!("{name} ended: {}", words(reason, message)),
        })
    }

    fn data_trouble(&self, name: &str, ordinal: u32) -> Option<String> {
        let seat = self.seat(ordinal)?;
        let status = seat.answer.status()?;
        match self.data(ordinal) {
            Data::Corrupt => Some(format!("{name} cannot read its data: {}", status.reason)),
            Data::Foreign => Some(format!(
                "{name} holds data of group {}, node {}, which is not its own",
                status.cluster_id, status.node_id
            )),
            Data::Stale => Some(format!(
                "{name} holds data of node {} in epoch {}, which the group let go",
                status.node_id, status.epoch
            )),
            Data::Empty if self.voter_at(&seat.address).is_some() => {
                Some(format!("{name} has lost its data and waits to join as a new member"))
            }
            Data::Empty if self.leader().is_some() => Some(format!("{name} waits to join")),
            Data::Own(node) if self.lag(node).is_some() && !self.is_caught_up(node) => {
                let lag = self.lag(node).unwrap_or(0);
                Some(format!("{name} catches up, {lag} entries behind"))
            }
            _ if !status.status.healthy && !status.reason.is_empty() => {
                Some(format!("{name} is not healthy: {}", status.reason))
            }
            _ => None,
        }
    }

    /// What is wrong with the external member at `address`.
    #[must_use]
    pub fn trouble_outside(&self, address: &str) -> Option<String> {
        let node = self.voter_at(address).or_else(|| self.learner_at(address));
        if node.is_some_and(|node| self.is_heard(node)) {
            return None;
        }
        let answer = self.seen.external.iter().find(|(of, _)| of == address).map(|(_, answer)| answer);
        // Nobody asks who does not lead, so whether its disk is empty is not known: then a person says so.
        let start = format!(
            "start it; it runs outside of Kubernetes (if its disk is empty: orchestrator-client -c raft-add-peer -H \
             {address})"
        );
        Some(match answer {
            Some(Answer::Status(status)) if !status.reason.is_empty() => {
                format!("{address} is not healthy: {}", status.reason)
            }
            Some(Answer::Silent(why)) => format!("{address} does not answer ({why}): {start}"),
            _ => format!("{address} is not heard by the leader: {start}"),
        })
    }

    /// What is wrong with the member at `address`, in Kubernetes or outside.
    #[must_use]
    pub fn trouble_at(&self, address: &str) -> Option<String> {
        match self.ordinal_of(address) {
            Some(ordinal) => self.trouble(ordinal),
            None => self.trouble_outside(address),
        }
    }

    /// What is wrong with each of the voters, or with each of the seats while no list of members is known.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        if self.voters().is_empty() {
            return self.seen.seats.keys().filter_map(|ordinal| self.trouble(*ordinal)).collect();
        }
        self.voters().iter().filter_map(|voter| self.trouble_at(&voter.addr)).collect()
    }
}

fn answer_trouble(name: &str, pod: &Pod, answer: &Answer) -> Option<String> {
    match answer {
        Answer::Status(_) => None,
        Answer::NotAsked => Some(format!("{name} has no address yet")),
        Answer::Silent(why) if pod.ready_since.is_some() => Some(format!(
            "{name} is ready and does not answer the operator ({why}): see whether a NetworkPolicy keeps the operator out"
        )),
        Answer::Silent(why) => Some(format!("{name} does not answer: {why}")),
    }
}

/// A duration as people write it: `45s`, `12m`, `3h`, `2d`.
#[must_use]
pub(crate) fn short(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
