//! Reading instances.

use std::time::{Duration, Instant};

use orchestrator_core::{
    InstanceKey,
    instance::{Instance, ReplicationGtid, ThreadState},
    observation::{Failure, FailureKind, Observation, Outcome, Part, Reading},
};
use orchestrator_mysql::{DetectionQueries, Fleet, HostnameSource, Probe as _, ProbeSettings};

use crate::{
    PATIENCE,
    fake::{Answer, Fake, Greeting},
    fleet,
    servers::{mariadb, mysql, mysql_with, row},
    settings,
};

fn reading(observation: Observation) -> Reading {
    match observation.outcome {
        Outcome::Read(reading) => *reading,
        Outcome::Failed(failure) => panic!("not read: {failure}"),
    }
}

fn instance(observation: Observation) -> Instance {
    let reading = reading(observation);
    assert_eq!(reading.unread, []);
    reading.instance
}

fn failure(observation: Observation) -> Failure {
    match observation.outcome {
        Outcome::Failed(failure) => failure,
        Outcome::Read(reading) => panic!("read: {:?}", reading.instance.key),
    }
}

#[tokio::test]
async fn a_mysql_replica_tells_everything() {
    let fake = Fake::start(mysql).await;
    let fleet = Fleet::new(ProbeSettings { discover_by_show_replicas: true, ..settings() });
    let read = instance(fleet.probe(&fake.key()).await);
    assert_eq!((read.identity.server_id, read.identity.uptime_seconds), (12, 1000));
    assert_eq!(read.settings.super_read_only, Some(true));
    assert_eq!(read.settings.replica_net_timeout_seconds, Some(4));
    assert_eq!(read.binary_log.as_ref().unwrap().to_string(), "bin.000007:157");
    assert_eq!(read.source(), Some(&InstanceKey::new("db1", 3306)));
    let replication = read.replication.as_ref().unwrap();
    assert_eq!((replication.gtid, replication.io_thread), (ReplicationGtid::Oracle, ThreadState::Running));
    assert_eq!(replication.contact.age_millis, Some(12));
    assert_eq!(replication.contact.heartbeats, Some(7));
    assert!(read.replicas.contains(&InstanceKey::new("db3", 3306)));
    assert!(read.labels.replication_credentials_available);
    assert_eq!(read.lag_seconds, Some(0));
    assert!(!read.semi_sync.available);
}

#[tokio::test]
async fn a_mariadb_replica_tells_everything() {
    let fake = Fake::start(mariadb).await;
    let read = instance(fleet().probe(&fake.key()).await);
    assert_eq!((read.identity.server_uuid.as_str(), read.settings.super_read_only), ("", None));
    assert_eq!(read.gtid.executed, "0-21-9");
    assert_eq!(read.replication.as_ref().unwrap().gtid, ReplicationGtid::MariaDb);
    assert_eq!(read.replication.unwrap().contact.heartbeats, Some(3));
    assert!(read.semi_sync.available);
    assert_eq!(read.semi_sync.wait_for_replica_count, 1);
}

#[tokio::test]
async fn a_missing_privilege_costs_one_part() {
    let fake = Fake::start(|sql| match sql {
        "SHOW REPLICA STATUS" => Answer::Error(1227, "Access denied; you need REPLICATION CLIENT"),
        sql => mysql(sql),
    })
    .await;
    let reading = reading(fleet().probe(&fake.key()).await);
    assert_eq!(reading.instance.identity.server_id, 12);
    assert!(reading.instance.binary_log.is_some());
    let [unread] = reading.unread.as_slice() else { panic!("{:?}", reading.unread) };
    assert_eq!(unread.part, Part::Replication);
    assert!(unread.error.contains("REPLICATION CLIENT"), "{}", unread.error);
}

#[tokio::test]
async fn a_server_without_its_contact_table_is_read_all_the_same() {
    let fake = Fake::start(|sql| match sql {
        sql if sql.contains("replication_connection_status") => Answer::Error(1142, "SELECT command denied"),
        sql => mysql(sql),
    })
    .await;
    let reading = reading(fleet().probe(&fake.key()).await);
    assert_eq!(reading.unread.iter().map(|unread| unread.part).collect::<Vec<_>>(), [Part::SourceContact]);
    assert_eq!(reading.instance.replication.unwrap().contact.age_millis, None);
}

#[tokio::test]
async fn a_server_of_an_unheard_of_kind_is_discovered() {
    let fake = Fake::start(|sql| match sql {
        "SELECT @@server_id AS server_id, @@version AS version, @@read_only AS read_only" => {
            row(&[("server_id", "5"), ("version", "Ω"), ("read_only", "0")])
        }
        _ => Answer::Error(1064, "what?"),
    })
    .await;
    let reading = reading(fleet().probe(&fake.key()).await);
    assert_eq!(reading.instance.identity.server_id, 5);
    assert!(!reading.unread.is_empty());
}

