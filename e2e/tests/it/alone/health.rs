//! What nodes say of their health against an oracle that knows who runs and who reaches whom, through everything that
//! can happen to a group.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::group::{HTTP_PORT, LEADER_WITHIN, PROBE_PORT};
use orchestrator_e2e::looks::{Looks, Question};
use orchestrator_e2e::oracle::{Condition, Report, Truth, World, judge};
use orchestrator_e2e::process::Process;
use orchestrator_e2e::{Group, GroupPlan, Hosts, holds, until};
use rustix::process::Signal;

use super::exclusive;

/// Two election timeouts, the promise.
const TWO_ELECTION_TIMEOUTS: Duration = Duration::from_secs(1);
/// Between two ticks of health, between two looks, and until a busy machine lets either side have its turn.
const SLACK: Duration = Duration::from_millis(500);
/// Longer than an election, so that each world is seen before and after it settled.
const SETTLES_FOR: Duration = Duration::from_secs(2);
/// SIGTERM to the end.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// Processes that only burn the processor, on two cores.
const BURNERS: usize = 8;
/// More than the API's listener holds at once.
const FLOOD: usize = 1500;
/// Questions that wait for a sleeper.
const WAITING: usize = 50;
/// Nothing is promised on how soon a leader follows, only that one does; the benchmark prints how soon.
const LED_WITHIN: Duration = Duration::from_secs(10);

/// A group on machines of its own, watched.
struct Scene {
    hosts: Hosts,
    group: Group,
    truth: Truth,
    looks: Looks,
    size: usize,
}

impl Scene {
    fn set(size: usize) -> Result<Self> {
        let hosts = Hosts::up(size)?;
        let mut group = Group::prepare_on("health", &hosts, &GroupPlan::new(size).set("Debug", false))?;
        for (i, node) in group.nodes.iter().enumerate() {
            node.configure("ProbeListenAddress", format!("{}:{PROBE_PORT}", hosts.address(i)))?;
        }
        group.start_all()?;
        let addresses: Vec<String> = (0..size).map(|i| hosts.address(i)).collect();
        let truth = Truth::begin(World::well(size));
        let looks = Looks::start(&addresses, &Question::ALL);
        Ok(Self { hosts, group, truth, looks, size })
    }

    /// Waits for a leader that is not `but`.
    fn leader(&self, but: Option<usize>) -> Result<usize> {
        until("a leader", LEADER_WITHIN, || {
            let leaders = self.group.leaders();
            leaders.into_iter().find(|leader| Some(*leader) != but).ok_or("nobody leads")
        })
    }

    /// Changes the world, and lets it settle.
    fn change(&mut self, world: World, act: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let before = Instant::now();
        act(self)?;
        self.truth.became(before, world);
        self.settle()
    }

    fn settle(&self) -> Result<()> {
        holds("at most one leads", SETTLES_FOR, || {
            let leaders = self.group.leaders();
            if leaders.len() <= 1 { Ok(()) } else { Err(format!("{leaders:?}")) }
        })
    }

    /// Back to a group in which all are well: first whatever runs, then, once they answer, as up.
    fn mend(&mut self, node: usize, act: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let before = Instant::now();
        act(self)?;
        self.truth.became(before, World::well(self.size).with(node, Condition::Starting));
        let api = self.group.nodes[node].api.clone();
        until("it answers", LEADER_WITHIN, || {
            if api.get("lb-check").is_ok_and(|reply| reply.status == 200) { Ok(()) } else { Err("silent") }
        })?;
        self.truth.became(Instant::now(), World::well(self.size));
        self.group.wait_healthy()?;
        self.settle()
    }

    /// What was seen since the last time.
    fn report(&mut self, what: &str) -> Report {
        let report = judge(&self.truth, &self.looks.take());
        self.truth.forget();
        eprintln!(
            "{what}: {} answers; longest without a leader {} ms",
            report.looks,
            report.without_leader.as_millis()
        );
        report.lines().iter().for_each(|line| eprintln!("  {line}"));
        report
    }
}

