//! What several stories share.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::api::key_of;
use orchestrator_e2e::writer::interleaved;
use orchestrator_e2e::{Api, Flavor, Group, GroupPlan, Lab, LabPlan, Ledger, Overlap, Server, sql, until};
use serde_json::Value;

/// Seeing a topology of four servers from one seed; a second or two on two busy cores.
pub(crate) const SEEN_WITHIN: Duration = Duration::from_secs(30);
/// From a killed primary to an ended recovery. The benchmark prints what it takes; this only ends a hung story.
pub(crate) const RECOVERED_WITHIN: Duration = Duration::from_secs(60);

/// Longer than any path from a reason to act to the act: what has not happened then does not happen.
pub(crate) const SETTLED_FOR: Duration = Duration::from_secs(8);

/// A primary `a`, its replicas `b` and `c`, and `d` below `c`.
pub(crate) const TREE: &str = "a>b,a>c,c>d";

/// A lab and a group of three that has seen all of it and that the writer's counters are known to reach.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) group: Group,
}

impl Scene {
    /// Brings up both with further configuration keys, discovers from `a`, waits until all is seen and well.
    pub(crate) fn set(tag: &str, plan: &LabPlan, keys: &[(&str, Value)]) -> Result<Self> {
        Self::set_with(tag, plan, keys, |_| ())
    }

    /// As [`Scene::set`]; `prepare` may change the nodes before they start.
    pub(crate) fn set_with(
        tag: &str,
        plan: &LabPlan,
        keys: &[(&str, Value)],
        prepare: impl FnOnce(&mut Group),
    ) -> Result<Self> {
        let lab = Lab::up(tag, plan)?;
        let conf =
            keys.iter().fold(GroupPlan::for_lab(&lab)?, |conf, (key, value)| conf.set(key, value.clone()));
        let mut group = Group::prepare(tag, &conf)?;
        prepare(&mut group);
        group.start_all()?;
        let scene = Self { lab, group };
        scene.discover()?;
        Ok(scene)
    }

    /// Discovers from `a` and waits until every node sees every server, well and where it belongs.
    pub(crate) fn discover(&self) -> Result<()> {
        self.group.leader_api()?.discover(self.lab.server("a"))?;
        for node in &self.group.nodes {
            sees_all(&node.api, &self.lab)?;
        }
        Ok(())
    }

    /// Ends the story.
    pub(crate) fn done(self) {
        self.group.done();
    }
}

/// Waits until `api` knows every server of the lab, with a valid last check.
pub(crate) fn sees_all(api: &Api, lab: &Lab) -> Result<()> {
    until(&format!("{} sees all of {}", api.base, lab.name()), SEEN_WITHIN, || {
        for server in lab.servers() {
            let instance = api.instance(server).map_err(|e| format!("{}: {e:#}", server.letter))?;
            if instance["IsLastCheckValid"] != true {
                return Err(format!("{}: last check not valid", server.letter));
            }
        }
        Ok(())
    })
}

/// The plan of a lab with the usual tree.
pub(crate) fn tree(flavor: Flavor) -> LabPlan {
    LabPlan::new(flavor, TREE)
}

/// As [`tree`], with semi-synchronous replication that never falls back: what was acknowledged is on a replica.
pub(crate) fn semi_sync_tree(flavor: Flavor) -> LabPlan {
    LabPlan::new(flavor, TREE).with(&["--semi-sync", "--semi-sync-timeout", "3600000"])
}

/// Waits for a successful, ended recovery of `failed` and returns it.
pub(crate) fn recovered(group: &Group, failed: &Server) -> Result<Value> {
    until(&format!("an ended recovery of {}", failed.key()), RECOVERED_WITHIN, || {
        let api = group.leader_api().map_err(|e| e.to_string())?;
        let recoveries = api.recoveries_of(failed).map_err(|e| format!("{e:#}"))?;
        let ended = |r: &&Value| r["RecoveryEndTimestamp"].as_str().is_some_and(|t| !t.is_empty());
        match recoveries.iter().find(ended) {
            Some(recovery) => Ok(recovery.clone()),
            None => Err(format!(
                "recoveries: {recoveries:?}; analysis: {:?}; blocked: {:?}",
                api.analysis_of(failed).map(|list| codes(&list)),
                api.get("blocked-recoveries").map(|r| r.body)
            )),
        }
    })
}

/// The server that a recovery promoted.
pub(crate) fn successor<'l>(lab: &'l Lab, recovery: &Value) -> Result<&'l Server> {
    ensure!(recovery["IsSuccessful"] == true, "recovery without success: {recovery}");
    let key = key_of(&recovery["SuccessorKey"]);
    lab.servers().find(|s| s.key() == key).with_context(|| format!("{key} is not a server of the lab"))
}

/// Analysis codes of a list of entries.
pub(crate) fn codes(entries: &[Value]) -> Vec<String> {
    entries.iter().filter_map(|e| e["Analysis"].as_str().map(str::to_owned)).collect()
}

/// Waits until the direct replicas of the dead `a` follow `successor`, and `d` still follows `c`
/// (or the successor, when `c` itself was promoted or `d` was).
pub(crate) fn replicas_moved(lab: &Lab, successor: &Server) -> Result<()> {
    until("replicas moved", RECOVERED_WITHIN, || {
        let status = lab.status().map_err(|e| e.to_string())?;
        for letter in ["b", "c"].iter().filter(|l| **l != successor.letter) {
            let replication = &status[*letter]["replication"];
            let follows = status[*letter]["source"] == successor.letter.as_str();
            if !follows || replication["io"] != "Yes" || replication["sql"] != "Yes" {
                return Err(format!("{letter}: {}", status[*letter]));
            }
        }
        let below = &status["d"];
        let source = below["source"].as_str().unwrap_or_default();
        if source == "a" || below["replication"]["io"] != "Yes" { Err(format!("d: {below}")) } else { Ok(()) }
    })
}

/// No acknowledged row is missing on `server`.
pub(crate) fn nothing_lost(ledger: &Ledger, server: &Server) -> Result<()> {
    let lost = ledger.lost_on(server)?;
    ensure!(lost.is_empty(), "{} acknowledged rows are not on {}: {lost:?}", lost.len(), server.letter);
    Ok(())
}

/// Neither the samples nor the acknowledged writes show two servers writable at once.
pub(crate) fn one_writer(overlaps: &[Overlap], ledgers: &[&Ledger]) -> Result<()> {
    let samples: Vec<String> = overlaps.iter().map(ToString::to_string).collect();
    ensure!(samples.is_empty(), "two writable servers: {samples:?}");
    let writes = interleaved(ledgers);
    ensure!(writes.is_empty(), "two servers took writes: {writes:?}");
    Ok(())
}

/// Letters of the servers that are writable now; a server that does not answer is not.
pub(crate) fn writable_now(lab: &Lab) -> Vec<String> {
    lab.servers().filter(|s| sql::writable(s).unwrap_or(false)).map(|s| s.letter.clone()).collect()
}

/// As [`writable_now`], without asking `other`, which may be frozen and would cost a timeout at each look.
pub(crate) fn writable_beside(lab: &Lab, other: &Server) -> Vec<String> {
    let asked = lab.servers().filter(|s| s.id != other.id);
    asked.filter(|s| sql::writable(s).unwrap_or(false)).map(|s| s.letter.clone()).collect()
}
