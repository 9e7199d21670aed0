//! What nodes say of themselves against what is so.
//!
//! Whoever kills, freezes and cuts knows from the outside which nodes can agree with a majority; who leads among them
//! is learnt from the answers. Nothing here asks anybody: it is a function of what was done and what was seen.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::looks::{Look, Question, Seen};

/// How one node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Killed, ended, or frozen: agrees with nobody.
    Down,
    /// Between down and up: may agree, need not.
    Starting,
    /// Runs, and has answered.
    Up,
}

/// Who runs and who reaches whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    nodes: Vec<Condition>,
    /// The part of the network that each is in; those of one part reach each other.
    part: Vec<usize>,
}

impl World {
    /// All up and connected.
    #[must_use]
    pub fn well(size: usize) -> Self {
        Self { nodes: vec![Condition::Up; size], part: vec![0; size] }
    }

    /// With one node in another condition.
    #[must_use]
    pub fn with(mut self, node: usize, condition: Condition) -> Self {
        self.nodes[node] = condition;
        self
    }

    /// With the network in these parts; who is in none is alone.
    #[must_use]
    pub fn divided(mut self, groups: &[&[usize]]) -> Self {
        for node in 0..self.part.len() {
            let group = groups.iter().position(|group| group.contains(&node));
            self.part[node] = group.unwrap_or(groups.len() + node);
        }
        self
    }

    /// Nodes of the same part as `node`, itself included, in a condition that `counts`.
    fn beside(&self, node: usize, counts: fn(Condition) -> bool) -> Vec<usize> {
        let same = |other: &usize| self.part[*other] == self.part[node] && counts(self.nodes[*other]);
        (0..self.nodes.len()).filter(same).collect()
    }

    fn is_majority(&self, count: usize) -> bool {
        count * 2 > self.nodes.len()
    }

    /// Killed, ended or frozen.
    #[must_use]
    pub fn is_down(&self, node: usize) -> bool {
        self.nodes[node] == Condition::Down
    }

    fn is_up(&self, node: usize) -> bool {
        self.nodes[node] == Condition::Up
    }

    /// It runs, and no majority can hear it.
    fn must_be_sick(&self, node: usize) -> bool {
        let might = self.beside(node, |condition| condition != Condition::Down);
        self.is_up(node) && !self.is_majority(might.len())
    }

    /// It runs, and is one of a majority with `leader`.
    fn follows(&self, node: usize, leader: usize) -> bool {
        let sure = self.beside(node, |condition| condition == Condition::Up);
        self.is_majority(sure.len()) && sure.contains(&node) && sure.contains(&leader)
    }

    /// A majority can agree.
    fn can_lead(&self) -> bool {
        (0..self.nodes.len()).any(|node| self.follows(node, node))
    }
}

/// From when to when something held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: Instant,
    to: Instant,
}

impl Span {
    fn and(self, other: Self) -> Option<Self> {
        let both = Self { from: self.from.max(other.from), to: self.to.min(other.to) };
        (both.from < both.to).then_some(both)
    }
}

/// What was done, and when.
#[derive(Debug, Clone)]
pub struct Truth {
    /// Before the change, after it, and how the world was then.
    changes: Vec<(Instant, Instant, World)>,
}

impl Truth {
    /// The world as it is now.
    #[must_use]
    pub fn begin(world: World) -> Self {
        let now = Instant::now();
        Self { changes: vec![(now, now, world)] }
    }

    /// The world as it is.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.changes[self.changes.len() - 1].2
    }

    /// The world became this, between `before` and now.
    pub fn became(&mut self, before: Instant, world: World) {
        self.changes.push((before, Instant::now(), world));
    }

    /// Begins anew with the world as it is: what was before is judged already.
    pub fn forget(&mut self) {
        *self = Self::begin(self.world().clone());
    }

    /// Spans in which `holds` was so throughout.
    fn spans(&self, end: Instant, holds: impl Fn(&World) -> bool) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut since = None;
        for (before, after, world) in &self.changes {
            match (holds(world), since) {
                (true, None) => since = Some(*after),
                (false, Some(from)) => {
                    spans.push(Span { from, to: *before });
                    since = None;
                }
                _ => {}
            }
        }
        spans.extend(since.map(|from| Span { from, to: end }));
        spans
    }
}

/// The longest that answers differed from what was so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worst {
    /// For how long, proven.
    pub lasted: Duration,
    /// Which node.
    pub node: usize,
    /// When the last such answer was asked for, after the first look of all.
    pub at: Duration,
}

/// What is to be said of a time.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Said to be well, or to lead, where no majority was in reach; the longest for each question.
    pub too_well: BTreeMap<Question, Worst>,
    /// Not said to be well, or not answered at all, where it was; the longest for each question.
    pub too_sick: BTreeMap<Question, Worst>,
    /// Pairs of nodes that are proven to have led at the same moment.
    pub led_at_once: Vec<(usize, usize)>,
    /// The longest that a majority could agree and nobody led.
    pub without_leader: Duration,
    /// How many answers were judged.
    pub looks: usize,
}

impl Report {
    /// The longest disagreement of all.
    #[must_use]
    pub fn worst(&self) -> Duration {
        let all = self.too_well.values().chain(self.too_sick.values());
        all.map(|worst| worst.lasted).max().unwrap_or_default()
    }

    /// A line for each question, for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let of = |worst: Option<&Worst>| worst.copied().unwrap_or_default();
        let questions = Question::ALL
            .iter()
            .filter(|question| self.too_well.contains_key(question) || self.too_sick.contains_key(question));
        let line = |question: &Question| {
            let (well, sick) = (of(self.too_well.get(question)), of(self.too_sick.get(question)));
            format!(
                "{}: too well {} ms (node {}), too sick {} ms (node {}, {:.1} s after the first look)",
                question.name(),
                well.lasted.as_millis(),
                well.node + 1,
                sick.lasted.as_millis(),
                sick.node + 1,
                sick.at.as_secs_f64()
            )
        };
        questions.map(line).collect()
    }
}

