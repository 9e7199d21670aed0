//! Driving a recovery as the server does: commit the stage, execute its actions, advance, again.
//!
//! The mandate is asked before each statement is sent; a statement that was sent arrives whatever happens to
//! the node that sent it.

use orchestrator_core::recovery::{Action, ActionResult, Recovery, Reply, Stage};

use crate::{
    bug::Bug,
    rows::Rows,
    server::{Statement, index, key},
    world::{Commit, Event, World},
};

/// Time between two looks of a server at whether what it waits for has come, milliseconds.
const WAIT_STEP_MS: u64 = 40;

/// One node at work on one recovery.
#[derive(Debug, Clone)]
pub(crate) struct Driver {
    pub(crate) node: usize,
    term: u64,
    /// Which recovery of the log.
    pub(crate) entry: usize,
    seq: u64,
    recovery: Recovery,
    outstanding: usize,
    results: Vec<ActionResult>,
}

/// One action under way.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    driver: u64,
    node: usize,
    action: Action,
    /// Actions of several statements: which one is next.
    step: usize,
    /// When waiting ends.
    until: u64,
    /// What was executed when waiting began.
    before: Option<Rows>,
}

/// What one step of an action is.
enum Step {
    Say(Statement),
    WaitApplied,
    WaitFor(Rows),
}

fn steps(action: &Action) -> Vec<Step> {
    match action {
        Action::RunHooks(_) => vec![],
        Action::Fence(_) => vec![Step::Say(Statement::ReadOnly)],
        Action::Unfence(_) => vec![Step::Say(Statement::Open)],
        Action::StopReceiving(_) | Action::KeepStopped(_) => vec![Step::Say(Statement::StopReceiving)],
        Action::ResumeReceiving(_) => vec![Step::Say(Statement::StartReceiving)],
        Action::Follow { source, .. } => vec![Step::WaitApplied, Step::Say(Statement::Follow(index(source)))],
        Action::CatchUp { until, .. } => vec![Step::WaitFor(Rows::of(until))],
        Action::Drain(_) => vec![Step::WaitApplied],
        Action::Promote { .. } => vec![Step::Say(Statement::ResetReplication), Step::Say(Statement::Open)],
        Action::Detach(_) => vec![Step::Say(Statement::Detach)],
    }
}

impl World {
    /// A node takes up a recovery of the log.
    pub(crate) fn take_up(&mut self, node: usize, term: u64, entry: usize) {
        let committed = &self.group.log[entry];
        let (seq, recovery) = (committed.seq, committed.recovery.clone());
        self.tell(|_| {
            format!("n{node} drives recovery {entry} from {} in term {term}", recovery.stage.as_str())
        });
        self.drivers_made += 1;
        let driver = Driver { node, term, entry, seq, recovery, outstanding: 0, results: Vec::new() };
        self.drivers.insert(self.drivers_made, driver);
        self.drive(self.drivers_made);
    }

    fn has_mandate(&self, node: usize, term: u64) -> bool {
        self.has_bug(Bug::IgnoreTerm) && self.group.nodes[node].up || self.group.believes(node, term)
    }

    /// Begins the present stage, and those after it that want nothing done.
    pub(crate) fn drive(&mut self, id: u64) {
        while let Some(mut driver) = self.drivers.remove(&id) {
            let mut actions = driver.recovery.actions(&self.policy);
            // No hooks are configured here.
            actions.retain(|action| !matches!(action, Action::RunHooks(_)));
            let finished = driver.recovery.stage == Stage::Finished;
            if (finished || !actions.is_empty()) && !self.commit(&mut driver) {
                return;
            }
            if finished {
                return;
            }
            if self.may_fail_at_stage(driver.node) {
                return;
            }
            if !actions.is_empty() {
                driver.outstanding = actions.len();
                let (node, term) = (driver.node, driver.term);
                self.drivers.insert(id, driver);
                actions.into_iter().for_each(|action| self.call(id, node, term, action));
                return;
            }
            driver.recovery.advance(Vec::new(), &self.policy);
            self.drivers.insert(id, driver);
        }
    }

