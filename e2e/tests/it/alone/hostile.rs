//! Somebody at the raft ports of a group without certificates who knows all its numbers and means ill.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::dice::Dice;
use orchestrator_e2e::process::usage;
use orchestrator_e2e::{Group, GroupPlan, holds, until};
use serde_json::{Value, json};

use super::exclusive;

/// Connections that say nothing, to each node.
const SILENT: usize = 1000;
/// So many of them come at once: a crowd, and not all that the machine can do.
const AT_ONCE: usize = 100;
/// Members that send nearly all of the largest request there is, and come to its end byte by byte, if at all.
const SLOW: usize = 16;
/// The largest request, and how much of it is sent at once.
const LARGEST: u32 = 33 << 20;
const AT_FIRST: usize = 32 << 20;
/// So much nonsense is answered by each node, in this time at most.
const ANSWERS: usize = 150;
const TALKS_FOR: Duration = Duration::from_secs(60);
/// An answer to nonsense comes at once, or not at all.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// Kilobytes that a node may take while it is talked to.
const MEMORY_MAX: u64 = 300 * 1024;

const KINDS: [&str; 14] = [
    "AppendEntries",
    "Vote",
    "PreVote",
    "TransferLeader",
    "SnapshotBegin",
    "SnapshotChunk",
    "SnapshotEnd",
    "Ask",
    "Report",
    "Assign",
    "Founding",
    "Hello",
    "Welcome",
    "Reply",
];

/// One connection of an intruder.
struct Intruder {
    stream: TcpStream,
    header: Value,
}

impl Intruder {
    fn at(address: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(ANSWERED_WITHIN))?;
        stream.set_write_timeout(Some(ANSWERED_WITHIN))?;
        stream.write_all(b"ORCHRAFT\x00\x01")?;
        Ok(Self { stream, header: json!({ "v": 1 }) })
    }

    fn frame(&mut self, kind: &str, body: &[u8]) -> Result<Vec<u8>> {
        self.header["kind"] = kind.into();
        let header = serde_json::to_vec(&self.header)?;
        let mut bytes = u32::try_from(2 + header.len() + body.len())?.to_be_bytes().to_vec();
        bytes.extend(u16::try_from(header.len())?.to_be_bytes());
        bytes.extend(header);
        bytes.extend(body);
        Ok(bytes)
    }

    fn call(&mut self, kind: &str, body: &[u8]) -> Result<Vec<u8>> {
        let frame = self.frame(kind, body)?;
        self.stream.write_all(&frame)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut answer)?;
        let header = usize::from(u16::from_be_bytes([answer[0], answer[1]]));
        Ok(answer.split_off(2 + header))
    }

    /// What the node says about itself to anybody.
    fn report(address: &str) -> Result<Value> {
        let nobody = json!({
            "name": "stranger:1", "info": { "raft_addr": "", "http_uri": "", "hostname": "" }, "cluster": null,
            "node_id": null, "epoch": 1, "nodes": [], "vote": null, "last_log": null,
        });
        let hello = json!({ "purpose": "Probe", "report": nobody });
        let answer = Self::at(address)?.call("Hello", &serde_json::to_vec(&hello)?)?;
        serde_json::from_slice(&answer).context("its report")
    }

    /// A connection in the name of another member.
    fn as_member(address: &str, speaks: &Value, hears: &Value) -> Result<Self> {
        let mut this = Self::at(address)?;
        this.header["cluster"] = hears["cluster"].clone();
        (this.header["from"], this.header["to"]) = (speaks["node_id"].clone(), hears["node_id"].clone());
        let hello = json!({ "purpose": "Member", "report": speaks });
        this.call("Hello", &serde_json::to_vec(&hello)?)?;
        Ok(this)
    }
}

/// A value that a request may have in some place, or never.
fn odd(dice: &mut Dice, depth: usize) -> Value {
    let numbers = [json!(0), json!(1), json!(-1), json!(u64::MAX), json!(i64::MAX), json!(1e300), json!(0.5)];
    match dice.below(if depth == 0 { 3 } else { 5 }) {
        0 => dice.one_of(&numbers).clone(),
        1 => dice
            .one_of(&[json!(null), json!(true), json!(""), json!("Blank"), json!("\u{0}\n\u{1b}[2J")])
            .clone(),
        2 => {
            let leader = json!({ "term": dice.one_of(&numbers).clone(), "voted_for": dice.below(4) });
            json!({ "leader_id": leader, "committed": dice.below(2) == 1 })
        }
        3 => (0..dice.below(4)).map(|_| odd(dice, depth - 1)).collect(),
        _ => {
            let keys = [
                "vote",
                "prev_log_id",
                "entries",
                "leader_commit",
                "log_id",
                "payload",
                "Normal",
                "Membership",
            ];
            (0..dice.below(5)).map(|_| ((*dice.one_of(&keys)).to_owned(), odd(dice, depth - 1))).collect()
        }
    }
}

