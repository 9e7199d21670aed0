//! From one seed to the whole topology, on every flavor.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::api::key_of;
use orchestrator_e2e::{Api, Flavor, Group, GroupPlan, Lab, LabPlan, sql, until};
use serde_json::Value;

use crate::support::{SEEN_WITHIN, Scene, TREE, recovered, sees_all, successor, tree};

fn chain(flavor: Flavor) -> Result<()> {
    let scene = Scene::set("chain", &tree(flavor), &[])?;
    let (api, lab) = (scene.group.leader_api()?, &scene.lab);

    // Each server hangs where the lab put it, at its depth, in one cluster.
    for (letter, source, depth) in
        [("a", None, 0), ("b", Some("a"), 1), ("c", Some("a"), 1), ("d", Some("c"), 2)]
    {
        let seen = api.instance(lab.server(letter))?;
        let source = source.map_or_else(|| ":0".to_owned(), |s| lab.server(s).key());
        ensure!(key_of(&seen["MasterKey"]) == source, "{letter} hangs below {}", seen["MasterKey"]);
        ensure!(seen["ReplicationDepth"] == depth, "{letter}: depth {}", seen["ReplicationDepth"]);
        ensure!(seen["ReadOnly"] == (depth > 0), "{letter}: read-only {}", seen["ReadOnly"]);
    }
    ensure!(api.cluster(&lab.server("d").key())?.len() == 4, "one cluster of four");

    // The alias comes from the servers themselves.
    let info = api.clusters_info()?;
    ensure!(info.iter().any(|c| c["ClusterAlias"] == lab.name()), "alias {} in {info:?}", lab.name());

    // The drawing shows the same.
    let text = until("a drawing without `unknown`", SEEN_WITHIN, || {
        let text = api.topology(lab.name()).map_err(|e| e.to_string())?;
        if text.contains("unknown") { Err(text) } else { Ok(text) }
    })?;
    ensure!(text.lines().count() == 4 && text.lines().any(|l| l.starts_with("  + ")), "drawn as\n{text}");
    scene.done();
    Ok(())
}

fn co_primaries(flavor: Flavor) -> Result<()> {
    let lab = Lab::up("ring", &LabPlan::new(flavor, "a>b,b>a,a>c"))?;
    let group = Group::start("ring", &GroupPlan::for_lab(&lab)?)?;
    let api = group.leader_api()?;
    api.discover(lab.server("c"))?;
    sees_all(&api, &lab)?;
    until("both are co-primaries of one cluster of three", SEEN_WITHIN, || {
        let of = |letter| api.instance(lab.server(letter)).unwrap_or_default();
        let (a, b, c) = (of("a"), of("b"), of("c"));
        let together = a["ClusterName"] == b["ClusterName"] && b["ClusterName"] == c["ClusterName"];
        let well = a["IsCoMaster"] == true && b["IsCoMaster"] == true && c["IsCoMaster"] == false && together;
        let said = |v: &Value| format!("{} {}", v["IsCoMaster"], v["ClusterName"]);
        if well { Ok(()) } else { Err(format!("a {}, b {}, c {}", said(&a), said(&b), said(&c))) }
    })?;
    group.done();
    Ok(())
}

/// One replica reports a name that leads nowhere: it costs the others nothing, and is found by its address.
fn odd_report_host(flavor: Flavor) -> Result<()> {
    let plan = LabPlan::new(flavor, TREE).with(&["--cnf", "b:report_host=nowhere.invalid"]);
    let lab = Lab::up("odd", &plan)?;
    let conf = GroupPlan::for_lab(&lab)?.set("MySQLHostnameResolveMethod", "none");
    let group = Group::start("odd", &conf)?;
    let api = group.leader_api()?;
    api.discover(lab.server("a"))?;

    let valid = |api: &Api, letter: &str| match api.instance(lab.server(letter)) {
        Ok(seen) if seen["IsLastCheckValid"] == true => Ok(seen),
        other => Err(format!("{letter}: {other:?}")),
    };
    until("the servers with true names", SEEN_WITHIN, || {
        ["a", "c", "d"].iter().try_for_each(|letter| valid(&api, letter).map(drop))
    })?;
    api.discover(lab.server("b"))?;
    until("the odd one by its address, in the same cluster", SEEN_WITHIN, || {
        let (a, b) = (valid(&api, "a")?, valid(&api, "b")?);
        let place = format!("cluster {} below {}", b["ClusterName"], key_of(&b["MasterKey"]));
        let same = a["ClusterName"] == b["ClusterName"] && key_of(&b["MasterKey"]) == lab.server("a").key();
        if same { Ok(()) } else { Err(place) }
    })?;
    group.done();
    Ok(())
}

