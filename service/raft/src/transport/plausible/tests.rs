use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::transport::Members;
use crate::types::{Entry, StoredMembership};

const LEADER: NodeId = 2;
const TERM: u64 = 5;

fn id(term: u64, index: u64) -> LogId {
    LogId::new_term_index(term, index)
}

fn blank(term: u64, index: u64) -> Entry {
    Entry { log_id: id(term, index), payload: EntryPayload::Blank }
}

/// The peer 2, heard by a node of term 5 that has 10 entries committed, the last one of term 4.
fn speaker() -> Speaker {
    Speaker { from: LEADER, own_term: TERM, committed: Some(id(4, 10)) }
}

fn leads(term: u64) -> Vote {
    Vote::new_committed(term, LEADER)
}

fn request(prev: Option<LogId>, entries: Vec<Entry>) -> AppendEntriesRequest<TypeConfig> {
    AppendEntriesRequest { vote: leads(TERM), prev_log_id: prev, entries, leader_commit: None }
}

fn said(verdict: Verdict) -> Option<String> {
    verdict.err()
}

fn of_append(change: impl FnOnce(&mut AppendEntriesRequest<TypeConfig>)) -> Option<String> {
    let mut request = request(Some(id(4, 10)), vec![blank(4, 11), blank(5, 12)]);
    change(&mut request);
    said(speaker().append(&request))
}

fn members(configs: &[&[NodeId]], named: &[NodeId]) -> openraft::Membership<NodeId, MemberInfo> {
    let configs = configs.iter().map(|ids| ids.iter().copied().collect::<BTreeSet<_>>()).collect::<Vec<_>>();
    let nodes: BTreeMap<_, _> = named.iter().map(|id| (*id, MemberInfo::default())).collect();
    let form = json!({ "configs": configs, "nodes": nodes });
    serde_json::from_value(form).expect("any sets can be written")
}

#[test]
fn what_a_leader_sends_is_taken() {
    assert_eq!(of_append(|_| {}), None);
    assert_eq!(of_append(|it| (it.prev_log_id, it.entries) = (None, Vec::new())), None, "a heartbeat");
    assert_eq!(of_append(|it| it.leader_commit = Some(id(5, 1_000_000))), None, "it is far ahead");
    assert_eq!(of_append(|it| it.entries = vec![blank(5, 11)]), None);
    let first = request(None, vec![blank(0, 0), blank(1, 1)]);
    let new = Speaker { own_term: 0, committed: None, ..speaker() };
    assert_eq!(said(new.append(&first)), None);
}

#[test]
fn nobody_leads_without_being_elected_or_in_the_name_of_another() {
    let elected = of_append(|it| it.vote = Vote::new(TERM, LEADER));
    assert!(elected.is_some_and(|text| text.contains("was not elected")));
    for other in [1, 0, u64::MAX] {
        let other = of_append(|it| it.vote = Vote::new_committed(TERM, other));
        assert_eq!(other.as_deref(), Some("it speaks for another node"));
    }
}

#[test]
fn entries_follow_one_another_and_are_no_more_than_one_message_has() {
    let cases = [
        (None, vec![blank(4, 11)]),
        (Some(id(4, 10)), vec![blank(4, 12)]),
        (Some(id(4, 10)), vec![blank(4, 10)]),
        (Some(id(4, 10)), vec![blank(4, 11), blank(4, 13)]),
        (Some(id(5, 10)), vec![blank(4, 11)]),
    ];
    for (prev, entries) in cases {
        let told = said(Speaker { committed: None, ..speaker() }.append(&request(prev, entries.clone())));
        assert_eq!(told.as_deref(), Some(NO_ORDER), "{prev:?} {entries:?}");
    }
    let many = (0..=MAX_ENTRIES as u64).map(|n| blank(4, 11 + n)).collect();
    assert!(of_append(|it| it.entries = many).is_some_and(|text| text.contains("more entries")));
}

#[test]
fn indexes_near_the_end_of_all_numbers_are_refused_before_anything_is_added_to_them() {
    for index in [INDEX_MAX + 1, i64::MAX as u64, u64::MAX] {
        let told = of_append(|it| (it.prev_log_id, it.entries) = (Some(id(5, index)), vec![blank(5, 0)]));
        assert_eq!(told.as_deref(), Some(BEYOND_LOG));
        assert_eq!(of_append(|it| it.leader_commit = Some(id(5, index))).as_deref(), Some(BEYOND_LOG));
        let asked = VoteRequest::new(Vote::new(TERM + 1, LEADER), Some(id(5, index)));
        assert_eq!(said(speaker().vote(&asked)).as_deref(), Some(BEYOND_LOG));
    }
}

