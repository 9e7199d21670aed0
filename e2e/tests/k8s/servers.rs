//! Real MariaDB servers beside the cluster: a primary dies while the orchestrators themselves are being rolled.

use std::time::Duration;

use anyhow::Result;
use orchestrator_e2e::k8s::{Addresses, Orc, Story};
use orchestrator_e2e::{Flavor, Lab, LabPlan, until};
use serde_json::{Value, json};

use crate::support::{BACK_WITHIN, smallest};

const ROLLED_WITHIN: Duration = Duration::from_secs(240);
/// From a killed primary to an ended recovery, with leadership that may move in between.
const RECOVERED_WITHIN: Duration = Duration::from_secs(120);

#[test]
fn e29_a_primary_that_dies_while_the_orchestrators_are_rolled_is_replaced() -> Result<()> {
    let story = Story::alone("E29", "real MariaDB trio: failover during a rolling update")?;
    let Ok(machines) = story.space.cluster.machines() else {
        story.left_out("needs a lab whose pods reach servers on this machine");
        return Ok(());
    };
    let addresses = Addresses::on(machines)?;
    let plan = LabPlan::new(Flavor::MariaDb1011, "a>b,a>c").with(&["--ip-base", &addresses.base]);
    let lab = Lab::up("k8s", &plan)?;
    let conf = lab.conf()?;
    let text = |key: &str| conf.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "topology"}, "stringData":
        {"username": text("MySQLTopologyUser"), "password": text("MySQLTopologyPassword")}});
    story.space.apply(&[secret])?;
    let mut config: serde_json::Map<String, Value> =
        conf.into_iter().filter(|(key, _)| !key.starts_with("MySQLTopology")).collect();
    config.insert("InstancePollSeconds".into(), json!(1));
    config.insert("RecoverMasterClusterFilters".into(), json!(["*"]));
    let mut spec = smallest();
    spec["config"] = Value::Object(config.clone());
    spec["topology"] = json!({"credentialsSecretRef": {"name": "topology"}});
    let orc = Orc::ready(&story.space, "main", &spec)?;
    let members = orc.members();
    let (a, b, c) = (lab.server("a"), lab.server("b"), lab.server("c"));
    members.ask(&members.leader()?, &format!("/api/discover/{}", a.path()))?.details()?;
    until("every member sees all three servers", BACK_WITHIN, || {
        for member in members.all().map_err(|error| format!("{error:#}"))? {
            for server in [a, b, c] {
                let seen = members.ask(&member, &format!("/api/instance/{}", server.path()));
                let valid = seen.is_ok_and(|reply| reply.body["IsLastCheckValid"] == true);
                if !valid {
                    return Err(format!("{} does not see {}", member.pod, server.key()));
                }
            }
        }
        Ok(())
    })?;
    story.note("three members see three servers");
    config.insert("DiscoveryMaxConcurrency".into(), json!(301));
    let before = members.uids()?;
    orc.set(&json!({"config": config}))?;
    until("the roll has begun", BACK_WITHIN, || {
        let now = members.uids().map_err(|error| format!("{error:#}"))?;
        if now != before { Ok(()) } else { Err("all pods are the old ones".to_owned()) }
    })?;
    a.kill9()?;
    story.note("the primary was killed while a member was being restarted");
    until("a successor that accepts writes, and a replica that follows it", RECOVERED_WITHIN, || {
        let (of_b, of_c) = (lab.source_of("b"), lab.source_of("c"));
        let of_b = of_b.map_err(|error| format!("{error:#}"))?;
        let of_c = of_c.map_err(|error| format!("{error:#}"))?;
        match (of_b.as_deref(), of_c.as_deref()) {
            (None, Some("b")) | (Some("c"), None) => Ok(()),
            other => Err(format!("sources of b and c: {other:?}")),
        }
    })?;
    orc.wait_ready(ROLLED_WITHIN)?;
    members.settled(3, BACK_WITHIN)?;
    story.done();
    Ok(())
}