fn check(what: &str, report: &Report) -> Result<()> {
    ensure!(report.led_at_once.is_empty(), "{what}: led at once: {:?}", report.led_at_once);
    ensure!(report.looks > 1000, "{what}: hardly a look: {}", report.looks);
    let limit = TWO_ELECTION_TIMEOUTS + SLACK;
    ensure!(report.worst() <= limit, "{what}: a disagreement of {:?}", report.worst());
    ensure!(report.without_leader <= LED_WITHIN, "{what}: nobody led for {:?}", report.without_leader);
    Ok(())
}

/// Leaders are killed, frozen, told to end, asked to hand over.
fn leaders_go(scene: &mut Scene) -> Result<Report> {
    let well = World::well(scene.size);
    let old = scene.leader(None)?;
    scene.change(well.clone().with(old, Condition::Down), |s| s.group.nodes[old].kill9().map(drop))?;
    scene.leader(Some(old))?;
    scene.mend(old, |s| s.group.nodes[old].start())?;

    let old = scene.leader(None)?;
    scene.change(well.clone().with(old, Condition::Down), |s| {
        s.group.nodes[old].signal(Signal::STOP).map(drop)
    })?;
    scene.leader(Some(old))?;
    // What it said before it slept must not be what it says after.
    scene.change(well.clone(), |s| s.group.nodes[old].signal(Signal::CONT).map(drop))?;

    let old = scene.leader(None)?;
    scene.change(well.clone().with(old, Condition::Down), |s| {
        let (status, took) = s.group.nodes[old].terminate(ENDED_WITHIN)?;
        ensure!(status.success(), "exit {status} after {took:?}");
        Ok(())
    })?;
    scene.mend(old, |s| s.group.nodes[old].start())?;

    for _ in 0..3 {
        let old = scene.leader(None)?;
        let next = scene.group.nodes[(old + 1) % scene.size].raft.clone();
        scene.group.nodes[old].api.get(&format!("raft-yield/{next}"))?.raw()?;
        scene.leader(Some(old))?;
    }
    scene.settle()?;
    Ok(scene.report("leaders killed, frozen, ended, handed over"))
}

fn others(but: usize, size: usize) -> Vec<usize> {
    (0..size).filter(|i| *i != but).collect()
}

/// Cables are cut: around the leader, around a follower, between everybody.
fn cables_go(scene: &mut Scene) -> Result<Report> {
    let well = World::well(scene.size);
    let old = scene.leader(None)?;
    for victim in [old, (old + 1) % scene.size] {
        let rest = others(victim, scene.size);
        scene.change(well.clone().divided(&[&rest]), |s| s.hosts.isolate(victim))?;
        scene.leader(Some(victim))?;
        scene.change(well.clone(), |s| s.hosts.heal())?;
        scene.group.wait_healthy()?;
    }
    // The leader in the minority.
    let old = scene.leader(None)?;
    let mut many = others(old, scene.size);
    let mut few = many.split_off(scene.size / 2 + 1);
    few.push(old);
    scene.change(well.clone().divided(&[&few, &many]), |s| s.hosts.divide(&[&few, &many]))?;
    scene.leader(Some(old))?;
    scene.change(well.clone(), |s| s.hosts.heal())?;
    scene.group.wait_healthy()?;
    scene.change(well.clone().divided(&[]), |s| s.hosts.divide(&[]))?;
    scene.change(well, |s| s.hosts.heal())?;
    scene.group.wait_healthy()?;
    Ok(scene.report("leader, follower, minority, everybody cut off"))
}

