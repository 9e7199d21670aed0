//! The stages: what each wants done, and where its results lead.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use super::{
    Action, ActionResult, Case, Choice, HookStage, Progress, Recovery, RecoveryPolicy, Refusal, Reply, Stage,
    choice::{self, Standing},
};
use crate::{gtid::Gtids, key::InstanceKey};

/// How often opening the successor is tried before it is given up. A server that refuses three times within
/// the deadline of each will not do it the fourth time, and a person must look.
const PROMOTE_ATTEMPTS_MAX: u32 = 3;

/// How often replicas that do not answer are asked to stop before a recovery that cannot go on without them is
/// given up: with the deadlines of one attempt, about a minute.
const STOP_ATTEMPTS_MAX: u32 = 60;

/// How often it is waited again for what replicas received after they were stopped. Each time takes a restart of one
/// of them; a fleet that does nothing else must not be without a primary for ever.
const RECHECKS_MAX: u32 = 10;

/// How often opening a fenced primary again is tried: with the pauses between attempts, about half a minute.
const UNFENCE_ATTEMPTS_MAX: u32 = 30;

/// What to tell of one action as soon as it ended; `None` when there is nothing to tell.
pub fn describe(action: &Action, result: &Result<Reply, String>) -> Option<String> {
    let text = match (action, result) {
        (Action::RunHooks(_), _) => return None,
        (Action::Fence(key), Ok(_)) => format!("{key} was made read-only, or will be when it wakes"),
        (Action::Fence(key), Err(error)) => format!("{key} cannot be fenced: {error}"),
        (Action::Unfence(key), Ok(_)) => format!("{key} was opened again"),
        (Action::StopReceiving(key), Ok(Reply::Position { gtids, slow: false })) => {
            format!("{key} stopped receiving, has {gtids}")
        }
        (Action::StopReceiving(key), Ok(Reply::Position { gtids, slow: true })) => {
            format!("{key} stopped receiving (its receiving thread does not stop yet), has {gtids}")
        }
        (Action::ResumeReceiving(key), Ok(_)) => format!("{key} receives again"),
        (Action::Follow { replica, source }, Ok(_)) => format!("{replica} follows {source}"),
        (Action::CatchUp { replica, .. }, Ok(Reply::Done)) => format!("{replica} has what it lacked"),
        (Action::Drain(key), Ok(Reply::Done)) => format!("{key} executed all that it received"),
        (Action::Drain(key) | Action::CatchUp { replica: key, .. }, Ok(_)) => format!("{key} is still at it"),
        (Action::Promote { replica, .. }, Ok(_)) => format!("{replica} is open for writes"),
        (Action::Promote { replica, .. }, Err(error)) => format!("{replica} did not open: {error}"),
        (Action::Detach(key), Ok(_)) => format!("{key} was detached"),
        (Action::Detach(key), Err(error)) => format!("{key} could not be detached: {error}"),
        (
            Action::StopReceiving(_)
            | Action::KeepStopped(_)
            | Action::ResumeReceiving(_)
            | Action::Unfence(_)
            | Action::Follow { .. }
            | Action::CatchUp { .. }
            | Action::Drain(_),
            _,
        ) => return None,
    };
    Some(text)
}

impl Recovery {
    /// What the present stage wants done, all at once and in any order. Asking twice gives the same.
    pub fn actions(&self, policy: &RecoveryPolicy) -> Vec<Action> {
        match self.stage {
            Stage::PreHooks => self.hooks(HookStage::PreFailover),
            Stage::Stop => self.stop_actions(),
            Stage::CatchUp => self.catch_up_actions(),
            Stage::Drain => self.drain_actions(),
            Stage::Promote => self.promote_actions(policy),
            Stage::Announce => self.hooks(HookStage::PostPrimaryFailover),
            Stage::Late => self.late_actions(policy),
            Stage::PostHooks if self.progress.promoted => self.hooks(HookStage::PostFailover),
            Stage::PostHooks => self.hooks(HookStage::PostUnsuccessfulFailover),
            Stage::Restore => self.restore_actions(),
            Stage::Finished => Vec::new(),
        }
    }

    /// Takes the results of the present stage's actions and moves on; returns what to write into the audit.
    pub fn advance(&mut self, results: Vec<ActionResult>, policy: &RecoveryPolicy) -> Vec<String> {
        let mut story = Vec::new();
        let from = self.stage;
        let next = match self.stage {
            Stage::PreHooks => self.after_pre_hooks(results),
            Stage::Stop => self.after_stop(results, policy, &mut story),
            Stage::CatchUp => self.after_catch_up(results, policy, &mut story),
            Stage::Drain => self.after_drain(results, policy, &mut story),
            Stage::Promote => self.after_promote(results, &mut story),
            Stage::Announce => self.note_errors(results, Stage::Late),
            Stage::Late => self.after_late(results, &mut story),
            Stage::PostHooks => self.note_errors(results, Stage::Finished),
            Stage::Restore => self.after_restore(results),
            Stage::Finished => Stage::Finished,
        };
        self.progress.attempts = if next == from { self.progress.attempts + 1 } else { 0 };
        self.stage = next;
        story
    }

