//! The facts that rules look at: counted once, plain values, nothing to look up.

use alloc::string::String;
use core::time::Duration;

use crate::{instance::BinlogCoordinates, time::Timestamp};

/// All that rules know of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Follows nobody, and is not a secondary of a replication group.
    pub primary: bool,
    /// It is one of two that replicate from one another.
    pub co_primary: bool,
    /// Belongs to a replication group and is not offline in it.
    pub group_member: bool,
    /// Gives its cluster the name. For sorting only.
    pub cluster_head: bool,
    /// Number of instances above it.
    pub depth: u32,
    /// How well we see it.
    pub sight: Sight,
    /// It refuses writes.
    pub read_only: bool,
    /// It serves logs that it does not apply.
    pub binlog_server: bool,
    /// Its receiving thread reports that it cannot connect, while its applying thread runs.
    pub failing_to_connect: bool,
    /// `gtid_mode`, empty where it does not exist.
    pub gtid_mode: String,
    /// Position of its own binary log; empty = none.
    pub coordinates: BinlogCoordinates,
    /// Its direct replicas, counted.
    pub replicas: ReplicaCounts,
    /// What its direct replicas have in common, and what not.
    pub traits: ReplicaTraits,
    /// Its half of semi-synchronous replication.
    pub semi_sync: SemiSyncFacts,
    /// It is downtimed.
    pub downtimed: bool,
    /// When its downtime ends; `None` when it is not downtimed.
    pub downtime_ends_at: Option<Timestamp>,
    /// How long it stays downtimed; zero when it is not.
    pub downtime_remaining: Duration,
    /// `RecoverNonWriteableMaster`.
    pub wants_writeable: bool,
}

/// How well we see an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sight {
    /// The last check ended well, and none hangs.
    pub valid: bool,
    /// The last check was at least let in, or met an answer that proves the server alive.
    pub partial: bool,
    /// The last check failed in a way that proves the server alive.
    pub proven_alive: bool,
    /// The last check failed because the name did not resolve, which says nothing about the server.
    pub unresolved: bool,
}

/// Direct replicas, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplicaCounts {
    /// All that name it as their source, seen or not.
    pub all: u32,
    /// Seen by their last check.
    pub valid: u32,
    /// Seen, both threads run, and not silent.
    pub replicating: u32,
    /// Seen, both threads said to run, but no sign of life came from the source for too long. Counted only
    /// when the source itself cannot be reached.
    pub silent: u32,
    /// Seen, and report that they cannot connect to it.
    pub failing_to_connect: u32,
    /// Lag more than is reasonable; unknown lag does not count.
    pub lagging: u32,
    /// Are delayed on purpose.
    pub delayed: u32,
    /// Are downtimed.
    pub downtimed: u32,
    /// Write a binary log that contains what they replicate.
    pub logging: u32,
    /// Of the logging ones: by statement.
    pub statement_logging: u32,
    /// Of the logging ones: mixed.
    pub mixed_logging: u32,
    /// Of the logging ones: by row.
    pub row_logging: u32,
    /// Distinct major versions among the logging ones.
    pub logging_versions: u32,
    /// Are switched to semi-synchronous replication.
    pub semi_sync: u32,
}

/// What direct replicas have in common, and what not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplicaTraits {
    /// There are valid replicas and all of them follow by MySQL's auto position.
    pub oracle_gtid: bool,
    /// The same with MariaDB's GTID.
    pub mariadb_gtid: bool,
    /// The same as binary log servers.
    pub binlog_server: bool,
    /// They can be matched by injected markers. Never true: nothing injects them yet.
    pub pseudo_gtid: bool,
    /// Smallest `gtid_mode` by text; empty without replicas.
    pub min_gtid_mode: String,
    /// Largest `gtid_mode` by text; empty without replicas.
    pub max_gtid_mode: String,
    /// Largest errant set by text, leaving out downtimed replicas; empty = none has any.
    pub max_errant: String,
}

/// An instance's half of semi-synchronous replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SemiSyncFacts {
    /// Switched on.
    pub enabled: bool,
    /// In force now.
    pub status: bool,
    /// Acknowledgements that a commit waits for; 1 on MariaDB, which has no such setting.
    pub wait_count: u32,
    /// Connected semi-synchronous replicas.
    pub clients: u32,
    /// Commits wait, and the binary log did not move between two looks.
    pub blocked: bool,
    /// The binary log has not moved for longer than is reasonable.
    pub stale: bool,
    /// `EnforceExactSemiSyncReplicas`.
    pub wants_exact: bool,
}
