//! Who joins or leaves while something else happens.

use std::time::Duration;

use orchestrator_raft::{EventKind, MembershipSource, Policy};
use rusqlite::Connection;

use crate::group::{Group, PATIENCE, Place, put, wait_health};
use crate::machine::Disk;

/// What the group begins with lies in no entry of its log.
const BEGINNING: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_has_what_the_group_began_with_although_another_node_leads_before_it_is_served() {
    let mut group = Group::of(3);
    group.policy = Policy { membership: MembershipSource::Api, ..Policy::default() };
    for place in &group.places {
        place.disk.with(|content| content.applied.insert(BEGINNING, "at the beginning".into()));
    }
    group.start_all().await;
    group.everybody_healthy().await;
    let mut newcomer = Place::new();
    newcomer.list = Some([group.names(), vec![newcomer.name.clone()]].concat());
    // It takes its number, and does not start before another node leads.
    let held = newcomer.disk.hold_installation();
    group.places.push(newcomer);
    group.start(3).await;
    let leader = group.leader_of(&[0, 1, 2]).await;
    let (node, name) = (group.node(leader).clone(), group.places[3].name.clone());
    node.add_learner(node.membership().index.unwrap(), &name, PATIENCE).await.unwrap();
    let next = (leader + 1) % 3;
    assert_eq!(group.node(next).health().purged_index, None, "its log reaches back to its first entry");
    node.yield_to(Some(&group.places[next].name), PATIENCE).await.unwrap();
    drop(held);
    let last = loop {
        match group.node(group.leader_of(&[0, 1, 2]).await).propose(put("after"), PATIENCE).await {
            Ok((index, _)) => break index,
            Err(error) => println!("not yet: {error}"),
        }
    };
    group.converged(last).await;
    assert!(group.places[3].disk.applied().contains_key(&BEGINNING));
}

