//! What breaks, and how it is mended: servers, networks, nodes, leaders.

use crate::{
    gap::Gap,
    server::key,
    world::{Event, World},
};

/// Something broken that can be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process is gone; what it wrote is not.
    Crashed(usize),
    Frozen(usize),
    /// Out of reach of one node.
    Cut(usize, usize),
    /// Out of reach of every node, not of its peers.
    CutFromAll(usize),
    Unlinked(usize, usize),
    Stuck(usize),
    NodeDown(usize),
    Isolated(usize),
}

/// How often, in percent, a node fails right after it committed a stage.
const FAIL_AT_STAGE_PERCENT: u64 = 6;

impl World {
    pub(crate) fn break_something(&mut self) {
        if self.peace_since.is_some() {
            return;
        }
        self.after(200, 2_500, Event::Break);
        let any = self.random.index(self.servers.len());
        let primary = (0..self.servers.len()).find(|at| self.servers[*at].is_writable());
        let server = if self.random.percent(55) { primary.unwrap_or(any) } else { any };
        let other = self.random.index(self.servers.len());
        let node = self.random.index(self.group.nodes.len());
        let fault = match self.random.range(0, 99) {
            0..30 => Fault::Crashed(server),
            30..45 => Fault::Frozen(server),
            45..52 => Fault::Cut(node, server),
            52..62 => Fault::CutFromAll(server),
            62..72 if server != other => Fault::Unlinked(server.min(other), server.max(other)),
            72..80 => Fault::Stuck(any),
            80..88 => Fault::NodeDown(node),
            _ => Fault::Isolated(node),
        };
        self.inflict(fault);
        // Machines fail together: a rack, a room.
        if self.random.percent(25) {
            let peer = if self.random.percent(60) { Fault::Crashed(any) } else { Fault::CutFromAll(any) };
            self.inflict(peer);
        }
    }

    fn inflict(&mut self, fault: Fault) {
        if !self.apply(&fault) {
            return;
        }
        self.faults += 1;
        self.tell(|_| format!("fault: {fault:?}"));
        let long = self.random.percent(50);
        let (from, to) = if long { (3_000, 9_000) } else { (100, 1_500) };
        self.after(from, to, Event::Mend(fault));
    }

    /// `false` when it was broken already.
    fn apply(&mut self, fault: &Fault) -> bool {
        match fault {
            Fault::Crashed(at) => {
                let was_up = self.servers[*at].up;
                self.servers[*at].crash();
                return was_up;
            }
            Fault::Frozen(at) => {
                let was_awake = self.servers[*at].is_awake();
                self.servers[*at].frozen |= was_awake;
                return was_awake;
            }
            Fault::Cut(node, at) => self.group.nodes[*node].cut[*at] = true,
            Fault::CutFromAll(at) => self.group.nodes.iter_mut().for_each(|node| node.cut[*at] = true),
            Fault::Unlinked(one, other) => return self.links_cut.insert((*one, *other)),
            Fault::Stuck(at) => self.servers[*at].stuck = true,
            Fault::NodeDown(at) => {
                let node = &mut self.group.nodes[*at];
                if !node.up {
                    return false;
                }
                (node.up, node.leads_in) = (false, None);
                self.drivers.retain(|_, driver| driver.node != *at);
                self.lose_leader(*at);
            }
            Fault::Isolated(at) => {
                let node = &mut self.group.nodes[*at];
                if node.isolated || !node.up {
                    return false;
                }
                node.isolated = true;
                self.lose_leader(*at);
            }
        }
        true
    }

    pub(crate) fn mend(&mut self, fault: &Fault) {
        self.tell(|_| format!("mended: {fault:?}"));
        match fault {
            Fault::Crashed(at) if self.dead_for_good == Some(*at) || self.servers[*at].up => {}
            Fault::Crashed(at) => {
                let (now, receives) = (self.now, self.receives_after_restart(*at));
                self.servers[*at].restart(*at, now, receives);
            }
            Fault::Frozen(at) if self.servers[*at].frozen => {
                let obeyed = self.servers[*at].wake();
                self.tell(|_| format!("{} woke and obeyed {obeyed:?}", key(*at)));
            }
            Fault::Frozen(_) => {}
            Fault::Cut(node, at) => self.group.nodes[*node].cut[*at] = false,
            Fault::CutFromAll(at) => self.group.nodes.iter_mut().for_each(|node| node.cut[*at] = false),
            Fault::Unlinked(one, other) => drop(self.links_cut.remove(&(*one, *other))),
            Fault::Stuck(at) => self.servers[*at].stuck = false,
            Fault::NodeDown(at) => self.group.nodes[*at].up = true,
            Fault::Isolated(at) => self.group.nodes[*at].isolated = false,
        }
    }

    /// Known hole, see [`Gap::ReceivesAfterRestart`]: without it, who was stopped or left behind stays stopped.
    fn receives_after_restart(&self, at: usize) -> bool {
        let recovering = self.group.unfinished().next().is_some();
        self.has_gap(Gap::ReceivesAfterRestart)
            || self.servers[at].receiving && !recovering && !self.left_behind.contains(&at)
    }

    /// From now on nothing breaks and everything is mended, but in half of the histories the primary dies for good.
    pub(crate) fn make_peace(&mut self) {
        self.peace_since = Some(self.now);
        self.tell(|_| "peace".into());
        let primary = (0..self.servers.len()).find(|at| self.can_acknowledge(*at));
        if let Some(primary) = primary.filter(|_| self.random.percent(50)) {
            self.dead_for_good = Some(primary);
            self.servers[primary].crash();
            self.tell(|_| format!("{} is dead for good", key(primary)));
        }
        for at in 0..self.servers.len() {
            [Fault::Crashed(at), Fault::Frozen(at), Fault::CutFromAll(at), Fault::Stuck(at)]
                .iter()
                .for_each(|fault| self.mend(fault));
        }
        self.links_cut.clear();
        for at in 0..self.group.nodes.len() {
            [Fault::NodeDown(at), Fault::Isolated(at)].iter().for_each(|fault| self.mend(fault));
        }
        self.after(300, 1_500, Event::Elect);
    }

    /// The moments at which losing a leader hurts most.
    pub(crate) fn may_fail_at_stage(&mut self, node: usize) -> bool {
        if self.peace_since.is_some() || !self.random.percent(FAIL_AT_STAGE_PERCENT) {
            return false;
        }
        let dies = self.random.percent(50);
        self.inflict(if dies { Fault::NodeDown(node) } else { Fault::Isolated(node) });
        dies
    }

    /// The others notice after a while; it may itself believe for longer.
    fn lose_leader(&mut self, node: usize) {
        if self.group.leader != Some(node) {
            return;
        }
        self.group.leader = None;
        if let Some(term) = self.group.nodes[node].leads_in {
            self.after(50, 2_000, Event::StepDown(node, term));
        }
        self.after(200, 1_200, Event::Elect);
    }

    pub(crate) fn elect(&mut self) {
        if self.group.leader.is_some() {
            return;
        }
        if !self.group.has_quorum() {
            return self.after(300, 600, Event::Elect);
        }
        let connected = self.group.connected();
        let leader = connected[self.random.index(connected.len())];
        self.group.term += 1;
        self.group.leader = Some(leader);
        self.group.nodes[leader].leads_in = Some(self.group.term);
        self.tell(|world| format!("n{leader} leads in term {}", world.group.term));
    }

    pub(crate) fn step_down(&mut self, node: usize, term: u64) {
        let node = &mut self.group.nodes[node];
        if node.leads_in == Some(term) {
            node.leads_in = None;
        }
    }
}
