//! A peer that speaks the protocol and means ill, byte by byte.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::group::{Group, PATIENCE, wait_health};

/// Kind and body of the answer.
pub(crate) type Answer = (String, Vec<u8>);

pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    pub(crate) header: Value,
}

impl Raw {
    pub(crate) async fn connect(address: &str, cluster: &str, from: u64, to: u64) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"ORCHRAFT\x00\x01").await.unwrap();
        Self { stream, header: json!({ "v": 1, "cluster": cluster, "from": from, "to": to }) }
    }

    pub(crate) async fn call(&mut self, kind: &str, body: &[u8]) -> Answer {
        self.header["kind"] = kind.into();
        let header = serde_json::to_vec(&self.header).unwrap();
        self.stream.write_u32((2 + header.len() + body.len()) as u32).await.unwrap();
        self.stream.write_u16(header.len() as u16).await.unwrap();
        self.stream.write_all(&header).await.unwrap();
        self.stream.write_all(body).await.unwrap();
        timeout(PATIENCE, self.read()).await.unwrap()
    }

    pub(crate) async fn read(&mut self) -> Answer {
        let mut frame = vec![0; self.stream.read_u32().await.unwrap() as usize];
        self.stream.read_exact(&mut frame).await.unwrap();
        let header = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
        let parsed: Value = serde_json::from_slice(&frame[2..2 + header]).unwrap();
        (parsed["kind"].as_str().unwrap().to_owned(), frame[2 + header..].to_vec())
    }

    pub(crate) async fn hello(&mut self, purpose: &str, report: &Value) -> Answer {
        let hello = json!({ "purpose": purpose, "report": report });
        self.call("Hello", &serde_json::to_vec(&hello).unwrap()).await
    }
}

/// What a node says about itself to anybody.
pub(crate) async fn report_of(address: &str) -> Value {
    let stranger = json!({
        "name": "stranger:1", "info": { "raft_addr": "", "http_uri": "", "hostname": "" }, "cluster": null,
        "node_id": null, "epoch": 0, "nodes": [], "vote": null, "last_log": null,
    });
    let (kind, body) = Raw::connect(address, "", 0, 0).await.hello("Probe", &stranger).await;
    assert_eq!(kind, "Welcome");
    serde_json::from_slice(&body).unwrap()
}

