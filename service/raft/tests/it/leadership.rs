//! Elections, hand-over, health and the refusal to act without a quorum.

use std::time::{Duration, Instant};

use orchestrator_raft::{NodeState, ProposeError, StartError, YieldError};

use crate::group::{Group, PATIENCE, put, wait_health};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_replaced_and_its_writes_stay() {
    let mut group = Group::started(3).await;
    let index = group.write("before").await;
    let old = group.leader().await;
    group.kill(old).await;
    let killed = Instant::now();
    let new = group.leader().await;
    println!("killed leader replaced after {} ms", killed.elapsed().as_millis());
    assert_ne!(new, old);
    let after = group.write("after").await;
    assert!(after > index);
    group.converged(after).await;
    group.start(old).await;
    group.everybody_healthy().await;
    group.converged(after).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_hands_leadership_over_first() {
    let mut group = Group::started(3).await;
    group.write("before").await;
    let old = group.leader().await;
    let node = group.places[old].node.take().unwrap();
    let term = node.leadership().term;
    let begun = Instant::now();
    node.shutdown(PATIENCE).await;
    println!("shutdown with hand-over took {} ms", begun.elapsed().as_millis());
    assert_eq!(node.health().state, NodeState::Shutdown);
    let new = group.leader().await;
    assert_eq!(group.node(new).leadership().term, term + 1, "one planned election, no timeout");
    group.write("after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_goes_to_the_named_node() {
    let group = Group::started(3).await;
    let old = group.leader().await;
    let target = (old + 1) % 3;
    let begun = Instant::now();
    let to = group.node(old).yield_to(Some(&group.places[target].name), PATIENCE).await.unwrap();
    println!("hand-over took {} us", begun.elapsed().as_micros());
    assert_eq!(to.raft_addr, group.places[target].name);
    assert_eq!(group.leader().await, target);
    let refused = group.node(old).yield_to(None, PATIENCE).await.unwrap_err();
    assert!(
        matches!(refused, YieldError::NotLeader { leader: Some(leader) } if leader == to),
        "not leader any more"
    );
    let refused = group.node(target).yield_to(Some("nobody:1"), PATIENCE).await.unwrap_err();
    assert!(matches!(refused, YieldError::UnknownNode { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hands_over_stops_leading_before_another_begins() {
    let group = Group::started(3).await;
    for _ in 0..10 {
        let old = group.leader().await;
        let next = (old + 1) % 3;
        let mut leads = group.node(next).watch_leadership();
        let takes_over = async {
            leads.wait_for(|now| now.is_me).await.unwrap();
            assert!(!group.node(old).leadership().is_me, "both lead");
            assert!(!group.node(old).holds().leads, "both may say that they lead");
        };
        let hands_over = group.node(old).yield_to(Some(&group.places[next].name), PATIENCE);
        let (handed, ()) = tokio::join!(hands_over, takes_over);
        handed.unwrap();
        group.everybody_healthy().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_nobody_is_healthy_and_nothing_is_accepted() {
    let mut group = Group::started(3).await;
    let leader = group.leader().await;
    let index = group.write("before").await;
    for other in (0..3).filter(|index| *index != leader) {
        group.kill(other).await;
    }
    let lost = Instant::now();
    let health = wait_health(group.node(leader), "unhealthy", |health| !health.healthy).await;
    println!("a leader without a quorum says so after {} ms", lost.elapsed().as_millis());
    let limit = group.timings.silence_limit() + group.timings.health_tick * 3;
    assert!(lost.elapsed() < limit + Duration::from_secs(1), "{:?}", lost.elapsed());
    assert_eq!((health.state, health.leader.as_ref()), (NodeState::Candidate, None));
    assert!(!group.node(leader).leadership().is_me);
    let refused = group.node(leader).propose(put("lost"), PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ProposeError::NotLeader { leader: None }), "{refused}");
    let refused = group.node(leader).confirm_leadership(Duration::from_secs(2)).await.unwrap_err();
    assert!(matches!(refused, ProposeError::NotLeader { leader: None } | ProposeError::Unconfirmed { .. }));
    for other in (0..3).filter(|index| *index != leader) {
        group.start(other).await;
    }
    group.everybody_healthy().await;
    group.converged(index).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_is_fenced_by_its_term() {
    let group = Group::started(3).await;
    let leader = group.leader().await;
    let node = group.node(leader);
    let term = node.confirm_leadership(PATIENCE).await.unwrap();
    node.propose_in_term(term, put("mine"), PATIENCE).await.unwrap();
    let refused = node.propose_in_term(term - 1, put("stale"), PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ProposeError::NotLeader { .. }), "{refused}");
    assert!(!group.places[leader].disk.applied().values().any(|text| text.contains("stale")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_refuses_and_names_the_leader_with_its_uri() {
    let group = Group::started(3).await;
    let leader = group.leader().await;
    let follower = (leader + 1) % 3;
    let refused = group.node(follower).propose(put("x"), PATIENCE).await.unwrap_err();
    let ProposeError::NotLeader { leader: Some(named) } = refused else { panic!("{refused}") };
    assert_eq!(named.http_uri, format!("http://node-{leader}:3000"));
    assert_eq!(named.raft_addr, group.places[leader].name);
    let refused = group.node(follower).confirm_leadership(PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ProposeError::NotLeader { leader: Some(_) }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_sick_backend_does_not_lead() {
    let group = Group::started(3).await;
    let sick = group.leader().await;
    group.node(sick).report_backend(Some("read-only file system".into()));
    wait_health(group.node(sick), "sick", |health| {
        health.reason.as_deref().is_some_and(|reason| reason.contains("read-only file system"))
    })
    .await;
    wait_health(group.node(sick), "following", |health| {
        health.state == NodeState::Follower && !health.healthy
    })
    .await;
    group.node(sick).report_backend(None);
    group.everybody_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_is_seen_before_anything_else_happens() {
    let group = Group::started(1).await;
    group.node(0).drain();
    let health = wait_health(group.node(0), "draining", |health| health.draining).await;
    assert_eq!((health.healthy, health.state), (false, NodeState::Leader));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_node_ends_and_gives_its_files_and_port_back() {
    let mut group = Group::started(1).await;
    let index = group.write("kept").await;
    drop(group.places[0].node.take());
    // Each attempt waits for the lock for a while by itself.
    for attempt in 1.. {
        match group.try_start(0).await {
            Ok(()) => break,
            Err(error @ (StartError::Locked { .. } | StartError::Listen { .. })) => {
                assert!(attempt < 20, "still in use: {error}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    group.everybody_healthy().await;
    group.converged(index).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_do_not_wait_for_the_program() {
    let mut group = Group::of(3);
    group.start_all().await;
    group.everybody_healthy().await;
    let leader = group.leader().await;
    let before = group.node(leader).leadership();
    // All threads of the program are busy with something else for longer than two election timeouts.
    let stall = group.timings.silence_limit() * 2;
    let mut program = tokio::task::JoinSet::new();
    for _ in 0..8 {
        program.spawn(async move { std::thread::sleep(stall / 4) });
    }
    program.join_all().await;
    for index in 0..3 {
        // Of after the stall, not of before.
        let mut watch = group.node(index).watch_health();
        watch.mark_unchanged();
        watch.changed().await.unwrap();
        let health = watch.borrow().clone();
        let (contact, ack) = (health.leader_contact_ms, health.quorum_ack_ms);
        assert!(contact.or(ack) < Some(500), "{health:#?}");
        assert!(health.healthy, "{health:#?}");
        assert_eq!(group.node(index).leadership().term, before.term);
    }
    assert!(group.node(leader).leadership().is_me);
    let index = group.write("after").await;
    group.converged(index).await;
    group.places[leader].node.take().unwrap().shutdown(PATIENCE).await;
    group.leader().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_removed_under_a_node_are_missed() {
    let group = Group::started(1).await;
    group.everybody_healthy().await;
    let (node, dir) = (group.node(0), group.settings(0).data_dir);
    node.check_files(PATIENCE).await.unwrap();
    for file in ["raft.db", "raft.db-wal", "identity.json"] {
        let aside = dir.join("aside");
        std::fs::rename(dir.join(file), &aside).unwrap();
        let lost = node.check_files(PATIENCE).await.unwrap_err().to_string();
        assert!(lost.contains(&format!("{file} was removed")), "{lost}");
        std::fs::rename(&aside, dir.join(file)).unwrap();
        node.check_files(PATIENCE).await.unwrap();
    }
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(node.check_files(PATIENCE).await.is_err());
}
