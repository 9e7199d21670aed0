//! What people ask for: who may, what reaches the rest of the node, what is answered.

use http::StatusCode;
use orchestrator_core::observation::{Failure, FailureKind};
use orchestrator_http::{
    Access, Settings,
    ports::{PortError, RecoverOutcome},
    rows,
};
use serde_json::json;

use crate::{
    fake::{FakeNode, World, follower_of, isolated},
    fleet::key,
};

/// Asks; expects OK with this message; answers the details.
async fn done(world: &World, route: &str, message: &str) -> serde_json::Value {
    let answer = world.get(&format!("/api/{route}")).await;
    let json = answer.json();
    assert_eq!(
        (answer.status(), &json["Code"], &json["Message"]),
        (200, &json!("OK"), &json!(message)),
        "{route}"
    );
    json["Details"].clone()
}

#[tokio::test]
async fn instances_are_discovered_refreshed_and_forgotten_by_name() {
    let world = World::default();
    let details = done(&world, "discover/db1/3306", "Instance discovered: db1:3306").await;
    assert_eq!(details["ServerID"], 101);
    let message = "Asynchronous discovery initiated for Instance: new:3307";
    assert_eq!(done(&world, "async-discover/new/3307", message).await, json!(null));
    let db2 = json!({"Hostname": "db2", "Port": 3306});
    assert_eq!(done(&world, "refresh/db2/3306", "Instance refreshed: db2:3306").await, db2);
    assert_eq!(done(&world, "forget/db2/3306", "Instance forgotten: db2:3306").await, db2);
    assert_eq!(done(&world, "forget-cluster/prod-a", "Cluster forgotten: db1:3306").await, json!(null));
    // A similar name is not meant here.
    done(&world, "forget/solo/3306", "Instance forgotten: solo:3306").await;
    assert_eq!(
        world.node.asked(),
        [
            "discover db1:3306",
            "discover later new:3307",
            "refresh db2:3306",
            "forget db2:3306",
            "forget cluster db1:3306",
            "forget solo:3306"
        ]
    );
}

#[tokio::test]
async fn failures_to_read_an_instance_are_told_in_known_words() {
    let world = World::default();
    let fail = |kind| {
        let failure = Failure { kind, error: "text".into(), partial: false };
        *world.node.fails.lock().unwrap() = Some(PortError::Instance(key("db1"), failure));
    };
    fail(FailureKind::NameUnresolved);
    world.fails("discover/db1/3306", "dial tcp: lookup db1: no such host: text").await;
    fail(FailureKind::Silent);
    world.fails("discover/db1/3306", "dial tcp db1:3306: i/o timeout: text").await;
    fail(FailureKind::Broken);
    world.fails("discover/db1/3306", "driver: bad connection").await;
    *world.node.fails.lock().unwrap() = Some(PortError::UnknownInstance(key("db9")));
    world.fails("forget/db9/3306", "ForgetInstance(): instance db9:3306 not found").await;
    *world.node.fails.lock().unwrap() = Some(PortError::NotLeader);
    world.fails("refresh/db1/3306", "not leader").await;
}

#[tokio::test]
async fn operations_reach_a_known_instance_and_answer_what_it_looks_like() {
    let world = World::default();
    for (route, message, asked) in [
        ("set-read-only/db1/3306", "Server set as read-only", "SetReadOnly db1:3306"),
        ("set-writeable/db1/3306", "Server set as writeable", "SetWriteable db1:3306"),
        ("start-replica/db2/3306", "Replica started: db2:3306", "StartReplica db2:3306"),
        ("stop-slave/db2/3306", "Replica stopped: db2:3306", "StopReplica db2:3306"),
        ("restart-replica/db2/3306", "Replica restarted: db2:3306", "RestartReplica db2:3306"),
        ("reset-slave/db2/3306", "Replica reset on db2:3306", "ResetReplica db2:3306"),
    ] {
        let details = done(&world, route, message).await;
        assert!(details["Key"]["Hostname"].is_string(), "{route}");
        assert_eq!(world.node.asked(), [asked]);
    }
    world.fails("set-writeable/nosuch/3306", "Cannot read instance: nosuch:3306").await;
    assert!(world.node.asked().is_empty());
}

#[tokio::test]
async fn downtimes_have_a_length() {
    let world = World::default();
    let base = "begin-downtime/db1/3306/ann/new%20disk";
    for (suffix, asked) in [("", "600s"), ("/0s", "600s"), ("/2h", "7200s")] {
        let details = done(&world, &format!("{base}{suffix}"), "Downtime begun: db1:3306").await;
        assert_eq!(details, json!({"Hostname": "db1", "Port": 3306}));
        assert_eq!(world.node.asked(), [format!("downtime db1:3306 by ann for \"new disk\" {asked}")]);
    }
    done(&world, "begin-downtime/db1/3306/ann/disk%20a%2Fb%3F/1h", "Downtime begun: db1:3306").await;
    assert_eq!(world.node.asked(), ["downtime db1:3306 by ann for \"disk a/b?\" 3600s"]);
    world.fails(&format!("{base}/soon"), "Cannot parse simple time: soon").await;
    done(&world, "end-downtime/db1/3306", "Downtime ended: db1:3306").await;
    assert_eq!(world.node.asked(), ["end downtime db1:3306"]);
}

