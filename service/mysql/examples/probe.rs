//! Looks at real servers by hand, with the library as the server uses it.
//!
//! ```text
//! probe USER PASSWORD show  HOST:PORT             one observation, printed
//! probe USER PASSWORD touch HOST:PORT             the cheapest proof of life, and how long it took
//! probe USER PASSWORD watch HOST:PORT [SECONDS [fence]]  events with their times; fences when overdue
//! probe USER PASSWORD crawl HOST:PORT             the whole topology from one seed
//! probe USER PASSWORD bench HOST:PORT COUNT       time and CPU of each probe over a held connection
//! probe USER PASSWORD do    HOST:PORT CHANGE …    one change: stop, start, restart, stop-io, start-io, stop-sql,
//!                                                 start-sql, reset, ro, rw, detach, reattach, received, drain, fence,
//!                                                 source HOST:PORT keep|gtid|former, semi-source on|off,
//!                                                 semi-replica on|off, credentials
//! ```
//!
//! With `PROBE_TLS` in the environment it encrypts, and accepts any certificate.
//! It changes what it is told to change: point it at servers that are yours to break.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use orchestrator_core::{InstanceKey, observation::Outcome};
use orchestrator_mysql::{
    Change, Credentials, Execute, Fleet, HostnameSource, Pace, Probe, ProbeSettings, Secret, SourceChange,
    SourcePosition, TlsMode, TlsOptions, WatchEvent,
};

type Anything = Box<dyn std::error::Error>;

const PORT: u16 = 3306;
const DEADLINE: Duration = Duration::from_secs(5);
const PACE: Pace = Pace { pulse: Duration::from_millis(500), deadline: Duration::from_secs(1) };

#[tokio::main]
async fn main() -> Result<(), Anything> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [user, password, verb, target, rest @ ..] = words.as_slice() else {
        return Err("usage: probe USER PASSWORD show|touch|watch|crawl|bench|do HOST:PORT …".into());
    };
    let fleet = Fleet::new(ProbeSettings {
        user: (*user).into(),
        password: Secret::new(*password),
        hostname_from: HostnameSource::AsAsked,
        discover_by_show_replicas: true,
        tls: if std::env::var_os("PROBE_TLS").is_some() {
            TlsMode::Always(TlsOptions { skip_verify: true, ..TlsOptions::default() })
        } else {
            TlsMode::Off
        },
        ..ProbeSettings::default()
    });
    let key = InstanceKey::parse(target, PORT)?;
    match *verb {
        "show" => println!("{:#?}", fleet.probe(&key).await),
        "touch" => {
            let began = Instant::now();
            println!("{:?} in {:?}", fleet.touch_fresh(&key, DEADLINE).await, began.elapsed());
        }
        "watch" => watch(&fleet, &key, rest).await?,
        "crawl" => crawl(&fleet, key).await,
        "bench" => bench(&fleet, &key, rest).await?,
        "do" => change(&fleet, &key, rest).await?,
        other => return Err(format!("unknown verb {other}").into()),
    }
    Ok(())
}

async fn watch(fleet: &Fleet, key: &InstanceKey, rest: &[&str]) -> Result<(), Anything> {
    let seconds = rest.first().map_or(Ok(10.0), |text| text.parse())?;
    let began = Instant::now();
    let mut watch = fleet.watch(key, PACE);
    let _ = tokio::time::timeout(Duration::from_secs_f64(seconds), async {
        while let Some(event) = watch.next().await {
            let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            println!("{:>8.1} ms  {:.4}  {event:?}", began.elapsed().as_secs_f64() * 1e3, wall.as_secs_f64());
            if matches!(event, WatchEvent::Overdue { .. }) && rest.get(1) == Some(&"fence") {
                println!("{:?}", fleet.fence(key, Duration::from_millis(300)).await);
            }
        }
    })
    .await;
    Ok(())
}

async fn crawl(fleet: &Fleet, seed: InstanceKey) {
    let mut known = BTreeSet::from([seed.clone()]);
    let mut queue = vec![seed];
    while let Some(key) = queue.pop() {
        let observation = fleet.probe(&key).await;
        match &observation.outcome {
            Outcome::Failed(failure) => println!("{key}: {failure}"),
            Outcome::Read(reading) => {
                let instance = &reading.instance;
                println!(
                    "{key}: {} source {:?} replicas {:?} lag {:?} read_only {} unread {:?}",
                    instance.identity.version,
                    instance.source(),
                    instance.replicas,
                    instance.lag_seconds,
                    instance.settings.read_only,
                    reading.unread
                );
                let neighbours = instance.source().into_iter().chain(&instance.replicas);
                queue.extend(neighbours.filter(|key| known.insert((*key).clone())).cloned());
            }
        }
    }
}

async fn bench(fleet: &Fleet, key: &InstanceKey, rest: &[&str]) -> Result<(), Anything> {
    let count: u32 = rest.first().ok_or("how many?")?.parse()?;
    fleet.probe(key).await;
    let (began, cpu) = (Instant::now(), cpu_time());
    for _ in 0..count {
        if let Outcome::Failed(failure) = fleet.probe(key).await.outcome {
            return Err(failure.to_string().into());
        }
    }
    println!("a probe: {:?}, own cpu {:?}", began.elapsed() / count, (cpu_time() - cpu) / count);
    Ok(())
}

/// User and system time of this process so far. Linux counts it in ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

async fn change(fleet: &Fleet, key: &InstanceKey, rest: &[&str]) -> Result<(), Anything> {
    let began = Instant::now();
    let result = match rest {
        ["drain"] => format!("{:?}", fleet.wait_applied(key, DEADLINE).await),
        ["received"] => format!("{:?}", fleet.received(key, DEADLINE).await),
        ["fence"] => format!("{:?}", fleet.fence(key, Duration::from_millis(300)).await),
        ["credentials"] => format!("{:?}", fleet.replication_credentials(key, DEADLINE).await),
        words => format!("{:?}", fleet.change(key, read_change(words)?, DEADLINE).await),
    };
    println!("{result} in {:?}", began.elapsed());
    Ok(())
}

fn read_change(words: &[&str]) -> Result<Change, Anything> {
    Ok(match words {
        ["stop"] => Change::StopReplication,
        ["start"] => Change::StartReplication,
        ["restart"] => Change::RestartReplication,
        ["stop-io"] => Change::StopReceiver,
        ["start-io"] => Change::StartReceiver,
        ["stop-sql"] => Change::StopApplier,
        ["start-sql"] => Change::StartApplier,
        ["reset"] => Change::ResetReplication,
        ["ro"] => Change::SetReadOnly(true),
        ["rw"] => Change::SetReadOnly(false),
        ["detach"] => Change::Detach,
        ["reattach"] => Change::Reattach,
        ["semi-source", on] => Change::SemiSyncSource(*on == "on"),
        ["semi-replica", on] => Change::SemiSyncReplica(*on == "on"),
        ["source", to, position] => Change::ChangeSource(SourceChange {
            to: InstanceKey::parse(to, PORT)?,
            position: match *position {
                "keep" => SourcePosition::Keep,
                "gtid" => SourcePosition::Gtid,
                _ => SourcePosition::GtidAsFormerPrimary,
            },
            credentials: (*position == "former")
                .then(|| Credentials { user: "repl".into(), password: Secret::new("repl_password") }),
            may_drop_received: false,
        }),
        other => return Err(format!("unknown change {other:?}").into()),
    })
}
