//! An operator that is not alone, sees late, and is not answered: members are never taken two at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_crds::verb;
use orchestrator_e2e::dice::Dice;
use orchestrator_e2e::k8s::{Between, Call, Judge, Operator, Orc, Spoilt, Story};
use orchestrator_e2e::until::until_every;
use serde_json::Value;

use crate::support::{BACK_WITHIN, grown_replaced_and_rolled, never_fewer, smallest, without_operator};

/// People who drain, and how often each of them tries.
const PEOPLE: u64 = 10;
const TRIES: usize = 10;
const DRAIN_EVERY: Duration = Duration::from_millis(700);
/// A majority of three.
const MAJORITY: usize = 2;
/// Members that are restarted by everybody at once, one at a time.
const ROLLED_WITHIN: Duration = Duration::from_secs(240);
/// With an operator that sees late or is refused.
const DONE_WITHIN: Duration = Duration::from_secs(900);
/// Longer than any step of the operator's takes.
const LAG: Duration = Duration::from_secs(4);

/// Real kubelets; the operator in its pods.
#[test]
fn c03_people_who_drain_and_the_operator_that_rolls_never_take_two_members_at_once() -> Result<()> {
    let story = Story::begin("C03", "100 evictions by ten people while the operator restarts all members")?;
    let orc = Orc::ready(&story.space, "main", &smallest())?;
    let members = orc.members();
    let (went, stayed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let drain = |seed: u64| -> Result<()> {
        let mut dice = Dice::new(seed);
        let mut tries = 0;
        until_every(DRAIN_EVERY, "the last eviction", ROLLED_WITHIN, || {
            let victim = format!("main-{}", dice.below(3));
            let gone = story.space.evict(&victim).map_err(|error| format!("{error:#}"))?;
            (if gone { &went } else { &stayed }).fetch_add(1, Ordering::Relaxed);
            tries += 1;
            if tries == TRIES { Ok(()) } else { Err(format!("{tries} tries")) }
        })
    };
    never_fewer(&members, MAJORITY, || {
        orc.annotate(verb::RESTARTED_AT, "2026-01-01T00:00:00Z")?;
        std::thread::scope(|scope| {
            let drain = &drain;
            let drains: Vec<_> = (1..=PEOPLE).map(|seed| scope.spawn(move || drain(seed))).collect();
            drains.into_iter().try_for_each(|drain| match drain.join() {
                Ok(drained) => drained,
                Err(_) => anyhow::bail!("a drain panicked"),
            })
        })?;
        orc.wait_ready(ROLLED_WITHIN)?;
        members.settled(3, BACK_WITHIN).map(drop)
    })?;
    let (went, stayed) = (went.into_inner(), stayed.into_inner());
    story.note(&format!("{went} evictions granted, {stayed} not"));
    ensure!(went >= 3 && stayed > 0, "{went} granted, {stayed} not: the story tells nothing");
    story.done();
    Ok(())
}

/// What is deleted must be what was looked at: each deletion and eviction says of which uid.
fn every_deletion_names_its_uid(calls: &[Call]) -> Result<()> {
    let deletions = calls.iter().filter(|c| c.kind.starts_with("DELETE") || c.kind == "POST pods/eviction");
    let uid = |call: &Call| match call.kind.as_str() {
        "POST pods/eviction" => call.body["deleteOptions"]["preconditions"]["uid"].clone(),
        _ => call.body["preconditions"]["uid"].clone(),
    };
    let blind: Vec<&Call> = deletions.clone().filter(|call| uid(call) == Value::Null).collect();
    ensure!(deletions.count() > 0, "nothing was deleted: the story tells nothing");
    ensure!(blind.is_empty(), "{blind:#?}");
    Ok(())
}

/// The operator of the story's own, with what it said if `work` fails.
fn under(operator: &Operator, work: impl FnOnce() -> Result<()>) -> Result<()> {
    work().inspect_err(|_| eprintln!("--- the operator ---\n{}", operator.told()))
}

/// How often each kind of call was answered with each status.
fn answers(calls: &[Call]) -> BTreeMap<&str, BTreeMap<u16, usize>> {
    let mut table: BTreeMap<&str, BTreeMap<u16, usize>> = BTreeMap::new();
    for call in calls.iter().filter(|call| !call.kind.starts_with("GET") && !call.kind.starts_with("WATCH")) {
        *table.entry(&call.kind).or_default().entry(call.status).or_default() += 1;
    }
    table
}

/// Real kubelets; the operator is a process of this machine, and hears of every change four seconds late.
#[test]
fn c04_an_operator_that_sees_everything_late_deletes_nothing_that_is_new() -> Result<()> {
    let story = Story::alone("C04", "watches four seconds late: grow, replace, roll, shrink")?;
    let cluster = story.space.cluster;
    if !cluster.is_routed() {
        story.left_out("needs pods that are routed from this machine");
        return Ok(());
    }
    let reinstall = without_operator(cluster)?;
    let operator = Operator::start(&story.space, Between::open(cluster, LAG, Box::new(|_, _| None))?)?;
    under(&operator, || {
        let orc = Orc::apply(&story.space, "main", &smallest())?;
        orc.wait_ready(DONE_WITHIN)?;
        let members = orc.members();
        never_fewer(&members, MAJORITY, || grown_replaced_and_rolled(&story, &orc, DONE_WITHIN))?;
        members.settled(3, BACK_WITHIN).map(drop)
    })?;
    let calls = operator.between.calls();
    story.note(&format!("{:#?}", answers(&calls)));
    every_deletion_names_its_uid(&calls)?;
    drop(operator);
    drop(reinstall);
    story.done();
    Ok(())
}

/// What the API server and the network do to callers.
const FAULTS: [Spoilt; 6] = [
    Spoilt::Refused(429),
    Spoilt::Refused(409),
    Spoilt::Refused(500),
    Spoilt::Lost,
    Spoilt::Refused(503),
    Spoilt::Silent,
];

/// Every second call of each kind is spoilt, with each fault in its turn.
fn every_second() -> Judge {
    Box::new(|_, before| (before % 2 == 0).then(|| FAULTS[before / 2 % FAULTS.len()]))
}

/// Real kubelets; the operator is a process of this machine.
#[test]
fn c05_an_operator_whose_every_second_call_fails_does_all_that_it_should() -> Result<()> {
    let story =
        Story::alone("C05", "every second call of each kind: 429, 409, 500, 503, answer lost, no answer")?;
    let cluster = story.space.cluster;
    if !cluster.is_routed() {
        story.left_out("needs pods that are routed from this machine");
        return Ok(());
    }
    let reinstall = without_operator(cluster)?;
    let operator = Operator::start(&story.space, Between::open(cluster, Duration::ZERO, every_second())?)?;
    under(&operator, || {
        let orc = Orc::apply(&story.space, "main", &smallest())?;
        orc.wait_ready(DONE_WITHIN)?;
        story.note("formed");
        let members = orc.members();
        never_fewer(&members, MAJORITY, || grown_replaced_and_rolled(&story, &orc, DONE_WITHIN))?;
        members.settled(3, BACK_WITHIN).map(drop)
    })?;
    let calls = operator.between.calls();
    let mut spoilt: BTreeMap<Spoilt, BTreeSet<&str>> = BTreeMap::new();
    for call in &calls {
        if let Some(fault) = call.spoilt {
            spoilt.entry(fault).or_default().insert(&call.kind);
        }
    }
    story.note(&format!("{spoilt:#?}"));
    ensure!(spoilt.len() == FAULTS.len(), "not every fault was met");
    every_deletion_names_its_uid(&calls)?;
    drop(operator);
    drop(reinstall);
    story.done();
    Ok(())
}