/// An account that may only connect: what can be known is known, the rest is a finding and not a failure.
fn few_privileges(flavor: Flavor) -> Result<()> {
    let lab = Lab::up("few", &LabPlan::new(flavor, "a>b"))?;
    let conf = GroupPlan::for_lab(&lab)?
        .set("MySQLTopologyUser", "app")
        .set("MySQLTopologyPassword", "app_password");
    let group = Group::start("few", &conf)?;
    let api = group.leader_api()?;
    // The answer may be an error that names what is missing; the instance is known all the same.
    let _ = api.discover(lab.server("a"));
    until("the server is known by what may be read", Duration::from_secs(20), || {
        let seen = api.instance(lab.server("a")).map_err(|e| format!("{e:#}"))?;
        if seen["ServerID"] == lab.server("a").id { Ok(()) } else { Err(seen.to_string()) }
    })?;
    let open = if flavor == Flavor::Mysql97 { "SYSTEM_VARIABLES_ADMIN" } else { "READ_ONLY ADMIN" };
    until("what is missing is named on the instance", SEEN_WITHIN, || {
        let seen = api.instance(lab.server("a")).map_err(|e| format!("{e:#}"))?;
        let said = seen["Problems"].to_string();
        let named = [open, "RELOAD", "PROCESS"].iter().all(|name| said.contains(name));
        if named && said.contains("privileges_missing") { Ok(()) } else { Err(said) }
    })?;
    group.done();
    Ok(())
}

/// `b` misses one privilege: that shows before anybody needs it, and costs the others nothing. Then the primary dies;
/// the answer is what the recovery told, which promoted `c`.
fn without(flavor: Flavor, tag: &str, right: &str) -> Result<(Lab, Vec<String>)> {
    let lab = Lab::up(tag, &LabPlan::new(flavor, "a>b,a>c"))?;
    let revoke = format!("REVOKE {right} ON *.* FROM orchestrator");
    let closed = ["SET GLOBAL super_read_only = 0", &revoke, "SET GLOBAL super_read_only = 1"];
    sql::unlogged(lab.server("b"), if flavor == Flavor::Mysql97 { &closed } else { &closed[1..2] })?;
    let group = Group::start(tag, &GroupPlan::for_lab(&lab)?)?;
    let api = group.leader_api()?;
    api.discover(lab.server("a"))?;
    sees_all(&api, &lab)?;
    let missing = |letter| {
        let seen = api.instance(lab.server(letter)).map_err(|e| format!("{e:#}"))?;
        let said = seen["Problems"].to_string();
        if said.contains("privileges_missing") { Ok(said) } else { Err(said) }
    };
    let said = until("the replica's missing privilege", SEEN_WITHIN, || missing("b"))?;
    ensure!(said.contains(right) && !said.contains("RELOAD"), "{said}");
    ensure!(missing("c").is_err() && missing("a").is_err(), "others lack nothing");

    lab.server("a").kill9()?;
    let recovery = recovered(&group, lab.server("a"))?;
    ensure!(successor(&lab, &recovery)?.letter == "c", "{recovery}");
    ensure!(!sql::writable(lab.server("b"))?, "b is open");
    let steps = group.leader_api()?.steps(recovery["UID"].as_str().unwrap_or_default())?;
    group.done();
    Ok((lab, steps))
}

/// A refusal is told for what it is.
fn refuses_to_move(flavor: Flavor) -> Result<()> {
    let right = if flavor == Flavor::Mysql97 { "REPLICATION_SLAVE_ADMIN" } else { "REPLICATION SLAVE ADMIN" };
    let (lab, steps) = without(flavor, "unmoved", right)?;
    let refused = format!("not {}: refuses: ", lab.server("b").key());
    ensure!(steps.iter().any(|step| step.contains(&refused) && step.contains("1227")), "{steps:#?}");
    ensure!(!steps.iter().any(|step| step.contains("cannot be reached")), "{steps:#?}");
    Ok(())
}

/// Nobody begins to promote what cannot be opened, as long as there is another one.
fn refuses_to_open(flavor: Flavor) -> Result<()> {
    let right = if flavor == Flavor::Mysql97 { "SYSTEM_VARIABLES_ADMIN" } else { "READ_ONLY ADMIN" };
    let (lab, steps) = without(flavor, "unopened", right)?;
    let chosen = format!("chose {}: the account may open it", lab.server("c").key());
    ensure!(steps.iter().any(|step| step.contains(&chosen)), "{steps:#?}");
    Ok(())
}

macro_rules! on_every_flavor {
    ($($story:ident as $claim:ident),+ $(,)?) => {$(
        mod $claim {
            use orchestrator_e2e::Flavor;

            #[test]
            fn mysql_97() -> anyhow::Result<()> { super::$story(Flavor::Mysql97) }

            #[test]
            fn mariadb_1011() -> anyhow::Result<()> { super::$story(Flavor::MariaDb1011) }

            #[test]
            fn mariadb_118() -> anyhow::Result<()> { super::$story(Flavor::MariaDb118) }
        }
    )+};
}

on_every_flavor! {
    chain as a_seed_reveals_the_whole_chain,
    co_primaries as co_primaries_are_one_cluster,
    odd_report_host as a_false_name_costs_the_others_nothing,
    few_privileges as missing_privileges_leave_what_can_be_known_and_are_named,
    refuses_to_move as a_replica_that_refuses_to_move_is_known_before_it_is_needed,
    refuses_to_open as a_replica_that_cannot_be_opened_gives_way,
}
