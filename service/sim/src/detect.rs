//! What a node does between recoveries: look, analyse, gather votes, plan, begin, carry on.

use std::{sync::Arc, time::Duration};

use orchestrator_core::{
    InstanceKey, Timestamp,
    analysis::{AnalysisCode, Finding, Response, StaleCoordinates, analyze},
    instance::PromotionRule,
    observation::{Failure, FailureKind, Observation, Outcome, Reading},
    policy::{AnalysisPolicy, Filters},
    recovery::{Recovery, Request, plan},
    topology::Topology,
    verdict::{self, Evidence, Sight, Verdict},
    view::{ActiveRecovery, Declared, Downtime, LOST_IN_RECOVERY},
};

use crate::{
    bug::Bug,
    group::Entry,
    server::{Statement, index, key},
    world::{Event, World},
};

/// Finished recoveries block others of their cluster this long, milliseconds: short, so that one history has several.
const BLOCK_PERIOD_MS: u64 = 3_000;

/// A downtime that outlives every history.
const LONG: Duration = Duration::from_secs(1_000_000);

/// Everything is recovered, and some are banned.
struct Bans(Vec<InstanceKey>);

impl Filters for Bans {
    fn recovers_primaries(&self, _: &str, _: &str) -> bool {
        true
    }
    fn recovers_intermediate_primaries(&self, _: &str, _: &str) -> bool {
        false
    }
    fn bans_promotion(&self, key: &InstanceKey) -> bool {
        self.0.contains(key)
    }
    fn ignores_in_analysis(&self, _: &InstanceKey) -> bool {
        false
    }
    fn ignores_problems(&self, _: &InstanceKey) -> bool {
        false
    }
    fn ignores_for_osc(&self, _: &InstanceKey) -> bool {
        false
    }
}

impl World {
    pub(crate) fn tick(&mut self, node: usize) {
        self.after(150, 350, Event::Tick(node));
        if !self.group.nodes[node].up {
            return;
        }
        let Some(term) = self.group.nodes[node].leads_in else {
            if self.random.percent(8) {
                self.observe(node);
            }
            return;
        };
        self.resume(node, term);
        self.close_doors(node);
        let suspects = self.suspects(node);
        if suspects || self.random.percent(15) {
            self.observe(node);
        }
        if suspects {
            self.consider(node, term);
        }
    }

    /// Carries on with recoveries that this node does not drive.
    fn resume(&mut self, node: usize, term: u64) {
        let unfinished: Vec<usize> = self.group.unfinished().map(|(at, _)| at).collect();
        for entry in unfinished {
            let driven = self.drivers.values().any(|driver| driver.node == node && driver.entry == entry);
            if !driven && !self.has_bug(Bug::DoNotResume) {
                self.take_up(node, term, entry);
            }
        }
    }

    /// Old primaries that came back are made read-only, lost replicas that follow one are detached; what replicates
    /// again from somebody else is not left behind any more.
    fn close_doors(&mut self, node: usize) {
        let opening: Vec<usize> = self
            .group
            .unfinished()
            .filter_map(|(_, entry)| entry.recovery.progress.successor.as_ref())
            .map(crate::server::index)
            .collect();
        for at in self.left_behind.clone() {
            let server = &self.servers[at];
            if opening.contains(&at) {
                continue;
            }
            let source = server.source.filter(|_| server.receiving && !server.detached);
            if source.is_some_and(|source| self.left_behind.contains(&source)) {
                if server.is_awake() && !self.group.nodes[node].cut[at] {
                    self.obey(at, &Statement::Detach, false);
                }
            } else if self.hears(at).is_some() {
                self.left_behind.remove(&at);
            } else if server.is_writable() && server.source.is_none() && !self.group.nodes[node].cut[at] {
                self.obey(at, &Statement::ReadOnly, false);
            }
        }
    }

    /// Somebody that others follow does not answer.
    fn suspects(&self, node: usize) -> bool {
        let sources =
            self.servers.iter().filter(|server| !server.detached).filter_map(|server| server.source);
        sources.into_iter().any(|source| self.sight(node, source) != Sight::Alive)
    }

    fn sight(&self, node: usize, at: usize) -> Sight {
        let server = &self.servers[at];
        let kind = match () {
            () if self.group.nodes[node].cut[at] => FailureKind::ConnectTimeout,
            () if !server.up => FailureKind::Refused,
            () if server.frozen => FailureKind::Silent,
            () => return Sight::Alive,
        };
        Sight::Failed(Failure { kind, error: "simulated".into(), partial: false })
    }

    /// Probes everybody.
    pub(crate) fn observe(&mut self, node: usize) {
        for at in 0..self.servers.len() {
            let outcome = match self.sight(node, at) {
                Sight::Failed(failure) => Outcome::Failed(failure),
                _ => {
                    let server = &self.servers[at];
                    let gone = server
                        .source
                        .is_some_and(|source| !self.servers[source].up && self.is_linked(at, source));
                    let mut instance =
                        server.instance(at, self.now, gone, self.acknowledgements, self.listeners(at));
                    instance.labels.promotion_rule = Some(server.rule);
                    instance.semi_sync.source_status = !self.has_bug(Bug::IgnoreAcknowledgements);
                    Outcome::Read(Box::new(Reading { instance, unread: vec![] }))
                }
            };
            let now = self.timestamp();
            let observation = Observation { key: key(at), started_at: now, finished_at: now, outcome };
            self.group.nodes[node].view.observe(&observation);
        }
    }

