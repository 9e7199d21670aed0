//! Reading the fleet.

use http::StatusCode;
use serde_json::{Value, json};

use crate::fake::World;

/// Host names of a list of instances.
fn hosts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|instance| instance["Key"]["Hostname"].as_str().unwrap()).collect()
}

async fn listed(world: &World, route: &str) -> String {
    let json = world.get(&format!("/api/{route}")).await.json();
    hosts(&json).join(" ")
}

#[tokio::test]
async fn instances_are_found_by_name_and_by_the_only_similar_name() {
    let world = World::default();
    for (host, found) in [("db1", "db1"), ("db2", "db2"), ("solo", "solo10"), ("solo1", "solo10")] {
        let json = world.get(&format!("/api/instance/{host}/3306")).await.json();
        assert_eq!(json["Key"], json!({"Hostname": found, "Port": 3306}), "{host}");
    }
    for host in ["db", "nosuch", "10.0.0.1"] {
        world.fails(&format!("instance/{host}/3306"), &format!("Cannot read instance: {host}:3306")).await;
    }
    world.fails("instance/solo/3307", "Cannot read instance: solo:3307").await;
}

#[tokio::test]
async fn lists_have_their_members_and_their_order() {
    let world = World::default();
    for (route, expected) in [
        ("instance-replicas/db1/3306", "db2 db3"),
        ("instance-replicas/db2/3306", ""),
        ("instance-replicas/nosuch/3306", ""),
        ("all-instances", "db1 solo10 db2 db3"),
        ("search", "db1 solo10 db2 db3"),
        ("search/DB", "db1 db2 db3"),
        ("search?s=prod-a", "db1 db2 db3"),
        ("search?s=110", "solo10"),
        ("search?s=11", ""),
        ("search?s=8.0.3", "db1 solo10 db2 db3"),
        ("search?s=solo10%3A3306", "solo10"),
        ("downtimed", "db2"),
        ("downtimed/prod-a", "db2"),
        ("downtimed/lonely", ""),
        ("problems", "db3"),
        ("problems/db1%25", "db3"),
        ("masters", "db1"),
        ("cluster/prod-a", "db1 db2 db3"),
        ("cluster/db1:3306", "db1 db2 db3"),
        ("cluster/db3", "db1 db2 db3"),
        ("cluster/solo", "solo10"),
        ("cluster/alias/prod-a", "db1 db2 db3"),
        ("cluster/instance/db2/3306", "db1 db2 db3"),
        ("cluster-osc-replicas/prod-a", "db2 db3"),
        ("cluster-osc-slaves/db3", "db2 db3"),
        ("cluster-osc-replicas/lonely", ""),
    ] {
        assert_eq!(listed(&world, route).await, expected, "{route}");
    }
    world.get("/api/problems/solo%25").await.is(StatusCode::OK, "null");
}

#[tokio::test]
async fn empty_fleets_answer_null_where_the_original_does() {
    let world = World::default();
    let mut picture = crate::fleet::picture();
    picture.view = Default::default();
    picture.topology = Default::default();
    picture.findings = [].into();
    *world.node.picture.lock().unwrap() = picture.into();
    for (route, body) in [
        ("masters", "null"),
        ("problems", "null"),
        ("clusters", "null"),
        ("clusters-info", "[]"),
        ("all-instances", "[]"),
        ("search", "[]"),
        ("downtimed", "[]"),
    ] {
        world.get(&format!("/api/{route}")).await.is(StatusCode::OK, body);
    }
    let expected = r#"{"Code":"OK","Message":"Analysis","Details":[]}"#;
    world.get("/api/replication-analysis").await.is(StatusCode::OK, expected);
    world.fails("cluster/x", "Unable to determine cluster name. clusterHint=x").await;
}

