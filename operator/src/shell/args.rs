//! The command line: every flag also as an environment variable.

use std::{net::SocketAddr, time::Duration};

use clap::{ArgAction, Parser};
use jiff::SignedDuration;
use orchestrator_config::LogFormat;

/// Reconciles OrchestratorCluster objects into raft groups of orchestrator.
#[derive(Debug, Clone, Parser)]
#[command(name = "orchestrator-operator", version)]
pub struct Arguments {
    /// Namespaces to watch, separated by commas; all, if none is named
    #[arg(long, env = "ORC_OPERATOR_WATCH_NAMESPACES", value_name = "A,B", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,

    /// Image of the service for objects that name none
    #[arg(long, env = "ORC_OPERATOR_DEFAULT_IMAGE", value_name = "IMAGE")]
    pub default_image: Option<String>,

    /// Objects that are looked at at the same time
    #[arg(long, env = "ORC_OPERATOR_CONCURRENCY", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,

    /// How often an object is looked at when nothing happens
    #[arg(long, env = "ORC_OPERATOR_STEADY_INTERVAL", default_value = "30s", value_parser = interval)]
    pub steady_interval: Duration,

    /// Objects whose members may be restarted for an update at the same time
    #[arg(long, env = "ORC_OPERATOR_MAX_CONCURRENT_ROLLOUTS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_concurrent_rollouts: u16,

    /// Pause between the end of one object's update and the beginning of the next one's
    #[arg(long, env = "ORC_OPERATOR_ROLLOUT_DELAY", default_value = "0s", value_parser = duration)]
    pub rollout_delay: Duration,

    /// Whether only one of several operators works, by a Lease
    #[arg(long, env = "ORC_OPERATOR_LEADER_ELECTION", default_value_t = true, action = ArgAction::Set)]
    pub leader_election: bool,

    /// Name of the Lease
    #[arg(long, env = "ORC_OPERATOR_LEASE_NAME", default_value = "orchestrator-operator")]
    pub lease_name: String,

    /// Namespace of the Lease; the operator's own, if not given
    #[arg(long, env = "ORC_OPERATOR_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// After how long without renewal another operator takes over
    #[arg(long, env = "ORC_OPERATOR_LEASE_DURATION", default_value = "15s", value_parser = interval)]
    pub lease_duration: Duration,

    /// For how long renewing is tried before the operator ends
    #[arg(long, env = "ORC_OPERATOR_RENEW_DEADLINE", default_value = "10s", value_parser = interval)]
    pub renew_deadline: Duration,

    /// Pause between attempts to get or renew the Lease
    #[arg(long, env = "ORC_OPERATOR_RETRY_PERIOD", default_value = "2s", value_parser = interval)]
    pub retry_period: Duration,

    /// Where /healthz, /readyz and /metrics are answered
    #[arg(long, env = "ORC_OPERATOR_LISTEN", default_value = "0.0.0.0:8080", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,

    /// Whether Nodes and PersistentVolumes may be read; without them storage is never proven to be lost with a node
    #[arg(long, env = "ORC_OPERATOR_NODES", default_value_t = true, action = ArgAction::Set)]
    pub nodes: bool,

    /// Where members are called, for tests: http://127.0.0.1:{port}/{namespace}/{pod}; their pods' addresses, if not given
    #[arg(long, env = "ORC_OPERATOR_MEMBER_URL_TEMPLATE", value_name = "URL")]
    pub member_url_template: Option<String>,

    /// How much is logged: error, warn, info, debug or trace
    #[arg(long, env = "ORC_OPERATOR_LOG_LEVEL", default_value = "info")]
    pub log_level: tracing::Level,

    /// text: lines for people; json: objects for programs
    #[arg(long, env = "ORC_OPERATOR_LOG_FORMAT", default_value = "text", value_parser = log_format)]
    pub log_format: LogFormat,

    /// Name of this pod, for the Lease and events
    #[arg(long, env = "POD_NAME", hide = true)]
    pub pod_name: Option<String>,

    /// Namespace of this pod
    #[arg(long, env = "POD_NAMESPACE", hide = true)]
    pub pod_namespace: Option<String>,
}

/// Flags that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Whoever holds the Lease would go on after another took it.
    #[error("--renew-deadline must be shorter than --lease-duration")]
    RenewsTooLong,
    /// A single lost answer would end the operator.
    #[error("--retry-period must be shorter than --renew-deadline")]
    RetriesTooSeldom,
    /// Two operators would find two Leases.
    #[error("--leader-election needs --lease-namespace, or POD_NAMESPACE from the downward API")]
    NoNamespace,
}

impl Arguments {
    /// Refuses what makes no sense together, whatever each flag says.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), Contradiction> {
        if !self.leader_election {
            return Ok(());
        }
        if self.renew_deadline >= self.lease_duration {
            return Err(Contradiction::RenewsTooLong);
        }
        if self.retry_period >= self.renew_deadline {
            return Err(Contradiction::RetriesTooSeldom);
        }
        self.lease_namespace().map(|_| ()).ok_or(Contradiction::NoNamespace)
    }

    /// Namespace of the Lease.
    #[must_use]
    pub fn lease_namespace(&self) -> Option<&str> {
        self.lease_namespace.as_deref().or(self.pod_namespace.as_deref())
    }

    /// The namespaces to watch; none = all.
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        let named = self.watch_namespaces.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        let mut named: Vec<String> = named.map(str::to_owned).collect();
        named.sort();
        named.dedup();
        named
    }
}

/// `30s`, `1m30s`, `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration =
        text.parse().map_err(|_| "expected a duration such as 30s or 5m".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "must not be negative".to_owned())
}

fn log_format(text: &str) -> Result<LogFormat, &'static str> {
    LogFormat::parse(text).ok_or("write text or json")
}

fn interval(text: &str) -> Result<Duration, String> {
    let parsed = duration(text)?;
    if parsed.is_zero() { Err("must be longer than nothing".to_owned()) } else { Ok(parsed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(flags: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["orchestrator-operator"], flags].concat())
    }

    #[test]
    fn defaults_are_those_of_the_manual() {
        let arguments = parsed(&["--pod-namespace", "here"]).expect("no flag is needed");
        assert_eq!((arguments.concurrency, arguments.steady_interval.as_secs()), (32, 30));
        assert_eq!((arguments.lease_duration.as_secs(), arguments.renew_deadline.as_secs()), (15, 10));
        assert!(arguments.leader_election && arguments.nodes && arguments.namespaces().is_empty());
        assert_eq!(arguments.check(), Ok(()));
    }

    #[test]
    fn namespaces_are_a_list_without_repetition() {
        let arguments = parsed(&["--watch-namespaces", "b, a,b,"]).expect("a list is valid");
        assert_eq!(arguments.namespaces(), ["a", "b"]);
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert!(duration("30").is_err() && duration("-3s").is_err() && interval("0s").is_err());
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        let check = |flags: &[&str]| parsed(flags).expect("each alone is valid").check();
        let late = ["--pod-namespace", "x", "--renew-deadline", "15s"];
        assert_eq!(check(&late), Err(Contradiction::RenewsTooLong));
        let seldom = ["--pod-namespace", "x", "--retry-period", "10s"];
        assert_eq!(check(&seldom), Err(Contradiction::RetriesTooSeldom));
        assert_eq!(check(&[]), Err(Contradiction::NoNamespace));
        assert_eq!(check(&["--leader-election", "false"]), Ok(()));
    }
}
