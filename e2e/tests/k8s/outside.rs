//! What belongs to a group and runs elsewhere: a member that no pod holds, and the servers in which members keep state.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use orchestrator_crds::{ConditionStatus, ConditionType};
use orchestrator_e2e::k8s::{Addresses, Clients, Members, Orc, Outside, Story};
use orchestrator_e2e::{Flavor, Lab, LabPlan, Server, sql, until};
use serde_json::{Value, json};

use crate::support::{BACK_WITHIN, KNOWN, smallest};

const PATHS: &[&str] = &["/api/clusters", "/api/check-global-recoveries"];
/// A member joins, learns and gets its vote; the operator looks every 30 s at what it cannot watch.
const JOINED_WITHIN: Duration = Duration::from_secs(180);
const STATEMENT: Duration = Duration::from_secs(10);

/// So many voters, by the word of the leader, wherever it runs.
fn voters(members: &Members<'_>, outside: &Outside, wanted: usize) -> Result<()> {
    until(&format!("{wanted} voters"), JOINED_WITHIN, || {
        let all = members.all().map_err(|error| format!("{error:#}"))?;
        let told = all.iter().filter_map(|member| members.status(member).ok());
        let counts: Vec<usize> =
            told.filter(|s| s.status.healthy).map(|s| s.membership.voters.len()).collect();
        let agree = counts.len() == all.len() && counts.iter().all(|count| *count == wanted);
        if agree {
            Ok(())
        } else {
            Err(format!("{}outside: {:?}", members.told(), outside.api.get("raft-status")))
        }
    })
}

/// Whether the member outside knows that recoveries are `wanted`.
fn outside_knows(outside: &Outside, wanted: &str) -> Result<()> {
    until(&format!("the member outside knows {wanted}"), BACK_WITHIN, || {
        let heard =
            outside.api.get(KNOWN.trim_start_matches("/api/")).map_err(|error| format!("{error:#}"))?;
        if heard.body["Details"] == wanted { Ok(()) } else { Err(format!("{heard:?}")) }
    })
}

/// A member that answers: who leads is not asked, since it may be the one outside.
fn any(members: &Members<'_>) -> Result<orchestrator_e2e::k8s::Member> {
    members.all()?.into_iter().find(|member| members.healthy(member)).context("nobody is healthy")
}

/// Two pods, and the member outside.
fn stretched(outside: &Outside) -> Value {
    let mut spec = smallest();
    spec["replicas"] = json!(2);
    spec["raft"] = json!({"externalMembers": [outside.raft]});
    spec["clusterDomain"] = json!("cluster.local");
    spec
}

/// What stands in `RaftNodes` of the member outside.
fn peers(story: &Story, outside: &Outside) -> [String; 3] {
    let pod = |n: usize| format!("main-{n}.main-raft.{}.svc.cluster.local:10008", story.space.name);
    [pod(0), pod(1), outside.raft.clone()]
}

/// Real kubelets for two members, a process of this machine for the third; the operator in its pods.
#[test]
fn x01_a_member_outside_that_was_there_first_becomes_one_group_with_the_pods() -> Result<()> {
    let story = Story::begin("X01b", "a member outside that waits for the pods before there are any")?;
    let Ok(machines) = story.space.cluster.machines() else {
        story.left_out("needs a lab whose pods reach this machine");
        return Ok(());
    };
    let mut outside = Outside::prepare(machines)?;
    outside.start(&peers(&story, &outside))?;
    let orc = Orc::apply(&story.space, "main", &stretched(&outside))?;
    let members = orc.members();
    let joined = voters(&members, &outside, 3).and_then(|()| orc.wait_ready(JOINED_WITHIN));
    joined.with_context(|| format!("the member outside said:\n{}", outside.log()))?;
    let mut groups: Vec<String> =
        members.all()?.iter().filter_map(|m| Some(members.status(m).ok()?.cluster_id)).collect();
    groups.extend(orc.object()?.status.unwrap_or_default().cluster_id);
    groups.dedup();
    ensure!(groups.len() == 1, "{groups:?}");
    story.done();
    Ok(())
}

/// Real kubelets for two members, a process of this machine for the third; the operator in its pods.
#[test]
fn x01_a_member_outside_of_kubernetes_votes_is_missed_and_leaves() -> Result<()> {
    let story = Story::begin("X01", "two pods and a member outside: joins, dies, comes back, leaves")?;
    let Ok(machines) = story.space.cluster.machines() else {
        story.left_out("needs a lab whose pods reach this machine");
        return Ok(());
    };
    let mut outside = Outside::prepare(machines)?;
    let orc = Orc::apply(&story.space, "main", &stretched(&outside))?;
    let members = orc.members();
    let formed = orc.wait(ConditionType::Bootstrapped, ConditionStatus::True, JOINED_WITHIN);
    story.note(&format!("formed by the pods: {:?}", formed?.message));

    let peers = peers(&story, &outside);
    outside.start(&peers)?;
    let joined = voters(&members, &outside, 3).and_then(|()| orc.wait_ready(JOINED_WITHIN));
    joined.with_context(|| format!("the member outside said:\n{}", outside.log()))?;
    members.ask(&any(&members)?, "/api/disable-global-recoveries")?.details()?;
    outside_knows(&outside, "disabled")?;
    story.note("three voters, one of them outside");

    let clients = Clients::of(&story.space, "main", PATHS, 500)?;
    outside.kill9();
    let told = orc.wait(ConditionType::Ready, ConditionStatus::False, JOINED_WITHIN)?;
    story.note(&format!("without it: {}", told.message));
    ensure!(told.message.contains(&outside.raft), "{told:?} does not name {}", outside.raft);
    members.ask(&any(&members)?, "/api/enable-global-recoveries")?.details()?;
    outside.start(&peers)?;
    outside_knows(&outside, "enabled")?;
    orc.wait_ready(JOINED_WITHIN)?;
    clients.ended()?.all_good()?;

    for member in members.all()? {
        story.space.delete::<Pod>(&member.pod)?;
        voters(&members, &outside, 3)?;
    }
    orc.wait_ready(JOINED_WITHIN)?;
    story.note("it carried the quorum while pods were away");
    // Nobody outside lets the operator in, so that a leader there would have to be asked for every change.
    let pod = members.status(&any(&members)?)?.status.raft_advertise;
    until("a pod leads", BACK_WITHIN, || {
        let asked = outside.api.get(&format!("raft-yield/{pod}"));
        members.leader().map(drop).map_err(|error| format!("{error:#}: {asked:?}"))
    })?;
    orc.set(&json!({"replicas": 3, "raft": {"externalMembers": []}}))?;
    orc.wait_ready(JOINED_WITHIN)?;
    members.settled(3, BACK_WITHIN)?;
    story.done();
    Ok(())
}

