//! Groups that are formed by order: one order for ever, told from every other by its token.

use std::time::Duration;

use orchestrator_raft::{Bootstrap, ChangeError, MembershipSource, Policy};

use crate::group::{Group, PATIENCE, wait_health};

const CLUSTER: &str = "c0ffee";
/// Long enough for a node that answers.
const SOON: Duration = Duration::from_secs(1);

fn ordered(size: usize) -> (Group, Vec<(u64, String)>) {
    let mut group = Group::of(size);
    group.policy = Policy { bootstrap: Bootstrap::External, membership: MembershipSource::Api };
    let members = (1..).zip(group.names()).collect();
    (group, members)
}

/// Each order that is not the one with token `t` is refused, and changes nothing.
async fn any_other_is_refused(group: &Group, members: &[(u64, String)]) {
    let others = [
        ("u", CLUSTER, members, "the token differs"),
        ("t", CLUSTER, &members[..1], "the members differ"),
        ("", CLUSTER, members, "the token differs"),
    ];
    for (token, cluster, members, why) in others {
        let refused = group.node(0).bootstrap(token, cluster, members, SOON).await.unwrap_err();
        assert!(matches!(refused, ChangeError::ToldOtherwise { .. }), "{refused}");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    let refused = group.node(0).bootstrap("t", "another", members, SOON).await.unwrap_err();
    assert!(
        matches!(refused, ChangeError::ToldOtherwise { .. } | ChangeError::OtherGroup { .. }),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_order_answers_the_same_and_any_other_is_refused_also_after_a_restart() {
    let (mut group, members) = ordered(2);
    group.start_all().await;
    for restarts in [false, true] {
        if restarts {
            group.kill(0).await;
            group.start(0).await;
        }
        for _ in 0..2 {
            group.node(0).bootstrap("t", CLUSTER, &members, PATIENCE).await.unwrap();
        }
        any_other_is_refused(&group, &members).await;
        group.everybody_healthy().await;
    }
    // It was taken in, and told nothing: whoever orders it about means another node.
    let refused = group.node(1).bootstrap("t", CLUSTER, &members, SOON).await.unwrap_err();
    assert!(matches!(refused, ChangeError::OtherGroup { .. }), "{refused}");
    let index = group.write("formed").await;
    group.converged(index).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_waits_for_a_member_is_kept_over_a_restart_and_waits_for_its_repetition() {
    let (mut group, members) = ordered(2);
    group.start(0).await;
    let late = group.node(0).bootstrap("t", CLUSTER, &members, SOON).await.unwrap_err();
    assert!(matches!(late, ChangeError::Unconfirmed { .. }), "{late}");
    group.kill(0).await;
    group.start_all().await;
    any_other_is_refused(&group, &members).await;
    assert_eq!(group.node(0).health().cluster_id, None);
    group.node(0).bootstrap("t", CLUSTER, &members, PATIENCE).await.unwrap();
    group.everybody_healthy().await;
}

/// Killed between its identity, with which it may vote, and the first entry of the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_killed_half_way_goes_on_with_its_order() {
    let (mut group, members) = ordered(2);
    group.start(0).await;
    group.node(0).bootstrap("t", CLUSTER, &members, SOON).await.unwrap_err();
    group.kill(0).await;
    let dir = group.settings(0).data_dir;
    let identity = format!(r#"{{"ClusterID":"{CLUSTER}","NodeID":1,"Epoch":1}}"#);
    std::fs::write(dir.join("identity.json"), identity).unwrap();
    let log = rusqlite::Connection::open(dir.join("raft.db")).unwrap();
    let owner = format!(r#"{{"cluster_id":"{CLUSTER}","node_id":1,"epoch":1}}"#);
    log.execute("REPLACE INTO raft_meta (name, value) VALUES ('owner', ?1)", [owner.into_bytes()]).unwrap();
    drop(log);
    group.start_all().await;
    group.everybody_healthy().await;
    let health = wait_health(group.node(1), "a voter", |health| health.healthy).await;
    assert_eq!(health.cluster_id.as_deref(), Some(CLUSTER));
    group.node(0).bootstrap("t", CLUSTER, &members, PATIENCE).await.unwrap();
}
