//! A follower and a leader, each with its own socket.

use std::time::Duration;

use http::{Request, StatusCode};
use orchestrator_http::{Listen, Origin, ports::HealthView};
use tokio::net::TcpListener;

use crate::{
    fake::{World, follower_of, isolated, leader},
    socket::Running,
};

async fn pair() -> (Running, World) {
    let leader = Running::tcp().await;
    let follower = World::default().health(follower_of(&leader.uri()));
    (leader, follower)
}

#[tokio::test]
async fn a_follower_forwards_what_is_for_the_leader() {
    let (leader, follower) = pair().await;
    let answer = follower.get("/api/forget/db2/3306").await;
    let expected =
        r#"{"Code":"OK","Message":"Instance forgotten: db2:3306","Details":{"Hostname":"db2","Port":3306}}"#;
    answer.is(StatusCode::OK, expected);
    assert_eq!(answer.header("content-type"), "application/json; charset=UTF-8");
    assert_eq!(leader.world.node.asked(), ["forget db2:3306"]);
    assert!(follower.node.asked().is_empty());
    follower.get("/api/routed-leader-check").await.is(StatusCode::OK, "\"OK\"");
    follower.fails("instance/nosuch/3306", "Cannot read instance: nosuch:3306").await;
}

#[tokio::test]
async fn paths_and_queries_travel_as_written() {
    let (leader, follower) = pair().await;
    let path = "/api/begin-downtime/db2/3306/a%20b/c%2Bd/1h?x=%26";
    assert_eq!(follower.get(path).await.status(), 200);
    assert_eq!(leader.world.node.asked(), ["downtime db2:3306 by a b for \"c+d\" 3600s"]);
}

#[tokio::test]
async fn a_follower_answers_for_itself_what_is_about_itself() {
    let (_leader, follower) = pair().await;
    follower.get("/api/leader-check").await.is(StatusCode::NOT_FOUND, "\"Not leader\"");
    follower.get("/api/raft-state").await.is(StatusCode::OK, "\"Follower\"");
    assert_eq!(follower.get("/api/health").await.json()["Details"]["IsActiveNode"], false);
    follower.get("/api/nosuch").await.is(StatusCode::NOT_FOUND, "404 page not found\n");
}

#[tokio::test(start_paused = true)]
async fn a_node_without_leader_reads_and_does_not_act() {
    let alone = World::default().health(isolated());
    assert_eq!(alone.get("/api/clusters").await.status(), 200);
    alone.fails("forget/db2/3306", "Unauthorized").await;
    alone.get("/api/routed-leader-check").await.is(StatusCode::NOT_FOUND, "\"Not leader\"");
}

#[tokio::test]
async fn a_request_is_forwarded_once() {
    let (leader, follower) = pair().await;
    // The leader lost its office, and takes the follower for the leader.
    *leader.world.node.health.lock().unwrap() = follower_of("http://127.0.0.1:1").into();
    follower.get("/api/clusters").await.is(StatusCode::LOOP_DETECTED, "");
    assert!(leader.world.node.asked().is_empty());
}

#[tokio::test]
async fn a_leader_that_cannot_be_reached_is_an_empty_502() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for uri in [format!("http://{free}"), format!("https://{free}"), "nonsense".into()] {
        let follower = World::default().health(follower_of(&uri));
        follower.get("/api/clusters").await.is(StatusCode::BAD_GATEWAY, "");
    }
}

/// When an election in these tests is over.
const ELECTED_AFTER: Duration = Duration::from_millis(50);

/// Asks for a change and lets `next` be elected meanwhile.
async fn act_while_elected(follower: &World, next: &Running) -> u16 {
    let elected = async {
        tokio::time::sleep(ELECTED_AFTER).await;
        *follower.node.health.lock().unwrap() = follower_of(&next.uri()).into();
    };
    tokio::join!(follower.get("/api/forget/db2/3306"), elected).0.status()
}

