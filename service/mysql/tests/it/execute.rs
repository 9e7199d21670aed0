//! Changing instances.

use std::time::Duration;

use orchestrator_core::{InstanceKey, observation::FailureKind};
use orchestrator_mysql::{
    Change, Credentials, ExecError, Execute as _, Fenced, Fleet, Pace, Probe as _, ProbeSettings, Secret,
    SourceChange, SourcePosition,
};

use crate::{
    PATIENCE,
    fake::{Answer, Fake},
    fleet,
    servers::{mariadb, mariadb_with, mysql, mysql_with, nothing, row},
    settings,
};

const SHORT: Duration = Duration::from_millis(150);
const AHEAD: &str = "00000011-0000-0000-0000-000000000000:1-11";

fn to(host: &str) -> SourceChange {
    SourceChange {
        to: InstanceKey::new(host, 3306),
        position: SourcePosition::Keep,
        credentials: None,
        may_drop_received: false,
    }
}

/// The statements that change something, in order.
fn changes(fake: &Fake) -> Vec<String> {
    let reads =
        |sql: &String| sql.starts_with("SHOW") || sql.starts_with("SELECT") || sql.contains("sql_mode");
    fake.statements().into_iter().filter(|sql| !reads(sql)).collect()
}

async fn made(fake: &Fake, change: Change) -> Vec<String> {
    fleet().change(&fake.key(), change, PATIENCE).await.unwrap();
    changes(fake)
}

#[tokio::test]
async fn mysql_changes_its_source_while_the_applier_runs() {
    let fake = Fake::start(mysql).await;
    assert_eq!(
        made(&fake, Change::ChangeSource(to("db9"))).await,
        ["STOP REPLICA IO_THREAD", "CHANGE REPLICATION SOURCE TO SOURCE_HOST='db9', SOURCE_PORT=3306"]
    );
}

#[tokio::test]
async fn mariadb_applies_what_it_received_before_it_changes_its_source() {
    let fake = Fake::start(mariadb).await;
    assert_eq!(
        made(&fake, Change::ChangeSource(to("db9"))).await,
        [
            "STOP SLAVE IO_THREAD",
            "STOP SLAVE SQL_THREAD",
            "CHANGE MASTER TO MASTER_HOST='db9', MASTER_PORT=3306"
        ]
    );
}

#[tokio::test]
async fn the_present_source_is_not_changed() {
    let fake = Fake::start(mysql).await;
    assert!(made(&fake, Change::ChangeSource(to("db1"))).await.is_empty());
}

#[tokio::test]
async fn a_position_by_file_is_never_carried_to_another_source() {
    let fake = Fake::start(|sql| mysql_with(sql, &[("Auto_Position", "0")])).await;
    let error = fleet().change(&fake.key(), Change::ChangeSource(to("db9")), PATIENCE).await.unwrap_err();
    assert!(matches!(error, ExecError::Refused { .. }), "{error}");
    assert!(changes(&fake).is_empty());
}

#[tokio::test]
async fn received_transactions_are_not_thrown_away() {
    let mysql_behind =
        |sql: &str| mysql_with(sql, &[("Retrieved_Gtid_Set", AHEAD), ("Replica_SQL_Running", "No")]);
    let mariadb_behind =
        |sql: &str| mariadb_with(sql, &[("Gtid_IO_Pos", "0-21-11"), ("Slave_SQL_Running", "No")]);
    let fakes = [Fake::start(mysql_behind).await, Fake::start(mariadb_behind).await];
    for fake in &fakes {
        for change in [Change::ChangeSource(to("db9")), Change::ResetReplication, Change::Detach] {
            let error = fleet().change(&fake.key(), change.clone(), PATIENCE).await.unwrap_err();
            assert!(matches!(error, ExecError::WouldLose { .. }), "{change:?}: {error}");
        }
        assert!(changes(fake).iter().all(|sql| sql.starts_with("STOP")), "{:?}", changes(fake));
    }
}

#[tokio::test]
async fn dropping_what_was_received_takes_an_explicit_word() {
    let fake =
        Fake::start(|sql| mysql_with(sql, &[("Retrieved_Gtid_Set", AHEAD), ("Replica_SQL_Running", "No")]))
            .await;
    let wish = SourceChange { may_drop_received: true, ..to("db9") };
    assert!(made(&fake, Change::ChangeSource(wish)).await.last().unwrap().contains("SOURCE_HOST='db9'"));
}

#[tokio::test]
async fn a_refused_change_of_source_never_tells_the_password() {
    let fake = Fake::start(|sql| match sql {
        sql if sql.starts_with("CHANGE") => Answer::Error(1064, "syntax error near 'PASSWORD='hush-hush''"),
        sql => mysql(sql),
    })
    .await;
    let account = Credentials { user: "repl".into(), password: Secret::new("hush-hush") };
    let wish = SourceChange { credentials: Some(account), position: SourcePosition::Gtid, ..to("db9") };
    let error = fleet().change(&fake.key(), Change::ChangeSource(wish.clone()), PATIENCE).await.unwrap_err();
    for text in [error.to_string(), format!("{error:?}"), format!("{wish:?}")] {
        assert!(!text.contains("hush-hush"), "{text}");
    }
    assert_eq!(fake.count("CHANGE MASTER"), 1, "the other word was tried");
}

