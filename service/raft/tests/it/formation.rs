//! Any start order gives exactly one group.

use crate::group::{Group, wait_health};

async fn one_group(group: &Group) {
    group.everybody_healthy().await;
    group.leader().await;
    let mut clusters: Vec<_> = group.running().map(|i| group.node(i).health().cluster_id.clone()).collect();
    clusters.dedup();
    assert_eq!(clusters.len(), 1, "{clusters:?}");
    assert!(clusters[0].is_some());
    let mut numbers: Vec<_> = group.running().map(|i| group.node(i).health().me.node_id).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let index = group.write("formed").await;
    group.converged(index).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_alone_is_a_group() {
    let group = Group::started(1).await;
    one_group(&group).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_started_at_once_are_one_group() {
    let group = Group::started(3).await;
    one_group(&group).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_nodes_started_at_once_are_one_group() {
    let group = Group::started(5).await;
    one_group(&group).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_wait_for_the_last_one_and_say_so_in_any_order() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut group = Group::of(3);
        group.start(order[0]).await;
        let first = group.node(order[0]);
        wait_health(first, "waiting for two", |health| health.waiting_for.len() == 2).await;
        group.start(order[1]).await;
        let missing = group.places[order[2]].name.clone();
        for index in &order[..2] {
            let health = wait_health(
                group.node(*index),
                "waiting for one",
                |health| matches!(health.waiting_for.as_slice(), [one] if one.starts_with(&missing)),
            )
            .await;
            assert!(!health.healthy);
            assert_eq!(health.reason.as_deref(), Some("the raft group is not formed yet"));
        }
        group.start(order[2]).await;
        one_group(&group).await;
        assert!(group.node(0).health().waiting_for.is_empty());
    }
}

/// Nodes with states of their own; the answer is the one of the first by name.
fn brings_states(group: &Group) -> std::collections::BTreeMap<u64, String> {
    let first = group.places.iter().min_by_key(|place| place.name.clone()).unwrap();
    for (index, place) in group.places.iter().enumerate() {
        place.disk.with(|content| {
            // Larger than one message, so that it comes in several.
            content.applied.insert(1_000_000, format!("of node {index} {}", "x".repeat(700_000)));
            content.mark = None;
        });
    }
    first.disk.applied()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_states_of_their_own_begin_with_that_of_the_first_by_name() {
    let mut group = Group::of(3);
    let begins_with = brings_states(&group);
    group.start_all().await;
    one_group(&group).await;
    let states: Vec<_> = group.places.iter().map(|place| place.disk.applied()).collect();
    assert!(states.iter().all(|state| state.get(&1_000_000) == begins_with.get(&1_000_000)), "they differ");
    assert!(states.iter().all(|state| *state == states[0] && state.len() > 1));
    let installed = group.places.iter().map(|place| place.disk.with(|content| content.installed));
    assert_eq!(installed.sum::<usize>(), 2, "the others, once each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_that_died_half_way_gives_its_state_when_it_is_back() {
    let mut group = Group::of(3);
    let begins_with = brings_states(&group);
    let mut order: Vec<usize> = (0..3).collect();
    order.sort_by_key(|index| group.places[*index].name.clone());
    // One is missing, so the former can give out nothing yet.
    group.start(order[0]).await;
    group.start(order[1]).await;
    wait_health(group.node(order[0]), "waiting", |health| health.waiting_for.len() == 1).await;
    group.kill(order[0]).await;
    group.start(order[2]).await;
    group.start(order[0]).await;
    one_group(&group).await;
    for place in &group.places {
        assert_eq!(place.disk.applied().get(&1_000_000), begins_with.get(&1_000_000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_falls_silent_while_it_takes_the_state_over_is_named_and_only_delays() {
    let mut group = Group { own_loops: false, ..Group::of(3) };
    let mut order: Vec<usize> = (0..3).collect();
    order.sort_by_key(|index| group.places[*index].name.clone());
    let [former, silent, other] = order[..] else { unreachable!("three places") };
    for index in [silent, other] {
        group.start(index).await;
        wait_health(group.node(index), "waiting", |health| !health.waiting_for.is_empty()).await;
    }
    let hanging = group.places[silent].disk.hang();
    group.start(former).await;
    wait_health(group.node(silent), "assigned", |health| health.cluster_id.is_some()).await;
    // As a machine whose power fails: no connection breaks.
    group.cuts.isolate(&group, silent);
    let name = group.places[silent].name.clone();
    wait_health(group.node(former), "waiting", |health| {
        health.waiting_for.iter().any(|line| line.starts_with(&name))
    })
    .await;
    group.cuts.heal();
    drop(hanging);
    one_group(&group).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_middle_of_forming_only_delays() {
    let mut group = Group::of(3);
    // What a former leaves that died after it gave out numbers: identities without votes.
    let mut names: Vec<_> = group.places.iter().map(|place| place.name.clone()).collect();
    names.sort();
    for place in &group.places[..2] {
        let number = names.iter().position(|name| *name == place.name).unwrap() + 1;
        let dir = place.dir.path().join("raft");
        std::fs::create_dir_all(&dir).unwrap();
        let text = format!(r#"{{"ClusterID":"half-formed","NodeID":{number},"Epoch":0}}"#);
        std::fs::write(dir.join("identity.json"), text).unwrap();
    }
    group.start_all().await;
    one_group(&group).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_known_by_name_and_a_name_that_does_not_resolve_is_waited_for() {
    let mut group = Group::of(2);
    for place in &mut group.places {
        // The port is free on one loopback address, so most likely on the other one too.
        let (_, port) = place.name.rsplit_once(':').unwrap();
        place.name = format!("localhost:{port}");
    }
    group.start_all().await;
    one_group(&group).await;
    assert!(group.node(0).health().me.raft_addr.starts_with("localhost:"));

    let mut lonely = Group::of(2);
    lonely.places[1].name = "no-such-host.invalid:10008".into();
    lonely.start(0).await;
    let health = wait_health(lonely.node(0), "waiting", |health| !health.waiting_for.is_empty()).await;
    assert!(health.waiting_for[0].starts_with("no-such-host.invalid:10008: "), "{:?}", health.waiting_for);
    assert!(lonely.node(0).fatal().borrow().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn different_lists_form_no_group_and_name_the_difference() {
    let mut group = Group::of(2);
    group.start(0).await;
    let mut settings = group.settings(1);
    settings.nodes.push(crate::group::free_address());
    let machine = Box::new(crate::machine::DiskMachine(Default::default()));
    let node =
        orchestrator_raft::RaftNode::start(settings, machine, std::sync::Arc::new(Silent)).await.unwrap();
    wait_health(group.node(0), "told", |health| {
        health.waiting_for.iter().any(|line| line.contains("its RaftNodes differ"))
    })
    .await;
    node.stop().await;
}

struct Silent;

impl orchestrator_raft::Answerer for Silent {
    fn answer(
        &self,
        _: orchestrator_raft::Member,
        _: Vec<u8>,
    ) -> futures::future::BoxFuture<'static, Vec<u8>> {
        Box::pin(async { Vec::new() })
    }
}
