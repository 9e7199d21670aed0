//! HAProxy before a group, with the blocks that people have in their files: one that follows the leader, one that
//! takes any healthy member.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::looks::{Looks, Question};
use orchestrator_e2e::oracle::{Truth, World, judge};
use orchestrator_e2e::process::Process;
use orchestrator_e2e::{Api, Group, GroupPlan, holds, repository, until};

use super::exclusive;

/// Looked at once a second, and an election comes first; the machine may be busy.
const SWITCHED_WITHIN: Duration = Duration::from_secs(20);
/// How long the stream must run without a failure once HAProxy has switched.
const CALM_FOR: Duration = Duration::from_secs(3);
/// One request, as a patient client makes it.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Pause between two requests of a stream, and between two looks at a node.
const PACE: Duration = Duration::from_millis(10);
/// SIGTERM to the end.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// Columns of `show stat`: the block, the server, its state.
const COLUMNS: [usize; 3] = [0, 1, 17];

/// Ports of the two blocks.
const LEADER: u16 = 8080;
const MEMBERS: u16 = 8081;

/// The block of the known texts; `more` are lines of its own.
fn block(name: &str, bind: &str, check: &str, more: &str, nodes: &[String]) -> String {
    let servers: String =
        nodes.iter().enumerate().map(|(i, node)| format!("  server o{} {node} check\n", i + 1)).collect();
    format!(
        "listen {name}
  bind {bind}
  mode tcp
  option httpchk GET /api/{check}
  maxconn 20000
  retries 1
  timeout connect 1000
  timeout check 300
  timeout server 30s
  timeout client 30s
  default-server port 3000 fall 1 inter 1000 rise 1 downinter 1000 on-marked-down shutdown-sessions weight 10
{more}{servers}
"
    )
}

/// The IP address that an API is at.
fn host(api: &Api) -> &str {
    let authority = api.base.trim_start_matches("http://");
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// A running HAProxy before a group.
struct Proxy {
    _process: Process,
    folder: tempfile::TempDir,
    leader: Api,
    members: Api,
}

impl Proxy {
    fn before(group: &Group) -> Result<Self> {
        let installed =
            Command::new(repository().join("e2e/labs/tools")).env("WANTED", "haproxy:haproxy").status();
        ensure!(installed.context("e2e/labs/tools")?.success(), "HAProxy cannot be installed");
        let nodes: Vec<String> =
            group.nodes.iter().map(|n| n.api.base.trim_start_matches("http://").to_owned()).collect();
        // An address of the group's own network that no node has.
        let net = nodes[0].rsplit_once('.').context("an IPv4 address")?.0;
        let at = |port: u16| format!("{net}.100:{port}");
        let folder = tempfile::tempdir()?;
        let text = [
            format!("global\n  stats socket {}\n\n", folder.path().join("stats").display()),
            block("leader", &at(LEADER), "leader-check", "  balance first\n", &nodes),
            block(
                "members",
                &at(MEMBERS),
                "raft-health",
                "  balance roundrobin\n  option redispatch\n",
                &nodes,
            ),
        ];
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, text.concat())?;
        let log = folder.path().join("log");
        let path = file.display().to_string();
        let process = Process::spawn(&["haproxy", "-db", "-f", &path], &[], &log)?;
        let api = |port| Api::new(&format!("http://{}", at(port)));
        Ok(Self { _process: process, folder, leader: api(LEADER), members: api(MEMBERS) })
    }

    /// Servers that HAProxy gives requests of a block, from 0.
    fn up(&self, block: &str) -> Result<Vec<usize>> {
        let text = ask(&self.folder.path().join("stats"), "show stat\n")?;
        let rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let up = rows.filter_map(|row| {
            let [name, server, state] = COLUMNS.map(|column| row.get(column).copied().unwrap_or_default());
            let ours = name == block && state.starts_with("UP");
            server.strip_prefix('o').filter(|_| ours)?.parse::<usize>().ok()
        });
        Ok(up.map(|number| number - 1).collect())
    }

    /// Waits until requests go to one leader, which is not `but`, and to the members in `wanted`.
    fn settled(&self, but: Option<usize>, wanted: &[usize]) -> Result<usize> {
        until("HAProxy has switched", SWITCHED_WITHIN, || {
            let (leaders, members) = (self.up("leader"), self.up("members"));
            match (leaders, members) {
                (Ok(leaders), Ok(members))
                    if leaders.len() == 1 && Some(leaders[0]) != but && members == wanted =>
                {
                    Ok(leaders[0])
                }
                other => Err(format!("{other:?}")),
            }
        })
    }
}

fn ask(socket: &Path, words: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket).context("the socket of HAProxy")?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(words.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// One request of a stream, with the one retry that a client has.
struct Request {
    sent: Instant,
    ended: Instant,
    failure: Option<String>,
}

/// Something that goes on in a thread until it is asked for what it saw.
struct Going<T> {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Vec<T>>,
}

impl<T: Send + 'static> Going<T> {
    fn start(mut turn: impl FnMut(usize) -> Option<T> + Send + 'static) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ends = end.clone();
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            let mut turns = 0;
            while !ends.load(Ordering::Relaxed) {
                seen.extend(turn(turns));
                turns += 1;
                sleep(PACE);
            }
            seen
        });
        Self { end, thread }
    }

    fn finish(self) -> Result<Vec<T>> {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("a thread of the story panicked"))
    }
}