    /// Compare-and-set on the sequence number, in the term in which it is driven.
    fn commit(&mut self, driver: &mut Driver) -> bool {
        let fair = self.group.takes(driver.node, driver.term)
            && self.group.log[driver.entry].seq == driver.seq
            && self.group.log[driver.entry].ended_at.is_none();
        let careless = self.has_bug(Bug::IgnoreTerm) && self.has_mandate(driver.node, driver.term);
        if !fair && !careless {
            let (node, entry) = (driver.node, driver.entry);
            self.tell(|_| format!("n{node} may not commit recovery {entry}"));
            return false;
        }
        let entry = &mut self.group.log[driver.entry];
        let (recovery, term_before) = (driver.entry, entry.term);
        self.commits.push(Commit { recovery, node: driver.node, term: driver.term, term_before });
        driver.seq += 1;
        (entry.seq, entry.term) = (driver.seq, driver.term);
        entry.recovery = driver.recovery.clone();
        let stage = driver.recovery.stage;
        let (node, term, seq) = (driver.node, driver.term, driver.seq);
        self.tell(|_| {
            format!("n{node} commits {} of recovery {recovery}, term {term}, seq {seq}", stage.as_str())
        });
        if stage == Stage::Finished {
            self.finish(recovery);
            // As the server does; the other nodes poll.
            self.observe(node);
        }
        true
    }

    fn finish(&mut self, at: usize) {
        let entry = &mut self.group.log[at];
        entry.ended_at = Some(self.now);
        let report = entry.recovery.report();
        let Some(report) = report else { return };
        self.left_behind.extend(report.lost.iter().map(index));
        // As the server: an attempt to open that was not seen to succeed may have.
        if entry.recovery.progress.successor.is_some() {
            self.left_behind.insert(index(&entry.recovery.case.failed));
        }
        if let Some(successor) = &report.successor {
            self.left_behind.remove(&index(successor));
        }
        self.tell(|_| {
            format!(
                "recovery {at} ended: {:?}, lost {:?}, {:?}",
                report.successor, report.lost, report.errors
            )
        });
    }

    fn call(&mut self, driver: u64, node: usize, term: u64, action: Action) {
        let deadline = match &action {
            Action::Drain(_) | Action::CatchUp { .. } => self.policy.drain_deadline,
            _ => self.policy.repoint_deadline,
        };
        let until = self.now + deadline.as_millis() as u64;
        let call = Call { driver, node, action, step: 0, until, before: None };
        self.send(call, term);
    }

    /// Sends the next statement while the term is ours.
    fn send(&mut self, call: Call, term: u64) {
        if !self.has_mandate(call.node, term) {
            return self.after(0, 0, Event::Return(call, Err("this node does not lead any more".into())));
        }
        let late = self.random.percent(10);
        let (from, to) = if late { (50, 600) } else { (1, 20) };
        self.after(from, to, Event::Arrive(call));
    }

    pub(crate) fn arrive(&mut self, call: Call) {
        let at = Self::target(&call.action);
        if !self.servers[at].up || self.group.nodes[call.node].cut[at] {
            return self.after(1, 800, Event::Return(call, Err("out of reach".into())));
        }
        let Some(step) = steps(&call.action).into_iter().nth(call.step) else { return };
        if self.servers[at].frozen {
            return self.arrive_frozen(at, call, step);
        }
        match step {
            Step::Say(Statement::StopReceiving) => self.stop(at, call),
            Step::Say(statement) => {
                let promotes = matches!(call.action, Action::Promote { .. }) && statement == Statement::Open;
                self.obey(at, &statement, promotes);
                self.next(call);
            }
            Step::WaitApplied => {
                let done = self.servers[at].executed.contains(&self.servers[at].received);
                self.wait(at, call, done || self.has_bug(Bug::PromoteBeforeDrain));
            }
            Step::WaitFor(rows) => {
                let done = self.servers[at].executed.contains(&rows);
                self.wait(at, call, done);
            }
        }
    }

    /// The statement waits in the socket; whether it is obeyed after waking depends on who notices first that
    /// the other side hung up.
    fn arrive_frozen(&mut self, at: usize, call: Call, step: Step) {
        let fences = matches!(call.action, Action::Fence(_));
        if let Step::Say(statement) = step
            && (fences || self.random.percent(50))
        {
            self.servers[at].queued.push(statement);
        }
        let result = if fences { Ok(Reply::Done) } else { Err("no answer".into()) };
        self.after(50, 1_000, Event::Return(call, result));
    }

