//! Reading what happened.

use http::StatusCode;
use orchestrator_http::Settings;

use crate::fake::{FakeNode, World};

#[tokio::test]
async fn every_form_asks_for_its_own_part() {
    let world = World::default();
    for (route, asked) in [
        ("audit", "audit None from 0 size 20"),
        ("audit/2", "audit None from 40 size 20"),
        ("audit/x", "audit None from 0 size 20"),
        ("audit/-1", "audit None from 0 size 20"),
        ("audit/instance/db1/3306", "audit Some(db1:3306) from 0 size 20"),
        ("audit/instance/db1/3306/1", "audit Some(db1:3306) from 20 size 20"),
        ("audit-failure-detection", "detections All page 0"),
        ("audit-failure-detection/3", "detections All page 3"),
        ("audit-failure-detection/id/9", "detections Id(9) page 0"),
        ("audit-failure-detection/alias/prod-a", "detections Alias(\"prod-a\") page 0"),
        ("audit-failure-detection/alias/prod-a/1", "detections Alias(\"prod-a\") page 1"),
        ("audit-recovery", "recoveries All open false page 0"),
        ("audit-recovery?unacknowledged=true", "recoveries All open true page 0"),
        ("audit-recovery/1", "recoveries All open false page 1"),
        ("audit-recovery/id/7", "recoveries Id(7) open false page 0"),
        ("audit-recovery/uid/1:ab", "recoveries Uid(\"1:ab\") open false page 0"),
        ("audit-recovery/cluster/db1:3306", "recoveries Cluster(\"db1:3306\") open false page 0"),
        ("audit-recovery/cluster/db1:3306/2", "recoveries Cluster(\"db1:3306\") open false page 2"),
        ("audit-recovery/alias/prod-a", "recoveries Alias(\"prod-a\") open false page 0"),
        ("audit-recovery/alias/prod-a/2", "recoveries Alias(\"prod-a\") open false page 2"),
        ("audit-recovery-steps/1:ab", "steps 1:ab"),
        ("blocked-recoveries", "blocked None"),
        ("blocked-recoveries/cluster/db1:3306", "blocked Some(\"db1:3306\")"),
    ] {
        let answer = world.get(&format!("/api/{route}")).await;
        assert_eq!(answer.status(), 200, "{route}: {}", answer.body);
        assert_eq!(answer.json().as_array().unwrap().len(), 1, "{route}");
        assert_eq!(world.node.asked(), [asked], "{route}");
    }
    world.fails("audit-recovery/id/x", "Invalid id: x").await;
    world.fails("audit-failure-detection/id/9.5", "Invalid id: 9.5").await;
}

#[tokio::test]
async fn nothing_is_an_empty_list() {
    let world = World::with(FakeNode { has_history: false, ..FakeNode::default() }, Default::default());
    for route in
        ["audit", "audit-failure-detection", "audit-recovery", "audit-recovery-steps/x", "blocked-recoveries"]
    {
        world.get(&format!("/api/{route}")).await.is(StatusCode::OK, "[]");
    }
    world.get("/api/replication-analysis-changelog").await.is(StatusCode::OK, "null");
    let expected = r#"{"Code":"OK","Message":"Read pool instances for cluster db1:3306","Details":{}}"#;
    world.get("/api/cluster-pool-instances/db1:3306").await.is(StatusCode::OK, expected);
}

#[tokio::test]
async fn pools_of_a_cluster_hold_its_own_instances() {
    let world = World::default();
    for (route, asked, cluster, pools) in [
        (
            "db1:3306",
            "None",
            "db1:3306",
            concat!(
                r#"{"batch":[{"Hostname":"db3","Port":3306}],"#,
                r#""web":[{"Hostname":"db2","Port":3306},{"Hostname":"db3","Port":3306}]}"#
            ),
        ),
        ("db1:3306/batch", r#"Some("batch")"#, "db1:3306", r#"{"batch":[{"Hostname":"db3","Port":3306}]}"#),
        ("db1:3306/nosuch", r#"Some("nosuch")"#, "db1:3306", "{}"),
        ("solo10:3306", "None", "solo10:3306", r#"{"web":[{"Hostname":"solo10","Port":3306}]}"#),
        // A name, neither an alias nor a hint.
        ("prod-a", "None", "prod-a", "{}"),
        ("db2", "None", "db2", "{}"),
    ] {
        let message = format!("Read pool instances for cluster {cluster}");
        let body = format!(r#"{{"Code":"OK","Message":"{message}","Details":{pools}}}"#);
        world.get(&format!("/api/cluster-pool-instances/{route}")).await.is(StatusCode::OK, &body);
        assert_eq!(world.node.asked(), [format!("pools {asked}")], "{route}");
    }
}

#[tokio::test]
async fn pools_are_read_where_things_may_be_changed() {
    let settings = Settings { read_only: true, ..Settings::default() };
    let world = World::with(FakeNode::default(), settings);
    world.fails("cluster-pool-instances/db1:3306", "Unauthorized").await;
    assert!(world.node.asked().is_empty());
}

#[tokio::test]
async fn entries_have_the_known_shape() {
    let world = World::default();
    let expected = concat!(
        r#"[{"AuditId":3,"AuditTimestamp":"2024-05-01T10:11:12Z","AuditType":"recover","#,
        r#""AuditInstanceKey":{"Hostname":"","Port":0},"Message":"done"}]"#
    );
    world.get("/api/audit").await.is(StatusCode::OK, expected);
    let expected = r#"[{"Id":1,"RecoveryUID":"1:ab","AuditAt":"2024-05-01T10:11:12Z","Message":"stop"}]"#;
    world.get("/api/audit-recovery-steps/1:ab").await.is(StatusCode::OK, expected);
    let expected = concat!(
        r#"[{"FailedInstanceKey":{"Hostname":"db1","Port":3306},"ClusterName":"db1:3306","Analysis":"DeadMaster","#,
        r#""LastBlockedTimestamp":"2024-05-01T10:11:12Z","BlockingRecoveryId":7}]"#
    );
    world.get("/api/blocked-recoveries").await.is(StatusCode::OK, expected);
    let expected = concat!(
        r#"[{"AnalyzedInstanceKey":{"Hostname":"db1","Port":3306},"#,
        r#""Changelog":["2024-05-01T10:11:12Z;DeadMaster,"]}]"#
    );
    world.get("/api/replication-analysis-changelog").await.is(StatusCode::OK, expected);
    let recovery = &world.get("/api/audit-recovery").await.json()[0];
    assert_eq!(recovery["AnalysisEntry"]["ClusterDetails"]["ClusterAlias"], "prod-a");
    assert_eq!(recovery["AllErrors"], serde_json::json!([""]));
    let detection = &world.get("/api/audit-failure-detection").await.json()[0];
    assert_eq!(detection["SuccessorKey"], serde_json::Value::Null);
}

#[tokio::test]
async fn an_alias_is_taken_for_the_name_of_a_cluster() {
    let world = World::with(FakeNode { has_history: false, ..FakeNode::default() }, Default::default());
    world.get("/api/audit-recovery/cluster/prod-a/1").await.is(StatusCode::OK, "[]");
    assert_eq!(
        world.node.asked(),
        [
            "recoveries Cluster(\"prod-a\") open false page 1",
            "recoveries Alias(\"prod-a\") open false page 1"
        ]
    );
}
