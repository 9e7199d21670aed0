//! What is to be said of one instance in a list of problems.

use alloc::{string::String, vec::Vec};
use core::{fmt, time::Duration};

use crate::{
    gtid,
    observation::{FailureKind, Part, Unread},
    policy::AnalysisPolicy,
    time::Timestamp,
    topology::Topology,
    view::{InstanceRecord, LOST_IN_RECOVERY, TopologyView},
};

/// A problem by the name that clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// The last check did not end well.
    LastCheckInvalid,
    /// Not looked at for several poll intervals.
    NotRecentlyChecked,
    /// It has a source and does not replicate.
    NotReplicating,
    /// It lags more than is reasonable.
    ReplicationLag,
    /// It has transactions that its source has not.
    ErrantGtid,
    /// It is a member of a replication group and not online there.
    GroupMemberNotOnline,
}

impl Problem {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LastCheckInvalid => "last_check_invalid",
            Self::NotRecentlyChecked => "not_recently_checked",
            Self::NotReplicating => "not_replicating",
            Self::ReplicationLag => "replication_lag",
            Self::ErrantGtid => "errant_gtid",
            Self::GroupMemberNotOnline => "group_replication_member_not_online",
        }
    }
}

/// The problems of one instance: of the first four the first that holds, then the others.
pub fn problems(
    view: &TopologyView,
    topology: &Topology,
    record: &InstanceRecord,
    policy: &AnalysisPolicy,
    now: Timestamp,
) -> Vec<Problem> {
    let instance = &record.instance;
    let offline =
        instance.group.as_ref().is_some_and(|group| !group.name.is_empty() && group.state != "ONLINE");
    let errant = || gtid::errant(view, topology, &instance.key).is_some();
    let mut problems: Vec<_> = basic(record, policy, now).into_iter().collect();
    problems.extend(errant().then_some(Problem::ErrantGtid));
    problems.extend(offline.then_some(Problem::GroupMemberNotOnline));
    problems
}

fn basic(record: &InstanceRecord, policy: &AnalysisPolicy, now: Timestamp) -> Option<Problem> {
    let instance = &record.instance;
    let unseen = !record.checks.is_valid();
    let forgotten = !record.is_recently_checked(policy, now);
    let stopped = instance.replication.is_some() && !instance.is_replicating();
    [
        (unseen, Problem::LastCheckInvalid),
        (forgotten, Problem::NotRecentlyChecked),
        (stopped, Problem::NotReplicating),
        (lags(record, policy), Problem::ReplicationLag),
    ]
    .into_iter()
    .find_map(|(holds, problem)| holds.then_some(problem))
}

/// Further from its wanted delay than is reasonable, in either direction; unknown lag does not count.
fn lags(record: &InstanceRecord, policy: &AnalysisPolicy) -> bool {
    let delay = record.instance.replication.as_ref().map_or(0, |replication| replication.sql_delay_seconds);
    let off_by = |lag: u64| Duration::from_secs(lag.abs_diff(u64::from(delay)));
    record.instance.lag_seconds.is_some_and(|lag| off_by(lag) > policy.reasonable_lag)
}

/// What clients have no name for and people want to know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// A part could not be read; the server's words say what is missing.
    PartUnread {
        /// The part, for people.
        part: &'static str,
        /// The server's words.
        error: String,
    },
    /// Our account lacks privileges that a recovery needs.
    PrivilegesMissing {
        /// Which, and what each is for.
        missing: String,
    },
    /// It failed as a primary, was replaced, and answers again, as a cluster of its own.
    OldPrimaryReturned {
        /// It accepts writes, which nobody will ever see in the cluster.
        writable: bool,
    },
    /// It names itself as its source.
    ReplicatesFromItself,
    /// Its source was spoiled on purpose, so that replication cannot start.
    SourceDetached,
    /// Its source is not a known instance.
    SourceUnknown,
    /// Another server answers under its name.
    IdentityChanged,
}

impl Concern {
    /// A machine-readable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::PartUnread { .. } => "part_unread",
            Self::PrivilegesMissing { .. } => "privileges_missing",
            Self::OldPrimaryReturned { .. } => "old_primary_returned",
            Self::ReplicatesFromItself => "replicates_from_itself",
            Self::SourceDetached => "source_detached",
            Self::SourceUnknown => "source_unknown",
            Self::IdentityChanged => "identity_changed",
        }
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartUnread { part, error } => write!(f, "{part} could not be read: {error}"),
            Self::PrivilegesMissing { missing } => write!(f, "the account lacks {missing}"),
            Self::OldPrimaryReturned { writable: true } => {
                f.write_str("failed as a primary, was replaced, and answers again; it accepts writes")
            }
            Self::OldPrimaryReturned { writable: false } => {
                f.write_str("failed as a primary, was replaced, and answers again")
            }
            Self::ReplicatesFromItself => f.write_str("names itself as its source"),
            Self::SourceDetached => f.write_str("its source is detached"),
            Self::SourceUnknown => f.write_str("its source is not known"),
            Self::IdentityChanged => f.write_str("another server answers under its name"),
        }
    }
}

/// What else is to be said of one instance.
pub fn concerns(view: &TopologyView, topology: &Topology, record: &InstanceRecord) -> Vec<Concern> {
    let mut concerns = Vec::new();
    concerns.extend(old_primary_returned(view, topology, record));
    concerns.extend(odd_source(view, record));
    if record.checks.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::IdentityChanged) {
        concerns.push(Concern::IdentityChanged);
    }
    concerns.extend(record.unread.iter().filter_map(|Unread { part, error }| match part {
        Part::Privileges => Some(Concern::PrivilegesMissing { missing: error.clone() }),
        // Named among the privileges.
        Part::Promotion => None,
        part => Some(Concern::PartUnread { part: part.as_str(), error: error.clone() }),
    }));
    concerns
}

/// It answers, nobody is above or below it, and a recovery left it behind or gave its place to another.
fn old_primary_returned(
    view: &TopologyView,
    topology: &Topology,
    record: &InstanceRecord,
) -> Option<Concern> {
    let key = &record.instance.key;
    let place = topology.place(key)?;
    let declared = &view.declared;
    let lost = declared.downtimes.get(key).is_some_and(|downtime| downtime.reason == LOST_IN_RECOVERY);
    let replaced = declared.active_recoveries.iter().any(|recovery| {
        recovery.failed == *key && recovery.successor.as_ref().is_some_and(|successor| successor != key)
    });
    let lone = place.source.is_none() && place.replicas.is_empty();
    let writable = !record.instance.settings.read_only;
    (record.checks.is_valid() && lone && (lost || replaced))
        .then_some(Concern::OldPrimaryReturned { writable })
}

fn odd_source(view: &TopologyView, record: &InstanceRecord) -> Option<Concern> {
    let source = record.instance.source()?;
    if source.is_detached() {
        Some(Concern::SourceDetached)
    } else if *view.canonical(source) == record.instance.key {
        Some(Concern::ReplicatesFromItself)
    } else if view.get(source).is_none() {
        Some(Concern::SourceUnknown)
    } else {
        None
    }
}