#[tokio::test]
async fn replication_is_reset_once() {
    let fake = Fake::start(mysql).await;
    assert_eq!(made(&fake, Change::ResetReplication).await, ["STOP REPLICA", "RESET REPLICA ALL"]);
    let bare = Fake::start(|sql| if sql == "SHOW REPLICA STATUS" { nothing() } else { mysql(sql) }).await;
    assert!(made(&bare, Change::ResetReplication).await.is_empty());
}

#[tokio::test]
async fn detaching_twice_detaches_once_and_reattaching_takes_it_back() {
    let fake = Fake::start(mysql).await;
    assert!(
        made(&fake, Change::Detach).await.last().unwrap().contains("SOURCE_HOST='//db1', SOURCE_PORT=3306")
    );
    let detached = Fake::start(|sql| mysql_with(sql, &[("Source_Host", "//db1")])).await;
    assert!(made(&detached, Change::Detach).await.is_empty());
    let statements = made(&detached, Change::Reattach).await;
    assert!(
        statements.iter().any(|sql| sql.contains("SOURCE_HOST='db1', SOURCE_PORT=3306")),
        "{statements:?}"
    );
    assert_eq!(statements.last().unwrap(), "START REPLICA");
}

#[tokio::test]
async fn super_read_only_is_set_where_it_exists_and_is_wanted() {
    let wanting = Fleet::new(ProbeSettings { use_super_read_only: true, ..settings() });
    let (mysql, mariadb) = (Fake::start(mysql).await, Fake::start(mariadb).await);
    for fake in [&mysql, &mariadb] {
        wanting.change(&fake.key(), Change::SetReadOnly(true), PATIENCE).await.unwrap();
        wanting.change(&fake.key(), Change::SetReadOnly(false), PATIENCE).await.unwrap();
    }
    assert_eq!(changes(&mysql), ["SET GLOBAL super_read_only = 1", "SET GLOBAL read_only = 0"]);
    assert_eq!(changes(&mariadb), ["SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"]);
}

#[tokio::test]
async fn whoever_opens_ends_the_fences_that_still_wait() {
    for server in [mysql, mariadb] {
        let fake = Fake::start(move |sql| match sql {
            sql if sql.contains("SET GLOBAL %read_only") => row(&[("id", "7")]),
            sql => server(sql),
        })
        .await;
        assert_eq!(made(&fake, Change::SetReadOnly(false)).await, ["KILL 7", "SET GLOBAL read_only = 0"]);
    }
}