/// Names in the cluster for servers of this machine, as people give them who keep their databases elsewhere.
fn named(story: &Story, lab: &Lab) -> Result<()> {
    let mut objects = Vec::new();
    for (n, server) in lab.servers().enumerate() {
        let name = format!("backend-{n}");
        objects.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"ports": [{"name": "mysql", "port": 3306, "targetPort": server.port}]}}));
        objects.push(
            json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "mysql", "port": server.port}], "endpoints": [{"addresses": [server.host]}]}),
        );
    }
    story.space.apply(&objects).map(drop)
}

fn downtimes(server: &Server) -> Result<Vec<String>> {
    sql::rows(server, "SELECT reason FROM orchestrator.database_instance_downtime", STATEMENT)
}

/// Real kubelets; the operator in its pods; a real MariaDB for each member beside the cluster.
#[test]
fn x02_members_keep_their_state_in_a_server_of_their_own_and_one_that_lost_it_is_not_ready() -> Result<()> {
    let story =
        Story::alone("X02", "backend mysql: a MariaDB for each member, one of them dies and comes back")?;
    let Ok(machines) = story.space.cluster.machines() else {
        story.left_out("needs a lab whose pods reach servers on this machine");
        return Ok(());
    };
    let addresses = Addresses::on(machines)?;
    let lab =
        Lab::up("k8s", &LabPlan::new(Flavor::MariaDb1011, "a,b,c").with(&["--ip-base", &addresses.base]))?;
    for server in lab.servers() {
        sql::unlogged(
            server,
            &[
                "CREATE USER 'orc_server'@'%' IDENTIFIED BY 'backend-secret'",
                "GRANT ALL ON orchestrator.* TO 'orc_server'@'%'",
            ],
        )?;
    }
    named(&story, &lab)?;
    story.space.apply(&[json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "backend"},
        "stringData": {"username": "orc_server", "password": "backend-secret"}})])?;
    let mut spec = smallest();
    let template = format!("backend-{{ordinal}}.{}.svc", story.space.name);
    spec["backend"] = json!({"type": "mysql", "mysql": {"hostTemplate": template, "port": 3306,
        "database": "orchestrator", "credentialsSecretRef": {"name": "backend"}}});
    let orc = Orc::ready(&story.space, "main", &spec)?;
    let members = orc.members();
    members.settled(3, BACK_WITHIN)?;
    let leader = members.leader()?;
    members.ask(&leader, "/api/begin-downtime/elsewhere/3306/me/before/1h")?.details()?;
    until("the downtime in all three servers", BACK_WITHIN, || {
        let all: Vec<_> = lab.servers().map(|server| downtimes(server).unwrap_or_default()).collect();
        if all.iter().all(|rows| rows == &["before"]) { Ok(()) } else { Err(format!("{all:?}")) }
    })?;
    story.note("each member's server has it");

    let ordinal = leader.ordinal().context("it has a number")?;
    let server = ["a", "b", "c"][ordinal];
    lab.server(server).kill9()?;
    until("another leader, and the old one unready", BACK_WITHIN, || {
        let all = members.all().map_err(|error| format!("{error:#}"))?;
        let old = all.iter().find(|m| m.pod == leader.pod).ok_or("it is gone")?;
        let next = members.leader().map_err(|error| format!("{error:#}"))?;
        if next.pod != leader.pod && !old.ready { Ok(()) } else { Err(members.told()) }
    })?;
    let told: Value = json!(orc.wait(ConditionType::Ready, ConditionStatus::False, BACK_WITHIN)?);
    story.note(&format!("{}", told["message"]));
    members.ask(&members.leader()?, "/api/begin-downtime/further/3306/me/after/1h")?.details()?;
    lab.start(server)?;
    members.settled(3, JOINED_WITHIN)?;
    orc.wait_ready(JOINED_WITHIN)?;
    until("the second downtime in the server that was away", BACK_WITHIN, || {
        let mut rows = downtimes(lab.server(server)).map_err(|error| format!("{error:#}"))?;
        rows.sort();
        if rows == ["after", "before"] { Ok(()) } else { Err(format!("{rows:?}")) }
    })?;
    story.done();
    Ok(())
}
