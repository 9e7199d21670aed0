//! Groups that grow, shrink, lose disks and change their lists while they run.

use std::collections::BTreeSet;
use std::time::Duration;

use orchestrator_raft::{Bootstrap, ChangeError, Health, MembershipSource, PeerHealth, Policy, RaftNode};
use tokio::time::Instant;

use crate::group::{Group, PATIENCE, Place, put, wait_health};

fn voters(node: &RaftNode) -> BTreeSet<String> {
    node.membership().voters.into_iter().map(|member| member.raft_addr).collect()
}

fn number(node: &RaftNode) -> u64 {
    node.health().me.node_id
}

/// Waits until `node` knows exactly these voters, and the change is over.
async fn wait_voters(node: &RaftNode, wanted: &BTreeSet<String>) {
    let settled = |node: &RaftNode| {
        let now = node.membership();
        now.committed && !now.joint && now.learners.is_empty() && voters(node) == *wanted
    };
    let mut health = node.watch_health();
    let deadline = Instant::now() + PATIENCE;
    while !settled(node) {
        let changed = tokio::time::timeout_at(deadline, health.changed()).await;
        assert!(changed.is_ok(), "voters: {:#?}\n{:#?}", node.membership(), node.health());
    }
}

fn waits_with(health: &Health, text: &str) -> bool {
    health.waiting_for.iter().any(|line| line.contains(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_voter_grows_to_three_and_five_and_shrinks_back_without_a_restart() {
    let mut group = Group::of(5);
    let names = group.names();
    group.places[0].list = Some(vec![names[0].clone()]);
    for index in 0..5 {
        group.start(index).await;
    }
    wait_health(group.node(0), "alone", |health| health.healthy).await;
    let mut last = group.node(0).propose(put("alone"), PATIENCE).await.unwrap().0;
    for (index, name) in names.iter().enumerate().skip(1) {
        wait_health(group.node(index), "refused", |health| waits_with(health, "do not name")).await;
        let leader = group.leader_of(&(0..index).collect::<Vec<_>>()).await;
        let member = group.node(leader).add_peer(name, PATIENCE).await.unwrap();
        assert!(member.node_id > 65536, "a later number: {member:?}");
        wait_health(group.node(index), "a voter", |health| health.healthy).await;
        assert_eq!(number(group.node(index)), member.node_id);
        last = group.node(leader).propose(put(name), PATIENCE).await.unwrap().0;
    }
    group.everybody_healthy().await;
    group.converged(last).await;
    let again = group.node(group.leader().await).add_peer(&names[1], PATIENCE).await.unwrap_err();
    assert!(matches!(again, ChangeError::AlreadyMember { .. }), "{again}");
    for index in (1..5).rev() {
        let leader = group.leader_of(&(0..=index).collect::<Vec<_>>()).await;
        group.node(leader).remove_peer(&names[index], PATIENCE).await.unwrap();
        let gone = wait_health(group.node(index), "removed", |health| health.removed).await;
        assert!(!gone.healthy && gone.reason.as_deref().is_some_and(|why| why.contains("was removed")));
    }
    let leader = group.leader_of(&[0]).await;
    assert_eq!((leader, voters(group.node(0)).len()), (0, 1));
    group.node(0).propose(put("alone again"), PATIENCE).await.unwrap();
    let last = group.node(0).remove_peer(&names[0], PATIENCE).await.unwrap_err();
    assert!(matches!(last, ChangeError::LastVoter { .. }), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_comes_back_under_a_new_number_and_replaces_its_old_one() {
    let mut group = Group::started(3).await;
    group.write("before").await;
    let leader = group.leader().await;
    let wiped = (leader + 1) % 3;
    let old = number(group.node(wiped));
    let mut numbers = BTreeSet::from([old]);
    for keeps_backend in [false, true] {
        group.kill(wiped).await;
        let kept = group.places[wiped].disk.clone();
        group.places[wiped].wipe();
        if keeps_backend {
            group.places[wiped].disk = kept;
        }
        group.start(wiped).await;
        let health = wait_health(group.node(wiped), "a voter again", |health| health.healthy).await;
        assert!(numbers.insert(health.me.node_id), "{} is used again", health.me.node_id);
        wait_voters(group.node(leader), &group.names().into_iter().collect()).await;
        let voters = group.node(leader).membership().voters;
        let named = voters.iter().filter(|member| member.raft_addr == group.places[wiped].name);
        assert_eq!(named.map(|member| member.node_id).collect::<Vec<_>>(), [health.me.node_id]);
    }
    let index = group.write("after").await;
    group.converged(index).await;
    assert!(group.places[wiped].disk.applied().values().any(|text| text.contains("before")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_leader_is_replaced_by_itself_as_well() {
    let mut group = Group::started(3).await;
    let leader = group.leader().await;
    group.kill(leader).await;
    group.places[leader].wipe();
    group.start(leader).await;
    let health = wait_health(group.node(leader), "a voter again", |health| health.healthy).await;
    assert!(health.me.node_id > 65536);
    let index = group.write("after").await;
    group.converged(index).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_a_node_waits_for_a_majority_with_the_new_list() {
    let mut group = Group::started(3).await;
    group.write("before").await;
    let leader = group.leader().await;
    let (other, leaves) = ((leader + 1) % 3, (leader + 2) % 3);
    group.kill(leaves).await;
    group.places.push(Place::new());
    let names = group.names();
    let wanted: Vec<String> = [leader, other, 3].iter().map(|index| names[*index].clone()).collect();
    let old: BTreeSet<String> = names[..3].iter().cloned().collect();
    group.places[3].list = Some(wanted.clone());
    group.start(3).await;
    wait_health(group.node(3), "refused", |health| waits_with(health, "do not name")).await;
    assert!(group.node(leader).set_wish(&wanted).unwrap());
    wait_health(group.node(leader), "alone with its wish", |health| {
        waits_with(health, "its RaftNodes differ")
    })
    .await;
    assert_eq!(voters(group.node(leader)), old, "one of three is no majority");
    wait_health(group.node(other), "told", |health| {
        health.differing.iter().any(|line| line.starts_with(&names[leader]) && line.contains(&names[3]))
    })
    .await;
    assert!(!group.node(3).health().healthy);
    group.node(other).set_wish(&wanted).unwrap();
    wait_health(group.node(3), "a voter", |health| health.healthy).await;
    wait_voters(group.node(leader), &wanted.iter().cloned().collect()).await;
    let index = group.node(leader).propose(put("after"), PATIENCE).await.unwrap().0;
    group.converged(index).await;
    for index in [leader, other, 3] {
        wait_health(group.node(index), "content", |health| health.waiting_for.is_empty()).await;
    }
    // The one that left comes back: it hears that it was removed, and disturbs nobody.
    let term = group.node(leader).leadership().term;
    group.places[leaves].list = Some(names[..3].to_vec());
    group.start(leaves).await;
    wait_health(group.node(leaves), "removed", |health| health.removed).await;
    assert_eq!(group.node(leader).leadership().term, term);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_outlives_restarts_and_what_was_added_on_demand_is_not_undone() {
    let mut group = Group::started(3).await;
    group.places.push(Place::new());
    let names = group.names();
    for index in 0..3 {
        group.places[index].list = Some(names[..3].to_vec());
    }
    group.start(3).await;
    let leader = group.leader_of(&[0, 1, 2]).await;
    group.node(leader).add_peer(&names[3], PATIENCE).await.unwrap();
    for index in 0..3 {
        group.kill(index).await;
        group.start(index).await;
        group.everybody_healthy().await;
    }
    let four: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(voters(group.node(3)), four, "old lists are no new wish");
    // Restarted one by one with a new list, as people do.
    for index in 0..3 {
        group.kill(index).await;
        group.places[index].list = Some(names[1..].to_vec());
        if index > 0 {
            group.start(index).await;
        }
        wait_health(group.node(3), "healthy", |health| health.healthy).await;
    }
    let leader = group.leader_of(&[1, 2, 3]).await;
    // Whoever leads must hold it too; the fourth began with all four.
    group.node(3).set_wish(&names[1..]).unwrap();
    wait_voters(group.node(leader), &names[1..].iter().cloned().collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_removed_hands_over_and_says_so() {
    let group = Group::started(3).await;
    let old = group.leader().await;
    let rest = [(old + 1) % 3, (old + 2) % 3];
    group.node(old).remove_peer(&group.places[old].name, PATIENCE).await.unwrap();
    wait_health(group.node(old), "removed", |health| health.removed && !health.healthy).await;
    let new = group.leader_of(&rest).await;
    group.node(new).propose(put("after"), PATIENCE).await.unwrap();
    assert!(!group.node(old).leadership().is_me);
    let stays = group.node(new).membership();
    assert_eq!((stays.voters.len(), stays.learners.len()), (2, 0));
    let again = group.node(new).add_peer(&group.places[old].name, PATIENCE).await.unwrap_err();
    assert!(again.to_string().contains("cannot join"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_member_is_never_removed_for_its_silence() {
    let mut group = Group::started(3).await;
    let leader = group.leader().await;
    let silent = (leader + 1) % 3;
    group.kill(silent).await;
    let since = Instant::now();
    wait_health(group.node(leader), "three seconds later", |_| since.elapsed() > Duration::from_secs(3))
        .await;
    assert_eq!(voters(group.node(leader)).len(), 3);
    group.start(silent).await;
    group.everybody_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_refused_with_the_reason() {
    let mut group = Group::started(3).await;
    let leader = group.leader().await;
    let names = group.names();
    let (node, follower) = (group.node(leader).clone(), group.node((leader + 1) % 3).clone());
    let refused = follower.add_peer("x:1", PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ChangeError::NotLeader { leader: Some(_) }), "{refused}");
    let refused = node.add_peer("no such:name:x", PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ChangeError::BadName { .. }), "{refused}");
    let soon = Duration::from_secs(3);
    let refused = node.add_peer(&crate::group::free_address(), soon).await.unwrap_err();
    assert!(matches!(refused, ChangeError::Unreachable { .. }), "{refused}");
    assert!(refused.to_string().contains("start it with an empty RaftDataDir"), "{refused}");
    let refused = node.remove_peer("nobody:1", PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ChangeError::UnknownMember { .. }), "{refused}");
    let foreign = Group::started(1).await;
    let refused = node.add_peer(&foreign.places[0].name, PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ChangeError::Occupied { .. }), "{refused}");
    let index = node.membership().index.unwrap();
    let all: BTreeSet<u64> = node.membership().voters.iter().map(|member| member.node_id).collect();
    let moved = node.change_membership(index + 1, &all, PATIENCE).await.unwrap_err();
    assert!(matches!(moved, ChangeError::Moved { found, .. } if found == index), "{moved}");
    let unknown = all.iter().copied().chain([99]).collect();
    let refused = node.change_membership(index, &unknown, PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ChangeError::UnknownMember { .. }), "{refused}");
    // Two of three lost: what is left cannot be asked to lose the third.
    let dead = (leader + 1) % 3;
    group.kill(dead).await;
    let refused = node.add_peer(&names[dead], PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ChangeError::AlreadyMember { .. }), "{refused}");
    let refused = node.remove_peer(&names[(leader + 2) % 3], PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ChangeError::NoMajority { .. }), "{refused}");
    assert_eq!(voters(&node).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_may_be_added_before_it_is_started() {
    let mut group = Group::started(1).await;
    group.places.push(Place::new());
    let (node, name) = (group.node(0).clone(), group.places[1].name.clone());
    let meanwhile = async {
        // The leader goes on.
        group.node(0).propose(put("meanwhile"), PATIENCE).await.unwrap();
        group.start(1).await;
    };
    let (member, ()) = tokio::join!(node.add_peer(&name, PATIENCE), meanwhile);
    let member = member.unwrap();
    let health = wait_health(group.node(1), "a voter", |health| health.healthy).await;
    assert_eq!(health.me.node_id, member.node_id);
    let leader = group.leader_of(&[0, 1]).await;
    let progress = group.node(leader).replication();
    let other = group.node(1 - leader).health().me.node_id;
    assert_eq!(progress.keys().copied().collect::<Vec<_>>(), [other]);
    let of = progress[&other];
    assert!(of.matched_index.is_some() && of.last_ack.is_some_and(|age| age < PATIENCE), "{progress:?}");
    assert!(group.node(1 - leader).replication().is_empty(), "only a leader knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_drives_learner_and_voters_with_compare_and_set() {
    let mut group = Group::of(4);
    group.policy = Policy { bootstrap: Bootstrap::External, membership: MembershipSource::Api };
    group.start_all().await;
    wait_health(group.node(0), "told to wait", |health| waits_with(health, "waits to be told")).await;
    let names = group.names();
    let members: Vec<(u64, String)> = (1..=3).zip(names[..3].iter().cloned()).collect();
    for _ in 0..2 {
        group.node(1).bootstrap("t", "c0ffee", &members, PATIENCE).await.unwrap();
    }
    for index in 0..3 {
        let health = wait_health(group.node(index), "a voter", |health| health.healthy).await;
        assert_eq!((health.me.node_id, health.cluster_id.as_deref()), (index as u64 + 1, Some("c0ffee")));
    }
    let other = group.node(1).bootstrap("t", "another", &members, PATIENCE).await.unwrap_err();
    assert!(matches!(other, ChangeError::OtherGroup { .. }), "{other}");
    let leader = group.leader_of(&[0, 1, 2]).await;
    let node = group.node(leader).clone();
    let before = node.membership().index.unwrap();
    let learner = node.add_learner(before, &names[3], PATIENCE).await.unwrap();
    let stale = node.add_learner(before, &names[3], PATIENCE).await.unwrap_err();
    assert!(matches!(stale, ChangeError::Moved { .. }), "{stale}");
    let now = node.membership();
    assert_eq!(now.learners.iter().map(|member| member.node_id).collect::<Vec<_>>(), [learner]);
    let leaves = (leader as u64 + 1) % 3 + 1;
    let wanted: BTreeSet<u64> = (1..=3).filter(|id| *id != leaves).chain([learner]).collect();
    let after = node.change_membership(now.index.unwrap(), &wanted, PATIENCE).await.unwrap();
    assert!(after > now.index.unwrap());
    wait_health(group.node(3), "a voter", |health| health.healthy).await;
    let now: BTreeSet<u64> = node.membership().voters.iter().map(|member| member.node_id).collect();
    assert_eq!(now, wanted);
    wait_health(group.node(leaves as usize - 1), "removed", |health| health.removed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survivor_goes_on_alone_in_a_new_epoch_and_the_old_one_is_refused() {
    let mut group = Group::started(3).await;
    let index = group.write("kept").await;
    group.converged(index).await;
    let survivor = group.leader().await;
    let cluster = group.node(survivor).health().cluster_id.clone().unwrap();
    let refused = group.node(survivor).force_new_cluster(&cluster, 1).await.unwrap_err();
    assert!(matches!(refused, ChangeError::HasLeader), "{refused}");
    let others = [(survivor + 1) % 3, (survivor + 2) % 3];
    for other in others {
        group.kill(other).await;
    }
    wait_health(group.node(survivor), "alone", |health| !health.is_part_of_quorum).await;
    let refused = group.node(survivor).force_new_cluster("another", 1).await.unwrap_err();
    assert!(matches!(refused, ChangeError::OtherGroup { epoch: 1, .. }), "{refused}");
    assert_eq!(group.node(survivor).force_new_cluster(&cluster, 1).await.unwrap(), 2);
    assert!(group.node(survivor).fatal().borrow().is_some());
    group.kill(survivor).await;
    group.start(survivor).await;
    let health = wait_health(group.node(survivor), "leading alone", |health| health.healthy).await;
    assert_eq!((health.epoch, health.cluster_id.as_deref()), (2, Some(cluster.as_str())));
    group.node(survivor).propose(put("alone"), PATIENCE).await.unwrap();
    assert!(group.places[survivor].disk.applied().values().any(|text| text.contains("kept")));
    // Both old voters are a majority of the old epoch; they do not get at the survivor.
    group.start(others[0]).await;
    wait_health(group.node(others[0]), "refused", |health| {
        health.peers.iter().any(|peer| peer.problem.as_deref().is_some_and(|why| why.contains("epoch")))
    })
    .await;
    group.kill(others[0]).await;
    group.places[others[0]].wipe();
    group.start(others[0]).await;
    let name = group.places[others[0]].name.clone();
    group.node(survivor).add_peer(&name, PATIENCE).await.unwrap();
    let health = wait_health(group.node(others[0]), "a voter", |health| health.healthy).await;
    assert_eq!(health.epoch, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_group_comes_back_with_other_addresses() {
    let mut group = Group::of(3);
    group.own_loops = false;
    for (index, place) in group.places.iter_mut().enumerate() {
        place.bind = Some(std::mem::replace(&mut place.name, format!("node-{index}.test:10008")));
        group.addresses.point(&place.name, place.address());
    }
    group.start_all().await;
    group.everybody_healthy().await;
    let index = group.write("before").await;
    group.converged(index).await;
    let numbers: Vec<u64> = (0..3).map(|index| number(group.node(index))).collect();
    // One under the running others, then all at once.
    for moved in [vec![(group.leader().await + 1) % 3], vec![0, 1, 2]] {
        for index in &moved {
            group.kill(*index).await;
        }
        for index in &moved {
            let place = &mut group.places[*index];
            place.bind = Some(crate::group::free_address());
            group.addresses.point(&place.name, place.address());
        }
        for index in moved {
            group.start(index).await;
        }
        group.everybody_healthy().await;
        let index = group.write("after").await;
        group.converged(index).await;
    }
    assert_eq!(numbers, (0..3).map(|index| number(group.node(index))).collect::<Vec<_>>());
}

/// Two disks behind one number could vote twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_members_directory_is_refused_and_the_member_stays() {
    let mut group = Group::started(3).await;
    group.write("before").await;
    let copied = (group.leader().await + 1) % 3;
    let number_of_it = number(group.node(copied));
    group.kill(copied).await;
    let mut copy = Place::new();
    let (from, to) = (group.places[copied].dir.path().join("raft"), copy.dir.path().join("raft"));
    std::fs::create_dir(&to).unwrap();
    for file in ["identity.json", "raft.db", "wish.json"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    copy.disk = group.places[copied].disk.copy();
    group.start(copied).await;
    group.everybody_healthy().await;

    let mut names = group.names();
    names[(copied + 1) % 3].clone_from(&copy.name);
    copy.list = Some(names);
    group.places.push(copy);
    group.start(3).await;
    let refused = wait_health(group.node(3), "refused as a copy", |health| {
        let told = |peer: &PeerHealth| {
            peer.problem.as_deref().is_some_and(|why| why.contains("is a copy of that node's"))
        };
        health.peers.iter().any(told)
    })
    .await;
    assert_eq!((refused.me.node_id, refused.healthy), (number_of_it, false));
    let index = group.leader_of(&[0, 1, 2]).await;
    group.node(index).propose(put("after"), PATIENCE).await.unwrap();
    wait_health(group.node(copied), "healthy", |health| health.healthy).await;
    // Where a list names the copy, the leader says what keeps it out.
    let list = group.places[3].list.clone().unwrap();
    for node in [0, 1, 2] {
        group.node(node).set_wish(&list).unwrap();
    }
    let leader = group.leader_of(&[0, 1, 2]).await;
    wait_health(group.node(leader), "told", |health| waits_with(health, "its RaftDataDir is that of")).await;
    assert_eq!(voters(group.node(leader)).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_has_the_state_that_the_group_began_with_and_none_of_its_own() {
    let mut group = Group::of(2);
    let names = group.names();
    group.places[0].list = Some(vec![names[0].clone()]);
    for (index, number) in [(0, 1_000_000), (1, 1_000_001)] {
        let own = format!("of node {index}");
        group.places[index].disk.with(|content| content.applied.insert(number, own));
        group.start(index).await;
    }
    wait_health(group.node(0), "alone", |health| health.healthy).await;
    wait_health(group.node(1), "refused", |health| waits_with(health, "do not name")).await;
    group.node(0).add_peer(&names[1], PATIENCE).await.unwrap();
    wait_health(group.node(1), "a voter", |health| health.healthy).await;
    let last = group.write("together").await;
    group.converged(last).await;
    assert_eq!(group.places[0].disk.applied(), group.places[1].disk.applied());
    assert!(group.places[1].disk.applied().contains_key(&1_000_000));
}

/// As a container that comes back with another address and no name.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_may_come_back_under_another_name_and_grow() {
    let mut group = Group::started(1).await;
    group.write("before").await;
    let number_of_it = number(group.node(0));
    group.kill(0).await;
    group.places[0].name = crate::group::free_address();
    group.start(0).await;
    let name = group.places[0].name.clone();
    wait_health(group.node(0), "content", |health| health.healthy && health.waiting_for.is_empty()).await;
    wait_voters(group.node(0), &BTreeSet::from([name.clone()])).await;
    assert_eq!(number(group.node(0)), number_of_it);
    group.places.push(Place::new());
    group.start(1).await;
    let added = group.places[1].name.clone();
    group.node(0).add_peer(&added, PATIENCE).await.unwrap();
    // The new one reaches the old one by its new name.
    group.everybody_healthy().await;
    wait_voters(group.node(1), &BTreeSet::from([name, added])).await;
    let index = group.write("after").await;
    group.converged(index).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_taken_back_is_told_as_well() {
    let group = Group::started(3).await;
    let names = group.names();
    for odd in 0..3 {
        let others = [(odd + 1) % 3, (odd + 2) % 3];
        for (list, differs) in [(&names[..odd.max(1)], true), (&names[..], false)] {
            group.node(odd).set_wish(list).unwrap();
            for other in others {
                wait_health(group.node(other), "told", |health| health.differing.is_empty() != differs).await;
            }
        }
    }
    assert_eq!(voters(group.node(0)).len(), 3);
}
