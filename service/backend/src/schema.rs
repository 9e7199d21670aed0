//! The tables as they should be, in the words of SQLite and in those of MySQL.
//!
//! The statements are kept as plain SQL, to be read beside the original's documentation. What an existing
//! database lacks is found by introspection, so there is no list of migrations and no version to trust.

/// Newest layout of our own tables that this program knows. Raised when an older program must not write.
pub(crate) const LAYOUT: i64 = 1;

/// Every `create` statement for SQLite, in files by subject.
pub(crate) const SQLITE: [&str; 7] = [
    include_str!("schema/instances.sql"),
    include_str!("schema/declared.sql"),
    include_str!("schema/recovery.sql"),
    include_str!("schema/caches.sql"),
    include_str!("schema/process.sql"),
    include_str!("schema/unused.sql"),
    include_str!("schema/ours.sql"),
];

/// The same tables for MySQL and MariaDB.
///
/// Types and defaults are the original's. Text is compared byte by byte, as SQLite does: nodes with different
/// databases must agree on which names are one. What people write is `utf8mb4`, everything else `ascii`.
pub(crate) const MYSQL: [&str; 7] = [
    include_str!("schema/mysql/instances.sql"),
    include_str!("schema/mysql/declared.sql"),
    include_str!("schema/mysql/recovery.sql"),
    include_str!("schema/mysql/caches.sql"),
    include_str!("schema/mysql/process.sql"),
    include_str!("schema/mysql/unused.sql"),
    include_str!("schema/mysql/ours.sql"),
];

/// Tables whose rows the original's snapshots rewrite at each start, with times in a foreign form.
pub(crate) const REWRITTEN_BY_SNAPSHOTS: [&str; 16] = [
    "access_token",
    "candidate_database_instance",
    "cluster_alias",
    "cluster_alias_override",
    "cluster_domain_name",
    "cluster_injected_pseudo_gtid",
    "database_instance_downtime",
    "database_instance_pool",
    "database_instance_tags",
    "host_attributes",
    "hostname_resolve",
    "hostname_unresolve",
    "kv_store",
    "topology_failure_detection",
    "topology_recovery",
    "topology_recovery_steps",
];

/// Nullable columns of those tables in which the same rewriting leaves empty text for NULL, and the rows in
/// which empty text cannot be meant. In this order: the later ones look at `end_recovery`.
pub(crate) const EMPTIED_BY_SNAPSHOTS: [(&str, &str, &str); 7] = [
    ("topology_recovery", "end_recovery", "1 = 1"),
    ("topology_recovery", "acknowledged_at", "1 = 1"),
    ("topology_recovery", "successor_hostname", "end_recovery is null"),
    ("topology_recovery", "successor_port", "end_recovery is null"),
    ("topology_recovery", "successor_alias", "end_recovery is null"),
    ("database_instance_downtime", "end_timestamp", "1 = 1"),
    ("host_attributes", "expire_timestamp", "1 = 1"),
];
