//! The memory of a node: the last things that happened, each episode told once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tracing::{Level, info, warn};

use super::{EventKind, Happening};
use crate::local::lock;

/// How many events a node remembers: some dozen elections, about 50 kB.
pub const REMEMBERED: usize = 256;
/// What comes again within this time goes on; what comes later is told anew. Who stands for election asks at least
/// once a second, and a peer that is away is tried twice a second.
const EPISODE: Duration = Duration::from_secs(10);
/// Peers choose what is written here, so there is a limit to what they can start.
const MAX_EPISODES: usize = 128;

/// One thing that happened to a node in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupEvent {
    /// When, in microseconds since the Unix epoch by this node's clock; later ones have larger numbers.
    pub at_micros: u64,
    /// What.
    pub kind: EventKind,
    /// The term that it is about; 0 before the first election.
    pub term: u64,
    /// The other node that it is about: `host:port`.
    pub peer: Option<String>,
    /// A reason, or a number with its words; lower case.
    pub detail: Option<String>,
    /// The log entry that it is about.
    pub log_index: Option<u64>,
    /// How long it took to come to this, in milliseconds.
    pub elapsed_ms: Option<u64>,
}

/// What this node remembers. Cheap when nothing happens: nothing is done per heartbeat.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    events: VecDeque<GroupEvent>,
    /// What goes on, and when it was last seen.
    episodes: BTreeMap<Episode, Instant>,
}

/// What is told once: the kind, the term, whom it is about, and whether that one objects in words of its own.
type Episode = (EventKind, u64, Option<String>, bool);

impl Journal {
    /// Logs and remembers what happened to `node`, unless it goes on.
    pub(crate) fn tell(&self, node: &str, happening: Happening) {
        let told = lock(&self.0).note(Instant::now(), now_micros(), happening);
        if let Some(event) = told {
            log(node, &event);
        }
    }

    /// Remembers what the log was told otherwise.
    pub(crate) fn remember(&self, happening: Happening) {
        lock(&self.0).note(Instant::now(), now_micros(), happening);
    }

    pub(crate) fn tell_all(&self, node: &str, happenings: impl IntoIterator<Item = Happening>) {
        happenings.into_iter().for_each(|happening| self.tell(node, happening));
    }

    /// What was told later than `micros`, in order; 0 for all that is remembered.
    pub(crate) fn since(&self, micros: u64) -> Vec<GroupEvent> {
        let memory = lock(&self.0);
        let first = memory.events.partition_point(|event| event.at_micros <= micros);
        memory.events.range(first..).cloned().collect()
    }

    /// What goes on has ended: it is told when it comes again.
    pub(crate) fn end_episodes(&self) {
        lock(&self.0).episodes.clear();
    }
}

fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

impl Memory {
    fn note(&mut self, now: Instant, micros: u64, happening: Happening) -> Option<GroupEvent> {
        let Happening { kind, term, peer, detail, log_index, elapsed_ms } = happening;
        if kind == EventKind::PeerBack {
            self.episodes.retain(|(of, _, about, _), _| (*of, about) != (EventKind::PeerUnreachable, &peer));
        }
        if comes_again(kind) {
            // A peer that is away is so in any term. That the same silence has several names is no news; what the peer
            // objects to is.
            let of = if kind == EventKind::PeerUnreachable { 0 } else { term };
            let objects = detail.as_deref().is_some_and(|detail| detail.starts_with("refused: "));
            if !self.is_news(now, (kind, of, peer.clone(), objects)) {
                return None;
            }
        }
        // Two things within a microsecond, or a clock that was set back: the order stays.
        let after_last = self.events.back().map_or(0, |last| last.at_micros + 1);
        let at_micros = micros.max(after_last);
        let event = GroupEvent { at_micros, kind, term, peer, detail, log_index, elapsed_ms };
        if self.events.len() == REMEMBERED {
            self.events.pop_front();
        }
        self.events.push_back(event.clone());
        Some(event)
    }

    fn is_news(&mut self, now: Instant, episode: Episode) -> bool {
        self.episodes.retain(|_, seen| now.duration_since(*seen) < EPISODE);
        if let Some(seen) = self.episodes.get_mut(&episode) {
            *seen = now;
            return false;
        }
        let room = self.episodes.len() < MAX_EPISODES;
        if room {
            self.episodes.insert(episode, now);
        }
        room
    }
}

