//! What nodes remember of elections.

use std::time::Duration;

use orchestrator_raft::{EventKind, GroupEvent};
use tokio::time::Instant;

use crate::group::{Group, PATIENCE, wait_health};

fn of(group: &Group, index: usize, kind: EventKind) -> Vec<GroupEvent> {
    group.node(index).events_since(0).into_iter().filter(|event| event.kind == kind).collect()
}

fn count(group: &Group, index: usize, kind: EventKind) -> usize {
    of(group, index, kind).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolated_follower_says_once_what_it_tries_again_and_again() {
    let group = Group::on_wires(3).await;
    let leader = group.leader().await;
    let term = group.node(leader).leadership().term;
    let away = (leader + 1) % 3;
    group.cuts.isolate(&group, away);
    // Long enough to have asked several times.
    wait_health(group.node(away), "silent for long", |health| health.leader_contact_ms > Some(4000)).await;
    let lost = of(&group, away, EventKind::TimedOut);
    assert_eq!(lost.len(), 1, "{lost:#?}");
    assert_eq!(lost[0].peer.as_ref(), Some(&group.places[leader].name));
    assert!(lost[0].elapsed_ms.is_some_and(|ms| ms >= 500), "{lost:?}");
    let silent = of(&group, away, EventKind::NoVoteAnswer);
    assert_eq!(silent.len(), 2, "one of each peer: {silent:#?}");
    assert_eq!(count(&group, away, EventKind::LeaderLost), 1);
    let stood = of(&group, away, EventKind::Candidate);
    assert!(stood.iter().all(|event| event.term <= term), "it only asked: {stood:#?}");
    assert_eq!(count(&group, leader, EventKind::PeerUnreachable), 1);

    group.cuts.heal();
    group.everybody_healthy().await;
    assert_eq!(count(&group, away, EventKind::LeaderBack), 1);
    assert_eq!(count(&group, leader, EventKind::PeerBack), 1);
    assert_eq!(count(&group, leader, EventKind::SteppedDown), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_vote_is_told_on_both_sides_before_the_election_is_won() {
    let mut group = Group::started(3).await;
    let old = group.leader().await;
    group.kill(old).await;
    let new = group.leader().await;
    let voter = 3 - old - new;
    let term = group.node(new).leadership().term;
    let in_term = |index, kind| of(&group, index, kind).into_iter().find(|event| event.term == term);
    let candidate = in_term(new, EventKind::Candidate).expect("it stood");
    assert_eq!(candidate.detail.as_deref(), Some("2 of 3 votes needed"));
    let granted = in_term(new, EventKind::VoteGranted).expect("it has a vote");
    assert_eq!(granted.peer.as_ref(), Some(&group.places[voter].name));
    let won = in_term(new, EventKind::Won).expect("it won");
    let voted = in_term(voter, EventKind::Voted).expect("the other voted");
    assert_eq!(voted.peer.as_ref(), Some(&group.places[new].name));
    assert!(candidate.at_micros < granted.at_micros && granted.at_micros < won.at_micros);
    assert!(in_term(new, EventKind::BecameLeader).is_some());
}

/// What a leader says waits behind the raft snapshot that it sent; that it is there does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_takes_long_to_install_a_raft_snapshot_has_not_lost_the_leader_that_sent_it() {
    let mut group = Group::of(3);
    (group.timings.snapshot_every, group.timings.keep_logs) = (20, 2);
    group.start_all().await;
    group.everybody_healthy().await;
    let leader = group.leader().await;
    let away = (leader + 1) % 3;
    group.kill(away).await;
    for number in 0..60 {
        group.write(&format!("key-{number}")).await;
    }
    assert!(group.node(leader).snapshot(PATIENCE).await.unwrap() >= 60);
    wait_health(group.node(leader), "purged", |health| health.purged_index > Some(40)).await;
    let held = group.places[away].disk.hold_installation();
    group.start(away).await;
    let begun = Instant::now();
    wait_health(group.node(away), "three seconds later", |_| begun.elapsed() > Duration::from_secs(3)).await;
    let health = group.node(away).health();
    assert!(health.applied_index < Some(40), "it does not take long: {health:?}");
    assert_eq!(count(&group, away, EventKind::LeaderLost), 0);
    assert_eq!(health.leader.as_ref().map(|leader| &leader.raft_addr), Some(&group.places[leader].name));
    assert_eq!(count(&group, away, EventKind::TimedOut), 0, "nor does it stand for election");
    drop(held);
    let last = group.write("after").await;
    group.converged(last).await;
    assert_eq!(group.leader().await, leader);
}
