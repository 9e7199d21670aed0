//! What the operator of a group posts: who may, what reaches the node, what is answered.

use std::io::Write;

use http::{Method, Request, StatusCode};
use orchestrator_http::{Settings, ports::PortError};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::fake::{Answered, FakeNode, World, follower_of};

const ADD: &str = r#"{"Op":"AddLearner","Addr":"orc-3:10008","ExpectMembershipLogIndex":7,"ClusterID":"c"}"#;

/// A file with a token and the line's end that editors add.
fn token(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "{text}").unwrap();
    file
}

fn world(file: Option<&NamedTempFile>) -> World {
    let operator_token_file = file.map(|file| file.path().to_owned());
    World::with(FakeNode::default(), Settings { operator_token_file, ..Settings::default() })
}

async fn post(world: &World, route: &str, authorization: &str, body: impl Into<String>) -> Answered {
    let request = Request::builder().method(Method::POST).uri(format!("/api/{route}"));
    world.send(request.header("authorization", authorization).body(body.into()).unwrap()).await
}

#[tokio::test]
async fn each_wish_reaches_the_node_and_its_result_the_operator() {
    let file = token("secret");
    let world = world(Some(&file));
    let answer = post(&world, "raft-membership", "Bearer secret", ADD).await;
    answer.is(StatusCode::OK, r#"{"MembershipLogIndex":12,"NodeID":65547}"#);
    let change = r#"{"Op":"Change","Voters":[3,1],"ExpectMembershipLogIndex":8,"ClusterID":"c"}"#;
    assert_eq!(post(&world, "raft-membership", "Bearer secret", change).await.status(), 200);
    let body = r#"{"Token":"t","ClusterID":"c","Members":[{"NodeID":1,"Addr":"orc-0:10008"}]}"#;
    let answer = post(&world, "raft-bootstrap", "Bearer secret", body).await;
    answer.is(StatusCode::OK, r#"{"ClusterID":"c"}"#);
    let answer =
        post(&world, "raft-force-new-cluster", "Bearer secret", r#"{"ClusterID":"c","Epoch":1}"#).await;
    answer.is(StatusCode::OK, r#"{"ClusterID":"c","Epoch":2}"#);
    assert_eq!(
        world.node.asked(),
        [
            r#"MembersWish { cluster_id: "c", expected_index: 7, change: AddLearner("orc-3:10008") }"#,
            r#"MembersWish { cluster_id: "c", expected_index: 8, change: Voters({1, 3}) }"#,
            r#"BootstrapWish { token: "t", cluster_id: "c", members: [(1, "orc-0:10008")] }"#,
            "force c 1",
        ]
    );
}

#[tokio::test]
async fn nobody_is_let_in_without_the_token_of_the_file() {
    let (file, empty) = (token("secret"), token(""));
    for (file, authorization, reason) in [
        (None, "Bearer secret", "OperatorTokenFile is not set"),
        (Some(&empty), "Bearer ", "cannot be read or is empty"),
        (Some(&file), "Bearer secre", "missing or wrong"),
        (Some(&file), "Basic secret", "missing or wrong"),
        (Some(&file), "Bearer", "missing or wrong"),
    ] {
        let world = world(file);
        for route in ["raft-membership", "raft-bootstrap", "raft-force-new-cluster", "operator/reload"] {
            let answer = post(&world, route, authorization, ADD).await;
            let json = answer.json();
            assert_eq!((answer.status(), &json["Code"]), (403, &json!("ERROR")), "{route}");
            assert!(json["Message"].as_str().unwrap().contains(reason), "{json}");
        }
        assert!(world.node.asked().is_empty());
    }
}

#[tokio::test]
async fn a_token_can_be_replaced_while_the_node_runs() {
    let file = token("old");
    let world = world(Some(&file));
    std::fs::write(file.path(), "new").unwrap();
    assert_eq!(post(&world, "raft-membership", "Bearer old", ADD).await.status(), 403);
    assert_eq!(post(&world, "raft-membership", "Bearer new", ADD).await.status(), 200);
}

#[tokio::test]
async fn a_state_that_moved_is_a_conflict() {
    let file = token("secret");
    let world = world(Some(&file));
    *world.node.fails.lock().unwrap() = Some(PortError::Refused("the members changed".into()));
    let answer = post(&world, "raft-membership", "Bearer secret", ADD).await;
    assert_eq!((answer.status(), &answer.json()["Message"]), (409, &json!("the members changed")));
}

#[tokio::test]
async fn a_body_that_makes_no_sense_or_no_end_is_refused() {
    let file = token("secret");
    let world = world(Some(&file));
    let bodies = [
        "",
        "[]",
        r#"{"Op":"Change","Addr":"x","ExpectMembershipLogIndex":7,"ClusterID":"c"}"#,
        r#"{"Op":"Change","Voters":[1],"ClusterID":"c"}"#,
        r#"{"Op":"Change","Voters":[1],"ExpectMembershipLogIndex":7,"ClusterID":"c","Force":true}"#,
    ];
    for body in bodies {
        assert_eq!(post(&world, "raft-membership", "Bearer secret", body).await.status(), 400, "{body}");
    }
    let long = " ".repeat(64 * 1024) + ADD;
    assert_eq!(post(&world, "raft-membership", "Bearer secret", long).await.status(), 413);
    assert!(world.node.asked().is_empty());
}

#[tokio::test]
async fn only_what_operators_ask_is_posted_and_never_read() {
    let file = token("secret");
    let world = world(Some(&file));
    assert_eq!(world.get("/api/raft-bootstrap").await.status(), 404);
    assert_eq!(post(&world, "raft-add-peer/x", "Bearer secret", "").await.status(), 404);
    assert_eq!(post(&world, "raft-status", "Bearer secret", "").await.status(), 404);
}

#[tokio::test]
async fn members_are_changed_by_the_leader_and_the_rest_by_whoever_is_asked() {
    let file = token("secret");
    let world = world(Some(&file)).health(follower_of("http://127.0.0.1:1"));
    assert_eq!(post(&world, "raft-membership", "Bearer secret", ADD).await.status(), 502);
    let force = r#"{"ClusterID":"c","Epoch":1}"#;
    assert_eq!(post(&world, "raft-force-new-cluster", "Bearer secret", force).await.status(), 200);
}

#[tokio::test]
async fn a_reload_works_on_a_follower_and_tells_what_holds_and_what_waits() {
    let file = token("secret");
    let world = world(Some(&file)).health(follower_of("http://127.0.0.1:1"));
    let answer = post(&world, "operator/reload", "Bearer secret", "").await;
    answer.is(
        StatusCode::OK,
        r#"{"ConfigHash":"c0ffee","RaftNodesHash":"","TakenOver":["RaftNodes"],"NeedsRestart":["RaftBind"],"Problems":[]}"#,
    );
    assert_eq!(world.node.asked(), ["reload by an operator"]);
    *world.node.fails.lock().unwrap() = Some(PortError::Failed("the configuration cannot be used".into()));
    let answer = post(&world, "operator/reload", "Bearer secret", "").await;
    assert_eq!((answer.status(), &answer.json()["Code"]), (500, &json!("ERROR")));
}

#[tokio::test]
async fn an_operator_reads_the_status_and_moves_the_leadership_whoever_else_is_let_in() {
    let file = token("secret");
    let world = world(Some(&file)).health(follower_of("http://127.0.0.1:1"));
    let answer = post(&world, "operator/status", "Bearer secret", "{}").await;
    assert_eq!((answer.status(), answer.json()), (200, world.get("/api/raft-status").await.json()));
    assert_eq!(
        post(&world, "operator/transfer", "Bearer secret", r#"{"To":"orc-1:10008"}"#).await.status(),
        200
    );
    assert_eq!(post(&world, "operator/transfer", "Bearer secret", "{}").await.status(), 400);
    assert_eq!(
        post(&world, "operator/transfer", "Bearer other", r#"{"To":"orc-2:10008"}"#).await.status(),
        403
    );
    assert_eq!(world.node.asked(), ["yield orc-1:10008"]);
}

#[tokio::test]
async fn people_reload_the_leader_and_are_refused_by_followers() {
    let world = world(None);
    let answer = world.get("/api/reload-configuration").await;
    answer.is(StatusCode::OK, r#"{"Code":"OK","Message":"Config reloaded","Details":""}"#);
    let world = world.health(follower_of("http://127.0.0.1:1"));
    let answer = world.get("/api/reload-configuration").await;
    assert_eq!((answer.status(), &answer.json()["Message"]), (500, &json!("Unauthorized")));
}
