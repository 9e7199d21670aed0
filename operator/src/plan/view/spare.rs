//! Whom the group can spare, and whom it has to do without anyway.

use jiff::SignedDuration;

use super::View;

impl View<'_> {
    /// The pod of `ordinal` cannot run, and nobody answers there.
    #[must_use]
    pub fn is_dead(&self, ordinal: u32) -> bool {
        let seat = self.seat(ordinal);
        seat.is_some_and(|seat| {
            seat.answer.status().is_none() && seat.pod.as_ref().is_some_and(|pod| pod.trouble.is_some())
        })
    }

    /// The pod of `ordinal` was made from an older template.
    #[must_use]
    pub fn is_outdated(&self, ordinal: u32) -> bool {
        let newest = self.seen.set.as_ref().filter(|set| set.observed && !set.update_revision.is_empty());
        newest.zip(self.pod(ordinal)).is_some_and(|(set, pod)| pod.revision != set.update_revision)
    }

    /// The member of `ordinal` read a key that holds only from its next start.
    #[must_use]
    pub fn awaits_restart(&self, ordinal: u32) -> bool {
        let seat = self.seat(ordinal);
        seat.and_then(|seat| Some((seat.answer.status()?, seat.pod.as_ref()?))).is_some_and(
            |(status, pod)| {
                !status.needs_restart.is_empty()
                    && pod.config_hash.as_ref().is_some_and(|hash| *hash == status.config_hash)
            },
        )
    }

    /// The group counts on the member of `ordinal`.
    #[must_use]
    pub fn counts_on(&self, ordinal: u32) -> bool {
        let address = self.seat(ordinal).map(|seat| seat.address.as_str());
        self.voters().iter().any(|voter| Some(voter.addr.as_str()) == address && self.contributes(voter))
    }

    /// Why the pod of `ordinal` may not be ended now; `None` = it may. `keeps_disk`: it comes back as the same member.
    ///
    /// A majority must remain in force, nobody else may be away, and all others must have been well for
    /// `update.minReadySeconds`. A pod that contributes nothing may always be ended while there is a quorum; that of
    /// the only voter may be restarted, since who runs one member accepts its restarts.
    #[must_use]
    pub fn indispensable(&self, ordinal: u32, keeps_disk: bool) -> Option<String> {
        if self.is_dead(ordinal) && keeps_disk {
            return None;
        }
        if !self.has_quorum() {
            return Some("too few members are healthy".into());
        }
        if !self.counts_on(ordinal) && keeps_disk {
            return None;
        }
        let address = self.seat(ordinal).map(|seat| seat.address.as_str());
        let is_voter = self.voters().iter().any(|voter| Some(voter.addr.as_str()) == address);
        if !is_voter {
            return self.somebody_away(ordinal);
        }
        if self.voters().len() == 1 {
            return (!keeps_disk).then(|| "it is the only voter".into());
        }
        let others = self.somebody_away(ordinal).or_else(|| self.somebody_unwell(ordinal));
        others.or_else(|| self.too_few_left(ordinal)).or_else(|| self.budget_is_spent(ordinal))
    }

    /// Two voters are a majority only together.
    fn too_few_left(&self, ordinal: u32) -> Option<String> {
        let left = self.contributing().len() - usize::from(self.counts_on(ordinal));
        let voters = self.voters().len();
        (left < self.majority()).then(|| format!("{left} of {voters} voters would be no majority"))
    }

    /// The disruption budget counts every pod that the StatefulSet shall have, also one that does not vote yet.
    fn budget_is_spent(&self, ordinal: u32) -> Option<String> {
        let replicas = self.seen.set.as_ref().map_or(0, |set| set.replicas);
        let mut others = (0..replicas).filter(|other| *other != ordinal);
        let away = others.find(|other| self.pod(*other).is_none_or(|pod| pod.ready_since.is_none()))?;
        Some(self.trouble(away).unwrap_or_else(|| format!("{} is not ready yet", self.pod_name(away))))
    }

    /// Another pod that is being deleted, or another member that is being replaced.
    fn somebody_away(&self, ordinal: u32) -> Option<String> {
        let mut others = self.seen.seats.iter().filter(|(other, _)| **other != ordinal);
        let away = others.find(|(_, seat)| {
            let is_going = seat.pod.as_ref().is_some_and(|pod| pod.terminating);
            let is_replaced =
                self.voter_at(&seat.address).is_some() && self.learner_at(&seat.address).is_some();
            is_going || is_replaced
        });
        let (other, _) = away?;
        Some(self.trouble(*other).unwrap_or_else(|| format!("{} is being replaced", self.pod_name(*other))))
    }

    /// Another voter on which the group cannot count for long enough yet.
    fn somebody_unwell(&self, ordinal: u32) -> Option<String> {
        let own = self.seat(ordinal).map(|seat| seat.address.as_str());
        let mut others = self.voters().iter().filter(|voter| Some(voter.addr.as_str()) != own);
        let unwell =
            others.find(|voter| !self.contributes(voter) || !self.is_well_long_enough(&voter.addr))?;
        let trouble = self.trouble_at(&unwell.addr);
        Some(
            trouble.unwrap_or_else(|| {
                format!("{} is not healthy for long enough yet", self.called(&unwell.addr))
            }),
        )
    }

    fn is_well_long_enough(&self, address: &str) -> bool {
        let Some(ordinal) = self.ordinal_of(address) else { return true };
        let wait = SignedDuration::from_secs(self.seen.spec.update.min_ready_seconds.into());
        let ready = self.pod(ordinal).and_then(|pod| pod.ready_since);
        ready.is_some_and(|since| self.now().duration_since(since) >= wait)
    }

    /// The best member to lead in place of the leader, of those that `may` and on which the group counts: in
    /// Kubernetes rather than outside, of the newest template, the least behind, the lowest ordinal.
    #[must_use]
    pub fn heir(&self, may: impl Fn(&str) -> bool) -> Option<&str> {
        let leader = self.leader()?.status.node_id;
        let fit = self
            .voters()
            .iter()
            .filter(|voter| voter.node_id != leader && may(&voter.addr) && self.contributes(voter));
        let best = fit.min_by_key(|voter| {
            let ordinal = self.ordinal_of(&voter.addr);
            let is_old = ordinal.is_some_and(|ordinal| self.is_outdated(ordinal));
            (ordinal.is_none(), is_old, self.lag(voter.node_id), ordinal)
        });
        best.map(|voter| voter.addr.as_str())
    }
}