/// What a node without a quorum does again and again; all else is told by who knows that it changed.
fn comes_again(kind: EventKind) -> bool {
    use EventKind::{
        HandingOver, NoVoteAnswer, PeerUnreachable, RefusedVote, Replicating, TimedOut, VoteRefused,
    };
    use EventKind::{WouldGetVote, WouldNotGetVote, WouldNotVote, WouldVote};
    matches!(
        kind,
        TimedOut
            | WouldGetVote
            | WouldNotGetVote
            | WouldVote
            | WouldNotVote
            | NoVoteAnswer
            | VoteRefused
            | RefusedVote
            | Replicating
            | PeerUnreachable
            | HandingOver
    )
}

fn log(node: &str, event: &GroupEvent) {
    let GroupEvent { kind, peer, log_index, elapsed_ms, .. } = event;
    let term = Some(event.term).filter(|term| *term > 0);
    let peer = peer.as_deref();
    let (reason, more) = match event.detail.as_deref() {
        detail if kind.has_reason() => (detail, None),
        detail => (None, detail),
    };
    let message = kind.message();
    let message = more.map_or_else(|| message.to_owned(), |more| format!("{message}: {more}"));
    if kind.level() == Level::WARN {
        warn!(node, term, peer, log_index, elapsed_ms, error = reason, "{message}");
    } else {
        info!(node, term, peer, log_index, elapsed_ms, error = reason, "{message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(by: &str) -> Happening {
        Happening::new(EventKind::VoteRefused, 3).peer(by)
    }

    #[test]
    fn what_goes_on_is_told_once_and_what_begins_anew_again() {
        let (mut memory, began) = (Memory::default(), Instant::now());
        let mut at = |seconds: u64, by| {
            memory.note(began + Duration::from_secs(seconds), seconds, refused(by)).is_some()
        };
        assert!(at(0, "a") && at(0, "b"));
        assert!((1..30).all(|second| !at(second, "a")), "it goes on");
        assert!(at(40, "a"), "it was over");
    }

    #[test]
    fn a_peer_that_is_away_is_told_once_whatever_its_silence_is_called() {
        let (mut memory, began) = (Memory::default(), Instant::now());
        let mut at = |seconds: u64, kind, why: &str| {
            let happening = Happening::new(kind, seconds).peer("a").detail(why);
            memory.note(began + Duration::from_secs(seconds), seconds, happening).is_some()
        };
        use EventKind::{PeerBack, PeerUnreachable};
        assert!(at(0, PeerUnreachable, "no answer in time"));
        assert!(!at(5, PeerUnreachable, "unreachable: connecting took too long"));
        assert!(!at(10, PeerUnreachable, "no answer in time"));
        assert!(at(11, PeerUnreachable, "refused: it belongs to another group"));
        assert!(
            at(12, PeerBack, "") && at(13, PeerUnreachable, "no answer in time"),
            "it was back in between"
        );
    }

    #[test]
    fn what_changed_is_told_each_time() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let stepped_down = || Happening::new(EventKind::SteppedDown, 3);
        assert!((0..5).all(|micros| memory.note(now, micros, stepped_down()).is_some()));
    }

    #[test]
    fn times_grow_whatever_the_clock_does() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for micros in [7, 7, 3, 9] {
            memory.note(now, micros, Happening::new(EventKind::Started, 0));
        }
        let times: Vec<u64> = memory.events.iter().map(|event| event.at_micros).collect();
        assert_eq!(times, [7, 8, 9, 10]);
    }

    #[test]
    fn strangers_cannot_fill_the_log_and_the_memory_has_an_end() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let told = (0..1000).filter(|n| memory.note(now, *n, refused(&n.to_string())).is_some()).count();
        assert_eq!(told, MAX_EPISODES);
        for micros in 0..1000 {
            memory.note(now, micros, Happening::new(EventKind::Started, 0));
        }
        assert_eq!(memory.events.len(), REMEMBERED);
    }

    #[test]
    fn a_watcher_hears_what_is_later_than_what_it_knows() {
        let journal = Journal::default();
        journal.tell("n", Happening::new(EventKind::Started, 0));
        let all = journal.since(0);
        journal.tell("n", Happening::new(EventKind::Formed, 0));
        let later: Vec<EventKind> = journal.since(all[0].at_micros).iter().map(|event| event.kind).collect();
        assert_eq!((all.len(), later.as_slice()), (1, &[EventKind::Formed][..]));
    }
}
