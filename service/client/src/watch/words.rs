//! What happened, in words that are short enough for a column.

use super::table::{Cell, Tone};
use super::told::{Event, Told};

/// The words for a kind of event. `{peer}`, `{term}`, `{detail}` and `{ms}` are filled in; a phrase with something in
/// it that an event lacks is passed over for the next one of the same kind.
const PHRASES: &[(&str, Tone, &str)] = &[
    ("waiting", Tone::Aside, "waits: {detail}"),
    ("formed", Tone::Good, "forms the group: {detail}"),
    ("started", Tone::Aside, "raft starts"),
    ("timed-out", Tone::Bad, "no heartbeat of {peer} for {ms} ms"),
    ("timed-out", Tone::Bad, "no heartbeat: {detail}"),
    ("would-get-vote", Tone::Aside, "{peer} would vote for it"),
    ("would-not-get-vote", Tone::Bad, "{peer} would not vote for it: {detail}"),
    ("no-vote-answer", Tone::Bad, "no vote of {peer}: {detail}"),
    ("candidate", Tone::Plain, "candidate, term {term}: {detail}"),
    ("vote-granted", Tone::Plain, "has the vote of {peer}"),
    ("vote-refused", Tone::Bad, "{peer} refuses its vote: {detail}"),
    ("won", Tone::Good, "wins term {term} with {detail}"),
    ("won", Tone::Good, "wins term {term}"),
    ("lost", Tone::Bad, "loses term {term}: {detail}"),
    ("became-leader", Tone::Good, "LEADS in term {term}"),
    ("stepped-down", Tone::Bad, "steps down: {detail}"),
    ("leader-elected", Tone::Good, "follows {peer} in term {term}"),
    ("leader-lost", Tone::Bad, "has lost {peer}: {detail}"),
    ("leader-back", Tone::Good, "hears {peer} again"),
    ("quorum-lost", Tone::Bad, "{detail}"),
    ("quorum-back", Tone::Good, "has its quorum again"),
    ("would-vote", Tone::Aside, "would vote for {peer}"),
    ("would-not-vote", Tone::Plain, "would not vote for {peer}: {detail}"),
    ("voted", Tone::Plain, "votes for {peer} in term {term}"),
    ("refused-vote", Tone::Plain, "refuses {peer} its vote: {detail}"),
    ("handing-over", Tone::Plain, "hands leadership to {peer}"),
    ("replicating", Tone::Plain, "replicates to {peer}"),
    ("peer-unreachable", Tone::Bad, "cannot reach {peer}: {detail}"),
    ("peer-back", Tone::Good, "reaches {peer} again"),
];

/// What a column says of an event. Kinds that this client does not know are told as the server's log tells them.
pub(super) fn of_event(event: &Event) -> Cell {
    let of_kind = PHRASES.iter().filter(|(kind, ..)| *kind == event.kind);
    let fitting = of_kind.filter_map(|(_, tone, phrase)| Some(Cell::new(*tone, fill(phrase, event)?)));
    fitting.into_iter().next().unwrap_or_else(|| Cell::new(Tone::Plain, as_logged(event)))
}

fn fill(phrase: &str, event: &Event) -> Option<String> {
    let ms = event.elapsed_ms.map(|ms| ms.to_string()).unwrap_or_default();
    let term = event.term.to_string();
    let detail = plain(&event.detail);
    let values = [("{peer}", event.peer.as_str()), ("{term}", &term), ("{detail}", &detail), ("{ms}", &ms)];
    let mut text = phrase.to_owned();
    for (name, value) in values {
        if phrase.contains(name) && value.is_empty() {
            return None;
        }
        text = text.replace(name, value);
    }
    Some(text)
}

/// A reason without what says nothing more to people: that something could not be reached, and the system's number
/// for why.
pub(super) fn plain(reason: &str) -> String {
    let reason = reason.replace("unreachable: ", "").replace("cannot connect: ", "");
    let mut pieces = reason.split(" (os error ");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once(')').map_or("", |(_, rest)| rest))
}

fn as_logged(event: &Event) -> String {
    let Event { message, peer, detail, .. } = event;
    let peer = if peer.is_empty() { String::new() } else { format!(" {peer}") };
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    format!("{message}{peer}{detail}")
}

/// What a column says of how its node stands.
pub(super) fn of_standing(told: &Told) -> Cell {
    let log = told.last_log_index.map(|index| format!(", log {index}")).unwrap_or_default();
    let term = told.term;
    match told.state.as_str() {
        "Leader" => Cell::new(Tone::Good, format!("leads, term {term}{log}")),
        "Follower" => {
            let heard = told.leader_contact_ms.map(|ms| format!(", {ms} ms ago")).unwrap_or_default();
            Cell::new(Tone::Plain, format!("follows {}, term {term}{log}{heard}", told.leader))
        }
        "Shutdown" => Cell::new(Tone::Bad, "has stopped"),
        _ if term == 0 && !told.reason.is_empty() => Cell::new(Tone::Aside, told.reason.clone()),
        _ if told.reason.is_empty() => Cell::new(Tone::Bad, format!("knows no leader, term {term}{log}")),
        _ => Cell::new(Tone::Bad, format!("term {term}{log}: {}", told.reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str) -> Event {
        Event {
            kind: kind.into(),
            message: "as logged".into(),
            term: 4,
            peer: "o2".into(),
            ..Event::default()
        }
    }

    #[test]
    fn every_kind_has_words_and_unknown_ones_are_told_as_the_log_has_them() {
        let text = |event: &Event| of_event(event).text;
        assert_eq!(text(&event("voted")), "votes for o2 in term 4");
        assert_eq!(text(&event("new-kind")), "as logged o2");
        let timed_out = Event { elapsed_ms: Some(761), ..event("timed-out") };
        assert_eq!(text(&timed_out), "no heartbeat of o2 for 761 ms");
        let restarted =
            Event { peer: String::new(), detail: "no leader was heard yet".into(), ..event("timed-out") };
        assert_eq!(text(&restarted), "no heartbeat: no leader was heard yet");
        let gone = "unreachable: Connection refused (os error 111)";
        let away = Event { detail: gone.into(), ..event("peer-unreachable") };
        assert_eq!(text(&away), "cannot reach o2: Connection refused");
        let two =
            "o2: unreachable: Connection refused (os error 111); o3: unreachable: No route (os error 113)";
        assert_eq!(plain(two), "o2: Connection refused; o3: No route");
    }

    #[test]
    fn a_node_says_how_it_stands() {
        let told = Told { term: 4, last_log_index: Some(18), leader: "o1".into(), ..Told::default() };
        let says = |state: &str, told: Told| of_standing(&Told { state: state.into(), ..told }).text;
        assert_eq!(says("Leader", told.clone()), "leads, term 4, log 18");
        let follower = Told { leader_contact_ms: Some(43), ..told.clone() };
        assert_eq!(says("Follower", follower), "follows o1, term 4, log 18, 43 ms ago");
        let lost = Told { reason: "no leader is known".into(), ..told };
        assert_eq!(says("Candidate", lost), "term 4, log 18: no leader is known");
    }
}
