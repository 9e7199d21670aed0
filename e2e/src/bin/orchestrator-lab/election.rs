//! `make demo-election`: three fresh nodes elect a leader, and again when it is killed, freezes, or is told to end.
//!
//! What happens is told by `orchestrator-client -c raft-watch`, as it would be to anybody; this program only acts.

use std::io::{BufRead, BufReader, IsTerminal};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use orchestrator_e2e::group::LEADER_WITHIN;
use orchestrator_e2e::{Api, Group, GroupPlan, client_binary, until};
use rustix::process::Signal;
use rustix::termios::tcgetwinsize;

/// Nodes that start one after the other, so that the first ones are seen waiting.
const PAUSE: Duration = Duration::from_millis(2500);
/// The watch says how all stand a second after the last thing; then it has no more to say.
const SETTLED_AFTER: Duration = Duration::from_millis(1800);
/// A frozen leader stays frozen for so long: another one leads, and the frozen one wakes up into a new term.
const FROZEN_FOR: Duration = Duration::from_secs(2);
/// A node that is told to end does so within this time.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// Lines of the watch that wait to be printed; it says a dozen at a time.
const MAX_LINES: usize = 256;

/// Plays the acts; everything ends with this process.
pub(crate) fn demo() -> Result<()> {
    let mut group = Group::prepare("demo-election", &GroupPlan::new(3))?;
    let watch = Watch::start(&group)?;

    act("three nodes with empty disks are started, one by one");
    for node in 0..3 {
        group.nodes[node].start()?;
        watch.tell_for(PAUSE);
    }
    group.wait_healthy()?;
    watch.tell_until_quiet();

    let (old, moment) = (group.leader()?, now());
    act(&format!("kill -9 of the leader, {}", host(&group, old)));
    group.nodes[old].kill9()?;
    watch.tell_until_quiet();
    led_anew(&group, old, moment)?;

    act(&format!("{} is started again", host(&group, old)));
    group.nodes[old].start()?;
    group.wait_healthy()?;
    watch.tell_until_quiet();

    let (old, moment) = (group.leader()?, now());
    act(&format!("the leader {} is frozen", host(&group, old)));
    group.nodes[old].signal(Signal::STOP)?;
    watch.tell_for(FROZEN_FOR);
    watch.tell_until_quiet();
    led_anew(&group, old, moment)?;

    act(&format!("{} wakes up", host(&group, old)));
    group.nodes[old].signal(Signal::CONT)?;
    group.wait_healthy()?;
    watch.tell_until_quiet();

    let (old, moment) = (group.leader()?, now());
    act(&format!("the leader {} is told to end (SIGTERM): it hands over first", host(&group, old)));
    group.nodes[old].terminate(ENDS_WITHIN)?;
    watch.tell_until_quiet();
    led_anew(&group, old, moment)?;

    println!("\nthe same of your own group: orchestrator-client -c raft-watch; of what it remembers: -u 0s");
    drop(watch);
    group.done();
    Ok(())
}

fn act(what: &str) {
    println!("\n── {what} ──");
}

/// The part of a node's address that the watch calls it by.
fn host(group: &Group, node: usize) -> &str {
    let raft = &group.nodes[node].raft;
    raft.rsplit_once(':').map_or(raft, |(host, _)| host)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Says after how long another node than `old` led, by that node's own clock, which is this machine's.
fn led_anew(group: &Group, old: usize, moment: u64) -> Result<()> {
    let (new, at) = until("another leader", LEADER_WITHIN, || {
        let others = (0..group.nodes.len()).filter(|node| *node != old);
        let led = others
            .filter_map(|node| Some((node, led_at(&group.nodes[node].api, moment)?)))
            .min_by_key(|it| it.1);
        led.ok_or("nobody leads")
    })?;
    let tenths = at.saturating_sub(moment) / 100;
    println!("   {} led {}.{} ms later", host(group, new), tenths / 10, tenths % 10);
    Ok(())
}

/// When this node first led after that moment, in microseconds since the Unix epoch.
fn led_at(api: &Api, moment: u64) -> Option<u64> {
    let told = api.get(&format!("raft-events?since={moment}")).ok()?.raw().ok()?;
    let events = told["Events"].as_array()?;
    events.iter().find(|event| event["Kind"] == "became-leader")?["UnixMicroseconds"].as_u64()
}

/// A running `raft-watch`; it ends with this value.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(group: &Group) -> Result<Self> {
        let apis: Vec<&str> = group.nodes.iter().map(|node| node.api.base.as_str()).collect();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(client_binary()?).args(["-c", "raft-watch"]);
        command.env("ORCHESTRATOR_API", apis.join(" ")).stdout(Stdio::piped());
        // It writes to us, but for our terminal.
        if std::io::stdout().is_terminal() {
            command.env("CLICOLOR_FORCE", "1");
        }
        if let Ok(size) = tcgetwinsize(std::io::stdout()) {
            command.env("COLUMNS", size.ws_col.to_string());
        }
        let mut child = command.spawn().context("start orchestrator-client")?;
        let out = child.stdout.take().context("its output is piped")?;
        let (to, lines) = sync_channel(MAX_LINES);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if to.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Prints what it says during that time.
    fn tell_for(&self, time: Duration) {
        let until = std::time::Instant::now() + time;
        while let Ok(line) =
            self.lines.recv_timeout(until.saturating_duration_since(std::time::Instant::now()))
        {
            println!("{line}");
        }
    }

    /// Prints what it says until it has said how all stand.
    fn tell_until_quiet(&self) {
        loop {
            match self.lines.recv_timeout(SETTLED_AFTER) {
                Ok(line) => println!("{line}"),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