#[tokio::test]
async fn who_asks_for_a_change_during_an_election_waits_for_its_end() {
    let (next, follower) = (Running::tcp().await, World::default().health(isolated()));
    assert_eq!(act_while_elected(&follower, &next).await, 200);
    assert_eq!(next.world.node.asked(), ["forget db2:3306"]);
}

#[tokio::test]
async fn what_a_leader_that_is_gone_did_not_take_goes_to_the_next() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let next = Running::tcp().await;
    let follower = World::default().health(follower_of(&format!("http://{free}")));
    assert_eq!(act_while_elected(&follower, &next).await, 200);
    assert_eq!(next.world.node.asked(), ["forget db2:3306"]);
}

#[tokio::test]
async fn what_a_leader_that_handed_over_did_not_take_goes_to_the_next() {
    let (old, next) = (Running::tcp().await, Running::tcp().await);
    *old.world.node.health.lock().unwrap() = follower_of(&next.uri()).into();
    let follower = World::default().health(follower_of(&old.uri()));
    assert_eq!(act_while_elected(&follower, &next).await, 200);
    assert!(old.world.node.asked().is_empty());
    assert_eq!(next.world.node.asked(), ["forget db2:3306"]);
}

#[tokio::test]
async fn the_client_is_named_and_its_headers_travel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let follower = World::default().health(follower_of(&uri));
    let request = Request::builder()
        .uri("/api/clusters")
        .header("host", "orc.example.com")
        .header("authorization", "Basic eA==")
        .header("x-forwarded-for", "192.0.2.1")
        .header("connection", "keep-alive, x-secret")
        .header("x-secret", "1")
        .body(String::new())
        .unwrap();
    let seen = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = String::new();
        let mut buffer = [0; 1024];
        while !seen.ends_with("\r\n\r\n") {
            let read = stream.read(&mut buffer).await.unwrap();
            seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        let answer = b"HTTP/1.1 200 OK\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nX-End: 2\r\nContent-Length: 2\r\n\r\n[]";
        stream.write_all(answer).await.unwrap();
        seen
    };
    let origin = Origin { address: "198.51.100.7:4711".parse().ok(), ..Origin::default() };
    let (response, seen) = tokio::join!(follower.api.handle(request, origin), seen);
    for line in [
        "GET /api/clusters HTTP/1.1",
        "host: orc.example.com",
        "authorization: Basic eA==",
        "x-forwarded-for: 192.0.2.1, 198.51.100.7",
        "x-orchestrator-forwarded: 1",
    ] {
        assert!(seen.lines().any(|found| found == line), "{line}\n{seen}");
    }
    assert!(!seen.contains("x-secret"), "{seen}");
    assert_eq!(response.headers().get("x-end").unwrap(), "2");
    assert!(response.headers().get("x-hop").is_none());
}

#[tokio::test]
async fn a_client_of_http_1_0_is_forwarded_too() {
    let (leader, _) = pair().await;
    let follower = Running::start(Listen::Tcp("127.0.0.1:0".into())).await;
    *follower.world.node.health.lock().unwrap() = follower_of(&leader.uri()).into();
    let answer = follower.send("GET /api/clusters HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(r#"["db1:3306","solo10:3306"]"#), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_never_answers_is_an_empty_502() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", silent.local_addr().unwrap());
    let follower = World::default().health(follower_of(&uri));
    for path in ["/api/clusters", "/api/recover/db1/3306"] {
        follower.get(path).await.is(StatusCode::BAD_GATEWAY, "");
    }
}

#[tokio::test]
async fn a_leader_answers_whatever_it_believes_of_its_own_address() {
    let leader = World::default().health(HealthView { leader_uri: "http://127.0.0.1:1".into(), ..leader() });
    assert_eq!(leader.get("/api/forget/db2/3306").await.status(), 200);
    assert_eq!(leader.node.asked(), ["forget db2:3306"]);
}