/// Requests of `routes`, one after the other, over and over.
fn stream(api: &Api, routes: &'static [&'static str]) -> Going<Request> {
    let api = api.clone();
    Going::start(move |turn| {
        let path = format!("/api/{}", routes[turn % routes.len()]);
        let once = || match api.get_within(&path, ANSWER_WITHIN) {
            Ok(reply) if (200..300).contains(&reply.status) => Ok(()),
            Ok(reply) => Err(format!("{path}: {} {}", reply.status, reply.body)),
            Err(error) => Err(format!("{error:#}")),
        };
        let sent = Instant::now();
        let failure = once().or_else(|_| once()).err();
        Some(Request { sent, ended: Instant::now(), failure })
    })
}

/// What happens to a leader, and when.
struct Change {
    what: &'static str,
    at: Instant,
    switched: Instant,
    /// Until when the stream was watched.
    calm: Instant,
}

/// How a leader goes.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Killed,
    Told,
}

/// The leader goes, HAProxy switches, the stream runs on for a while, the node returns.
fn change(group: &mut Group, proxy: &Proxy, how: End) -> Result<Change> {
    let old = proxy.settled(None, &[0, 1, 2])?;
    let at = Instant::now();
    let what = match how {
        End::Killed => group.nodes[old].kill9().map(|_| "kill -9")?,
        End::Told => {
            let (status, took) = group.nodes[old].terminate(ENDED_WITHIN)?;
            ensure!(status.success(), "exit {status} after {took:?}");
            "SIGTERM"
        }
    };
    let rest: Vec<usize> = (0..3).filter(|i| *i != old).collect();
    let new = proxy.settled(Some(old), &rest)?;
    let switched = Instant::now();
    holds("HAProxy stays where it is while the streams run on", CALM_FOR, || {
        let leader = proxy.up("leader").map_err(|e| format!("{e:#}"))?;
        if leader == [new] { Ok(()) } else { Err(format!("{leader:?} instead of {new}")) }
    })?;
    let calm = Instant::now();
    group.nodes[old].start()?;
    group.wait_healthy()?;
    Ok(Change { what, at, switched, calm })
}

/// Failures of a stream that nothing excuses: sent after HAProxy had switched, or before anything happened.
fn unexcused<'r>(stream: &'r [Request], changes: &[Change]) -> Vec<&'r str> {
    let excused = |sent: Instant, ended: Instant| changes.iter().any(|c| sent < c.switched && ended > c.at);
    let failed = stream.iter().filter_map(|r| Some((r, r.failure.as_deref()?)));
    failed.filter(|(r, _)| !excused(r.sent, r.ended)).map(|(_, why)| why).collect()
}

/// The longest time without a good answer from a change to the end of the calm after it.
fn gap(stream: &[Request], change: &Change) -> Duration {
    let good = stream.iter().filter(|r| r.failure.is_none()).map(|r| r.ended);
    let before = good.clone().filter(|ended| *ended <= change.at).max().unwrap_or(change.at);
    let after = good.filter(|ended| *ended > change.at && *ended < change.calm);
    let moments: Vec<Instant> = std::iter::once(before).chain(after).chain([change.calm]).collect();
    moments.windows(2).map(|w| w[1] - w[0]).max().unwrap_or_default()
}

#[test]
fn haproxy_serves_reads_and_commands_through_the_ends_of_leaders() -> Result<()> {
    let _alone = exclusive();
    let mut group = Group::start("haproxy", &GroupPlan::new(3))?;
    let proxy = Proxy::before(&group)?;
    proxy.settled(None, &[0, 1, 2])?;

    let commands: &[&str] = &["disable-global-recoveries", "enable-global-recoveries"];
    let streams = [
        ("commands by the leader's block", stream(&proxy.leader, commands)),
        ("reads by the leader's block", stream(&proxy.leader, &["check-global-recoveries", "clusters-info"])),
        ("commands by the members' block", stream(&proxy.members, commands)),
        (
            "reads by the members' block",
            stream(&proxy.members, &["check-global-recoveries", "clusters-info"]),
        ),
    ];
    let hosts: Vec<String> = group.nodes.iter().map(|node| host(&node.api).to_owned()).collect();
    let looks = Looks::start(&hosts, &[Question::Leader]);

    holds("nothing moves before anything happens", CALM_FOR, || {
        if group.leaders().len() <= 1 { Ok(()) } else { Err("two lead") }
    })?;
    let mut changes = Vec::new();
    for how in [End::Killed, End::Told, End::Killed] {
        changes.push(change(&mut group, &proxy, how)?);
    }

    let mut unexcused_failures = Vec::new();
    for (name, stream) in streams {
        let stream = stream.finish()?;
        let gaps: Vec<String> =
            changes.iter().map(|c| format!("{} {:.2} s", c.what, gap(&stream, c).as_secs_f64())).collect();
        let failed = stream.iter().filter(|r| r.failure.is_some()).count();
        println!("{name}: {} requests, {failed} failed; longest gaps: {}", stream.len(), gaps.join(", "));
        ensure!(stream.len() > failed + 100, "{name}: hardly a request went through");
        unexcused_failures.extend(unexcused(&stream, &changes).iter().map(|why| format!("{name}: {why}")));
    }
    for c in &changes {
        println!("{}: HAProxy had switched after {:?}", c.what, c.switched - c.at);
    }
    let report = judge(&Truth::begin(World::well(hosts.len())), &looks.finish()?);
    ensure!(report.led_at_once.is_empty(), "two led at once: {:?}", report.led_at_once);
    ensure!(report.looks > 300, "hardly a look at the nodes");
    ensure!(unexcused_failures.is_empty(), "after HAProxy had switched: {unexcused_failures:#?}");
    group.done();
    Ok(())
}
