//! Who is there, what is written down, and what the next pass remembers.

use expect_test::expect;
use jiff::SignedDuration;
use orchestrator_crds::{OrchestratorClusterStatus, StorageState};
use orchestrator_operator::{
    observation::Observation,
    plan::Action,
    status::{Applied, memory, record, status},
};

use super::drawn::{GROUP, after, applied, formed, group, idle, now};

fn listed(status: &OrchestratorClusterStatus) -> String {
    let mut text = String::new();
    for member in &status.members {
        let flag = |is: bool, word: &str| if is { format!(" {word}") } else { String::new() };
        text.push_str(&format!(
            "{} node={:?} {:?} {}{}{}{}\n",
            member.pod,
            member.node_id,
            member.role,
            member.storage_state,
            flag(member.ready, "ready"),
            flag(member.reachable, "reachable"),
            member.lag.map_or_else(String::new, |lag| format!(" lag={lag}")),
        ));
    }
    text
}

#[test]
fn every_member_is_listed_with_what_is_known_of_it() {
    let seen = group(
        "
        main-0 follower
        main-1 leader
        main-2 down
        main-3 learner lag=3
        main-4 stale
        far.example.net:10008 follower lag=400
        ",
    );
    let told = after(&formed(), &seen);
    expect![[r#"
        main-0 node=Some(1) Follower Ok ready reachable
        main-1 node=Some(2) Leader Ok ready reachable
        main-2 node=Some(3) Follower Unknown
        main-3 node=Some(4) Learner Ok reachable lag=3
        main-4 node=Some(99) None Stale reachable
        far.example.net:10008 node=Some(6) Follower Ok ready reachable lag=400
    "#]]
    .assert_eq(&listed(&told));
    let counts =
        (told.replicas, told.ready_replicas, told.updated_replicas, told.voters, told.healthy_voters);
    assert_eq!(counts, (Some(5), Some(2), Some(5), Some(4), Some(2)));
    assert_eq!(told.learners, Some(1));
    assert_eq!(told.leader.and_then(|leader| leader.pod).as_deref(), Some("main-1"));
}

#[test]
fn a_volume_that_is_lost_is_a_members_storage() {
    let told = after(&formed(), &group("main-0 leader\nmain-1 follower\nmain-2 lost"));
    assert_eq!(told.members[2].storage_state, StorageState::Lost);
}

#[test]
fn a_leader_leads_since_it_was_first_seen_to_in_this_term() {
    let seen = group("main-0 leader\nmain-1 follower\nmain-2 follower");
    let once = after(&formed(), &seen);
    let later = Observation { now: now() + SignedDuration::from_secs(60), ..seen };
    assert_eq!(after(&once, &later).leader, once.leader);
    assert_eq!(memory(&once).leader, Some((1, 4, now())));
    let other = Observation { now: later.now, ..group("main-0 follower\nmain-1 leader\nmain-2 follower") };
    let told = after(&once, &other);
    assert_eq!(told.leader.map(|leader| leader.since.0), Some(later.now));
}

#[test]
fn who_does_not_answer_was_seen_last_when_it_stopped_to() {
    let well = after(&formed(), &group("main-0 leader\nmain-1 follower\nmain-2 follower"));
    assert_eq!(well.members[2].last_seen, None);
    let silent = group("main-0 leader\nmain-1 follower\nmain-2 down");
    let first = after(&well, &Observation { now: now() + SignedDuration::from_secs(5), ..silent.clone() });
    let seen_at = first.members[2].last_seen.clone();
    assert_eq!(seen_at.clone().map(|at| at.0), Some(now() + SignedDuration::from_secs(5)));
    let second = after(&first, &Observation { now: now() + SignedDuration::from_secs(50), ..silent });
    assert_eq!(second.members[2].last_seen, seen_at);
}

#[test]
fn what_was_known_stays_while_nobody_answers() {
    let before = after(&formed(), &group("main-0 leader\nmain-1 follower\nmain-2 follower"));
    let lost = after(&before, &group("main-0 down\nmain-1 down\nmain-2 down"));
    assert_eq!((&lost.membership, lost.voters, lost.healthy_voters), (&before.membership, Some(3), Some(0)));
    assert_eq!(lost.version, before.version);
}

#[test]
fn a_status_is_read_as_it_was_written() {
    let lost = group("main-0 candidate\nmain-1 lost\nmain-2 down");
    let before = after(&formed(), &group("main-0 leader\nmain-1 follower\nmain-2 follower"));
    for told in [after(&before, &lost), before] {
        let text = serde_json::to_string(&told).expect("it is plain data");
        assert_eq!(serde_json::from_str::<OrchestratorClusterStatus>(&text).expect("it can be read"), told);
    }
}

#[test]
fn an_image_that_could_not_be_rendered_anew_stays_known() {
    let seen = group("main-0 leader");
    let before = after(&formed(), &seen);
    let frozen = Applied { generation: 3, ..Applied::default() };
    let told = status(&seen, &idle(), &frozen, &before);
    assert_eq!(
        (&told.resolved_image, &told.template_version),
        (&before.resolved_image, &before.template_version)
    );
    assert_eq!(told.observed_generation, Some(3));
}

#[test]
fn zones_are_those_of_the_nodes() {
    let applied = Applied { zones: [("a".to_owned(), "north".to_owned())].into(), ..applied() };
    let told = status(&group("main-0 leader node=a"), &idle(), &applied, &formed());
    assert_eq!(told.members[0].zone.as_deref(), Some("north"));
}

#[test]
fn a_group_is_written_down_before_it_is_formed_and_after() {
    let action = Action::RecordBootstrap {
        token: "t".into(),
        cluster_id: GROUP.into(),
        members: [(1, "main-0:1".to_owned()), (2, "main-1:1".to_owned())].into(),
    };
    let begun = record(&OrchestratorClusterStatus::default(), &action, now()).expect("it is written down");
    assert_eq!(begun.cluster_id, None);
    let fence = begun.bootstrap.clone().expect("it is written down");
    assert_eq!((fence.members.len(), fence.completed_at), (2, None));
    let formed = Action::RecordGroup { cluster_id: GROUP.into(), adopted: false };
    let done = record(&begun, &formed, now()).expect("it is written down");
    assert_eq!(done.cluster_id.as_deref(), Some(GROUP));
    assert!(done.bootstrap.clone().is_some_and(|record| record.completed_at.is_some()));
    assert_eq!(memory(&done).cluster_id.as_deref(), Some(GROUP));
    let forgotten = record(&done, &Action::ForgetGroup, now()).expect("it is written down");
    assert_eq!((forgotten.cluster_id, forgotten.bootstrap), (None, None));
    assert_eq!(record(&done, &Action::Bootstrap, now()), None);
}

#[test]
fn a_group_that_was_found_has_no_bootstrap() {
    let found = Action::RecordGroup { cluster_id: "other".into(), adopted: true };
    let done = record(&OrchestratorClusterStatus::default(), &found, now()).expect("it is written down");
    assert_eq!((done.cluster_id.as_deref(), done.bootstrap), (Some("other"), None));
}

#[test]
fn a_pass_takes_over_what_was_written_down() {
    let told = after(&formed(), &group("main-0 leader"));
    assert_eq!(told.cluster_id.as_deref(), Some(GROUP));
    let selector = "app.kubernetes.io/component=raft-member,app.kubernetes.io/instance=main,app.kubernetes.io/name=orchestrator";
    assert_eq!(told.selector.as_deref(), Some(selector));
    let endpoints = told.endpoints.expect("they are known");
    assert_eq!(endpoints.api, "http://main.db.svc");
    assert_eq!(endpoints.members, ["http://main-0.main-raft.db.svc:3000"]);
}