/// A leader that leaves needs no lease to end for those who stay, so it stops saying that it leads before anybody hears
/// of the change.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_removes_itself_stops_leading_before_another_can_begin() {
    let group = Group::started(5).await;
    let mut rest: Vec<usize> = (0..5).collect();
    while rest.len() > 2 {
        let old = group.leader_of(&rest).await;
        let (node, name) = (group.node(old).clone(), group.places[old].name.clone());
        rest.retain(|at| *at != old);
        let witness = group.node(rest[0]).clone();
        let before = witness.membership().index;
        let hears = async {
            // Looked at again and again: it is over within milliseconds.
            while witness.membership().index == before {
                tokio::task::yield_now().await;
            }
            assert!(!node.leadership().is_me && !node.holds().leads, "it leads on");
        };
        let heard = tokio::time::timeout(PATIENCE, hears);
        let (removed, heard) = tokio::join!(node.remove_peer(&name, PATIENCE), heard);
        removed.unwrap();
        heard.unwrap();
        for at in &rest {
            wait_health(group.node(*at), "healthy", |health| health.healthy).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_leaves_the_leader_what_it_was() {
    let group = Group::started(3).await;
    let leader = group.leader().await;
    let node = group.node(leader);
    let alone = [node.health().me.node_id].into();
    let moved = node.change_membership(node.membership().index.unwrap() + 1, &alone, PATIENCE).await;
    assert!(moved.is_err());
    assert!(node.leadership().is_me && node.holds().leads);
    node.propose(put("still leads"), PATIENCE).await.unwrap();
}

/// The first by name forms a group where there is none; called by a running one, it only follows.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_by_name_joins_its_group_again_and_forms_no_other() {
    let mut group = Group::started(3).await;
    let names = group.names();
    let first = (0..3).min_by_key(|at| &names[*at]).unwrap();
    let cluster = group.node(first).health().cluster_id.clone();
    group.kill(first).await;
    group.places[first].wipe();
    group.start(first).await;
    let health = wait_health(group.node(first), "a voter again", |health| health.healthy).await;
    assert_eq!(health.cluster_id, cluster);
    // Called again, by everybody, after a restart as well.
    group.kill(first).await;
    group.start(first).await;
    let health = wait_health(group.node(first), "a voter still", |health| health.healthy).await;
    assert_eq!(health.cluster_id, cluster);
    let formed = group.node(first).events_since(0).into_iter().find(|event| event.kind == EventKind::Formed);
    assert_eq!(formed, None);
    let soon = Duration::from_secs(1);
    let begun = tokio::time::Instant::now();
    wait_health(group.node(first), "a second later", |_| begun.elapsed() > soon).await;
    assert!(group.node(first).fatal().borrow().is_none());
    let index = group.write("after").await;
    group.converged(index).await;
}

/// As after a crash between the number that a running group gave a node and that group's first message: an identity, and
/// a log without an entry.
fn lose_all_but_the_number(group: &mut Group, index: usize) {
    let dir = group.settings(index).data_dir;
    let log = Connection::open(dir.join("raft.db")).unwrap();
    log.execute_batch("DELETE FROM raft_log; DELETE FROM raft_meta WHERE name <> 'owner'").unwrap();
    std::fs::remove_dir_all(dir.join("snapshots")).unwrap();
    group.places[index].disk = Disk::default();
}

/// Whoever was called by a running group waits for it to call again: it does not form another one with nodes that are
/// empty, although it is the first of its list.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_by_name_that_was_called_once_waits_to_be_called_again() {
    let mut group = Group::of(3);
    group.policy = Policy { membership: MembershipSource::Api, ..Policy::default() };
    let mut order: Vec<usize> = (0..3).collect();
    order.sort_by_key(|index| group.places[*index].name.clone());
    let [first, empty, leader] = order[..] else { unreachable!("three places") };
    let names = group.names();
    // The list of the new ones leaves out who leads.
    let wanted = vec![names[first].clone(), names[empty].clone()];
    group.places[leader].list = Some(vec![names[leader].clone()]);
    for index in [first, empty] {
        group.places[index].list = Some(wanted.clone());
    }
    group.start(leader).await;
    wait_health(group.node(leader), "alone", |health| health.healthy).await;
    group.node(leader).set_wish(&wanted).unwrap();
    group.start(first).await;
    wait_health(group.node(first), "waiting", |health| !health.waiting_for.is_empty()).await;
    let expected = group.node(leader).membership().index.unwrap();
    group.node(leader).add_learner(expected, &names[first], PATIENCE).await.unwrap();
    wait_health(group.node(first), "following", |health| health.applied_index.is_some()).await;

    for index in [first, leader] {
        group.kill(index).await;
    }
    lose_all_but_the_number(&mut group, first);
    group.start(empty).await;
    group.start(first).await;
    wait_health(group.node(empty), "told", |health| {
        health.waiting_for.iter().any(|line| line.contains("it belongs to another group"))
    })
    .await;
    group.start(leader).await;
    wait_health(group.node(leader), "alone again", |health| health.healthy).await;
    let last = group.node(leader).propose(put("after"), PATIENCE).await.unwrap().0;
    wait_health(group.node(first), "following again", |health| health.applied_index >= Some(last)).await;
    assert!(group.node(first).fatal().borrow().is_none(), "{:?}", group.node(first).health());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_removed_and_emptied_is_taken_in_anew_and_stays() {
    let mut group = Group::started(3).await;
    let leader = group.leader().await;
    let (node, again) = (group.node(leader).clone(), (leader + 1) % 3);
    let name = group.places[again].name.clone();
    let removed = node.remove_peer(&name, PATIENCE).await.unwrap();
    wait_health(group.node(again), "removed", |health| health.removed).await;
    group.kill(again).await;
    group.places[again].wipe();
    group.start(again).await;
    let added = node.add_peer(&name, PATIENCE).await.unwrap();
    assert_ne!(added.node_id, removed.node_id);
    for restarts in [false, true] {
        if restarts {
            group.kill(again).await;
            group.start(again).await;
        }
        let health = wait_health(group.node(again), "a voter", |health| health.healthy).await;
        assert_eq!((health.me.node_id, health.removed), (added.node_id, false));
    }
    let index = group.write("after").await;
    group.converged(index).await;
}