#[tokio::test]
async fn the_other_word_is_tried_once_and_remembered_over_connections() {
    let fake = Fake::start(|sql| match sql {
        "SHOW BINARY LOG STATUS" => Answer::Error(1064, "what?"),
        "SHOW MASTER STATUS" => row(&[("File", "old.000001"), ("Position", "4")]),
        sql => mysql(sql),
    })
    .await;
    let fleet = fleet();
    for _ in 0..3 {
        let read = instance(fleet.probe(&fake.key()).await);
        assert_eq!(read.binary_log.unwrap().file, "old.000001");
        fake.break_connections().await;
    }
    assert_eq!(fake.count("SHOW BINARY LOG STATUS"), 1);
}

#[tokio::test]
async fn nobody_listening_is_refused() {
    let mut fake = Fake::start(mysql).await;
    fake.kill().await;
    assert_eq!(failure(fleet().probe(&fake.key()).await).kind, FailureKind::Refused);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_says_nothing_about_the_server() {
    let key = InstanceKey::new("no-such-host.invalid", 3306);
    assert_eq!(failure(fleet().probe(&key).await).kind, FailureKind::NameUnresolved);
}

#[tokio::test]
async fn bad_greetings_are_told_apart() {
    let cases = [
        (Greeting::Silence, FailureKind::Silent),
        (Greeting::Closed, FailureKind::Broken),
        (Greeting::Garbage, FailureKind::Nonsense),
        (Greeting::Error(1129, "Host is blocked"), FailureKind::AnsweredError),
        (Greeting::Error(1130, "Host is not allowed to connect"), FailureKind::AnsweredError),
        (Greeting::Denied(1045, "Access denied"), FailureKind::AnsweredError),
        (Greeting::Denied(1053, "Server shutdown in progress"), FailureKind::Broken),
    ];
    for (greeting, kind) in cases {
        let fake = Fake::start(mysql).await;
        // The witness of a silent server meets silence as well.
        fake.greet(&[greeting.clone(), greeting.clone()]);
        let failure = failure(fleet().probe(&fake.key()).await);
        assert_eq!(failure.kind, kind, "{greeting:?}: {failure}");
        assert!(!failure.partial, "{greeting:?}");
        assert!(!failure.error.contains("a secret"));
    }
}

#[tokio::test]
async fn a_crowded_server_is_tried_again_within_the_deadline() {
    let fake = Fake::start(mysql).await;
    fake.greet(&[Greeting::Error(1040, "Too many connections")]);
    instance(fleet().probe(&fake.key()).await);
    fake.break_connections().await;
    fake.greet(&vec![Greeting::Error(1040, "Too many connections"); 64]);
    assert_eq!(failure(fleet().probe(&fake.key()).await).kind, FailureKind::AnsweredError);
}

#[tokio::test]
async fn a_conversation_that_fails_midway_is_told_apart() {
    let cases = [
        (Answer::Hang, FailureKind::Silent),
        (Answer::Drop, FailureKind::Broken),
        (Answer::DropInside, FailureKind::Broken),
        (Answer::CutPacket, FailureKind::Broken),
        (Answer::Garbage, FailureKind::Nonsense),
    ];
    for (answer, kind) in cases {
        let told = answer.clone();
        let fake = Fake::start(move |sql| match sql {
            "SHOW REPLICA STATUS" => told.clone(),
            sql => mysql(sql),
        })
        .await;
        let failure = failure(fleet().probe(&fake.key()).await);
        assert_eq!(failure.kind, kind, "{answer:?}: {failure}");
        assert!(failure.partial, "{answer:?}: it had told who it is");
    }
}

#[tokio::test]
async fn one_connection_serves_many_probes() {
    let fake = Fake::start(mysql).await;
    let fleet = fleet();
    for _ in 0..5 {
        instance(fleet.probe(&fake.key()).await);
    }
    assert_eq!((fake.logins(), fake.count("SHOW GLOBAL VARIABLES")), (1, 1));
}

#[tokio::test]
async fn a_held_connection_that_broke_is_no_failure() {
    let fake = Fake::start(mysql).await;
    let fleet = fleet();
    instance(fleet.probe(&fake.key()).await);
    fake.break_connections().await;
    instance(fleet.probe(&fake.key()).await);
    assert_eq!(fake.logins(), 2);
}

#[tokio::test]
async fn a_connection_whose_statement_timed_out_is_never_used_again() {
    let fake = Fake::start(|sql| match sql {
        "SHOW REPLICA STATUS" => Answer::Gated(Box::new(mysql(sql))),
        sql => mysql(sql),
    })
    .await;
    let fleet = fleet();
    assert_eq!(failure(fleet.probe(&fake.key()).await).kind, FailureKind::Silent);
    fake.open_gate();
    instance(fleet.probe(&fake.key()).await);
    assert_eq!(fake.logins(), 2);
}

#[tokio::test]
async fn another_server_under_the_same_name_is_reported_once() {
    let fake = Fake::start(mysql).await;
    let fleet = fleet();
    instance(fleet.probe(&fake.key()).await);
    fake.answer(|sql| mysql_with(sql, &[("server_uuid", "ffffffff-0000-0000-0000-000000000000")]));
    let failure = failure(fleet.probe(&fake.key()).await);
    assert_eq!((failure.kind, failure.partial), (FailureKind::IdentityChanged, true));
    assert!(failure.error.contains("ffffffff"), "{failure}");
    instance(fleet.probe(&fake.key()).await);
}

#[tokio::test]
async fn a_fresh_probe_asks_over_a_new_connection() {
    let fake = Fake::start(mysql).await;
    let fleet = fleet();
    instance(fleet.probe(&fake.key()).await);
    instance(fleet.probe_fresh(&fake.key(), PATIENCE).await);
    assert_eq!(fake.logins(), 2);
}

#[tokio::test]
async fn a_fresh_probe_keeps_its_own_deadline() {
    let fake = Fake::start(mysql).await;
    fake.greet(&[Greeting::Silence, Greeting::Silence]);
    let fleet = Fleet::new(ProbeSettings { connect_timeout: PATIENCE * 4, ..settings() });
    let began = Instant::now();
    let failure = failure(fleet.probe_fresh(&fake.key(), Duration::from_millis(100)).await);
    assert_eq!(failure.kind, FailureKind::Silent);
    assert!(began.elapsed() < PATIENCE);
}

#[tokio::test]
async fn a_touch_tells_who_lives() {
    let fake = Fake::start(mysql).await;
    let fleet = fleet();
    let alive = fleet.touch_fresh(&fake.key(), PATIENCE).await.unwrap();
    assert_eq!((alive.server_id, alive.read_only, alive.server_uuid.as_str()), (12, true, ""));
    instance(fleet.probe(&fake.key()).await);
    let alive = fleet.touch_fresh(&fake.key(), PATIENCE).await.unwrap();
    assert_eq!(alive.server_uuid, "00000012-0000-0000-0000-000000000000");
    fake.answer(mariadb);
    assert_eq!(fleet.touch_fresh(&fake.key(), PATIENCE).await.unwrap().server_id, 22);
}

#[tokio::test]
async fn ipv6_literals_are_reached() {
    let fake = Fake::start_at("[::1]:0", mysql).await;
    assert_eq!(
        instance(fleet().probe(&fake.key()).await).key.to_string(),
        format!("[::1]:{}", fake.address.port())
    );
}

#[tokio::test]
async fn an_instance_goes_by_the_wanted_name() {
    let fake = Fake::start(mysql).await;
    let named = |hostname_from| Fleet::new(ProbeSettings { hostname_from, ..settings() });
    let (key, port) = (fake.key(), fake.address.port());
    let by_hostname = named(HostnameSource::HostnameVariable).probe(&key).await;
    assert_eq!(instance(by_hostname).key, InstanceKey::new("db2", port));
    // Its report_host is empty.
    assert_eq!(instance(named(HostnameSource::ReportHost).probe(&key).await).key, key);
}

#[tokio::test]
async fn detection_queries_are_not_repeated_within_their_interval() {
    let fake = Fake::start(|sql| match sql {
        "select dc" => row(&[("dc", "north")]),
        "select rule" => row(&[("rule", "prefer")]),
        "select lag" => row(&[("lag", "-0.5")]),
        "select alias" => Answer::Error(1146, "no such table"),
        sql => mysql(sql),
    })
    .await;
    let queries = DetectionQueries {
        data_center: Some("select dc".into()),
        promotion_rule: Some("select rule".into()),
        lag: Some("select lag".into()),
        alias: Some("select alias".into()),
        cluster_domain: Some("select domain".into()),
        ..DetectionQueries::default()
    };
    let fleet = Fleet::new(ProbeSettings { queries, labels_interval: PATIENCE * 100, ..settings() });
    for _ in 0..3 {
        let reading = reading(fleet.probe(&fake.key()).await);
        assert_eq!(reading.instance.labels.data_center, "north");
        assert_eq!(reading.instance.labels.promotion_rule.map(|rule| rule.as_str()), Some("prefer"));
        assert_eq!(reading.instance.lag_seconds, Some(0));
        assert_eq!(reading.unread.iter().map(|unread| unread.part).collect::<Vec<_>>(), [Part::Labels]);
    }
    assert_eq!((fake.count("select dc"), fake.count("select lag")), (1, 3));
    assert_eq!(fake.count("select domain"), 0, "a replica does not speak for its cluster");
    reading(fleet.probe_fresh(&fake.key(), PATIENCE).await);
    assert_eq!(fake.count("select dc"), 2);
}

#[tokio::test]
async fn a_forgotten_instance_starts_anew() {
    let fake = Fake::start(mysql).await;
    let fleet = fleet();
    instance(fleet.probe(&fake.key()).await);
    fleet.forget(&fake.key());
    fake.answer(mariadb);
    // No change of identity: nobody was known by this name.
    instance(fleet.probe(&fake.key()).await);
    assert_eq!(fake.logins(), 2);
}
