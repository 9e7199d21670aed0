//! What load balancers, probes and operators ask: the leader, a follower, a node that knows no leader.

use http::StatusCode;
use orchestrator_http::ports::PortError;

use crate::fake::{FakeNode, World, follower_of, isolated};

/// A follower whose leader is itself, by a stale value: everything is answered here.
fn follower() -> World {
    World::default().health(follower_of("http://orc-0:3000"))
}

fn alone() -> World {
    World::default().health(isolated())
}

#[tokio::test]
async fn leader_check_tells_the_leader_from_the_others() {
    let leader = World::default();
    for path in ["leader-check", "leader-check/503", "leader-check/x", "routed-leader-check"] {
        leader.get(&format!("/api/{path}")).await.is(StatusCode::OK, "\"OK\"");
    }
    for world in [follower(), alone()] {
        for (path, status) in
            [("", 404), ("/503", 503), ("/200", 200), ("/x", 404), ("/-1", 404), ("/999", 999)]
        {
            let answer = world.get(&format!("/api/leader-check{path}")).await;
            answer.is(StatusCode::from_u16(status).unwrap(), "\"Not leader\"");
        }
        for code in ["0", "99", "100", "199", "1000", "4294967295"] {
            world.fails(&format!("leader-check/{code}"), &format!("Invalid errorStatusCode: {code}")).await;
        }
    }
}

#[tokio::test]
async fn raft_health_says_why_not() {
    World::default().get("/api/raft-health").await.is(StatusCode::OK, "\"healthy\"");
    follower().get("/api/raft-health").await.is(StatusCode::OK, "\"healthy\"");
    let expected = r#"{"Code":"ERROR","Message":"unhealthy","Details":["no leader for 2.1 s"]}"#;
    alone().get("/api/raft-health").await.is(StatusCode::INTERNAL_SERVER_ERROR, expected);
}

