//! What breaks, and how it is mended.

use std::time::Duration;

use tokio::time::Instant;

use super::bug::Bug;
use super::world::World;

/// What ends later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mend {
    /// A process is started again.
    Start(usize),
    /// A way is free.
    Way(usize, usize),
    Loss,
    Latency((u64, u64)),
    Room(usize),
    Speed(usize),
    Backend(usize),
    /// A process goes on.
    Going(usize),
    /// Not mended at all: the power of a machine fails.
    Power(usize),
}

impl World {
    fn later(&mut self, from_ms: u64, to_ms: u64, mend: Mend) {
        let at = Instant::now() + self.around.chance.ms(from_ms, to_ms);
        self.mends.push((at, mend));
    }

    /// Short or long, as it comes.
    fn for_a_while(&mut self, mend: Mend) {
        let long = self.around.chance.percent(40);
        let (from, to) = if long { (1_500, 6_000) } else { (50, 1_200) };
        self.later(from, to, mend);
    }

    pub(crate) fn mend_what_is_due(&mut self) {
        let now = Instant::now();
        let due: Vec<Mend> = self.mends.iter().filter(|(at, _)| *at <= now).map(|(_, mend)| *mend).collect();
        self.mends.retain(|(at, _)| *at > now);
        due.into_iter().for_each(|mend| self.mend(mend));
    }

    fn mend(&mut self, mend: Mend) {
        self.tell(&format!("mended: {mend:?}"));
        match mend {
            Mend::Start(at) if self.places[at].is_off() => self.places[at].start_at = Some(Instant::now()),
            Mend::Start(_) => {}
            Mend::Way(from, to) => self.around.net.mend(from, to),
            Mend::Loss => self.around.net.set_loss(0),
            Mend::Latency(usual) => self.around.net.set_latency(usual),
            Mend::Room(at) => self.places[at].platter.set_full(false),
            Mend::Speed(at) => self.places[at].platter.set_slow(None),
            Mend::Backend(at) => self.report_backend(at, None),
            Mend::Going(at) => self.go_on(at),
            Mend::Power(at) => {
                self.crash(at, true);
                self.places[at].platter.set_lies(false);
            }
        }
    }

    /// One thing breaks.
    pub(crate) fn break_something(&mut self) {
        let chance = self.around.chance.clone();
        let Some(at) = self.victim() else { return };
        let other = chance.range(0, self.places.len() as u64 - 1) as usize;
        self.faults += 1;
        match chance.range(0, 99) {
            0..11 => self.crash(at, false),
            11..15 => self.freeze(at),
            15..25 => self.crash(at, true),
            25..33 => self.cut(at, other),
            33..43 => self.isolate(at),
            43..50 => self.split(),
            50..55 => self.lose(),
            55..59 => self.slow_down(),
            59..65 => self.fill(at),
            65..70 => self.hold_up(at),
            70..74 => self.sicken(at),
            74..80 => self.hand_over(),
            80..84 => self.leave(at),
            84..86 => self.snapshot(at),
            _ => self.change_members(),
        }
        if self.bug == Some(Bug::AcknowledgeBeforeSync) && chance.percent(30) {
            self.tell(&format!("the disk of {} lies", self.places[at].label()));
            self.places[at].platter.set_lies(true);
            self.later(200, 1_500, Mend::Power(at));
        }
    }

    /// Anybody, the leader for preference.
    fn victim(&self) -> Option<usize> {
        let leader = self.leader().map(|(at, _)| at).filter(|_| self.around.chance.percent(40));
        leader.or_else(|| self.around.chance.one_of(&self.running()))
    }

    pub(crate) fn crash(&mut self, at: usize, power: bool) {
        if self.places[at].is_off() {
            return;
        }
        self.tell(&format!(
            "{} {}",
            self.places[at].label(),
            if power { "loses power" } else { "is killed" }
        ));
        self.places[at].die(&self.around, power);
        self.for_a_while(Mend::Start(at));
    }

    /// A process is stopped, or its machine sleeps.
    fn freeze(&mut self, at: usize) {
        self.tell(&format!("{} stands still", self.places[at].label()));
        self.places[at].life.stop();
        self.for_a_while(Mend::Going(at));
    }

    /// It goes on. What it says before it did anything is the oldest that it can say.
    fn go_on(&mut self, at: usize) {
        if self.places[at].life.is_stopped() {
            self.places[at].life.resume();
            self.look();
        }
    }