pub(crate) fn text(answer: &Answer) -> String {
    String::from_utf8(answer.1.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_group_a_wrong_target_and_a_copy_are_refused_with_the_reason() {
    let group = Group::started(3).await;
    let address = &group.places[0].name;
    let (mine, other) = (report_of(address).await, report_of(&group.places[1].name).await);
    let (cluster, me) = (mine["cluster"].as_str().unwrap(), mine["node_id"].as_u64().unwrap());
    let from = other["node_id"].as_u64().unwrap();
    let cases = [
        ("another-group", from, me, "belongs to group"),
        (cluster, from, me + 10, "this is node"),
        (cluster, me, me, "is a copy of the other"),
    ];
    for (cluster, from, to, reason) in cases {
        let refused = Raw::connect(address, cluster, from, to).await.hello("Member", &other).await;
        assert_eq!(refused.0, "Refused");
        assert!(text(&refused).contains(reason), "{}", text(&refused));
    }
    let mut welcome = Raw::connect(address, cluster, from, me).await;
    assert_eq!(welcome.hello("Member", &other).await.0, "Welcome");
    // Each frame is checked, not only the first.
    welcome.header["to"] = (me + 10).into();
    let refused = welcome.call("AppendEntries", b"{}").await;
    assert!(refused.0 == "Refused" && text(&refused).contains("this is node"), "{}", text(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_may_probe_but_neither_vote_nor_assign() {
    let group = Group::started(3).await;
    let address = &group.places[0].name;
    let mine = report_of(address).await;
    for kind in ["Vote", "AppendEntries", "SnapshotBegin", "Ask"] {
        let mut stranger = Raw::connect(address, "", 0, 0).await;
        assert_eq!(stranger.hello("Probe", &mine).await.0, "Welcome");
        let refused = stranger.call(kind, b"{}").await;
        assert_eq!((refused.0.as_str(), text(&refused).as_str()), ("Refused", "only members may ask this"));
    }
    let assign = json!({
        "cluster": "stolen", "node_id": mine["node_id"], "by": mine["nodes"][0], "nodes": mine["nodes"],
    });
    let mut stranger = Raw::connect(address, "", 0, 0).await;
    stranger.hello("Probe", &mine).await;
    let refused = stranger.call("Assign", &serde_json::to_vec(&assign).unwrap()).await;
    assert!(refused.0 == "Failed" && text(&refused).contains("for ever"), "{}", text(&refused));
    group.everybody_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_command_stops_the_node_instead_of_being_skipped() {
    let group = Group::started(3).await;
    let leader = group.leader().await;
    let follower = (leader + 1) % 3;
    let address = &group.places[follower].name;
    let (mine, from) = (report_of(address).await, report_of(&group.places[leader].name).await);
    let number = |report: &Value| report["node_id"].as_u64().unwrap();
    let cluster = mine["cluster"].as_str().unwrap();
    let mut newer = Raw::connect(address, cluster, number(&from), number(&mine)).await;
    assert_eq!(newer.hello("Member", &from).await.0, "Welcome");
    let next = mine["last_log"]["index"].as_u64().unwrap() + 1;
    let log_id = json!({ "leader_id": mine["vote"]["leader_id"]["term"], "index": next });
    let newer_command = json!({ "v": 99, "c": { "FromTheFuture": {} } });
    let request = json!({
        "vote": mine["vote"], "prev_log_id": mine["last_log"], "leader_commit": null,
        "entries": [{ "log_id": log_id, "payload": { "Normal": newer_command } }],
    });
    let failed = newer.call("AppendEntries", &serde_json::to_vec(&request).unwrap()).await;
    assert_eq!(failed.0, "Failed");
    let mut fatal = group.node(follower).fatal();
    let reason = timeout(PATIENCE, fatal.wait_for(Option::is_some)).await.unwrap().unwrap().clone();
    assert!(reason.as_deref().is_some_and(|text| text.contains("does not know")), "{reason:?}");
    wait_health(group.node(follower), "unhealthy", |health| !health.healthy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_another_version_or_epoch_and_those_that_make_no_sense_are_refused_with_the_reason() {
    let group = Group::started(3).await;
    let address = &group.places[0].name;
    let (mine, other) = (report_of(address).await, report_of(&group.places[1].name).await);
    let number = |report: &Value| report["node_id"].as_u64().unwrap();
    let cluster = mine["cluster"].as_str().unwrap();
    let connect = || Raw::connect(address, cluster, number(&other), number(&mine));
    for (field, value, reason) in [("v", 2, "speaks raft protocol 1, not 2"), ("epoch", 9, "epoch 9")] {
        let mut caller = connect().await;
        caller.header[field] = value.into();
        let refused = caller.hello("Member", &other).await;
        assert!(refused.0 == "Refused" && text(&refused).contains(reason), "{field}: {}", text(&refused));
        // As well on a connection that was admitted.
        let mut caller = connect().await;
        assert_eq!(caller.hello("Member", &other).await.0, "Welcome");
        caller.header[field] = value.into();
        let refused = caller.call("Vote", b"{}").await;
        assert!(refused.0 == "Refused" && text(&refused).contains(reason), "{field}: {}", text(&refused));
    }
    for kind in ["AppendEntries", "Vote", "PreVote", "TransferLeader", "SnapshotBegin", "Report", "Assign"] {
        for body in [&b"{}"[..], b"[1", b"\xff\xfe", b""] {
            let mut caller = connect().await;
            assert_eq!(caller.hello("Member", &other).await.0, "Welcome");
            let refused = caller.call(kind, body).await;
            let told = refused.0 == "Refused" && text(&refused).contains("cannot be read");
            assert!(told, "{kind} {body:?}: {refused:?}");
        }
    }
    let mut caller = connect().await;
    assert_eq!(caller.hello("Member", &other).await.0, "Welcome");
    let failed = caller.call("SnapshotChunk", b"rows").await;
    assert!(failed.0 == "Failed" && text(&failed).contains("was announced"), "{}", text(&failed));
    group.everybody_healthy().await;
    group.write("still works").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_breaks_off_or_announces_too_much_is_closed_and_costs_nothing() {
    let group = Group::started(3).await;
    let address = &group.places[0].name;
    let (mine, other) = (report_of(address).await, report_of(&group.places[1].name).await);
    let number = |report: &Value| report["node_id"].as_u64().unwrap();
    let cluster = mine["cluster"].as_str().unwrap();
    let cut = [
        &b"\x00\x00\x00\xff\x00\x40"[..],
        b"\x00\x00\x00\x08\x00\x02{}",
        b"\x7f\xff\xff\xff\x00\x02{}",
        b"\x00",
    ];
    for bytes in cut {
        let mut caller = Raw::connect(address, cluster, number(&other), number(&mine)).await;
        assert_eq!(caller.hello("Member", &other).await.0, "Welcome");
        caller.stream.write_all(bytes).await.unwrap();
        caller.stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let closed = timeout(PATIENCE, caller.stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok() && rest.is_empty(), "after {bytes:?}: {closed:?} {rest:?}");
    }
    group.everybody_healthy().await;
    group.write("still works").await;
}