    fn declared(&self) -> Declared {
        let mut declared = Declared::default();
        for at in &self.left_behind {
            let downtime = Downtime {
                owner: "orchestrator".into(),
                reason: LOST_IN_RECOVERY.into(),
                begins_at: Timestamp::from_millis(0),
                ends_at: self.timestamp() + LONG,
            };
            declared.downtimes.insert(key(*at), downtime);
        }
        let active = self.group.log.iter().enumerate().map(|(at, entry)| ActiveRecovery {
            uid: at.to_string(),
            id: at as i64,
            failed: entry.recovery.case.failed.clone(),
            cluster: entry.cluster.clone(),
            successor: entry.promoted().cloned(),
            started_at: Timestamp::from_millis(entry.began_at as i64),
            ended_at: entry.ended_at.map(|at| Timestamp::from_millis(at as i64)),
            touched: entry
                .recovery
                .report()
                .map_or_else(Vec::new, |report| report.touched.into_iter().collect()),
        });
        declared.active_recoveries = active.collect();
        declared
    }

    /// From findings to a recovery.
    fn consider(&mut self, node: usize, term: u64) {
        let declared = Arc::new(self.declared());
        if self.has_bug(Bug::ForgetMoves) {
            self.group.nodes[node].view.declared = declared;
        } else {
            self.group.nodes[node].view.declare(declared);
        }
        let view = self.group.nodes[node].view.clone();
        let topology = Topology::of(&view);
        let filters = self.bans();
        let findings = analyze(
            &view,
            &topology,
            &AnalysisPolicy::default(),
            &filters,
            &StaleCoordinates::default(),
            self.timestamp(),
        );
        for finding in findings {
            let answers = finding.code.response() == Response::RecoverPrimary && !finding.is_skippable();
            if !answers || self.has_bug(Bug::DoNotBegin) || self.is_blocked(&finding) {
                continue;
            }
            if !verdict::hearers(&view, &topology, &finding.key).is_empty() || !self.agree(node, &finding) {
                continue;
            }
            let request = Request {
                code: finding.code,
                failed: finding.key.clone(),
                forced: false,
                requested: None,
                skip_hooks: false,
            };
            match plan(&request, &view, &topology, &self.policy, &filters, self.timestamp()) {
                Ok(recovery) => self.begin_recovery(node, term, &finding, recovery),
                Err(refusal) => self.refused(refusal.to_string()),
            }
        }
    }

    fn bans(&self) -> Bans {
        Bans((0..self.servers.len()).filter(|at| self.servers[*at].banned).map(key).collect())
    }

    fn is_blocked(&self, finding: &Finding) -> bool {
        !self.has_bug(Bug::DoNotBlock)
            && self.group.blocks(&finding.cluster, &finding.key, self.now, BLOCK_PERIOD_MS)
    }

    fn refused(&mut self, refusal: String) {
        if self.refusal.as_ref() != Some(&refusal) {
            self.tell(|_| format!("refused: {refusal}"));
            self.refusal = Some(refusal);
        }
    }

    /// Every node looks, and votes.
    fn agree(&self, node: usize, finding: &Finding) -> bool {
        let connected = self.group.connected();
        let primary = index(&finding.key);
        let evidence: Vec<Evidence> = (0..self.group.nodes.len())
            .map(|voter| {
                let hears = voter == node || connected.contains(&voter) && connected.contains(&node);
                let sees = |at: &InstanceKey| self.sight(voter, index(at)) == Sight::Alive;
                let reached = finding.replicas.iter().filter(|replica| sees(replica)).count() as u32;
                Evidence {
                    observer: format!("n{voter}"),
                    primary: if hears {
                        self.sight(voter, primary)
                    } else {
                        Sight::NoAnswer("no answer".into())
                    },
                    replicas_reached: reached,
                    replicas_missed: finding.replicas.len() as u32 - reached,
                    at: self.timestamp(),
                }
            })
            .collect();
        matches!(verdict::decide(self.group.nodes.len(), true, &evidence), Verdict::Dead { .. })
    }

    /// The end of a recovery is later than the opening, and a look in between would tell; but then it was seen.
    fn was_not_seen_since_it_opened(&self, node: usize, primary: &InstanceKey) -> bool {
        let seen = self.group.nodes[node].view.get(primary).and_then(|record| record.checks.last_seen);
        let opened = self.opened_at[index(primary)].map(|at| Timestamp::from_millis(at as i64));
        opened.is_some() && seen < opened
    }

    fn begin_recovery(&mut self, node: usize, term: u64, finding: &Finding, mut recovery: Recovery) {
        if !self.group.takes(node, term) {
            return;
        }
        if self.has_bug(Bug::ForgetRules) {
            let forget = |rule: &mut PromotionRule| *rule = PromotionRule::Neutral;
            recovery.case.replicas.iter_mut().for_each(|replica| forget(&mut replica.rule));
            recovery.case.replicas.iter_mut().for_each(|replica| replica.banned = false);
        }
        self.refusal = None;
        let code: AnalysisCode = finding.code;
        self.tell(|_| format!("n{node} begins a recovery: {code} of {}", finding.key));
        let failed_unseen = self.was_not_seen_since_it_opened(node, &finding.key);
        self.group.log.push(Entry {
            failed_unseen,
            cluster: recovery.case.cluster.clone(),
            seq: 0,
            term,
            recovery,
            began_at: self.now,
            ended_at: None,
        });
        self.take_up(node, term, self.group.log.len() - 1);
    }
}
