//! A group of real processes that is killed, frozen, cut and restarted at random moments under a stream of commands.
//!
//! After each round all must be well again: nothing that was acknowledged is lost, every node holds the same, each
//! term had one leader, and nobody said of itself what was not so for longer than is promised.

mod faults;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use crate::commands::{Commands, CommandsPlan, Promises};
use crate::dice::Dice;
use crate::group::{Group, GroupPlan};
use crate::hosts::Hosts;
use crate::intent;
use crate::looks::{Looks, Question};
use crate::oracle::{Condition, Report, Truth, World, judge};
use crate::until::{holds, until};

use self::faults::Fault;

/// Two election timeouts are promised; the rest is for a busy machine and for the time between two looks.
const DISAGREES_AT_MOST: Duration = Duration::from_millis(2500);
/// A node that was started answers within this time.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// All apply the same, once nobody writes.
const EQUAL_WITHIN: Duration = Duration::from_secs(20);
/// SIGTERM to the end.
const ENDED_WITHIN: Duration = Duration::from_secs(10);
/// The longest that a fault is left alone before the next, in milliseconds.
const LEFT_ALONE_MS: usize = 2500;
/// Faults of one round at most, one on top of the other.
const FAULTS_OF_A_ROUND: usize = 3;
/// One round in so many ends with the death of everybody.
const EVERYBODY_DIES_IN: usize = 5;

/// What to do.
#[derive(Debug, Clone)]
pub struct SoakPlan {
    /// Number of nodes: 3 or 5.
    pub size: usize,
    /// Of everything that is left to chance.
    pub seed: u64,
    /// No round begins after this time.
    pub lasts: Duration,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Rounds that ended well.
    pub rounds: usize,
    /// Faults by name.
    pub faults: BTreeMap<&'static str, usize>,
    /// Commands that were acknowledged.
    pub acked: usize,
    /// Commands without an answer, or refused.
    pub failed: usize,
    /// Answers about health that were judged.
    pub looks: usize,
    /// The longest disagreement between a node and the oracle.
    pub disagreed: Duration,
    /// The longest that a majority could agree and nobody led.
    pub without_leader: Duration,
    /// Terms that had a leader.
    pub terms: usize,
}

impl Summary {
    fn add(&mut self, report: &Report) {
        self.looks += report.looks;
        self.disagreed = self.disagreed.max(report.worst());
        self.without_leader = self.without_leader.max(report.without_leader);
    }

    /// For people, one line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let faults: Vec<String> = self.faults.iter().map(|(name, count)| format!("{count} {name}")).collect();
        vec![
            format!("{} rounds: {}", self.rounds, faults.join(", ")),
            format!("{} commands acknowledged and kept, {} without an answer", self.acked, self.failed),
            format!(
                "{} answers about health; longest disagreement {} ms, longest without a leader {} ms",
                self.looks,
                self.disagreed.as_millis(),
                self.without_leader.as_millis()
            ),
            format!("{} terms with one leader each", self.terms),
        ]
    }
}

/// Runs rounds until the time is over; `say` hears of each.
///
/// # Errors
/// The first thing that must not be, with the seed.
pub fn run(plan: &SoakPlan, mut say: impl FnMut(&str)) -> Result<Summary> {
    let began = Instant::now();
    let mut soak = Soak::begin(plan)?;
    while began.elapsed() < plan.lasts {
        let round = soak.summary.rounds + 1;
        let story = soak.round().with_context(|| format!("seed {}, round {round}", plan.seed))?;
        say(&format!("{:7.1} s  round {round}: {story}", began.elapsed().as_secs_f64()));
    }
    soak.end().with_context(|| format!("seed {}", plan.seed))
}

struct Soak {
    hosts: Hosts,
    group: Group,
    truth: Truth,
    looks: Looks,
    commands: Commands,
    dice: Dice,
    size: usize,
    /// Frozen now.
    frozen: Vec<usize>,
    summary: Summary,
}

