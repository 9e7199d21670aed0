//! Which of several operators works: whoever holds the Lease.
//!
//! Not a fence: an operator that lost it without noticing may still write for a moment. That is harmless, since every
//! change carries what it was decided upon (an index, a uid, a version) and the second one is refused.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// How the Lease is used.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Who we are: unique among operators.
    pub holder: String,
    /// After how long without renewal others may take it.
    pub duration: Duration,
    /// For how long renewing is tried before it counts as lost.
    pub renew_deadline: Duration,
    /// Pause between attempts.
    pub retry: Duration,
}

/// The Lease is gone; another operator may work by now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lease {lease} is lost: {why}")]
pub struct Lost {
    lease: String,
    why: String,
}

/// Whom the Lease belongs to, and when that was seen to change by our own clock: those of others do not count.
#[derive(Debug, Clone, PartialEq)]
struct Observed {
    spec: LeaseSpec,
    at: Instant,
}

/// Gets and keeps the Lease.
pub struct Election {
    api: Api<Lease>,
    terms: Terms,
    observed: Option<Observed>,
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Election").field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Attempt {
    Held,
    HeldBy(String),
    Failed(String),
}

impl Election {
    /// An election that was not tried yet.
    #[must_use]
    pub fn new(client: Client, terms: Terms) -> Self {
        Self { api: Api::namespaced(client, &terms.namespace), terms, observed: None }
    }

    /// Waits until we hold it. `false` when `stop` came first.
    pub async fn acquire(&mut self, stop: &CancellationToken) -> bool {
        let mut told: Option<Attempt> = None;
        loop {
            let attempt = self.attempt().await;
            match &attempt {
                Attempt::Held => {
                    info!(lease = %self.terms.name, holder = %self.terms.holder, "this operator works");
                    return true;
                }
                Attempt::HeldBy(other) if told.as_ref() != Some(&attempt) => {
                    info!(lease = %self.terms.name, holder = %other, "another operator works, this one waits");
                }
                Attempt::Failed(error) if told.as_ref() != Some(&attempt) => {
                    warn!(lease = %self.terms.name, %error, "cannot get the lease, trying again");
                }
                Attempt::HeldBy(_) | Attempt::Failed(_) => {}
            }
            told = Some(attempt);
            if !pause(self.terms.retry, stop).await {
                return false;
            }
        }
    }

    /// Renews until it is lost: whoever worked because of the lease must end then. To be dropped when the work is over.
    pub async fn keep(&mut self) -> Lost {
        let mut renewed = Instant::now();
        loop {
            sleep(self.terms.retry).await;
            let why = match self.attempt().await {
                Attempt::Held => {
                    renewed = Instant::now();
                    continue;
                }
                Attempt::HeldBy(other) => return self.lost(format!("{other} holds it")),
                Attempt::Failed(error) => error,
            };
            if renewed.elapsed() >= self.terms.renew_deadline {
                return self.lost(why);
            }
            debug!(lease = %self.terms.name, error = %why, "the lease was not renewed, trying again");
        }
    }

    fn lost(&self, why: String) -> Lost {
        Lost { lease: format!("{}/{}", self.terms.namespace, self.terms.name), why }
    }

    /// Lets the next one in at once.
    pub async fn release(&mut self) {
        let release = async {
            let mut lease = self.api.get(&self.terms.name).await?;
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(self.terms.holder.as_str()) {
                spec.holder_identity = Some(String::new());
                spec.lease_duration_seconds = Some(1);
                spec.renew_time = Some(MicroTime(Timestamp::now()));
                self.api.replace(&self.terms.name, &PostParams::default(), &lease).await?;
            }
            Ok::<(), kube::Error>(())
        };
        match timeout(self.terms.retry, release).await {
            Ok(Ok(())) => info!(lease = %self.terms.name, "lease released"),
            Ok(Err(error)) => {
                warn!(lease = %self.terms.name, %error, "lease not released, it runs out by itself")
            }
            Err(_) => warn!(lease = %self.terms.name, "lease not released in time, it runs out by itself"),
        }
    }

    /// One attempt to take or to renew it, guarded by its version.
    async fn attempt(&mut self) -> Attempt {
        match timeout(self.terms.retry.max(Duration::from_secs(1)), self.try_once()).await {
            Ok(Ok(attempt)) => attempt,
            Ok(Err(error)) => Attempt::Failed(error.to_string()),
            Err(_) => Attempt::Failed("no answer from the API server".to_owned()),
        }
    }