    fn stop(&mut self, at: usize, call: Call) {
        // Only a thread that sits in a reconnect attempt is slow to stop; it receives nothing.
        let slow = self.hears(at).is_none() && self.random.percent(20);
        if !self.has_bug(Bug::DoNotStop) {
            self.obey(at, &Statement::StopReceiving, false);
        }
        let server = &self.servers[at];
        let rows = if self.has_bug(Bug::CompareExecuted) { server.executed } else { server.received };
        let reply = Reply::Position { gtids: rows.gtids(), slow };
        let wait = if slow { 250 } else { 1 };
        self.after(wait, wait + 20, Event::Return(call, Ok(reply)));
    }

    fn next(&mut self, mut call: Call) {
        call.step += 1;
        let reply = Ok(if call.step < steps(&call.action).len() { Reply::Progressing } else { Reply::Done });
        self.after(1, 20, Event::Return(call, reply));
    }

    fn wait(&mut self, at: usize, mut call: Call, done: bool) {
        let executed = self.servers[at].executed;
        let before = *call.before.get_or_insert(executed);
        if done {
            return self.next(call);
        }
        if self.now < call.until && !self.servers[at].stuck {
            return self.after(WAIT_STEP_MS, WAIT_STEP_MS, Event::Arrive(call));
        }
        let moved = matches!(call.action, Action::Drain(_) | Action::CatchUp { .. }) && executed != before;
        let result = if moved { Ok(Reply::Progressing) } else { Err("does not execute".into()) };
        // No more statements of this call.
        call.step = usize::MAX;
        self.after(1, 20, Event::Return(call, result));
    }

    /// An answer arrives: the next statement is sent, or the action is done.
    pub(crate) fn returned(&mut self, call: Call, result: Result<Reply, String>) {
        let Some(driver) = self.drivers.get_mut(&call.driver) else { return };
        let term = driver.term;
        if result == Ok(Reply::Progressing) && call.step < steps(&call.action).len() {
            return self.send(call, term);
        }
        driver.results.push((call.action, result));
        if driver.results.len() < driver.outstanding {
            return;
        }
        let (node, id) = (driver.node, call.driver);
        if !self.has_mandate(node, term) {
            self.drivers.remove(&id);
            return self.tell(|_| format!("n{node} leads no more and stops driving"));
        }
        let Some(driver) = self.drivers.get_mut(&id) else { return };
        let mut results = std::mem::take(&mut driver.results);
        results.sort_by(|(a, _), (b, _)| a.cmp(b));
        let stage = driver.recovery.stage;
        let told = driver.recovery.advance(results, &self.policy);
        let again = driver.recovery.stage == stage;
        told.into_iter().for_each(|line| self.tell(|_| format!("n{node}: {line}")));
        if again { self.after(50, 1_000, Event::Again(id)) } else { self.drive(id) }
    }

    /// What a recovery was about, for people.
    pub(crate) fn describe_recovery(&self, at: usize) -> String {
        let entry = &self.group.log[at];
        let replicas: Vec<_> = entry.recovery.case.replicas.iter().map(|one| one.key.to_string()).collect();
        format!(
            "recovery {at} of {} (replicas {}), stage {}, began at {} ms, promoted {:?}",
            entry.recovery.case.failed,
            replicas.join(", "),
            entry.recovery.stage.as_str(),
            entry.began_at,
            entry.promoted(),
        )
    }

    /// The servers as they are, one line each.
    pub(crate) fn describe_servers(&self) -> String {
        let line = |(at, server): (usize, &crate::server::Server)| {
            format!(
                "{}: up={} frozen={} read_only={} source={:?} hears={:?} executed={:?} received={:?} rule={} banned={} logs={}",
                key(at),
                server.up,
                server.frozen,
                server.read_only,
                server.source.map(key),
                self.hears(at).map(key),
                server.executed.0,
                server.received.0,
                server.rule.as_str(),
                server.banned,
                server.logs_updates,
            )
        };
        self.servers.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
    }
}
