//! Questions between peers, and who is refused at the raft port.

use std::time::{Duration, Instant};

use orchestrator_raft::AskError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::group::{Group, PATIENCE, wait_health};

#[tokio::test(flavor = "multi_thread")]
async fn all_peers_answer_a_question_and_a_dead_one_is_named() {
    let mut group = Group::started(3).await;
    let asker = group.leader().await;
    let dead = (asker + 1) % 3;
    let answers = group.node(asker).ask_peers(b"alive?".to_vec(), PATIENCE).await;
    assert_eq!(answers.len(), 2);
    let me = group.node(asker).health().me.node_id;
    for (peer, answer) in &answers {
        let expected = format!("{} to {me}: alive?", peer.hostname);
        assert_eq!(String::from_utf8(answer.clone().unwrap()).unwrap(), expected);
    }
    let begun = Instant::now();
    for _ in 0..100 {
        group.node(asker).ask_peers(b"again".to_vec(), PATIENCE).await;
    }
    println!("one round of questions on held connections: {} us", begun.elapsed().as_micros() / 100);
    group.kill(dead).await;
    let answers = group.node(asker).ask_peers(b"alive?".to_vec(), Duration::from_secs(2)).await;
    for (peer, answer) in answers {
        let gone = peer.raft_addr == group.places[dead].name;
        assert_eq!(answer.is_err(), gone, "{peer:?}: {answer:?}");
    }
    let nobody = group.node(asker).ask(99, Vec::new(), PATIENCE).await.unwrap_err();
    assert!(matches!(nobody, AskError::UnknownPeer));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_raft_port_is_closed_and_harms_nothing() {
    let group = Group::started(3).await;
    let term = group.node(0).leadership().term;
    let garbage: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"ORCHRAFT\x00\x01\xff\xff\xff\xff",
        b"ORCHRAFT\x00\x01\x00\x00\x00\x08\xff\xff{}{}{}",
        b"ORCHRAFT\x00\x63",
    ];
    for bytes in garbage {
        let mut stream = TcpStream::connect(&group.places[0].name).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let closed = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "still open after {bytes:?}");
    }
    group.everybody_healthy().await;
    group.write("still works").await;
    assert_eq!(group.node(0).leadership().term, term);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_group_behind_a_stale_name_is_refused() {
    let mut group = Group::started(3).await;
    let leader = group.leader().await;
    let replaced = (leader + 1) % 3;
    group.kill(replaced).await;
    // Another group's only node now answers under the name.
    let mut foreign = Group::of(1);
    foreign.places[0].name = group.places[replaced].name.clone();
    foreign.start(0).await;
    foreign.everybody_healthy().await;
    let stranger = foreign.node(0).health().me.node_id;
    assert_eq!(stranger, 1);
    let health = wait_health(group.node(leader), "refusing", |health| {
        health.peers.iter().any(|peer| peer.problem.as_deref().is_some_and(|text| text.contains("group")))
    })
    .await;
    assert!(health.healthy, "two of three are a quorum");
    let index = group.write("safe").await;
    assert!(index > 0);
    assert!(foreign.places[0].disk.applied().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voter_whose_log_went_backwards_is_refused() {
    let mut group = Group::started(3).await;
    let leader = group.leader().await;
    let victim = (leader + 1) % 3;
    group.kill(victim).await;
    let dir = group.places[victim].dir.path().join("raft");
    let backup = group.places[victim].dir.path().join("backup");
    std::fs::create_dir(&backup).unwrap();
    copy(&dir, &backup);
    let disk = group.places[victim].disk.with(|content| content.clone());
    group.start(victim).await;
    let mut last = 0;
    for number in 0..10 {
        last = group.write(&format!("key-{number}")).await;
    }
    group.converged(last).await;
    let leader_before = group.leader().await;
    group.kill(victim).await;
    copy(&backup, &dir);
    group.places[victim].disk = Default::default();
    group.places[victim].disk.with(|content| *content = disk);
    group.start(victim).await;
    wait_health(group.node(leader_before), "refusing", |health| {
        health
            .peers
            .iter()
            .any(|peer| peer.problem.as_deref().is_some_and(|text| text.contains("went backwards")))
    })
    .await;
    assert!(!group.node(victim).health().healthy);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(to).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::remove_file(path).unwrap();
        }
    }
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}
