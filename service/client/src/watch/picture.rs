//! What is known of all nodes at a moment, and which rows are due. No clock, no network: times come with the calls.

use super::labels::{labels, names, shortened};
use super::table::{Cell, Table, Tone};
use super::told::{Event, Member, Told};
use super::words;
use crate::endpoint::Endpoint;
use crate::invocation::Screen;

/// Rows wait so long for earlier ones of other nodes: longer than a round of questions takes.
const HOLD_MICROS: u64 = 300_000;
/// When nothing happened for so long after something did, a row says how all stand.
const QUIET_MICROS: u64 = 1_000_000;
/// Rows of the past that a watcher sees first.
const HISTORY_ROWS: usize = 12;

/// The nodes and the rows that wait.
pub(super) struct Picture {
    nodes: Vec<Node>,
    screen: Screen,
    table: Option<Table>,
    waiting: Vec<Row>,
    /// Something was told since the last row that said how all stand; when.
    unsettled: Option<u64>,
    next_id: usize,
    /// Only the last rows of the past are wanted.
    brief: bool,
}

/// One node.
struct Node {
    id: usize,
    endpoint: Endpoint,
    /// Its raft address; empty until it answered.
    addr: String,
    /// The time of the last event that it told.
    since: u64,
    known: Known,
}

enum Known {
    /// It was not asked yet.
    Nothing,
    Told(Box<Told>),
    Silent(String),
}

struct Row {
    at: u64,
    arrived: u64,
    id: usize,
    cell: Cell,
}

/// A node to ask, and for what.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) id: usize,
    pub(super) endpoint: Endpoint,
    pub(super) since: u64,
}

impl Picture {
    /// `brief`: show only the last rows of what the nodes remember.
    pub(super) fn new(endpoints: &[Endpoint], screen: Screen, brief: bool) -> Self {
        let mut picture = Self {
            nodes: Vec::new(),
            screen,
            table: None,
            waiting: Vec::new(),
            unsettled: None,
            next_id: 0,
            brief,
        };
        endpoints.iter().for_each(|endpoint| picture.add(endpoint.clone(), String::new()));
        picture
    }

    fn add(&mut self, endpoint: Endpoint, addr: String) {
        self.nodes.push(Node { id: self.next_id, endpoint, addr, since: 0, known: Known::Nothing });
        self.next_id += 1;
    }

    /// All nodes that were never asked.
    pub(super) fn unasked(&self) -> Vec<usize> {
        self.nodes.iter().filter(|node| matches!(node.known, Known::Nothing)).map(|node| node.id).collect()
    }

    /// What to ask a node next; `None` when it is another one by a second name.
    pub(super) fn question(&self, id: usize) -> Option<Question> {
        let node = self.nodes.iter().find(|node| node.id == id)?;
        Some(Question { id, endpoint: node.endpoint.clone(), since: node.since })
    }

    /// Why nobody answered; empty when somebody ever did.
    pub(super) fn silences(&self) -> Vec<String> {
        if self.nodes.iter().any(|node| !node.addr.is_empty()) {
            return Vec::new();
        }
        let reason = |node: &Node| match &node.known {
            Known::Silent(reason) => Some(format!("{}: {reason}", node.endpoint.shown())),
            _ => None,
        };
        self.nodes.iter().filter_map(reason).collect()
    }

    /// A node answered, or did not.
    pub(super) fn heard(&mut self, id: usize, now: u64, answer: Result<Told, String>) {
        match answer {
            Ok(told) => self.told(id, now, told),
            Err(reason) => self.silent(id, now, reason),
        }
    }