    async fn try_once(&mut self) -> Result<Attempt, kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.terms.name).await? else {
            let spec = next_spec(None, &self.terms, Timestamp::now());
            let metadata = ObjectMeta { name: Some(self.terms.name.clone()), ..ObjectMeta::default() };
            let made = Lease { metadata, spec: Some(spec) };
            let made = self.api.create(&PostParams::default(), &made).await;
            return taken(made, "somebody else");
        };
        let spec = lease.spec.clone().unwrap_or_default();
        if self.observed.as_ref().is_none_or(|observed| observed.spec != spec) {
            self.observed = Some(Observed { spec: spec.clone(), at: Instant::now() });
        }
        let since = self.observed.as_ref().map(|observed| observed.at.elapsed()).unwrap_or_default();
        if let Some(other) = held_by_another(&spec, &self.terms, since) {
            return Ok(Attempt::HeldBy(other));
        }
        lease.spec = Some(next_spec(Some(&spec), &self.terms, Timestamp::now()));
        let replaced = self.api.replace(&self.terms.name, &PostParams::default(), &lease).await;
        taken(replaced, "somebody else")
    }
}

/// A lost race is no failure.
fn taken(written: Result<Lease, kube::Error>, other: &str) -> Result<Attempt, kube::Error> {
    match written {
        Ok(_) => Ok(Attempt::Held),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            Ok(Attempt::Failed(format!("{other} was faster")))
        }
        Err(error) => Err(error),
    }
}

/// Who holds it, if that is not us and the time since its record changed is not over.
fn held_by_another(spec: &LeaseSpec, terms: &Terms, unchanged_for: Duration) -> Option<String> {
    let holder = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())?;
    let seconds = spec.lease_duration_seconds.unwrap_or(0).max(0);
    let duration = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    (holder != terms.holder && unchanged_for < duration).then(|| holder.to_owned())
}

/// The record with us as its holder.
fn next_spec(before: Option<&LeaseSpec>, terms: &Terms, now: Timestamp) -> LeaseSpec {
    let holder = before.and_then(|spec| spec.holder_identity.clone());
    let renews = holder.as_deref() == Some(terms.holder.as_str());
    let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
    let acquired = before.and_then(|spec| spec.acquire_time.clone()).filter(|_| renews);
    LeaseSpec {
        holder_identity: Some(terms.holder.clone()),
        lease_duration_seconds: Some(i32::try_from(terms.duration.as_secs().max(1)).unwrap_or(i32::MAX)),
        acquire_time: Some(acquired.unwrap_or(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(if renews || before.is_none() { transitions } else { transitions + 1 }),
        ..before.cloned().unwrap_or_default()
    }
}

/// `false` when `stop` came first.
async fn pause(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = sleep(time) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            name: "operator".into(),
            namespace: "here".into(),
            holder: "me".into(),
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }

    fn held(holder: &str) -> LeaseSpec {
        let holder = Terms { holder: holder.into(), ..terms() };
        next_spec(None, &holder, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_lease_belongs_to_its_holder_until_its_time_is_over_by_our_clock() {
        let other = held("other");
        let after = |seconds| held_by_another(&other, &terms(), Duration::from_secs(seconds));
        assert_eq!(after(14).as_deref(), Some("other"), "whatever time it says itself");
        assert_eq!(after(15), None);
        assert_eq!(held_by_another(&held("me"), &terms(), Duration::ZERO), None);
        assert_eq!(held_by_another(&held(""), &terms(), Duration::ZERO), None, "it was released");
    }

    #[test]
    fn renewing_keeps_since_when_we_hold_it_and_taking_over_counts() {
        let later = Timestamp::from_second(60).expect("it is a time");
        let renewed = next_spec(Some(&held("me")), &terms(), later);
        assert_eq!(renewed.acquire_time, Some(MicroTime(Timestamp::UNIX_EPOCH)));
        assert_eq!((renewed.renew_time, renewed.lease_transitions), (Some(MicroTime(later)), Some(0)));
        let taken = next_spec(Some(&held("other")), &terms(), later);
        assert_eq!((taken.acquire_time, taken.lease_transitions), (Some(MicroTime(later)), Some(1)));
    }
}
