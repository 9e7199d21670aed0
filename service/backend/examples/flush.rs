//! Prints what writing the observed topology, commands and a whole replicated state costs: `flush [host:port …]`, always with SQLite beside.
//!
//! Servers are those of `tests/with-servers`, which names their account.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use orchestrator_backend::{
    Backend, InstanceRow, KeyValueRow, MySqlBackend, MySqlOptions, NodeIdentity, Password, SqliteBackend,
    SqliteOptions,
};
use orchestrator_core::view::{Checks, InstanceRecord};
use orchestrator_core::{Instance, InstanceKey, Timestamp};

/// Instances of one flush.
const INSTANCES: u16 = 1000;

/// Size of the replicated state that is installed.
const SNAPSHOT_MB: usize = 100;

/// How often each is repeated; the median is printed.
const ROUNDS: usize = 20;

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn topology(round: usize) -> Vec<InstanceRow> {
    let row = |port: u16| {
        let mut instance = Instance::unread(InstanceKey::new("db.example", port));
        instance.identity.version = "8.0.36".into();
        instance.identity.uptime_seconds = round as u64;
        instance.gtid.executed = format!("00000011-0000-0000-0000-{port:012}:1-{round}");
        let checks = Checks {
            last_attempted: now(),
            last_checked: now(),
            last_seen: Some(now()),
            partial_success: true,
            failure: None,
            latency: Duration::from_micros(200),
        };
        InstanceRow {
            record: Arc::new(InstanceRecord { instance, checks, unread: vec![], source_contact_at: None }),
            cluster: "db.example:1".into(),
            depth: 1,
            is_co_primary: false,
            ancestry_uuid: String::new(),
            errant_gtid: String::new(),
        }
    };
    (1..=INSTANCES).map(row).collect()
}

/// The middle of the times that `work` takes.
fn median(mut work: impl FnMut(usize) -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let begun = Instant::now();
        work(round)?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times[ROUNDS / 2])
}

/// A file of a replicated state of about [`SNAPSHOT_MB`]; of one in a hundred rows the values are `few`.
fn write_snapshot(file: &Path, few: &str, at: Timestamp) -> Result<(), Box<dyn Error>> {
    let node = NodeIdentity { hostname: "bench".into(), token: "bench".into() };
    let options = SqliteOptions::new(node, "bench", now());
    let backend: &mut dyn Backend = &mut SqliteBackend::open(Path::new(":memory:"), &options)?;
    backend.in_transaction(|backend| {
        (0..SNAPSHOT_MB * 1000).try_for_each(|number| {
            let value = if number % 100 == 0 { few } else { "v" };
            let pair = KeyValueRow { key: format!("key/{number}"), value: value.repeat(950) };
            backend.put_key_value(&pair, at)
        })
    })?;
    backend.write_snapshot(file)?;
    Ok(())
}

fn seconds<T>(work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_secs_f64())
}

/// How long the state of each file takes: into nothing, onto itself, onto one that differs in a hundredth.
fn states(name: &str, backend: &mut dyn Backend, files: &Path) -> Result<(), Box<dyn Error>> {
    let mut install = |file: &str| seconds(|| Ok(backend.install_snapshot(&files.join(file), b"installed")?));
    let (first, again, other) = (install("one")?, install("one")?, install("other")?);
    let written = seconds(|| Ok(backend.write_snapshot(&files.join(name))?))?;
    print(&format!(
        "{name}: a state of {SNAPSHOT_MB} MB installed in {first:.2} s, again in {again:.2} s, with 1 % changed in \
         {other:.2} s; written in {written:.2} s"
    ));
    Ok(())
}

fn measure(name: &str, mut backend: Box<dyn Backend>, files: &Path) -> Result<(), Box<dyn Error>> {
    let topologies: Vec<_> = (0..ROUNDS).map(topology).collect();
    let flush = median(|round| Ok(backend.write_instances(&topologies[round])?))?;
    let read = median(|_| {
        assert_eq!(backend.instances()?.len(), usize::from(INSTANCES));
        Ok(())
    })?;
    let command = median(|round| {
        let mark = (round as u64).to_be_bytes();
        Ok(backend.in_transaction(|backend| {
            backend.add_discovered(&InstanceKey::new("db.example", 1), now())?;
            backend.set_applied_mark(&mark)
        })?)
    })?;
    print(&format!(
        "{name}: {INSTANCES} instances written in {:.1} ms, read in {:.1} ms; one command with its mark {:.2} ms",
        flush.as_secs_f64() * 1e3,
        read.as_secs_f64() * 1e3,
        command.as_secs_f64() * 1e3,
    ));
    states(name, &mut *backend, files)
}

#[allow(clippy::print_stdout, reason = "printing is what this program does")]
fn print(line: &str) {
    println!("{line}");
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = NodeIdentity { hostname: "bench".into(), token: "bench".into() };
    let dir = tempfile::tempdir()?;
    let options = SqliteOptions::new(node.clone(), "bench", now());
    let at = now();
    write_snapshot(&dir.path().join("one"), "v", at)?;
    write_snapshot(&dir.path().join("other"), "w", at)?;
    measure("SQLite", Box::new(SqliteBackend::open(&dir.path().join("o.db"), &options)?), dir.path())?;
    for address in std::env::args().skip(1) {
        let (host, port) = address.rsplit_once(':').ok_or("host:port is wanted")?;
        let account = ("backend", Password::new("backend-secret"));
        let process = (node.clone(), "bench", now());
        let options = MySqlOptions::new((host, port.parse()?), "flush", account, process);
        let begun = Instant::now();
        drop(MySqlBackend::open(&options)?);
        let created = begun.elapsed();
        let begun = Instant::now();
        let backend = MySqlBackend::open(&options)?;
        let opened = begun.elapsed();
        print(&format!("{address}: created in {created:.0?}, opened in {opened:.0?}"));
        measure(address.as_str(), Box::new(backend), dir.path())?;
    }
    Ok(())
}