impl Soak {
    fn begin(plan: &SoakPlan) -> Result<Self> {
        let hosts = Hosts::up(plan.size)?;
        let keys = GroupPlan::new(plan.size).set("Debug", false);
        let mut group = Group::prepare_on("soak", &hosts, &keys)?;
        group.start_all()?;
        let addresses: Vec<String> = (0..plan.size).map(|i| hosts.address(i)).collect();
        let truth = Truth::begin(World::well(plan.size));
        let looks = Looks::start(&addresses, &Question::KEPT);
        let commands = Commands::start(&CommandsPlan {
            writers: 6,
            pace: Duration::from_millis(5),
            addresses,
            retry: false,
            seed: plan.seed,
        });
        let dice = Dice::new(plan.seed);
        let (frozen, summary) = (Vec::new(), Summary::default());
        Ok(Self { hosts, group, truth, looks, commands, dice, size: plan.size, frozen, summary })
    }

    /// Faults, one on top of the other, then all is mended and looked at.
    fn round(&mut self) -> Result<String> {
        let before = self.commands.acked();
        let mut names = Vec::new();
        for _ in 0..=self.dice.below(FAULTS_OF_A_ROUND) {
            let leader = self.group.leaders().first().copied();
            let fault = Fault::choose(&mut self.dice, self.size, leader);
            self.strike(&fault).with_context(|| format!("{fault:?} after {names:?}"))?;
            self.leave_alone()?;
            *self.summary.faults.entry(fault.name()).or_default() += 1;
            names.push(fault.name());
        }
        if self.dice.below(EVERYBODY_DIES_IN) == 0 {
            self.strike(&Fault::Kill((0..self.size).collect()))?;
            *self.summary.faults.entry("everybody killed").or_default() += 1;
            names.push("everybody killed");
        }
        let mended = Instant::now();
        self.mend().with_context(|| format!("mending after {names:?}"))?;
        let mended = mended.elapsed();
        self.leave_alone()?;
        self.check().with_context(|| format!("after {names:?}"))?;
        self.summary.rounds += 1;
        let acked = self.commands.acked() - before;
        Ok(format!("{}; well again after {:.1} s; {acked} commands", names.join(", "), mended.as_secs_f64()))
    }

    fn leave_alone(&mut self) -> Result<()> {
        let time = Duration::from_millis(self.dice.below(LEFT_ALONE_MS) as u64);
        holds("nobody ends by itself", time, || self.nobody_ended())
    }

    /// A process that ended and was not killed has something to say.
    fn nobody_ended(&mut self) -> std::result::Result<(), String> {
        let world = self.truth.world().clone();
        let ended = (0..self.size).find(|&i| !world.is_down(i) && !self.group.nodes[i].runs());
        ended.map_or(Ok(()), |i| Err(format!("node {} ended by itself", i + 1)))
    }

    fn strike(&mut self, fault: &Fault) -> Result<()> {
        let (before, mut world) = (Instant::now(), self.truth.world().clone());
        match fault {
            Fault::Kill(nodes) => {
                for &node in nodes.iter().filter(|&&node| self.group.nodes[node].runs()).collect::<Vec<_>>() {
                    self.group.nodes[node].signal(Signal::KILL)?;
                }
                for &node in nodes {
                    world = world.with(node, Condition::Down);
                    self.frozen.retain(|frozen| *frozen != node);
                    self.group.nodes[node].wait_end(ENDED_WITHIN)?;
                }
            }
            Fault::Freeze(node) => {
                if self.group.nodes[*node].runs() && !self.frozen.contains(node) {
                    self.group.nodes[*node].signal(Signal::STOP)?;
                    self.frozen.push(*node);
                }
                world = world.with(*node, Condition::Down);
            }
            Fault::Divide(parts) => {
                let parts: Vec<&[usize]> = parts.iter().map(Vec::as_slice).collect();
                self.hosts.divide(&parts)?;
                world = world.divided(&parts);
            }
            Fault::End(node) => {
                if self.group.nodes[*node].runs() && !self.frozen.contains(node) {
                    // Down from the signal on: what it says while it ends is its own affair.
                    world = world.with(*node, Condition::Down);
                    self.group.nodes[*node].terminate(ENDED_WITHIN)?;
                }
            }
            Fault::Restart(node) => {
                self.strike(&Fault::Kill(vec![*node]))?;
                return self.start(*node);
            }
        }
        self.truth.became(before, world);
        Ok(())
    }