    fn silent(&mut self, id: usize, now: u64, reason: String) {
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) else { return };
        if matches!(node.known, Known::Told(_)) {
            let cell = Cell::new(Tone::Bad, format!("does not answer: {reason}"));
            self.waiting.push(Row { at: now, arrived: now, id, cell });
        }
        node.known = Known::Silent(reason);
    }

    fn told(&mut self, id: usize, now: u64, mut told: Told) {
        let twin = self.nodes.iter().any(|node| node.id != id && node.addr == told.node);
        let Some(at) = self.nodes.iter().position(|node| node.id == id) else { return };
        if twin && self.nodes[at].addr.is_empty() {
            // A second name of a node that is there already.
            self.nodes.remove(at);
            self.waiting.retain(|row| row.id != id);
            return;
        }
        if !self.nodes[at].addr.is_empty() && self.nodes[at].addr != told.node {
            // Something that stands in front of several nodes: this one is asked where it is itself.
            self.go_to_itself(at, &told.members);
            return;
        }
        let node = &mut self.nodes[at];
        node.addr.clone_from(&told.node);
        if matches!(node.known, Known::Silent(_)) && self.table.is_some() {
            let cell = Cell::new(Tone::Good, "answers");
            self.waiting.push(Row { at: now, arrived: now, id, cell });
        }
        let events = std::mem::take(&mut told.events);
        node.since = events.last().map_or(node.since, |last| last.unix_microseconds.max(node.since));
        let endpoint = node.endpoint.clone();
        let members = std::mem::take(&mut told.members);
        node.known = Known::Told(Box::new(told));
        let rows = events.iter().map(|event: &Event| Row {
            at: event.unix_microseconds,
            arrived: now,
            id,
            cell: words::of_event(event),
        });
        self.waiting.extend(rows);
        self.meet(&endpoint, &members);
    }

    fn go_to_itself(&mut self, at: usize, members: &[Member]) {
        let node = &mut self.nodes[at];
        let itself = members.iter().find(|member| member.addr == node.addr);
        if let Some(endpoint) = itself.and_then(|member| node.endpoint.sibling(&member.http_uri).ok()) {
            node.endpoint = endpoint;
        }
    }

    /// Takes in the members that a node knows and we do not.
    fn meet(&mut self, from: &Endpoint, members: &[Member]) {
        for member in members.iter().filter(|member| !member.http_uri.is_empty()) {
            let Ok(endpoint) = from.sibling(&member.http_uri) else { continue };
            let same_place =
                |node: &Node| (&node.endpoint.host, node.endpoint.port) == (&endpoint.host, endpoint.port);
            if let Some(node) = self.nodes.iter_mut().find(|node| node.addr.is_empty() && same_place(node)) {
                node.addr.clone_from(&member.addr);
            }
            if !self.nodes.iter().any(|node| node.addr == member.addr) {
                self.add(endpoint, member.addr.clone());
            }
        }
    }

    /// The rows that are due, the heading before them where it changed.
    pub(super) fn due(&mut self, now: u64) -> Vec<String> {
        if !self.unasked().is_empty() {
            return Vec::new();
        }
        let first = self.table.is_none();
        let mut lines = self.heading();
        let ripe = |row: &&Row| first || now.saturating_sub(row.arrived) >= HOLD_MICROS;
        let until = self.waiting.iter().filter(ripe).map(|row| row.at).max();
        lines.extend(self.rows(until.unwrap_or(0), first && self.brief));
        if first {
            self.unsettled = Some(0);
        } else if until.is_some() {
            self.unsettled = Some(now);
        }
        let quiet = |since: u64| self.waiting.is_empty() && now.saturating_sub(since) >= QUIET_MICROS;
        if self.unsettled.is_some_and(quiet) {
            lines.extend(self.standing(now));
        }
        lines
    }

    /// All that is left.
    pub(super) fn last(&mut self, now: u64) -> Vec<String> {
        let mut lines = self.due(now);
        lines.extend(self.rows(u64::MAX, false));
        if self.unsettled.is_some() {
            lines.extend(self.standing(now));
        }
        lines
    }

    fn addresses(&self) -> Vec<String> {
        let address = |node: &Node| match node.addr.as_str() {
            "" => format!("{}:{}", node.endpoint.host, node.endpoint.port),
            addr => addr.to_owned(),
        };
        self.nodes.iter().map(address).collect()
    }

    fn heading(&mut self) -> Vec<String> {
        let mut named: Vec<(String, Node)> = self.addresses().into_iter().zip(self.nodes.drain(..)).collect();
        named.sort_by(|one, two| one.0.cmp(&two.0));
        self.nodes = named.into_iter().map(|(_, node)| node).collect();
        let names = names(&self.addresses());
        if self.table.as_ref().is_some_and(|table| table.names() == names) {
            return Vec::new();
        }
        let table = self.table.insert(Table::new(names, self.screen.columns, self.screen.colored));
        table.heading()
    }

    /// Rows up to that time, in its order.
    fn rows(&mut self, until: u64, brief: bool) -> Vec<String> {
        self.waiting.sort_by_key(|row| row.at);
        let count = self.waiting.partition_point(|row| row.at <= until);
        let due: Vec<Row> = self.waiting.drain(..count).collect();
        let skipped = if brief { due.len().saturating_sub(HISTORY_ROWS) } else { 0 };
        let addresses = self.addresses();
        let Some(table) = self.table.as_mut() else { return Vec::new() };
        let labels = labels(&addresses);
        let mut lines = Vec::new();
        for row in due.into_iter().skip(skipped) {
            let Some(column) = self.nodes.iter().position(|node| node.id == row.id) else { continue };
            let text = shortened(&row.cell.text, &addresses, &labels);
            lines.extend(table.event(row.at, column, Cell { text, ..row.cell }));
        }
        lines
    }

    fn standing(&mut self, now: u64) -> Vec<String> {
        self.unsettled = None;
        let addresses = self.addresses();
        let Some(table) = self.table.as_mut() else { return Vec::new() };
        let labels = labels(&addresses);
        let cell = |node: &Node| {
            let cell = match &node.known {
                Known::Told(told) => words::of_standing(told),
                Known::Silent(reason) => Cell::new(Tone::Bad, format!("does not answer: {reason}")),
                Known::Nothing => Cell::new(Tone::Aside, "…"),
            };
            Cell { text: shortened(&cell.text, &addresses, &labels), ..cell }
        };
        let cells: Vec<Cell> = self.nodes.iter().map(cell).collect();
        table.standing(now, &cells)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const NOON: u64 = 1_795_262_400_000_000;

    fn picture(urls: &[&str], brief: bool) -> Picture {
        let endpoints: Vec<Endpoint> = urls.iter().map(|url| Endpoint::parse(url).unwrap()).collect();
        Picture::new(&endpoints, Screen { columns: 100, colored: false }, brief)
    }

    fn told(node: u64, state: &str, leader: u64) -> Told {
        let addr = |n: u64| format!("o{n}:10008");
        let member = |n: u64| Member { addr: addr(n), http_uri: format!("http://o{n}:3000") };
        Told {
            node: addr(node),
            state: state.into(),
            term: 1,
            leader: addr(leader),
            last_log_index: Some(9),
            members: vec![member(1), member(2)],
            ..Told::default()
        }
    }

    fn event(at: u64, kind: &str, peer: u64) -> Event {
        Event {
            unix_microseconds: at,
            kind: kind.into(),
            term: 1,
            peer: format!("o{peer}:10008"),
            ..Event::default()
        }
    }

    fn check(lines: &[String], expected: Expect) {
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn one_address_leads_to_all_members_and_rows_are_in_the_order_of_what_happened() {
        let mut picture = picture(&["http://o2:3000"], true);
        picture.heard(0, NOON, Ok(told(2, "Follower", 1)));
        assert!(picture.due(NOON).is_empty(), "the other one was not asked yet");
        assert_eq!(picture.unasked(), [1]);
        picture.heard(1, NOON, Ok(told(1, "Leader", 1)));
        check(
            &picture.due(NOON),
            expect![[r#"
                UTC          │ o1                                        │ o2
                ─────────────┼───────────────────────────────────────────┼───────────────────────────────────────────
                12:00:00.000 │ leads, term 1, log 9                      │ follows o1, term 1, log 9"#]],
        );
        let voted = Told { events: vec![event(NOON + 5_000, "voted", 1)], ..told(2, "Follower", 1) };
        picture.heard(0, NOON + 100_000, Ok(voted));
        let granted = Told { events: vec![event(NOON + 4_000, "vote-granted", 2)], ..told(1, "Leader", 1) };
        picture.heard(1, NOON + 200_000, Ok(granted));
        assert!(picture.due(NOON + 200_000).is_empty(), "an earlier one may come");
        check(
            &picture.due(NOON + 400_000),
            expect![[r#"
                12:00:00.004 │ has the vote of o2                        │
                     +1.0 ms │                                           │ votes for o1 in term 1"#]],
        );
        let settled = picture.due(NOON + 1_500_000).join("\n");
        assert!(settled.starts_with("12:00:01.500 │ leads, term 1"), "{settled}");
        assert_eq!(picture.question(0).unwrap().since, NOON + 5_000);
    }

    #[test]
    fn a_node_that_is_away_is_told_when_it_goes_and_when_it_comes() {
        let mut picture = picture(&["http://o1:3000", "http://o2:3000"], true);
        picture.heard(0, NOON, Ok(told(1, "Leader", 1)));
        picture.heard(1, NOON, Err("connection refused".into()));
        let first = picture.due(NOON).join("\n");
        assert!(first.contains("│ does not answer: connection refused"), "{first}");
        picture.heard(1, NOON + 1, Ok(told(2, "Follower", 1)));
        picture.heard(0, NOON + 2, Err("no answer in time".into()));
        picture.heard(0, NOON + 3, Err("no answer in time".into()));
        check(
            &picture.due(NOON + 900_000),
            expect![[r#"
                12:00:00.000 │                                           │ answers
                     +0.0 ms │ does not answer: no answer in time        │"#]],
        );
        assert!(picture.silences().is_empty());
    }

    #[test]
    fn a_second_name_of_a_node_is_no_second_node() {
        let mut picture = picture(&["http://localhost:3001", "http://o1:3000"], true);
        picture.heard(1, NOON, Ok(told(1, "Leader", 1)));
        picture.heard(0, NOON, Ok(told(1, "Leader", 1)));
        assert!(picture.question(0).is_none(), "asked under its other name only");
        assert_eq!(
            picture.nodes.iter().map(|node| node.addr.as_str()).collect::<Vec<_>>(),
            ["o1:10008", "o2:10008"]
        );
    }

    #[test]
    fn behind_something_in_front_of_all_each_is_asked_where_it_is() {
        let mut picture = picture(&["http://front:80"], true);
        picture.heard(0, NOON, Ok(told(1, "Leader", 1)));
        picture.heard(0, NOON, Ok(told(2, "Follower", 1)));
        assert_eq!(picture.question(0).unwrap().endpoint.host, "o1");
    }

    #[test]
    fn of_the_past_a_watcher_sees_the_end_and_who_asks_for_it_sees_all() {
        let events: Vec<Event> = (0..40).map(|n| event(NOON + n, "voted", 1)).collect();
        for (brief, rows) in [(true, HISTORY_ROWS), (false, 40)] {
            let mut picture = picture(&["http://o2:3000"], brief);
            let past = Told { events: events.clone(), ..told(2, "Follower", 1) };
            picture.heard(0, NOON, Ok(past));
            picture.heard(1, NOON, Err("gone".into()));
            let lines = picture.last(NOON + 1);
            assert_eq!(lines.iter().filter(|line| line.contains("votes for")).count(), rows);
        }
    }

    #[test]
    fn when_nobody_ever_answered_each_says_why() {
        let mut picture = picture(&["http://o1:3000", "http://o2:3000"], true);
        picture.heard(0, NOON, Err("connection refused".into()));
        picture.heard(1, NOON, Err("no answer in time".into()));
        let silences = picture.silences();
        assert_eq!(silences.len(), 2);
        assert_eq!(silences[0], "http://o1:3000/api: connection refused");
    }
}