/// Bytes for a request: of the right form with odd values, or of none.
fn nonsense(dice: &mut Dice) -> Result<Vec<u8>> {
    let mut body = match dice.below(4) {
        0 => {
            return Ok((0..dice.below(3000))
                .map(|_| u8::try_from(dice.below(256)).unwrap_or_default())
                .collect());
        }
        1 => {
            let (before, upto) = (odd(dice, 1), odd(dice, 1));
            json!({ "vote": odd(dice, 0), "prev_log_id": before, "entries": odd(dice, 3), "leader_commit": upto })
        }
        2 => {
            json!({ "vote": odd(dice, 0), "last_log_id": odd(dice, 1), "leadership_transfer": odd(dice, 0) })
        }
        _ => odd(dice, 6),
    };
    if dice.below(8) == 0 {
        // Deeper than anybody means it.
        body = (0..400).fold(body, |body, _| json!([body]));
    }
    Ok(serde_json::to_vec(&body)?)
}

/// Talks nonsense to one node in the name of another; answers how often it was answered.
fn talk(address: &str, speaks: &Value, hears: &Value, seed: u64) -> Result<usize> {
    let (mut dice, mut answered, began) = (Dice::new(seed), 0, Instant::now());
    while answered < ANSWERS && began.elapsed() < TALKS_FOR {
        // Any of these may be cut off, which is an answer too.
        if dice.below(5) == 0 {
            let noise: Vec<u8> =
                (0..dice.below(200)).map(|_| u8::try_from(dice.below(256)).unwrap_or_default()).collect();
            let mut stream = TcpStream::connect(address)?;
            let _ = stream.write_all(&noise);
            continue;
        }
        let Ok(mut intruder) = Intruder::as_member(address, speaks, hears) else { continue };
        for _ in 0..dice.below(6) {
            let body = nonsense(&mut dice)?;
            let kind: &str = dice.one_of::<&str>(&KINDS);
            if intruder.call(kind, &body).is_err() {
                break;
            }
            answered += 1;
        }
    }
    Ok(answered)
}

/// Many who hold connections to these addresses, and whoever is sent away comes again.
struct Crowd {
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn of(size: usize, does: impl Fn(usize, &AtomicBool) + Send + Sync + 'static) -> Self {
        let (ends, does) = (Arc::<AtomicBool>::default(), Arc::new(does));
        let one = |n| {
            let (told, does) = (ends.clone(), does.clone());
            std::thread::spawn(move || does(n, &told))
        };
        let threads = (0..size).map(one).collect();
        Self { ends, threads }
    }

    /// Silent ones, at each of these addresses.
    fn silent(addresses: Vec<String>) -> Self {
        Self::of(addresses.len(), move |n, ends| be_silent(&addresses[n], ends))
    }