#[tokio::test]
async fn semi_sync_is_switched_by_the_name_that_exists() {
    let fake = Fake::start(mariadb).await;
    assert_eq!(
        made(&fake, Change::SemiSyncReplica(true)).await,
        ["SET GLOBAL rpl_semi_sync_slave_enabled = 1", "STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD"]
    );
    let without = Fake::start(mysql).await;
    assert!(fleet().change(&without.key(), Change::SemiSyncSource(false), PATIENCE).await.is_ok());
    let error = fleet().change(&without.key(), Change::SemiSyncSource(true), PATIENCE).await.unwrap_err();
    assert!(matches!(error, ExecError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn a_slow_stop_is_left_to_the_server_and_blocks_nobody() {
    let fake = Fake::start(|sql| match sql {
        "STOP SLAVE IO_THREAD" => Answer::Hang,
        sql => mariadb(sql),
    })
    .await;
    let fleet = fleet();
    let error = fleet.change(&fake.key(), Change::StopReceiver, SHORT).await.unwrap_err();
    assert!(matches!(error, ExecError::Timeout { waited, .. } if waited >= SHORT), "{error}");
    let received = fleet.received(&fake.key(), PATIENCE).await.unwrap();
    assert_eq!(received.executed_gtid, "0-21-9");
    assert_eq!(received.replication.unwrap().received_gtid, "0-21-9");
}

#[tokio::test]
async fn draining_ends_when_all_is_applied() {
    let fake = Fake::start(mysql).await;
    let applied = fleet().wait_applied(&fake.key(), PATIENCE).await.unwrap();
    assert_eq!(applied.executed_gtid, "00000011-0000-0000-0000-000000000000:1-9");
}

#[tokio::test]
async fn draining_tells_a_stopped_applier_from_a_slow_one() {
    let stopped = [
        ("Retrieved_Gtid_Set", AHEAD),
        ("Replica_SQL_Running", "No"),
        ("Last_SQL_Errno", "1062"),
        ("Last_SQL_Error", "Duplicate entry"),
    ];
    let fake = Fake::start(move |sql| mysql_with(sql, &stopped)).await;
    let error = fleet().wait_applied(&fake.key(), PATIENCE).await.unwrap_err();
    assert!(matches!(error, ExecError::ApplierStopped { errno: 1062, .. }), "{error}");

    fake.answer(|sql| mysql_with(sql, &[("Retrieved_Gtid_Set", AHEAD)]));
    let error = fleet().wait_applied(&fake.key(), SHORT).await.unwrap_err();
    assert!(matches!(&error, ExecError::Timeout { progress, .. } if progress.contains(AHEAD)), "{error}");
}

#[tokio::test]
async fn waiting_for_transactions_takes_the_words_of_the_flavor() {
    let fake = Fake::start(mariadb).await;
    fleet().wait_for_gtid(&fake.key(), "0-21-8", PATIENCE).await.unwrap();
    assert_eq!(fake.count("MASTER_GTID_WAIT"), 0, "it has them already");
    let error = fleet().wait_for_gtid(&fake.key(), "0-21-10", SHORT).await.unwrap_err();
    assert!(matches!(error, ExecError::Timeout { .. }), "{error}");
    assert!(fake.count("MASTER_GTID_WAIT('0-21-10'") > 0);
    let error = fleet().wait_for_gtid(&fake.key(), "nonsense", PATIENCE).await.unwrap_err();
    assert!(matches!(error, ExecError::Refused { .. }), "{error}");
}

/// A change of source stops the applier for a moment, and starts it again.
#[tokio::test]
async fn waiting_for_transactions_outlasts_a_stop_of_the_applier_but_not_its_failure() {
    let fake = Fake::start(|sql| mysql_with(sql, &[("Replica_SQL_Running", "No")])).await;
    let error = fleet().wait_for_gtid(&fake.key(), AHEAD, SHORT).await.unwrap_err();
    assert!(matches!(error, ExecError::Timeout { .. }), "{error}");

    fake.answer(|sql| mysql_with(sql, &[("Replica_SQL_Running", "No"), ("Last_SQL_Errno", "1062")]));
    let error = fleet().wait_for_gtid(&fake.key(), AHEAD, PATIENCE).await.unwrap_err();
    assert!(matches!(error, ExecError::ApplierStopped { errno: 1062, .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure_with_its_kind() {
    let mut fake = Fake::start(mysql).await;
    fake.kill().await;
    let error = fleet().change(&fake.key(), Change::StartReplication, PATIENCE).await.unwrap_err();
    assert!(
        matches!(&error, ExecError::Failure { failure, .. } if failure.kind == FailureKind::Refused),
        "{error}"
    );
    assert_eq!(error.purpose(), "start replication");
}

#[tokio::test]
async fn a_query_that_is_gone_needs_no_killing() {
    let fake = Fake::start(|sql| match sql {
        "KILL QUERY 7" => Answer::Error(1094, "Unknown thread id: 7"),
        sql => mysql(sql),
    })
    .await;
    assert_eq!(made(&fake, Change::KillQuery(7)).await, ["KILL QUERY 7"]);
}

#[tokio::test]
async fn a_fence_lies_in_the_socket_of_a_frozen_server() {
    let fake = Fake::start(|sql| match sql {
        sql if sql.starts_with("SET GLOBAL") => Answer::Gated(Box::new(Answer::Done)),
        sql if sql.starts_with("SELECT SLEEP") => Answer::Hang,
        sql => mysql(sql),
    })
    .await;
    let fleet = fleet();
    let _watch = fleet.watch(&fake.key(), Pace { pulse: SHORT, deadline: PATIENCE });
    fake.received("SELECT SLEEP").await;
    let logins = fake.logins();
    assert_eq!(fleet.fence(&fake.key(), SHORT).await, Fenced::Queued);
    assert_eq!(fleet.fence(&fake.key(), SHORT).await, Fenced::Queued);
    assert_eq!(changes(&fake).iter().filter(|sql| sql.contains("super_read_only = 1")).count(), 1);
    assert_eq!(fake.logins(), logins, "no new connection was needed");
    fake.open_gate();
}

#[tokio::test]
async fn a_fence_reaches_a_living_server_without_a_watch() {
    let fake = Fake::start(mariadb).await;
    assert_eq!(fleet().fence(&fake.key(), PATIENCE).await, Fenced::Done);
    assert_eq!(changes(&fake), ["SET GLOBAL read_only = 1"]);
}

#[tokio::test]
async fn a_dead_server_cannot_be_fenced() {
    let mut fake = Fake::start(mysql).await;
    fake.kill().await;
    let fenced = fleet().fence(&fake.key(), PATIENCE).await;
    assert!(
        matches!(&fenced, Fenced::NotReached(failure) if failure.kind == FailureKind::Refused),
        "{fenced:?}"
    );
}