#[test]
fn terms_take_a_step_and_never_the_last_ones() {
    let stands = |term, own_term| {
        let asked = VoteRequest::new(Vote::new(term, LEADER), None);
        said(Speaker { own_term, ..speaker() }.vote(&asked))
    };
    assert_eq!(stands(TERM + 1, TERM), None);
    assert_eq!(stands(1, TERM), None, "the raft library tells it that it is late");
    assert_eq!(stands(TERM + TERM_STEP, TERM), None);
    for term in [TERM + TERM_STEP + 1, u64::MAX - 1, u64::MAX] {
        assert_eq!(stands(term, TERM).as_deref(), Some(BEYOND_TERMS));
        assert_eq!(of_append(|it| it.vote = leads(term)).as_deref(), Some(BEYOND_TERMS));
    }
    assert_eq!(stands(FIRST_TERM_MAX, 0), None, "a new node takes the group's term whatever it is");
    assert_eq!(stands(FIRST_TERM_MAX + 1, 0).as_deref(), Some(BEYOND_TERMS));
    // A group that was taken there still elects.
    assert_eq!(stands(FIRST_TERM_MAX + 1, FIRST_TERM_MAX), None);
}

#[test]
fn no_log_has_a_term_after_its_leaders_own() {
    let later = "its log has entries of a term after its own";
    assert_eq!(of_append(|it| it.entries = vec![blank(6, 11)]).as_deref(), Some(later));
    assert_eq!(of_append(|it| it.leader_commit = Some(id(6, 3))).as_deref(), Some(later));
    let asked = VoteRequest::new(Vote::new(TERM, LEADER), Some(id(6, 3)));
    assert_eq!(said(speaker().vote(&asked)).as_deref(), Some(later));
}

#[test]
fn what_is_committed_is_contradicted_by_nobody_but_a_former_leader() {
    let contradicts = |prev| of_append(|it| (it.prev_log_id, it.entries) = (Some(prev), Vec::new()));
    for prev in [id(3, 10), id(5, 10), id(5, 9), id(3, 11)] {
        assert_eq!(contradicts(prev).as_deref(), Some(CONTRADICTION), "{prev}");
    }
    for prev in [id(4, 10), id(4, 9), id(1, 9), id(5, 11), id(4, 11)] {
        assert_eq!(contradicts(prev), None, "{prev}");
    }
    let former = of_append(|it| {
        (it.vote, it.prev_log_id, it.entries) = (leads(3), Some(id(3, 10)), Vec::new());
    });
    assert_eq!(former, None);
}

#[test]
fn a_group_has_voters_that_have_names() {
    let with = |configs: &[&[NodeId]], named: &[NodeId]| said(check_members(&members(configs, named)));
    assert_eq!(with(&[&[1, 2]], &[1, 2, 3]), None);
    assert_eq!(with(&[&[1], &[1, 2]], &[1, 2]), None);
    let none: &[NodeId] = &[];
    for configs in [&[][..], &[none], &[&[1], none], &[&[1], &[1], &[1]], &[&[9]], &[&[0]]] {
        assert!(with(configs, &[1, 2]).is_some(), "{configs:?}");
    }
    let entry = Entry { log_id: id(4, 11), payload: EntryPayload::Membership(members(&[], &[1])) };
    assert!(of_append(|it| it.entries = vec![entry]).is_some_and(|text| text.contains("no voters")));
}

#[test]
fn a_raft_snapshot_reaches_neither_beyond_its_leader_nor_back_behind_what_is_committed() {
    let announced = |last: LogId, of: LogId| {
        let membership = StoredMembership::new(Some(of), members(&[&[1, 2]], &[1, 2]));
        let begin = SnapshotBegin {
            vote: leads(TERM),
            last_log: Some(last),
            membership,
            ..SnapshotBegin::outside_a_log(1, 0, String::new())
        };
        said(speaker().snapshot(&begin))
    };
    assert_eq!(announced(id(5, 20), id(4, 3)), None);
    assert_eq!(announced(id(4, 10), id(4, 3)), None, "what this node has already");
    assert!(announced(id(6, 20), id(4, 3)).is_some_and(|text| text.contains("after its own")));
    assert_eq!(announced(id(5, 10), id(4, 3)).as_deref(), Some(CONTRADICTION));
    assert!(announced(id(5, 20), id(5, 21)).is_some_and(|text| text.contains("of a later time")));
}

