//! `raft-watch` against servers on loopback.

use crate::Client;
use crate::fake_server::FakeServer;

/// What a member of a group answers, its own address and what happened filled in.
fn member(node: &str, state: &str, events: &str) -> String {
    format!(
        r#"{{"Node":"{node}:10008","State":"{state}","Term":4,"Leader":"o1:10008","LastLogIndex":18,
            "Members":[{{"Addr":"o1:10008","HTTPURI":""}},{{"Addr":"o2:10008","HTTPURI":""}}],"Events":[{events}]}}"#
    )
}

const VOTED: &str = r#"{"UnixMicroseconds":1795262400004000,"Kind":"voted","Term":4,"Peer":"o1:10008"}"#;
const WON: &str = r#"{"UnixMicroseconds":1795262400005500,"Kind":"won","Term":4,"Detail":"2 of 3 votes"}"#;

#[tokio::test]
async fn what_all_nodes_remember_is_told_side_by_side_and_ends() {
    let leader = member("o1", "Leader", WON);
    let follower = member("o2", "Follower", VOTED);
    let one = FakeServer::start(&[("/api/raft-events?since=0", 200, &leader)]).await;
    let two = FakeServer::start(&[("/api/raft-events?since=0", 200, &follower)]).await;
    let gone = "http://127.0.0.1:1";
    let outcome = Client::new("-c raft-watch -u 0s")
        .env("ORCHESTRATOR_API", &format!("{} {} {gone}", two.url(), one.url()))
        .run()
        .await;
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{outcome:?}");
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(
        lines[2].starts_with("12:00:00.004 │") && lines[2].contains("│ votes for o1 in term 4"),
        "{lines:#?}"
    );
    assert!(
        lines[3].contains("+1.5 ms │") && lines[3].contains("│ wins term 4 with 2 of 3 votes"),
        "{lines:#?}"
    );
    let standing = lines[4..].join("\n");
    for words in ["leads, term 4, log 18", "follows o1, term 4", "does not answer: Connection"] {
        assert!(standing.contains(words), "{words}: {lines:#?}");
    }
}

#[tokio::test]
async fn it_fails_when_nobody_can_be_asked_and_says_why_of_each() {
    let old = FakeServer::start(&[]).await;
    let alone = r#"{"Code":"ERROR","Message":"raft-events: not running with raft setup"}"#;
    let alone = FakeServer::start(&[("/api/raft-events?since=0", 500, alone)]).await;
    let outcome = Client::new("-c raft-watch -u 0s")
        .env("ORCHESTRATOR_API", &format!("{} {}", old.url(), alone.url()))
        .run()
        .await;
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.stderr.contains("404"), "{outcome:?}");
    assert!(outcome.stderr.contains("not running with raft setup"), "{outcome:?}");
}

#[tokio::test]
async fn a_time_that_makes_no_sense_is_refused_before_anybody_is_asked() {
    let outcome = Client::new("-c raft-watch -u soon").run().await;
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("Invalid duration: soon"), "{outcome:?}");
}

#[tokio::test]
async fn members_are_added_and_removed_by_the_address_of_their_raft_port() {
    let server = FakeServer::start(&[
        ("/api/raft-add-peer/o4:10008", 200, r#""o4:10008""#),
        ("/api/raft-remove-peer/o4", 200, r#"{"Code":"ERROR","Message":"peer is unknown"}"#),
    ])
    .await;
    let run = |line: &'static str| Client::new(line).env("ORCHESTRATOR_API", &server.url()).run();
    let added = run("-c raft-add-peer -H o4:10008").await;
    assert_eq!((added.code, added.stdout.as_str()), (0, "o4:10008\n"));
    let removed = run("-c raft-remove-peer -H o4").await;
    assert_eq!((removed.code, removed.stderr.trim()), (1, "peer is unknown"));
    assert!(run("-c raft-add-peer").await.stderr.contains("hostname must be provided"));
}