    /// Slow ones, in the names of members.
    fn slow(addresses: Vec<String>, reports: Vec<Value>) -> Self {
        Self::of(addresses.len(), move |n, ends| {
            be_slow(&addresses[n], &reports[(n + 1) % reports.len()], &reports[n], ends);
        })
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

fn is_open(stream: &TcpStream) -> bool {
    let mut byte = [0];
    matches!(stream.peek(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

fn be_silent(address: &str, ends: &AtomicBool) {
    let mut crowd: Vec<TcpStream> = Vec::new();
    while !ends.load(Ordering::Relaxed) {
        crowd.retain(is_open);
        for _ in 0..AT_ONCE.min(SILENT - crowd.len()) {
            let Ok(mut stream) = TcpStream::connect(address) else { break };
            // Half of them begin as a peer would.
            let begun =
                crowd.len().is_multiple_of(2) || stream.write_all(b"ORCHRAFT\x00\x01\x00\x00").is_ok();
            if !begun || stream.set_nonblocking(true).is_err() {
                break;
            }
            crowd.push(stream);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Takes up as much of a node's memory as it gives.
fn be_slow(address: &str, speaks: &Value, hears: &Value, ends: &AtomicBool) {
    let (mut crowd, much) = (Vec::<TcpStream>::new(), vec![b' '; AT_FIRST]);
    // Whoever does not read is waited for.
    let goes_on = |written: std::io::Result<()>| {
        written.map_or_else(|error| error.kind() == std::io::ErrorKind::WouldBlock, |()| true)
    };
    while !ends.load(Ordering::Relaxed) {
        crowd.retain_mut(|stream| goes_on(stream.write_all(b" ")));
        while crowd.len() < SLOW {
            let Ok(mut slow) = Intruder::as_member(address, speaks, hears) else { break };
            let Ok(mut begun) = slow.frame("AppendEntries", &much) else { break };
            begun[..4].copy_from_slice(&LARGEST.to_be_bytes());
            let patient = slow.stream.set_write_timeout(Some(Duration::from_millis(100))).is_ok();
            if !patient || !goes_on(slow.stream.write_all(&begun)) {
                break;
            }
            crowd.push(slow.stream);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The reports of all nodes.
fn reports(group: &Group) -> Result<Vec<Value>> {
    group.nodes.iter().map(|node| Intruder::report(&node.raft)).collect()
}

fn addresses(group: &Group) -> Vec<String> {
    group.nodes.iter().map(|node| node.raft.clone()).collect()
}

/// All of them run as the processes that they were, and took no more memory than they may.
fn unharmed(group: &mut Group, pids: &[u32]) -> Result<()> {
    for (node, pid) in group.nodes.iter_mut().zip(pids) {
        ensure!(node.runs() && node.pid()? == *pid, "{} has ended: {}", node.raft, node.said());
        let (kilobytes, _) = usage(*pid).context("it runs")?;
        eprintln!("{} takes {} MB", node.raft, kilobytes / 1024);
        ensure!(kilobytes < MEMORY_MAX, "{} takes {kilobytes} kB", node.raft);
        let said = node.said();
        let fell = said.lines().find(|line| line.contains("panic") || line.contains("raft stops"));
        ensure!(fell.is_none(), "{}: {fell:?}", node.raft);
    }
    Ok(())
}

#[test]
fn nonsense_in_the_name_of_members_ends_nobody() -> Result<()> {
    let _alone = exclusive();
    let seed = std::env::var("ORC_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(22_113);
    println!("ORC_SEED={seed}");
    let mut group = Group::start("hostile", &GroupPlan::new(3).set("Debug", false))?;
    let pids = group.nodes.iter_mut().map(|node| node.pid()).collect::<Result<Vec<_>>>()?;
    let (addresses, reports) = (addresses(&group), reports(&group)?);
    let talkers: Vec<_> = (0..3)
        .map(|n| {
            let (address, speaks, hears) =
                (addresses[n].clone(), reports[(n + 1) % 3].clone(), reports[n].clone());
            std::thread::spawn(move || talk(&address, &speaks, &hears, seed + n as u64))
        })
        .collect();
    let mut answered = Vec::new();
    for talker in talkers {
        answered.push(talker.join().map_err(|_| anyhow::anyhow!("a talker fell over"))??);
    }
    println!("answered: {answered:?}");
    ensure!(answered.iter().all(|count| *count >= ANSWERS), "hardly anything was heard: {answered:?}");
    group.wait_healthy()?;
    unharmed(&mut group, &pids)?;
    let leader = group.leader()?;
    group.nodes[leader].api.get("begin-downtime/db/3306/me/test/1h")?.details()?;
    group.done();
    Ok(())
}

/// The same node leads all the time.
fn leads_on(group: &Group, leader: usize) -> Result<()> {
    holds("the same leader beside the crowd", Duration::from_secs(10), || match group.leaders()[..] {
        [led] if led == leader => Ok(()),
        ref other => Err(format!("{other:?} lead, not {leader}")),
    })
}

#[test]
fn members_that_never_come_to_an_end_take_no_memory_and_depose_no_leader() -> Result<()> {
    let _alone = exclusive();
    let mut group = Group::start("slow", &GroupPlan::new(3).set("Debug", false))?;
    let pids = group.nodes.iter_mut().map(|node| node.pid()).collect::<Result<Vec<_>>>()?;
    let leader = group.leader()?;
    let crowd = Crowd::slow(addresses(&group), reports(&group)?);
    leads_on(&group, leader)?;
    unharmed(&mut group, &pids)?;
    group.nodes[leader].api.get("begin-downtime/db/3306/me/test/1h")?.details()?;
    drop(crowd);
    group.done();
    Ok(())
}

#[test]
fn a_thousand_silent_connections_to_each_node_depose_no_leader_and_keep_nobody_out() -> Result<()> {
    let _alone = exclusive();
    let mut group = Group::start("beset", &GroupPlan::new(3).set("Debug", false))?;
    let pids = group.nodes.iter_mut().map(|node| node.pid()).collect::<Result<Vec<_>>>()?;
    let leader = group.leader()?;
    let crowd = Crowd::silent(addresses(&group));
    leads_on(&group, leader)?;
    unharmed(&mut group, &pids)?;
    group.nodes[leader].kill9()?;
    let next = until("another leader", Duration::from_secs(20), || {
        group.leaders().into_iter().find(|next| *next != leader).ok_or("nobody leads")
    })?;
    group.nodes[leader].start()?;
    group.wait_healthy()?;
    group.nodes[next].api.get("begin-downtime/db/3306/me/test/1h")?.details()?;
    drop(crowd);
    group.done();
    Ok(())
}
