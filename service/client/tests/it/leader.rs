//! Which of several servers gets the command.

use expect_test::expect;

use crate::Client;
use crate::fake_server::{FakeServer, refusing, silent};

const CLUSTERS: (&str, u16, &str) = ("/api/clusters-info", 200, r#"[{"ClusterName":"db1:3306"}]"#);
const LEADS: (&str, u16, &str) = ("/api/leader-check", 200, r#""OK""#);
const FOLLOWS: (&str, u16, &str) = ("/api/leader-check", 404, r#""Not leader""#);

#[tokio::test]
async fn the_leader_is_found_behind_two_dead_servers() {
    let (_held, refusing) = refusing();
    let (_listener, silent) = silent().await;
    let leader = FakeServer::start(&[LEADS, CLUSTERS]).await;
    let urls = [refusing, silent, leader.url()].join("  ");
    let outcome = Client::new("-c clusters").env("ORCHESTRATOR_API", &urls).run().await;
    outcome.check(
        &[],
        expect![[r#"
            exit 0
            -- stdout
            db1:3306
            -- stderr
        "#]],
    );
    assert_eq!(leader.paths(), ["/api/leader-check", "/api/clusters-info"]);
}

#[tokio::test]
async fn followers_are_passed_over() {
    let follower = FakeServer::start(&[FOLLOWS, CLUSTERS]).await;
    let leader = FakeServer::start(&[LEADS]).await;
    let urls = format!("{}/ {}/api", follower.url(), leader.url());
    let outcome = Client::new("-c which-api").env("ORCHESTRATOR_API", &urls).run().await;
    assert_eq!(outcome.stdout, format!("{}/api\n", leader.url()));
    assert_eq!(follower.paths(), ["/api/leader-check"]);
}

#[tokio::test]
async fn a_follower_that_passes_requests_on_will_do() {
    let (_held, refusing) = refusing();
    let follower =
        FakeServer::start(&[FOLLOWS, ("/api/routed-leader-check", 200, r#""OK""#), CLUSTERS]).await;
    let urls = format!("{refusing} {}", follower.url());
    let outcome = Client::new("-c clusters").env("ORCHESTRATOR_API", &urls).run().await;
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "db1:3306\n"));
}

#[tokio::test]
async fn without_a_leader_each_server_is_named_with_what_it_said() {
    let (_held, refusing) = refusing();
    let follower = FakeServer::start(&[FOLLOWS]).await;
    let urls = format!("{} {}", follower.url(), refusing.replace("//", "//ada:secret@"));
    let outcome = Client::new("-c clusters").env("ORCHESTRATOR_API", &urls).run().await;
    let mut stderr: Vec<&str> = outcome.stderr.lines().collect();
    stderr[1..].sort_unstable_by_key(|line| line.contains("secret") || line.contains("ada"));
    let text =
        stderr.join("\n").replace(&refusing[7..], "dead:1").replace(&follower.url()[7..], "follower:2");
    expect![[r#"
        orchestrator-client[7]: Cannot determine leader from http://follower:2 http://ada:<REMOVED>@dead:1
        orchestrator-client[7]:   http://follower:2/api: routed-leader-check says 404 Not Found
        orchestrator-client[7]:   http://ada:<REMOVED>@dead:1/api: cannot connect: Connection refused (os error 111)"#]]
    .assert_eq(&text);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""));
}

#[tokio::test]
async fn a_single_server_is_used_as_it_is() {
    let follower = FakeServer::start(&[FOLLOWS, CLUSTERS]).await;
    let outcome = Client::new("-c clusters").env("ORCHESTRATOR_API", &follower.url()).run().await;
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "db1:3306\n"));
    assert_eq!(follower.paths(), ["/api/clusters-info"]);
}

#[tokio::test]
async fn an_election_is_asked_for_at_the_leader_itself() {
    let leader = FakeServer::start(&[(
        "/orc/api/raft-yield-hint/node-2",
        200,
        r#"{"Code":"OK","Message":"Asynchronously yielded by hint node-2","Details":"node-2"}"#,
    )])
    .await;
    let status = format!(r#"{{"LeaderURI":"{}","State":"Follower"}}"#, leader.url());
    let follower = FakeServer::start(&[
        ("/orc/api/raft-state", 200, r#""Follower""#),
        ("/orc/api/raft-status", 200, &status),
    ])
    .await;
    let line = format!("-c raft-elect-leader -H node-2 -U {}/orc", follower.url());
    let outcome = Client::new(&line).run().await;
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "node-2\n"));
}

#[tokio::test]
async fn a_group_without_a_leader_is_said_to_be_one() {
    let node = FakeServer::start(&[
        ("/api/raft-state", 200, r#""Candidate""#),
        ("/api/raft-status", 200, r#"{"LeaderURI":""}"#),
    ])
    .await;
    let outcome = Client::new(&format!("-c raft-leader-hostname -U {}", node.url())).run().await;
    outcome.check(
        &[],
        expect![[r#"
            exit 1
            -- stdout
            -- stderr
            orchestrator-client[7]: Cannot determine raft state
            orchestrator-client[7]:   the server knows no leader of its group
        "#]],
    );
}