/// The processor is burnt, and the API's listener is full.
fn overload(scene: &mut Scene) -> Result<Report> {
    let log = scene.group.nodes[0].folder().join("burner.log");
    let burn = |_| Process::spawn(&["sh", "-c", "while :; do :; done"], &[], &log);
    let burners = (0..BURNERS).map(burn).collect::<Result<Vec<_>>>()?;
    scene.settle()?;
    let leader = scene.leader(None)?;
    let address = format!("{}:{HTTP_PORT}", scene.hosts.address(leader)).parse()?;
    let flood: Vec<TcpStream> =
        (0..FLOOD).map_while(|_| TcpStream::connect_timeout(&address, LEADER_WITHIN).ok()).collect();
    eprintln!("{} connections that say nothing, at the leader", flood.len());
    ensure!(flood.len() >= FLOOD, "the listener holds {} connections and takes no more", flood.len());
    holds("whoever comes is answered beside the flood", SETTLES_FOR, || {
        let answer = scene.group.nodes[leader].api.get_within("/api/lb-check", TWO_ELECTION_TIMEOUTS);
        answer.map(drop).map_err(|error| format!("{error:#}"))
    })?;
    drop(burners);
    drop(flood);
    Ok(scene.report(&format!("{BURNERS} burners and a flood of connections")))
}

fn through_everything(size: usize) -> Result<()> {
    let _alone = exclusive();
    let mut scene = Scene::set(size)?;
    scene.settle()?;
    let calm = scene.report("nothing happens");
    ensure!(calm.worst() <= SLACK, "wrong without any reason: {:?}", calm.worst());
    for (what, act) in [
        ("leaders go", leaders_go as fn(&mut Scene) -> Result<Report>),
        ("cables go", cables_go),
        ("overload", overload),
    ] {
        let report = act(&mut scene).context(what)?;
        check(what, &report)?;
    }
    scene.looks.finish()?;
    scene.group.done();
    Ok(())
}

#[test]
fn what_three_nodes_say_of_themselves_is_so() -> Result<()> {
    through_everything(3)
}

#[test]
fn what_five_nodes_say_of_themselves_is_so() -> Result<()> {
    through_everything(5)
}

/// A connection that was served before, so that the next answer needs nobody but who is connected.
fn connected(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LEADER_WITHIN))?;
    ask(&mut stream)?;
    ensure!(status(&mut stream)? == 200, "it leads");
    Ok(stream)
}

fn ask(stream: &mut TcpStream) -> Result<()> {
    Ok(stream.write_all(b"GET /api/leader-check HTTP/1.1\r\nHost: node\r\n\r\n")?)
}

/// The status of an answer, which is so short that it comes in one piece.
fn status(stream: &mut TcpStream) -> Result<u16> {
    let mut answer = [0; 1024];
    let read = stream.read(&mut answer)?;
    let text = String::from_utf8_lossy(&answer[..read]);
    text.split_whitespace()
        .nth(1)
        .and_then(|code| code.parse().ok())
        .context("an answer begins with its status")
}

#[test]
fn a_leader_that_slept_does_not_say_when_it_wakes_that_it_leads() -> Result<()> {
    let mut group = Group::start("slept", &GroupPlan::new(3).set("Debug", false))?;
    for _ in 0..3 {
        let old = group.leader()?;
        let address = group.nodes[old].api.base.trim_start_matches("http://").parse()?;
        let mut asking = (0..WAITING).map(|_| connected(address)).collect::<Result<Vec<_>>>()?;
        group.nodes[old].signal(Signal::STOP)?;
        until("another leader", LEADER_WITHIN, || {
            let found = (0..3).find(|&i| i != old && group.nodes[i].api.leads());
            found.map(drop).ok_or("nobody else leads")
        })?;
        // They wait in its sockets, and are the first thing that it sees.
        asking.iter_mut().try_for_each(ask)?;
        group.nodes[old].signal(Signal::CONT)?;
        let said = asking.iter_mut().map(status).collect::<Result<Vec<_>>>()?;
        let stale = said.iter().filter(|status| **status == 200).count();
        ensure!(stale == 0, "{stale} of {WAITING} were told that it leads");
        group.wait_healthy()?;
    }
    group.done();
    Ok(())
}
