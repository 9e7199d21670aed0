//! Clients of a Service that ask on and on while something happens, each time over a new connection, and ask once
//! more when they were not answered well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;

use super::cluster::Cluster;
use super::space::Space;
use crate::until::until_every;

/// Pause between two requests: 50 a second, so that a thousand fit into what happens to a group.
const PACE: Duration = Duration::from_millis(20);
/// Before a client asks once more, as the client of the product does.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// From ready pods to nodes that send clients to them.
const DOOR_OPENS_WITHIN: Duration = Duration::from_secs(30);
/// So many of the answers that were no good are kept for the report.
const KEPT: usize = 20;

/// What clients heard.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Requests, each counted once.
    pub asked: usize,
    /// Of these, those that were asked a second time.
    pub again: usize,
    /// Of these, those that were not answered with 2xx then either; when, and what was heard.
    pub failed: Vec<String>,
    /// The longest that a client waited for a good answer, the second request included.
    pub longest: Duration,
    failures: usize,
}

impl Tally {
    /// Share of requests that were answered well, after one more request at most.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of thousands")]
    pub fn good(&self) -> f64 {
        if self.asked == 0 { 0.0 } else { 1.0 - self.failures as f64 / self.asked as f64 }
    }

    /// Everybody was answered well, after one more request at most.
    ///
    /// # Errors
    /// With what was heard instead.
    pub fn all_good(&self) -> Result<()> {
        ensure!(
            self.failures == 0,
            "{} of {} requests failed: {:#?}",
            self.failures,
            self.asked,
            self.failed
        );
        Ok(())
    }
}

/// Clients at work.
pub struct Clients {
    stop: Arc<AtomicBool>,
    enough: usize,
    thread: JoinHandle<Tally>,
}

/// Where a Service is.
struct Door {
    cluster: &'static Cluster,
    namespace: String,
    name: String,
    ip: String,
    port: u16,
}

impl Door {
    fn ask(&self, path: &str) -> Result<(), String> {
        match self.cluster.ask_service(&self.namespace, &self.name, &self.ip, self.port, path) {
            Ok(reply) if (200..300).contains(&reply.status) => Ok(()),
            Ok(reply) => Err(format!("{path}: {} {}", reply.status, reply.body)),
            Err(error) => Err(format!("{path}: {error:#}")),
        }
    }
}

impl Clients {
    /// Asks the Service `name` for these paths in turn, at least `enough` times in all.
    ///
    /// # Errors
    /// When there is no such Service, or it answers nobody.
    pub fn of(space: &Space, name: &str, paths: &'static [&'static str], enough: usize) -> Result<Self> {
        let service = space.get::<Service>(name)?.with_context(|| format!("no service/{name}"))?;
        let spec = service.spec.unwrap_or_default();
        let port = spec.ports.unwrap_or_default().first().map(|port| port.port).context("it has a port")?;
        let ip = spec.cluster_ip.context("it has an address")?;
        let (namespace, name) = (space.name.clone(), name.to_owned());
        let door = Door { cluster: space.cluster, namespace, name, ip, port: u16::try_from(port)? };
        // Nodes send nobody to a pod before they have heard that it is ready.
        until_every(AGAIN_AFTER, &format!("service/{} answers", door.name), DOOR_OPENS_WITHIN, || {
            door.ask(paths[0])
        })?;
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut tally = Tally::default();
            let mut paths = paths.iter().cycle();
            while !stops.load(Ordering::Relaxed) || tally.asked < enough {
                let Some(path) = paths.next() else { break };
                ask(&door, path, &mut tally);
                std::thread::sleep(PACE);
            }
            tally
        });
        Ok(Self { stop, enough, thread })
    }

    /// Lets them finish, and answers what they heard.
    ///
    /// # Errors
    /// When they asked less often than promised.
    pub fn ended(self) -> Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        let tally = self.thread.join().unwrap_or_default();
        ensure!(tally.asked >= self.enough, "the clients broke off: {tally:?}");
        Ok(tally)
    }
}

fn ask(door: &Door, path: &str, tally: &mut Tally) {
    let began = Instant::now();
    tally.asked += 1;
    if let Err(first) = door.ask(path) {
        tally.again += 1;
        std::thread::sleep(AGAIN_AFTER);
        if let Err(second) = door.ask(path) {
            tally.failures += 1;
            if tally.failed.len() < KEPT {
                tally.failed.push(format!("request {}: {first}; again: {second}", tally.asked));
            }
            return;
        }
    }
    tally.longest = tally.longest.max(began.elapsed());
}
