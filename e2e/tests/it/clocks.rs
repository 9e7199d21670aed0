//! Clocks that are set while everything runs: nobody loses the lead, and dead primaries are replaced all the same.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::{Flavor, Group, repository, until};
use serde_json::json;

use crate::support::{RECOVERED_WITHIN, SEEN_WITHIN, SETTLED_FOR, Scene, recovered, successor, tree};

/// Farther than any grace, deadline or period of this program but the block period.
const FAR_SECONDS: i64 = 1800;

/// The library of Debian's package that gives a process a clock of its own.
fn library() -> Result<String> {
    // One story installs it for all.
    static ONE: Mutex<()> = Mutex::new(());
    let _turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let installed =
        Command::new(repository().join("e2e/labs/tools")).env("WANTED", "faketime:faketime").status();
    ensure!(installed.context("e2e/labs/tools")?.success(), "faketime cannot be installed");
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let path = format!("/usr/lib/{triple}/faketime/libfaketime.so.1");
    ensure!(Path::new(&path).exists(), "there is no {path}");
    Ok(path)
}

/// The clocks of a group's nodes, each as far off as its file says.
struct Clocks(Vec<PathBuf>);

impl Clocks {
    /// Clocks for nodes that are not started yet, right so far.
    fn of(group: &mut Group, library: &str) -> Self {
        let mut files = Vec::new();
        for node in &mut group.nodes {
            let file = node.folder().join("clock");
            let environment = [
                ("LD_PRELOAD", library),
                ("FAKETIME_TIMESTAMP_FILE", &file.to_string_lossy()),
                ("FAKETIME_NO_CACHE", "1"),
                // Only the clock that people set: no machine sets the other one.
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ];
            node.env.extend(environment.map(|(key, value)| (key.to_owned(), value.to_owned())));
            files.push(file);
        }
        Self(files)
    }

    fn set(&self, node: usize, seconds: i64) -> Result<()> {
        // Renamed into place: half a number would be another time.
        let new = self.0[node].with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n"))?;
        Ok(std::fs::rename(&new, &self.0[node])?)
    }

    fn set_all(&self, seconds: i64) -> Result<()> {
        (0..self.0.len()).try_for_each(|node| self.set(node, seconds))
    }
}

/// A topology, and a group that watches it with clocks that can be set.
fn scene(tag: &str) -> Result<(Scene, Clocks)> {
    let library = library()?;
    let (mut clocks, mut failed) = (None, None);
    let scene = Scene::set_with(tag, &tree(Flavor::MariaDb1011), &[], |group| {
        let made = Clocks::of(group, &library);
        failed = made.set_all(0).err();
        clocks = Some(made);
    })?;
    ensure!(failed.is_none(), "{failed:?}");
    Ok((scene, clocks.context("they were made")?))
}

/// So many seconds from now, as answers write it: the form sorts as time does.
fn written(seconds: i64) -> Result<String> {
    let wish = format!("{seconds:+} seconds");
    let out = Command::new("date").args(["--utc", "--date", &wish, "+%Y-%m-%dT%H:%M:%SZ"]).output()?;
    ensure!(out.status.success(), "date --date '{wish}'");
    Ok(String::from_utf8(out.stdout)?.trim().to_owned())
}

/// Waits until a node has seen every server by a clock that is so far from ours.
fn seen_by_the_clock(group: &Group, node: usize, seconds: i64) -> Result<()> {
    until("servers are seen by the new clock", SEEN_WITHIN, || {
        let of = |from: i64| written(seconds + from).map_err(|error| format!("{error:#}"));
        let (earliest, latest) = (of(-60)?, of(60)?);
        let records = group.nodes[node].api.get("all-instances").and_then(|reply| reply.raw());
        let records = records.map_err(|error| format!("{error:#}"))?;
        let seen: Vec<&str> = records
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|r| r["LastSeenTimestamp"].as_str())
            .collect();
        let all = !seen.is_empty() && seen.iter().all(|at| (earliest.as_str()..latest.as_str()).contains(at));
        if all { Ok(()) } else { Err(format!("{seen:?}, not in {earliest} to {latest}")) }
    })
}

fn replaced_although_clocks_are_set(tag: &str, seconds: i64) -> Result<()> {
    let (mut scene, clocks) = scene(tag)?;
    let (leader, term) = standing(&scene.group)?;
    clocks.set_all(seconds)?;
    seen_by_the_clock(&scene.group, leader, seconds)?;
    scene.group.wait_healthy()?;
    ensure!(standing(&scene.group)? == (leader, term), "somebody stood for election");

    let old = scene.lab.server("a");
    old.kill9()?;
    let recovery = recovered(&scene.group, old)?;
    successor(&scene.lab, &recovery)?;
    scene.done();
    Ok(())
}

/// Who leads, and in which term.
fn standing(group: &Group) -> Result<(usize, u64)> {
    let leader = group.leader()?;
    let status = group.nodes[leader].api.get("raft-status")?.raw()?;
    Ok((leader, status["Term"].as_u64().context("a term")?))
}

#[test]
fn a_primary_that_dies_after_all_clocks_were_set_back_is_replaced() -> Result<()> {
    replaced_although_clocks_are_set("back", -FAR_SECONDS)
}

#[test]
fn a_primary_that_dies_after_all_clocks_were_set_forward_is_replaced() -> Result<()> {
    replaced_although_clocks_are_set("ahead", FAR_SECONDS)
}

#[test]
fn a_clock_that_jumps_to_and_fro_changes_neither_the_leader_nor_a_server() -> Result<()> {
    let (mut scene, clocks) = scene("jumps")?;
    let (leader, term) = standing(&scene.group)?;
    for seconds in [FAR_SECONDS, -FAR_SECONDS, 5, -5, 0] {
        clocks.set(leader, seconds)?;
        orchestrator_e2e::holds("all is well", SETTLED_FOR / 4, || {
            let sick: Vec<usize> =
                (0..scene.group.nodes.len()).filter(|&node| !scene.group.nodes[node].api.healthy()).collect();
            if sick.is_empty() { Ok(()) } else { Err(format!("{seconds:+} s: unhealthy: {sick:?}")) }
        })?;
    }
    scene.group.wait_healthy()?;
    ensure!(standing(&scene.group)? == (leader, term), "somebody stood for election");
    let recoveries = scene.group.leader_api()?.get("audit-recovery")?.raw()?;
    ensure!(recoveries == json!([]), "{recoveries}");
    until("all is seen again", RECOVERED_WITHIN, || {
        let analysis = scene.group.leader_api().and_then(|api| api.get("replication-analysis")?.details());
        let analysis = analysis.map_err(|error| format!("{error:#}"))?;
        if analysis == json!([]) { Ok(()) } else { Err(analysis.to_string()) }
    })?;
    scene.done();
    Ok(())
}