    /// Starts a node and takes it for up once it answers.
    fn start(&mut self, node: usize) -> Result<()> {
        let before = Instant::now();
        self.group.nodes[node].start()?;
        let world = self.truth.world().clone().with(node, Condition::Starting);
        self.truth.became(before, world);
        Ok(())
    }

    /// Everything that was broken is whole again, in random order.
    fn mend(&mut self) -> Result<()> {
        let before = Instant::now();
        self.hosts.heal()?;
        let all: Vec<usize> = (0..self.size).collect();
        let mut world = self.truth.world().clone().divided(&[&all]);
        for node in std::mem::take(&mut self.frozen) {
            self.group.nodes[node].signal(Signal::CONT)?;
            world = world.with(node, Condition::Starting);
        }
        self.truth.became(before, world);
        for node in self.dice.some(self.size, self.size) {
            if !self.group.nodes[node].runs() {
                self.start(node)?;
            }
        }
        for node in all {
            let api = self.group.nodes[node].api.clone();
            until(&format!("node {} answers", node + 1), ANSWERS_WITHIN, || {
                self.nobody_ended()?;
                if api.get("lb-check").is_ok_and(|reply| reply.status == 200) {
                    Ok(())
                } else {
                    Err("silent".to_owned())
                }
            })?;
            let world = self.truth.world().clone().with(node, Condition::Up);
            self.truth.became(Instant::now(), world);
        }
        self.group.wait_healthy()
    }

    /// What must be so whenever all is well.
    fn check(&mut self) -> Result<()> {
        let report = judge(&self.truth, &self.looks.take());
        self.summary.add(&report);
        ensure!(report.led_at_once.is_empty(), "led at once: {:?}", report.led_at_once);
        ensure!(report.worst() <= DISAGREES_AT_MOST, "a disagreement:\n{}", report.lines().join("\n"));
        let sent = self.commands.take();
        self.summary.failed += sent.iter().filter(|it| it.failure.is_some()).count();
        let group = &self.group;
        self.commands.at_rest(|promises| kept(group, promises))?;
        self.truth.forget();
        drop(self.looks.take());
        Ok(())
    }

    fn end(mut self) -> Result<Summary> {
        self.summary.acked = self.commands.acked();
        self.commands.finish()?;
        self.looks.finish()?;
        self.summary.terms = leaders_by_term(&self.group)?;
        self.group.done();
        Ok(self.summary)
    }
}

/// Every node holds the same, and what was promised.
fn kept(group: &Group, promises: &Promises) -> Result<()> {
    let states = intent::of_all(group, EQUAL_WITHIN)?;
    for (i, state) in states.iter().enumerate().skip(1) {
        if let Some(difference) = states[0].difference(state) {
            bail!("nodes 1 and {} differ: {difference}", i + 1);
        }
    }
    let broken = promises.broken_by(&states[0].downtimes());
    ensure!(broken.is_empty(), "acknowledged and lost: {broken:#?}");
    Ok(())
}

/// How many terms had a leader, by the nodes' own logs.
fn leaders_by_term(group: &Group) -> Result<usize> {
    let mut leaders: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (i, node) in group.nodes.iter().enumerate() {
        for term in node.said().lines().filter(|line| line.contains("became leader")).filter_map(term_of) {
            leaders.entry(term).or_default().push(i);
        }
    }
    for (term, nodes) in &leaders {
        ensure!(nodes.iter().all(|node| node == &nodes[0]), "term {term} had the leaders {nodes:?}");
    }
    ensure!(!leaders.is_empty(), "no node told that it became leader");
    Ok(leaders.len())
}

fn term_of(line: &str) -> Option<u64> {
    let after = line.split("term=").nth(1)?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