#[tokio::test]
async fn promotion_rules_are_checked() {
    let world = World::default();
    for rule in ["prefer", "neutral", "prefer_not", "must_not"] {
        done(&world, &format!("register-candidate/db2/3306/{rule}"), "Registered candidate").await;
        assert_eq!(world.node.asked(), [format!("candidate db2:3306 {rule}")]);
    }
    world.fails("register-candidate/db2/3306/must", "CandidatePromotionRule: must not supported yet").await;
    world.fails("register-candidate/db2/3306/maybe", "Invalid CandidatePromotionRule: maybe").await;
    assert!(world.node.asked().is_empty());
}

#[tokio::test]
async fn recoveries_by_hand_say_whom_they_promoted_or_why_nobody() {
    let world = World::default();
    let db2 = json!({"Hostname": "db2", "Port": 3306});
    for (route, asked) in [
        ("recover/db1/3306", "recover db1:3306 to None skip false by orc-0"),
        ("recover/db1/3306?skipProcesses=true", "recover db1:3306 to None skip true by orc-0"),
        ("recover/db1/3306/db2/3306", "recover db1:3306 to Some(db2:3306) skip false by orc-0"),
        ("recover-lite/db1/3306", "recover db1:3306 to None skip true by orc-0"),
        ("recover-lite/db1/3306/db2/3306", "recover db1:3306 to Some(db2:3306) skip true by orc-0"),
    ] {
        assert_eq!(done(&world, route, "Recovery executed on db1:3306").await, db2);
        assert_eq!(world.node.asked(), [asked]);
    }
    for (outcome, message) in [
        (RecoverOutcome::NotAttempted(String::new()), "Recovery not attempted"),
        (RecoverOutcome::NotAttempted("blocked".into()), "blocked"),
        (RecoverOutcome::NobodyPromoted(String::new()), "Recovery attempted but no instance promoted"),
    ] {
        *world.node.outcome.lock().unwrap() = outcome;
        let answer = world.get("/api/recover/db1/3306").await;
        let json = answer.json();
        assert_eq!((answer.status(), &json["Message"]), (500, &json!(message)));
        assert_eq!(json["Details"], json!({"Hostname": "db1", "Port": 3306}));
    }
    world.fails("recover/db1/3306/db2/x", "Invalid port: x").await;
}

const CLUSTER: &str = "Cluster { name: \"db1:3306\", alias: \"prod-a\" }";

#[tokio::test]
async fn closing_recoveries_takes_a_comment() {
    let world = World::default();
    for (route, message, details, asked) in [
        ("cluster/prod-a", "Acknowledged cluster recoveries", json!("db1:3306"), CLUSTER),
        ("cluster/alias/prod-a", "Acknowledged cluster recoveries", json!("db1:3306"), CLUSTER),
        (
            "instance/db1/3306",
            "Acknowledged instance recoveries",
            json!({"Hostname": "db1", "Port": 3306}),
            "Instance(db1:3306)",
        ),
        ("7", "Acknowledged recovery", json!("7"), "Id(7)"),
        ("uid/1:ab", "Acknowledged recovery", json!("1:ab"), "Uid(\"1:ab\")"),
    ] {
        let route = format!("ack-recovery/{route}");
        assert_eq!(done(&world, &format!("{route}?comment=%20seen+it%20"), message).await, details);
        let last = world.node.asked().pop();
        assert_eq!(last, Some(format!("ack {asked} by orc-0: seen it")));
        for without in [route.clone(), format!("{route}?comment=+")] {
            world.fails(&without, "No acknowledge comment given").await;
        }
    }
    let details = done(&world, "ack-all-recoveries?comment=done", "Acknowledged all recoveries").await;
    assert_eq!(details, "done");
    world.fails("ack-all-recoveries", "No acknowledge comment given").await;
    world.fails("ack-recovery/seven?comment=x", "Invalid id: seven").await;
}

#[tokio::test]
async fn only_what_is_named_in_full_is_closed() {
    let world = World::default();
    for hint in ["prod", "d", "b1"] {
        let message = format!("Unable to determine cluster name. clusterHint={hint}");
        world.fails(&format!("ack-recovery/cluster/{hint}?comment=x"), &message).await;
    }
    let world = World::with(FakeNode { has_history: false, ..FakeNode::default() }, Default::default());
    world.fails("ack-recovery/7?comment=x", "Recovery not found: 7").await;
    world.fails("ack-recovery/uid/1:ab?comment=x", "Recovery not found: 1:ab").await;
    assert!(!world.node.asked().iter().any(|asked| asked.starts_with("ack")));
}

#[tokio::test]
async fn global_recoveries_are_switched_and_told() {
    let world = World::default();
    let message = "Globally disabled recoveries";
    assert_eq!(done(&world, "disable-global-recoveries", message).await, "disabled");
    assert_eq!(done(&world, "enable-global-recoveries", "Globally enabled recoveries").await, "enabled");
    assert_eq!(world.node.asked(), ["global recoveries false", "global recoveries true"]);
    assert_eq!(done(&world, "check-global-recoveries", "Global recoveries enabled").await, "enabled");
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_act_is_refused_before_anything_happens() {
    let read_only = World::with(FakeNode::default(), Settings { read_only: true, ..Settings::default() });
    let worlds = [
        read_only,
        World::default().health(isolated()),
        World::default().health(follower_of("http://orc-0:3000")),
    ];
    for world in worlds {
        for row in rows().filter(|row| row.access == Access::Act) {
            let route = row.template.replace(":host", "db1").replace(":port", "3306");
            let answer = world.get(&format!("/api/{route}?comment=x")).await;
            let expected = r#"{"Code":"ERROR","Message":"Unauthorized","Details":null}"#;
            answer.is(StatusCode::INTERNAL_SERVER_ERROR, expected);
        }
        assert!(world.node.asked().is_empty());
    }
}