#[test]
fn an_answer_is_about_what_was_asked() {
    let asked = request(Some(id(4, 10)), vec![blank(4, 11), blank(5, 12)]);
    let told = |answer, acknowledged| said(check_appended(&answer, &asked, TERM, acknowledged));
    assert_eq!(told(AppendEntriesResponse::Success, None), None);
    assert_eq!(told(AppendEntriesResponse::Conflict, Some(9)), None);
    assert!(told(AppendEntriesResponse::Conflict, Some(10)).is_some_and(|text| text.contains("denies")));
    for (upto, taken) in [(10, true), (11, true), (12, false), (9, false)] {
        let answer = AppendEntriesResponse::PartialSuccess(Some(id(4, upto)));
        assert_eq!(told(answer, None).is_none(), taken, "{upto}");
    }
    assert!(told(AppendEntriesResponse::PartialSuccess(None), None).is_some());
    let higher = |term| told(AppendEntriesResponse::HigherVote(Vote::new(term, 3)), None);
    assert_eq!((higher(TERM + 1), higher(u64::MAX).is_some()), (None, true));
    let beginning = request(None, vec![blank(0, 0)]);
    let conflict = check_appended(&AppendEntriesResponse::Conflict, &beginning, TERM, None);
    assert_eq!(said(conflict).as_deref(), Some("it contradicts the beginning of the log"));
}

#[test]
fn a_voter_cannot_take_the_candidate_to_the_end_of_all_terms() {
    let answer = |term, index| VoteResponse::new(Vote::new(term, 3), Some(id(1, index)), false);
    assert_eq!(said(check_voted(&answer(TERM, 7), TERM)), None);
    assert_eq!(said(check_voted(&answer(u64::MAX, 7), TERM)).as_deref(), Some(BEYOND_TERMS));
    assert_eq!(said(check_voted(&answer(TERM, u64::MAX), TERM)).as_deref(), Some(BEYOND_LOG));
}

fn report() -> NodeReport {
    let name = PeerName::parse("orc-1").expect("a name");
    NodeReport {
        info: MemberInfo { raft_addr: name.as_str().into(), ..MemberInfo::default() },
        nodes: vec![name.clone()],
        name,
        cluster: None,
        node_id: None,
        epoch: 0,
        vote: None,
        last_log: None,
        members: None,
    }
}

#[test]
fn a_node_describes_itself_with_names_and_numbers_that_can_be() {
    let told = |change: &dyn Fn(&mut NodeReport)| {
        let mut report = report();
        change(&mut report);
        said(check_report(&report, TERM))
    };
    assert_eq!(told(&|_| {}), None);
    let odd: PeerName = serde_json::from_value(json!("a\nb:7")).expect("any text");
    let changes: [&dyn Fn(&mut NodeReport); 9] = [
        &|it| it.name = odd.clone(),
        &|it| it.nodes = vec![odd.clone()],
        &|it| it.nodes = vec![it.name.clone(); MAX_NODES + 1],
        &|it| it.info.hostname = "h".repeat(TEXT_MAX + 1),
        &|it| it.info.http_uri = "http://a\x1b[2J".into(),
        &|it| it.vote = Some(Vote::new(u64::MAX, 3)),
        &|it| it.last_log = Some(id(1, u64::MAX)),
        &|it| it.members = Some(Members { index: u64::MAX, ids: Vec::new() }),
        &|it| it.members = Some(Members { index: 1, ids: vec![1; MEMBERS_MAX + 1] }),
    ];
    for (n, change) in changes.iter().enumerate() {
        assert!(told(change).is_some(), "change {n}");
    }
}

#[test]
fn only_a_command_of_a_later_version_is_newer_and_the_rest_of_its_request_makes_sense() {
    let body = |command| {
        let entry = json!({ "log_id": id(4, 11), "payload": { "Normal": command } });
        let request = json!({
            "vote": leads(TERM), "prev_log_id": id(4, 10), "leader_commit": null, "entries": [entry],
        });
        serde_json::to_vec(&request).expect("JSON")
    };
    let newer = newer_command(&body(json!({ "v": COMMAND_VERSION + 1, "c": { "FromTheFuture": {} } })));
    assert_eq!(newer.map(|request| said(speaker().append(&request))), Some(None));
    for command in [
        json!({ "v": COMMAND_VERSION, "c": { "FromTheFuture": {} } }),
        json!({ "v": COMMAND_VERSION + 1 }),
        json!({ "v": -1, "c": {} }),
        json!("v"),
        json!(null),
    ] {
        assert!(newer_command(&body(command.clone())).is_none(), "{command}");
    }
    for body in [&b""[..], b"{}", b"[]", b"{\"entries\": 7}", b"\xff", b"{\"entries\": [{}]}"] {
        assert!(newer_command(body).is_none(), "{body:?}");
    }
}