    fn cut(&mut self, from: usize, to: usize) {
        if from != to {
            self.tell(&format!("nothing from n{} reaches n{}", from + 1, to + 1));
            self.around.net.cut(from, to);
            self.for_a_while(Mend::Way(from, to));
        }
    }

    fn isolate(&mut self, at: usize) {
        self.tell(&format!("{} is cut off", self.places[at].label()));
        self.part(|place| place == at);
    }

    fn split(&mut self) {
        let sides: Vec<bool> = (0..self.places.len()).map(|_| self.around.chance.percent(50)).collect();
        self.tell(&format!("the network is split: {sides:?}"));
        self.part(|place| sides[place]);
    }

    /// Cuts all ways between the two sides for the same time.
    fn part(&mut self, on_one_side: impl Fn(usize) -> bool) {
        let long = self.around.chance.percent(40);
        let time = if long { (1_500, 6_000) } else { (50, 1_200) };
        let end = Instant::now() + self.around.chance.ms(time.0, time.1);
        for from in 0..self.places.len() {
            for to in 0..self.places.len() {
                if on_one_side(from) != on_one_side(to) {
                    self.around.net.cut(from, to);
                    self.mends.push((end, Mend::Way(from, to)));
                }
            }
        }
    }

    fn lose(&mut self) {
        let percent = self.around.chance.range(1, 25);
        self.tell(&format!("{percent} % is lost"));
        self.around.net.set_loss(percent);
        self.for_a_while(Mend::Loss);
    }

    fn slow_down(&mut self) {
        let usual = self.around.net.latency();
        let slow = self.around.chance.range(30, 180);
        self.tell(&format!("the network takes up to {slow} ms"));
        self.around.net.set_latency((0, slow));
        // Whoever slows a slow network down does not make that usual.
        let usual = if usual.1 > 40 { (0, 4) } else { usual };
        self.for_a_while(Mend::Latency(usual));
    }

    fn fill(&mut self, at: usize) {
        self.tell(&format!("the disk of {} is full", self.places[at].label()));
        self.places[at].platter.set_full(true);
        self.for_a_while(Mend::Room(at));
    }

    fn hold_up(&mut self, at: usize) {
        let ms = self.around.chance.range(50, 800);
        self.tell(&format!("the disk of {} takes up to {ms} ms", self.places[at].label()));
        self.places[at].platter.set_slow(Some(ms));
        self.for_a_while(Mend::Speed(at));
    }

    fn sicken(&mut self, at: usize) {
        self.report_backend(at, Some("read-only".into()));
        self.for_a_while(Mend::Backend(at));
    }

    fn report_backend(&mut self, at: usize, problem: Option<String>) {
        self.places[at].sick = problem.is_some();
        self.tell(&format!("the backend of {}: {problem:?}", self.places[at].label()));
        if let Some(node) = self.places[at].node() {
            node.report_backend(problem);
        }
    }

    fn hand_over(&mut self) {
        let Some((at, node)) = self.leader() else { return };
        self.tell(&format!("{} is asked to hand over", self.places[at].label()));
        let truth = self.around.truth.clone();
        self.places[at].run(async move {
            let told = match node.yield_to(None, Duration::from_secs(2)).await {
                Ok(to) => format!("handed over to {}", to.hostname),
                Err(error) => format!("not handed over: {error}"),
            };
            truth.tell(&told);
        });
    }

    fn leave(&mut self, at: usize) {
        self.tell(&format!("{} is told to end", self.places[at].label()));
        self.places[at].leave(Duration::from_secs(1));
    }

    fn snapshot(&mut self, at: usize) {
        if let Some(node) = self.places[at].node() {
            self.places[at].run(async move { drop(node.snapshot(Duration::from_secs(5)).await) });
        }
    }

    /// From now on nothing breaks, and everything is mended.
    pub(crate) fn make_peace(&mut self) {
        self.peace = true;
        self.confirmed_before_peace = self.around.truth.confirmations();
        self.tell("peace");
        let mends: Vec<Mend> = std::mem::take(&mut self.mends).into_iter().map(|(_, mend)| mend).collect();
        mends.into_iter().filter(|mend| !matches!(mend, Mend::Power(_))).for_each(|mend| self.mend(mend));
        for (from, to) in self.around.net.cuts() {
            self.around.net.mend(from, to);
        }
        for place in &mut self.places {
            place.platter.set_lies(false);
            place.platter.set_full(false);
        }
        self.align_lists();
    }
}
