//! `make bench-k8s`: what people wait for on Kubernetes, stage by stage.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use orchestrator_e2e::k8s::{Member, Members, Orc, Space};
use orchestrator_e2e::until::until_every;
use orchestrator_e2e::{Api, repository};

use crate::figures::{percentile, seconds};

/// Runs of each row.
pub(crate) const RUNS: usize = 5;
/// Ends a run that hangs.
const LIMIT: Duration = Duration::from_secs(180);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// From the applied object to a ready group; each since it was applied.
const FORMING: [&str; 5] = [
    "applied → three pods are scheduled",
    "applied → three processes answer",
    "applied → somebody leads",
    "applied → three healthy voters",
    "applied → Ready",
];
/// From the end of the leader's pod; each since it was told to end.
const ENDING: [&str; 3] = [
    "leader's pod deleted → another answers leader-check",
    "… → a new pod's process answers",
    "… → three healthy voters",
];
/// As [`ENDING`], without a word to the process.
const KILLING: [&str; 1] = ["leader's process killed with -9 → another answers leader-check"];

/// Prints the table.
pub(crate) fn bench(runs: usize) -> Result<()> {
    let mut formed = vec![Vec::new(); FORMING.len()];
    let mut ended = vec![Vec::new(); ENDING.len()];
    let mut killed = vec![Vec::new(); KILLING.len()];
    for run in 1..=runs {
        let space = Space::new("bench")?;
        keep(&mut formed, &form(&space).with_context(|| format!("run {run}"))?);
        let members = Members::of(&space, "main");
        keep(&mut ended, &end(&space, &members)?);
        if space.cluster.is_routed() {
            keep(&mut killed, &kill(&space, &members)?);
        }
    }
    println!("| what | runs | p50 s | max s |");
    println!("|---|---|---|---|");
    for (names, rows) in [(&FORMING[..], formed), (&ENDING, ended), (&KILLING, killed)] {
        for (name, took) in names.iter().zip(rows) {
            let (p50, max) = (seconds(percentile(&took, 50)), seconds(percentile(&took, 100)));
            println!("| {name} | {} | {p50} | {max} |", took.len());
        }
    }
    Ok(())
}

fn keep(rows: &mut [Vec<Duration>], took: &[Duration]) {
    for (row, took) in rows.iter_mut().zip(took) {
        row.push(*took);
    }
}

/// Waits until `look` holds, and answers how long ago `began` was then.
fn since(began: Instant, what: &str, mut look: impl FnMut() -> bool) -> Result<Duration> {
    until_every(LOOK_EVERY, what, LIMIT, || if look() { Ok(began.elapsed()) } else { Err("not yet") })
}

fn form(space: &Space) -> Result<[Duration; 5]> {
    let example = repository().join("manifests/examples/smallest.yaml");
    let began = Instant::now();
    space.kubectl(&["apply", "-f", &example.display().to_string()])?;
    let members = Members::of(space, "main");
    let all =
        |wanted: &dyn Fn(&_) -> bool| members.all().is_ok_and(|all| all.len() == 3 && all.iter().all(wanted));
    let scheduled = since(began, "pods", || all(&|m: &Member| m.node.is_some()))?;
    let answer = since(began, "processes", || all(&|m| members.lives(m)))?;
    let leads = since(began, "a leader", || members.leader().is_ok())?;
    let voters = since(began, "voters", || all(&|m| members.healthy(m)))?;
    Orc::named(space, "main").wait_ready(LIMIT)?;
    Ok([scheduled, answer, leads, voters, began.elapsed()])
}

fn end(space: &Space, members: &Members<'_>) -> Result<[Duration; 3]> {
    let leader = members.leader()?;
    let began = Instant::now();
    space.delete::<Pod>(&leader.pod)?;
    let next = since(began, "another leader", || members.leader().is_ok_and(|next| next.pod != leader.pod))?;
    let new = |m: &Member| m.pod == leader.pod && m.uid != leader.uid;
    let answers = since(began, "a new process", || {
        members.all().is_ok_and(|all| all.iter().any(|m| new(m) && members.lives(m)))
    })?;
    members.settled(3, LIMIT)?;
    Ok([next, answers, began.elapsed()])
}

fn kill(space: &Space, members: &Members<'_>) -> Result<[Duration; 1]> {
    let leader = members.leader()?;
    let others: Vec<Api> = members
        .all()?
        .into_iter()
        .filter(|m| m.pod != leader.pod)
        .filter_map(|m| Some(Api::new(&format!("http://{}:3000", m.ip?))))
        .collect();
    let node = leader.node.as_deref().context("it runs somewhere")?;
    let began = Instant::now();
    space.cluster.machines()?.kill9(node, &leader.uid)?;
    Ok([since(began, "another leader", || others.iter().any(Api::leads))?])
}