#[tokio::test]
async fn clusters_are_described() {
    let world = World::default();
    world.get("/api/clusters").await.is(StatusCode::OK, r#"["db1:3306","solo10:3306"]"#);
    let production = concat!(
        r#"{"ClusterName":"db1:3306","ClusterAlias":"prod-a","ClusterDomain":"","CountInstances":3,"HeuristicLag":0,"#,
        r#""HasAutomatedMasterRecovery":false,"HasAutomatedIntermediateMasterRecovery":false}"#
    );
    world.get("/api/cluster-info/prod-a").await.is(StatusCode::OK, production);
    world.get("/api/cluster-info/alias/prod-a").await.is(StatusCode::OK, production);
    let infos = world.get("/api/clusters-info").await;
    assert!(infos.body.starts_with(&format!("[{production},")), "{}", infos.body);
    world.fails("cluster-info/alias/nosuch", "No cluster found for alias nosuch").await;
    world.fails("cluster/alias/nosuch", "No cluster found for alias nosuch").await;
}

#[tokio::test]
async fn an_unknown_cluster_has_no_controls_of_a_schema_change() {
    let message = "Unable to determine cluster name. clusterHint=nosuch";
    World::default().fails("cluster-osc-replicas/nosuch", message).await;
}

#[tokio::test]
async fn an_instance_that_was_not_seen_is_no_control_of_a_schema_change() {
    let world = World::default();
    let mut picture = crate::fleet::picture();
    let mut unseen = crate::fleet::record("db2", 102, Some("db1"));
    unseen.checks.last_seen = None;
    std::sync::Arc::make_mut(&mut picture.view).insert(unseen);
    *world.node.picture.lock().unwrap() = picture.into();
    assert_eq!(listed(&world, "cluster-osc-replicas/prod-a").await, "db3");
}

#[tokio::test]
async fn the_primary_of_a_cluster_may_be_read_only() {
    let world = World::default();
    assert_eq!(world.get("/api/master/prod-a").await.json()["Key"]["Hostname"], "db1");
    assert_eq!(world.get("/api/master/lonely").await.json()["Key"]["Hostname"], "solo10");
    world.fails("master/nosuch", "Unable to determine cluster name. clusterHint=nosuch").await;
}

#[tokio::test]
async fn a_topology_is_drawn_under_every_name() {
    let world = World::default();
    let drawn = "db1:3306   [0s,ok,8.0.36,rw,ROW,>>,GTID]\n\
                 + db2:3306 [0s,ok,8.0.36,ro,ROW,>>,GTID,downtimed]\n\
                 - db3:3306 [null,nonreplicating,8.0.36,ro,ROW,>>,GTID]";
    for route in ["topology/prod-a", "topology/db2/3306", "topology/db1:3306"] {
        let json = world.get(&format!("/api/{route}")).await.json();
        assert_eq!(json["Message"], "Topology for cluster db1:3306");
        assert_eq!(json["Details"], drawn, "{route}");
    }
    let json = world.get("/api/topology-tabulated/db1/3306").await.json();
    assert!(json["Details"].as_str().unwrap().starts_with("db1:3306  |  0s|ok            |"), "{json}");
}

#[tokio::test]
async fn html_in_errors_is_escaped() {
    let body = World::default().get("/api/instance/db3/3306").await.body;
    assert!(body.contains(r#""LastSQLError":"\"1 \u003c 2 \u0026 3\"""#), "{body}");
}

#[tokio::test]
async fn findings_are_listed_for_all_a_cluster_and_an_instance() {
    let world = World::default();
    for (route, count) in [
        ("replication-analysis", 1),
        ("replication-analysis/prod-a", 1),
        ("replication-analysis/db1:3306", 1),
        ("replication-analysis/lonely", 0),
        ("replication-analysis/instance/db1/3306", 1),
        ("replication-analysis/instance/db2/3306", 0),
    ] {
        let json = world.get(&format!("/api/{route}")).await.json();
        assert_eq!(json["Message"], "Analysis");
        assert_eq!(json["Details"].as_array().unwrap().len(), count, "{route}");
    }
    let json = world.get("/api/replication-analysis").await.json();
    let finding = &json["Details"][0];
    assert_eq!(finding["Analysis"], "AllMasterReplicasNotReplicating");
    assert_eq!(finding["StructureAnalysis"], json!(["NoLoggingReplicasStructureWarning"]));
    assert_eq!((&finding["CountReplicas"], &finding["ProcessingNodeHostname"]), (&json!(2), &json!("orc-0")));
}

#[tokio::test]
async fn names_and_promotion_rules_come_in_bulk() {
    let world = World::default();
    let names = world.get("/api/bulk-instances").await.json();
    assert_eq!(names.as_array().unwrap().len(), 4);
    assert_eq!(names[0], json!({"Hostname": "db1", "Port": 3306}));
    let expected = concat!(
        r#"[{"Hostname":"db3","Port":3306,"PromotionRule":"prefer","#,
        r#""LastSuggestedString":"2024-05-01T10:11:12Z","PromotionRuleExpiry":"2024-05-01 11:11:12"}]"#
    );
    world.get("/api/bulk-promotion-rules").await.is(StatusCode::OK, expected);
    assert_eq!(world.get("/api/instance/db3/3306").await.json()["PromotionRule"], "prefer");
}