    fn successor(&self) -> Option<&InstanceKey> {
        self.progress.successor.as_ref()
    }

    fn hooks(&self, stage: HookStage) -> Vec<Action> {
        if self.case.skip_hooks { Vec::new() } else { vec![Action::RunHooks(stage)] }
    }

    /// Replicas that were reached when they were told to stop, and that may be moved.
    fn answering(&self) -> impl Iterator<Item = InstanceKey> + '_ {
        self.case.followers().filter(|key| self.progress.positions.contains_key(*key)).cloned()
    }

    /// Those that answered before need not be asked again. Those left behind are asked only when nobody can be
    /// promoted without what they have: nobody waits for them else.
    fn stop_actions(&self) -> Vec<Action> {
        let again = self.progress.attempts > 0;
        let asked =
            self.case.replicas.iter().filter(|replica| again && replica.valid || !replica.left_behind);
        let unanswered =
            asked.map(|replica| &replica.key).filter(|key| !self.progress.positions.contains_key(*key));
        unanswered.cloned().map(Action::StopReceiving).collect()
    }

    /// The failed primary is fenced only now that somebody can take its place: before, there is nothing to
    /// take back if nobody can.
    ///
    /// A server that restarts receives again by itself, and may acknowledge to a primary that returned before the
    /// fence: so all are asked once more beside the waiting, which costs no time. But for the slow ones, for which
    /// everybody would wait.
    fn drain_actions(&self) -> Vec<Action> {
        let Some(successor) = self.successor() else { return Vec::new() };
        let stopped = self.answering().filter(|key| !self.progress.slow.contains(key));
        let mut actions = vec![Action::Fence(self.case.failed.clone()), Action::Drain(successor.clone())];
        actions.extend(stopped.map(Action::KeepStopped));
        actions
    }

    fn restore_actions(&self) -> Vec<Action> {
        let Case { failed, .. } = &self.case;
        let unfence = self.progress.fenced.then(|| Action::Unfence(failed.clone()));
        let back = self.answering().map(|replica| match self.progress.strayed.contains(&replica) {
            true => Action::Follow { replica, source: failed.clone() },
            false => Action::ResumeReceiving(replica),
        });
        back.chain(unfence).collect()
    }

    /// The donor executes what it received, the chosen one fetches that from it.
    fn catch_up_actions(&self) -> Vec<Action> {
        let (Some(successor), Some(donor)) = (self.successor(), &self.progress.donor) else {
            return Vec::new();
        };
        let until = self.progress.positions.get(donor).cloned().unwrap_or_default();
        vec![
            Action::Drain(donor.clone()),
            Action::Follow { replica: successor.clone(), source: donor.clone() },
            Action::CatchUp { replica: successor.clone(), until },
        ]
    }

    fn promote_actions(&self, policy: &RecoveryPolicy) -> Vec<Action> {
        let Some(successor) = self.successor() else { return Vec::new() };
        let mut actions = Vec::new();
        if policy.open_successor && !self.progress.promoted {
            let chosen = self.case.replicas.iter().find(|replica| replica.key == *successor);
            let semi_sync =
                self.case.acknowledgements > 0 || chosen.is_some_and(|chosen| chosen.semi_sync_priority > 0);
            actions.push(Action::Promote { replica: successor.clone(), semi_sync });
        }
        let movable = self.answering().filter(|key| key != successor && !self.progress.slow.contains(key));
        let unmoved =
            movable.filter(|key| !self.progress.moved.contains(key) && !self.progress.lost.contains(key));
        actions.extend(unmoved.map(|replica| Action::Follow { replica, source: successor.clone() }));
        actions
    }

    /// Slow ones get their second chance; lost ones are kept from reconnecting.
    fn late_actions(&self, policy: &RecoveryPolicy) -> Vec<Action> {
        let Some(successor) = self.successor() else { return Vec::new() };
        let slow = self.progress.slow.iter().filter(|key| *key != successor);
        let slow = slow.map(|key| Action::Follow { replica: key.clone(), source: successor.clone() });
        let lost =
            self.progress.lost.iter().filter(|_| policy.detach_lost_replicas).cloned().map(Action::Detach);
        slow.chain(lost).collect()
    }

    fn after_pre_hooks(&mut self, results: Vec<ActionResult>) -> Stage {
        match first_error(&results) {
            None => Stage::Stop,
            Some(error) => {
                self.progress.errors.push(format!("a PreFailoverProcesses hook failed: {error}"));
                Stage::PostHooks
            }
        }
    }

    /// While nobody can be chosen for want of those that do not answer, they are asked again: the cluster has no
    /// primary, so there is nothing better to do, and a busy server may well answer the next time.
    fn after_stop(
        &mut self,
        results: Vec<ActionResult>,
        policy: &RecoveryPolicy,
        story: &mut Vec<String>,
    ) -> Stage {
        let mut silent = Vec::new();
        for (action, result) in results {
            match (action, result) {
                (Action::StopReceiving(key), Ok(Reply::Position { gtids, slow })) => {
                    if slow {
                        self.progress.slow.insert(key.clone());
                    }
                    self.progress.refused.remove(&key);
                    self.progress.positions.insert(key, gtids);
                }
                (Action::StopReceiving(key), Ok(Reply::Refused { why })) => {
                    self.progress.refused.insert(key.clone(), why.clone());
                    silent.push((key, why));
                }
                (Action::StopReceiving(key), Ok(_)) => silent.push((key, "told no position".to_string())),
                (Action::StopReceiving(key), Err(error)) => silent.push((key, error)),
                (action, _) => debug_assert!(false, "not an action of this stage: {action:?}"),
            }
        }
        let unasked =
            self.progress.attempts == 0 && self.case.replicas.iter().any(|replica| replica.left_behind);
        if (unasked || !silent.is_empty())
            && self.progress.attempts < STOP_ATTEMPTS_MAX
            && let Err(refusal) = choice::choose(&self.case, policy, self.standing())
        {
            if self.progress.attempts == 0 {
                story.push(format!("asking again, since nobody can be promoted: {refusal}"));
            }
            return Stage::Stop;
        }
        for (key, why) in silent {
            if self.case.followers().any(|follower| *follower == key) {
                self.lose(&key, &why, story);
            }
        }
        self.choose(policy, story)
    }

    fn standing(&self) -> Standing<'_> {
        let Progress { positions, refused, slow, rejected, .. } = &self.progress;
        Standing { positions, refused, slow, rejected }
    }

    /// Chooses among those that answered, and goes where the choice leads.
    fn choose(&mut self, policy: &RecoveryPolicy, story: &mut Vec<String>) -> Stage {
        match choice::choose(&self.case, policy, self.standing()) {
            Ok(Choice { successor, donor, because, others }) => {
                story.push(format!("chose {successor}: {because}"));
                story.extend(self.missing());
                story.extend(others.iter().map(|(key, why)| format!("not {key}: {why}")));
                let next = match &donor {
                    None => {
                        self.progress.fenced = true;
                        Stage::Drain
                    }
                    Some(donor) => {
                        story.push(format!("it fetches what it lacks from {donor} first"));
                        self.progress.strayed.insert(successor.clone());
                        Stage::CatchUp
                    }
                };
                self.progress.successor = Some(successor);
                self.progress.donor = donor;
                next
            }
            Err(refusal) => self.give_up(&refusal, story),
        }
    }

    /// What was seen on the failed primary and cannot be had from anybody: without acknowledgements nobody waited
    /// for it, and nobody can bring it back.
    fn missing(&self) -> Option<String> {
        let reachable = self.progress.positions.values().fold(Gtids::default(), |all, one| all.union(one));
        let missing = self.case.seen.subtract(&reachable);
        (!missing.is_empty()).then(|| {
            format!(
                "lost: {missing} was seen on {} and is on no replica that can be reached",
                self.case.failed
            )
        })
    }

    fn give_up(&mut self, refusal: &Refusal, story: &mut Vec<String>) -> Stage {
        story.push(format!("nobody is promoted: {refusal}"));
        self.progress.errors.push(refusal.to_string());
        self.progress.successor = None;
        self.progress.donor = None;
        Stage::Restore
    }

    fn after_catch_up(
        &mut self,
        results: Vec<ActionResult>,
        policy: &RecoveryPolicy,
        story: &mut Vec<String>,
    ) -> Stage {
        let (Some(successor), Some(donor)) = (self.progress.successor.clone(), self.progress.donor.clone())
        else {
            return self.choose(policy, story);
        };
        if let Some(error) = first_error(&results) {
            story.push(format!("{successor} could not fetch from {donor}: {error}"));
            return self.reject(&successor, policy, story);
        }
        if progressing(&results) {
            return Stage::CatchUp;
        }
        let had = self.progress.positions.get(&successor).cloned().unwrap_or_default();
        let given = self.progress.positions.get(&donor).cloned().unwrap_or_default();
        // It has all of this donor now, so that no donor is asked twice: there are as many rounds as replicas at most.
        self.progress.positions.insert(successor, had.union(&given));
        self.choose(policy, story)
    }

    fn after_drain(
        &mut self,
        results: Vec<ActionResult>,
        policy: &RecoveryPolicy,
        story: &mut Vec<String>,
    ) -> Stage {
        let Some(successor) = self.progress.successor.clone() else { return self.choose(policy, story) };
        let (drains, others): (Vec<_>, Vec<_>) =
            results.into_iter().partition(|(action, _)| matches!(action, Action::Drain(_)));
        let received = self.note_received(others, story);
        if let Some(error) = first_error(&drains) {
            story.push(format!("{successor} does not execute what it received: {error}"));
            return self.reject(&successor, policy, story);
        }
        if received && self.progress.attempts < RECHECKS_MAX {
            return self.choose(policy, story);
        }
        if progressing(&drains) { Stage::Drain } else { Stage::Promote }
    }

    /// Notes what replicas received of the failed primary after they had been stopped; whether there was anything.
    fn note_received(&mut self, results: Vec<ActionResult>, story: &mut Vec<String>) -> bool {
        let (uuid, server_id) = &self.case.origin;
        let mut received = false;
        for (action, result) in results {
            if let (Action::KeepStopped(key), Ok(Reply::Position { gtids, .. })) = (action, result)
                && let Some(position) = self.progress.positions.get_mut(&key)
                && !position.contains(&gtids.of_origin(uuid, *server_id))
            {
                *position = position.union(&gtids);
                story.push(format!("{key} received again after it was stopped, has {position}"));
                received = true;
            }
        }
        received
    }

    /// Somebody else must do; who failed stays where it is.
    fn reject(&mut self, candidate: &InstanceKey, policy: &RecoveryPolicy, story: &mut Vec<String>) -> Stage {
        self.progress.rejected.insert(candidate.clone());
        self.choose(policy, story)
    }

    fn after_promote(&mut self, results: Vec<ActionResult>, story: &mut Vec<String>) -> Stage {
        let mut failed = None;
        let mut opened = !results.iter().any(|(action, _)| matches!(action, Action::Promote { .. }));
        for (action, result) in results {
            match (action, result) {
                (Action::Promote { .. }, Ok(_)) => opened = true,
                (Action::Promote { .. }, Err(error)) => failed = Some(error),
                (Action::Follow { replica, .. }, Ok(_)) => {
                    self.progress.moved.insert(replica);
                }
                (Action::Follow { replica, .. }, Err(error)) => self.lose(&replica, &error, story),
                (action, _) => debug_assert!(false, "not an action of this stage: {action:?}"),
            }
        }
        self.progress.promoted |= opened;
        match failed {
            None => Stage::Announce,
            Some(_) if self.progress.attempts + 1 < PROMOTE_ATTEMPTS_MAX => Stage::Promote,
            Some(error) => {
                self.progress.errors.push(format!("the successor did not open: {error}"));
                Stage::PostHooks
            }
        }
    }

    fn after_late(&mut self, results: Vec<ActionResult>, story: &mut Vec<String>) -> Stage {
        for (action, result) in results {
            match (action, result) {
                (Action::Follow { replica, .. }, Ok(_)) => {
                    self.progress.moved.insert(replica);
                }
                (Action::Follow { replica, .. }, Err(error)) => self.lose(&replica, &error, story),
                // Told when it ended; whether it worked changes nothing.
                (Action::Detach(_), _) => {}
                (action, _) => debug_assert!(false, "not an action of this stage: {action:?}"),
            }
        }
        Stage::PostHooks
    }

    /// A primary that was fenced and that nobody replaced must be opened again, or nobody takes writes: that is
    /// tried for as long as it may only be slow to wake.
    fn after_restore(&mut self, results: Vec<ActionResult>) -> Stage {
        let shut =
            results.iter().any(|(action, result)| matches!(action, Action::Unfence(_)) && result.is_err());
        if shut && self.progress.attempts < UNFENCE_ATTEMPTS_MAX {
            return Stage::Restore;
        }
        self.note_errors(results, Stage::PostHooks)
    }

    fn note_errors(&mut self, results: Vec<ActionResult>, next: Stage) -> Stage {
        self.progress.errors.extend(results.into_iter().filter_map(|(_, result)| result.err()));
        next
    }

    fn lose(&mut self, key: &InstanceKey, why: &str, story: &mut Vec<String>) {
        story.push(format!("{key} is lost: {why}"));
        self.progress.lost.insert(key.clone());
    }
}

fn first_error(results: &[ActionResult]) -> Option<&String> {
    results.iter().find_map(|(_, result)| result.as_ref().err())
}

fn progressing(results: &[ActionResult]) -> bool {
    results.iter().any(|(_, result)| *result == Ok(Reply::Progressing))
}