#[tokio::test]
async fn the_group_is_described_by_every_node() {
    for (world, state, leader) in [
        (World::default(), "Leader", "orc-0:10008"),
        (follower(), "Follower", "orc-0:10008"),
        (alone(), "Candidate", ""),
    ] {
        world.get("/api/raft-state").await.is(StatusCode::OK, &format!("{state:?}"));
        world.get("/api/raft-leader").await.is(StatusCode::OK, &format!("{leader:?}"));
        world.get("/api/raft-peers").await.is(StatusCode::OK, r#"["orc-0:10008","orc-1:10008"]"#);
        assert_eq!(world.get("/api/raft-status").await.json()["State"], state);
        world.get("/api/raft-snapshot").await.is(StatusCode::OK, "\"snapshot created\"");
        for path in ["lb-check", "_ping"] {
            world.get(&format!("/api/{path}")).await.is(StatusCode::OK, "\"OK\"");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_leader_yields() {
    let world = World::default();
    let answer = world.get("/api/raft-yield/orc-1:10008").await;
    answer.is(StatusCode::OK, r#"{"Code":"OK","Message":"Asynchronously yielded","Details":null}"#);
    let answer = world.get("/api/raft-yield-hint/orc-1").await;
    let expected = r#"{"Code":"OK","Message":"Asynchronously yielded by hint orc-1","Details":"orc-1"}"#;
    answer.is(StatusCode::OK, expected);
    assert_eq!(world.node.asked(), ["yield orc-1:10008", "yield hint orc-1"]);
    for world in [follower(), alone()] {
        world.fails("raft-yield/orc-1", "Unauthorized").await;
        world.fails("raft-yield-hint/orc-1", "Unauthorized").await;
        assert!(world.node.asked().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn members_come_and_go_at_the_leader_alone() {
    let world = World::default();
    world.get("/api/raft-add-peer/orc-3").await.is(StatusCode::OK, "\"orc-3:10008\"");
    world.get("/api/raft-remove-peer/orc-1").await.is(StatusCode::OK, "\"orc-1:10008\"");
    assert_eq!(world.node.asked(), ["add peer orc-3", "remove peer orc-1"]);
    for (route, refused, message) in [
        ("raft-add-peer/orc-1", "peer already known", "Cannot add raft peer: peer already known"),
        ("raft-remove-peer/x", "peer is unknown", "Cannot remove raft peer: peer is unknown"),
    ] {
        *world.node.fails.lock().unwrap() = Some(PortError::Refused(refused.into()));
        world.fails(route, message).await;
    }
    let world = alone();
    world.fails("raft-add-peer/orc-3", "Unauthorized").await;
    world.fails("raft-remove-peer/orc-1", "Unauthorized").await;
    assert!(world.node.asked().is_empty());
}

#[tokio::test]
async fn without_raft_its_routes_say_so() {
    let world = World::without_raft(FakeNode::default());
    for (route, name) in [
        ("raft-add-peer/x", "raft-add-peer"),
        ("raft-remove-peer/x", "raft-remove-peer"),
        ("raft-yield/x", "raft-yield"),
        ("raft-yield-hint/x", "raft-yield-hint"),
        ("raft-peers", "raft-nodes"),
        ("raft-leader", "raft-leader"),
        ("raft-snapshot", "raft-leader"),
        ("raft-state", "raft-state"),
        ("raft-health", "raft-state"),
        ("raft-status", "raft-state"),
        ("raft-events", "raft-events"),
    ] {
        world.fails(route, &format!("{name}: not running with raft setup")).await;
    }
    world.get("/api/leader-check").await.is(StatusCode::OK, "\"OK\"");
}

#[tokio::test]
async fn a_watcher_asks_for_what_is_later_than_what_it_knows() {
    let world = World::default();
    let told = async |path: &str| {
        let json = world.get(path).await.json();
        assert_eq!(json["Node"], "orc-0:10008");
        json["Events"].as_array().unwrap().iter().map(|e| e["UnixMicroseconds"].as_u64().unwrap()).collect()
    };
    let all: Vec<u64> = told("/api/raft-events").await;
    let later: Vec<u64> = told("/api/raft-events?since=5").await;
    let nonsense: Vec<u64> = told("/api/raft-events?since=yesterday").await;
    assert_eq!((all, later, nonsense), (vec![5, 7], vec![7], vec![5, 7]));
}

#[tokio::test]
async fn health_is_that_of_the_own_backend() {
    let answer = alone().get("/api/health").await;
    let json = answer.json();
    assert_eq!((answer.status(), &json["Message"]), (200, &"Application node is healthy".into()));
    let world = World::default();
    let json = world.get("/api/status").await.json();
    for (field, value) in [
        ("Hostname", "orc-0"),
        ("Token", "ef56"),
        ("RaftLeader", "orc-0:10008"),
        ("RaftLeaderURI", "http://orc-0:3000"),
    ] {
        assert_eq!(json["Details"][field], value);
    }
    assert_eq!(json["Details"]["ActiveNode"]["Hostname"], "orc-0:10008");
    let mut sick = isolated();
    sick.backend_writable = false;
    sick.backend_error = "disk is full".into();
    let answer = World::default().health(sick).get("/api/health").await;
    let json = answer.json();
    assert_eq!(
        (answer.status(), &json["Message"]),
        (500, &"Application node is unhealthy disk is full".into())
    );
    assert_eq!(
        (&json["Details"]["Healthy"], &json["Details"]["Error"]),
        (&false.into(), &"disk is full".into())
    );
}

#[tokio::test]
async fn liveness_never_depends_on_raft_and_readiness_does() {
    let world = alone();
    world.get("/livez").await.is(StatusCode::OK, "ok\n");
    world.get("/readyz").await.is(StatusCode::SERVICE_UNAVAILABLE, "no leader for 2.1 s\n");
    World::default().get("/readyz").await.is(StatusCode::OK, "ok\n");
}