/// Compares what was seen with what was so.
#[must_use]
pub fn judge(truth: &Truth, seen: &Seen) -> Report {
    let size = truth.world().nodes.len();
    let Some(end) = seen.values().flatten().map(|look| look.ended).max() else { return Report::default() };
    let first = seen.values().flatten().map(|look| look.sent).min().unwrap_or(end);
    let leader = |node| seen.get(&(node, Question::Leader)).map_or(&[][..], Vec::as_slice);
    let led: Vec<Vec<Span>> = (0..size).map(|node| led(leader(node))).collect();
    let (mut too_well, mut too_sick) = (BTreeMap::new(), BTreeMap::new());
    for ((node, question), looks) in seen {
        let worst = |spans: &[Span], wrong| {
            let (lasted, at) = longest(looks, spans, wrong);
            Worst { lasted, node: *node, at: at.map_or(Duration::ZERO, |at| at - first) }
        };
        if question.needs_majority() {
            let sick = truth.spans(end, |world| world.must_be_sick(*node));
            note(&mut too_well, *question, worst(&sick, Look::yes));
        }
        if let Some(well) = well(truth, end, &led, *node, *question) {
            note(&mut too_sick, *question, worst(&well, |look| !look.yes()));
        }
    }
    Report {
        too_well,
        too_sick,
        led_at_once: led_at_once(seen, size),
        without_leader: without_leader(&truth.spans(end, World::can_lead), &led),
        looks: seen.values().map(Vec::len).sum(),
    }
}

fn note(worsts: &mut BTreeMap<Question, Worst>, question: Question, worst: Worst) {
    let entry = worsts.entry(question).or_insert(worst);
    if worst.lasted > entry.lasted {
        *entry = worst;
    }
}

/// When the answer of `node` must be yes; `None` where nobody can tell.
fn well(
    truth: &Truth,
    end: Instant,
    led: &[Vec<Span>],
    node: usize,
    question: Question,
) -> Option<Vec<Span>> {
    if question.asks_who_leads() {
        return None;
    }
    if !question.needs_majority() {
        return Some(truth.spans(end, |world| world.is_up(node)));
    }
    // One span for each leader, so that an election between two of them is held against nobody.
    let beside = |(leader, led): (usize, &Vec<Span>)| {
        let spans = truth.spans(end, |world| world.follows(node, leader));
        let both = spans.iter().flat_map(|span| led.iter().filter_map(|it| span.and(*it)));
        both.collect::<Vec<_>>()
    };
    Some(led.iter().enumerate().flat_map(beside).collect())
}

/// From the first yes in a row to the last one.
fn led(looks: &[Look]) -> Vec<Span> {
    let rows = looks.chunk_by(|one, next| one.yes() == next.yes());
    let yes = rows.filter(|row| row[0].yes());
    yes.map(|row| Span { from: row[0].ended, to: row[row.len() - 1].sent })
        .filter(|span| span.from < span.to)
        .collect()
}

/// The longest that looks were `wrong` within one of `spans`, and when the last of those was sent.
fn longest(looks: &[Look], spans: &[Span], wrong: fn(&Look) -> bool) -> (Duration, Option<Instant>) {
    let mut worst = (Duration::ZERO, None);
    for span in spans {
        let mut since = span.from;
        for look in looks.iter().filter(|look| look.sent >= span.from && look.ended <= span.to) {
            if !wrong(look) {
                since = look.sent.max(since);
                continue;
            }
            // Nobody said anything until the end; an answer may be of any moment since the question.
            let known = if look.status.is_none() { look.ended } else { look.sent };
            worst = worst.max((known.saturating_duration_since(since), Some(look.sent)));
        }
    }
    worst
}

/// One said yes twice in a row, and between the two answers another was asked and said yes.
fn led_at_once(seen: &Seen, size: usize) -> Vec<(usize, usize)> {
    let asked = |node, question| seen.get(&(node, question)).map_or(&[][..], Vec::as_slice);
    let mut found = Vec::new();
    for one in 0..size {
        let all = [Question::Leader, Question::ProbedLeader];
        let others: Vec<(usize, &Look)> = (0..size)
            .filter(|other| *other != one)
            .flat_map(|other| {
                all.into_iter().flat_map(move |it| asked(other, it)).map(move |look| (other, look))
            })
            .filter(|(_, look)| look.yes())
            .collect();
        for pair in all.into_iter().flat_map(|it| asked(one, it).windows(2)) {
            if !pair[0].yes() || !pair[1].yes() {
                continue;
            }
            let within = |look: &Look| look.sent > pair[0].ended && look.ended < pair[1].sent;
            found.extend(others.iter().filter(|(_, look)| within(look)).map(|(other, _)| (one, *other)));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The longest part of `could` in which nobody led.
fn without_leader(could: &[Span], led: &[Vec<Span>]) -> Duration {
    let mut all: Vec<Span> = led.iter().flatten().copied().collect();
    all.sort_by_key(|span| span.from);
    let mut worst = Duration::ZERO;
    for span in could {
        let mut since = span.from;
        for it in all.iter().filter_map(|it| it.and(*span)) {
            worst = worst.max(it.from.saturating_duration_since(since));
            since = since.max(it.to);
        }
        worst = worst.max(span.to.saturating_duration_since(since));
    }
    worst
}

#[cfg(test)]
mod tests;
