//! One instance in JSON: every field that clients know, in their order and under their names, with the
//! misspellings that are part of the contract.

mod from;

use serde::{Deserialize, Serialize};

use crate::{
    key::Key,
    scalar::{LogPosition, NullBool, NullInt},
};

/// One instance. Every field is always present; counts and sizes are never negative.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Instance {
    /// Its name.
    pub key: Key,
    /// A name for people.
    pub instance_alias: String,
    /// Seconds since the server started.
    pub uptime: u64,
    /// `@@server_id`.
    #[serde(rename = "ServerID")]
    pub server_id: u64,
    /// `@@server_uuid`.
    #[serde(rename = "ServerUUID")]
    pub server_uuid: String,
    /// `@@version`.
    pub version: String,
    /// `@@version_comment`.
    pub version_comment: String,
    /// `MySQL`, `MariaDB`, `Percona`, `MaxScale` or `unknown`.
    pub flavor_name: String,
    /// `@@read_only`.
    pub read_only: bool,
    /// `ROW`, `MIXED`, `STATEMENT` or empty.
    #[serde(rename = "Binlog_format")]
    pub binlog_format: String,
    /// `@@binlog_row_image`.
    pub binlog_row_image: String,
    /// `@@log_bin`.
    pub log_bin_enabled: bool,
    /// Twin of the next field.
    #[serde(rename = "LogSlaveUpdatesEnabled")]
    pub log_replica_updates_legacy: bool,
    /// It logs what it replicates.
    #[serde(rename = "LogReplicationUpdatesEnabled")]
    pub log_replica_updates: bool,
    /// Position of its own binary log.
    pub self_binlog_coordinates: LogPosition,
    /// Its source; empty = none.
    #[serde(rename = "MasterKey")]
    pub source: Key,
    /// `server_uuid` of its source; `No` = not told.
    #[serde(rename = "MasterUUID")]
    pub source_uuid: String,
    /// UUIDs from the top down to itself, comma separated.
    #[serde(rename = "AncestryUUID")]
    pub ancestry_uuid: String,
    /// Its source's name is spoiled.
    #[serde(rename = "IsDetachedMaster")]
    pub is_source_detached: bool,
    /// Twin of the next field.
    #[serde(rename = "Slave_SQL_Running")]
    pub sql_running_legacy: bool,
    /// The applying thread runs.
    #[serde(rename = "ReplicationSQLThreadRuning")] // sic
    pub sql_running: bool,
    /// Twin of the next field.
    #[serde(rename = "Slave_IO_Running")]
    pub io_running_legacy: bool,
    /// The receiving thread runs.
    #[serde(rename = "ReplicationIOThreadRuning")] // sic
    pub io_running: bool,
    /// See [`crate::scalar::thread_state`].
    #[serde(rename = "ReplicationSQLThreadState")]
    pub sql_state: i64,
    /// See [`crate::scalar::thread_state`].
    #[serde(rename = "ReplicationIOThreadState")]
    pub io_state: i64,
    /// Any replication filter is set.
    pub has_replication_filters: bool,
    /// `@@gtid_mode`.
    #[serde(rename = "GTIDMode")]
    pub gtid_mode: String,
    /// GTID is switched on, at least half.
    #[serde(rename = "SupportsOracleGTID")]
    pub supports_oracle_gtid: bool,
    /// It replicates by MySQL's auto position.
    #[serde(rename = "UsingOracleGTID")]
    pub using_oracle_gtid: bool,
    /// It replicates by MariaDB's GTID.
    #[serde(rename = "UsingMariaDBGTID")]
    pub using_mariadb_gtid: bool,
    /// Always `false` as long as Pseudo-GTID is not supported.
    #[serde(rename = "UsingPseudoGTID")]
    pub using_pseudo_gtid: bool,
    /// Received up to here in its source's log.
    pub read_binlog_coordinates: LogPosition,
    /// Executed up to here in its source's log.
    pub exec_binlog_coordinates: LogPosition,
    /// Its place in its source's log is spoiled.
    pub is_detached: bool,
    /// Position of its relay log.
    pub relaylog_coordinates: LogPosition,
    /// Quoted as Go quotes, see [`crate::quote`]; empty = none.
    #[serde(rename = "LastSQLError")]
    pub last_sql_error: String,
    /// Quoted as Go quotes, see [`crate::quote`]; empty = none.
    #[serde(rename = "LastIOError")]
    pub last_io_error: String,
    /// As the server says.
    #[serde(rename = "SecondsBehindMaster")]
    pub seconds_behind: NullInt,
    /// Wanted delay, seconds.
    #[serde(rename = "SQLDelay")]
    pub sql_delay: u64,
    /// GTIDs it has.
    pub executed_gtid_set: String,
    /// GTIDs it has no more the logs of.
    pub gtid_purged: String,
    /// GTIDs that its source never had.
    pub gtid_errant: String,
    /// Twin of the next field.
    #[serde(rename = "SlaveLagSeconds")]
    pub lag_legacy: NullInt,
    /// As the configured query, else the server, says.
    #[serde(rename = "ReplicationLagSeconds")]
    pub lag: NullInt,
    /// Twin of the next field.
    #[serde(rename = "SlaveHosts")]
    pub replicas_legacy: Vec<Key>,
    /// Its replicas, sorted.
    pub replicas: Vec<Key>,
    /// Name of its cluster.
    pub cluster_name: String,
    /// Alias of its cluster as suggested.
    pub suggested_cluster_alias: String,
    /// Data center.
    pub data_center: String,
    /// Region.
    pub region: String,
    /// Physical environment.
    pub physical_environment: String,
    /// Instances above it.
    pub replication_depth: u64,
    /// It and its source replicate from one another.
    #[serde(rename = "IsCoMaster")]
    pub is_co_primary: bool,
    /// A replication user is set.
    pub has_replication_credentials: bool,
    /// The user's password can be read from the server.
    pub replication_credentials_available: bool,
    /// Both halves of semi-sync are there.
    pub semi_sync_available: bool,
    /// Wish to be a semi-synchronous replica.
    pub semi_sync_priority: u64,
    /// Names of the newer plugin, source half.
    #[serde(rename = "SemiSyncMasterPluginNewVersion")]
    pub semi_sync_source_new_plugin: bool,
    /// Names of the newer plugin, replica half.
    #[serde(rename = "SemiSyncReplicaPluginNewVersion")]
    pub semi_sync_replica_new_plugin: bool,
    /// Source half is switched on.
    #[serde(rename = "SemiSyncMasterEnabled")]
    pub semi_sync_source_enabled: bool,
    /// Replica half is switched on.
    pub semi_sync_replica_enabled: bool,
    /// How long a commit waits, milliseconds.
    #[serde(rename = "SemiSyncMasterTimeout")]
    pub semi_sync_source_timeout: u64,
    /// Acknowledgements that a commit waits for.
    #[serde(rename = "SemiSyncMasterWaitForReplicaCount")]
    pub semi_sync_wait_for_replica_count: u64,
    /// Source half is in force.
    #[serde(rename = "SemiSyncMasterStatus")]
    pub semi_sync_source_status: bool,
    /// Connected semi-synchronous replicas.
    #[serde(rename = "SemiSyncMasterClients")]
    pub semi_sync_source_clients: u64,
    /// Replica half is in force.
    pub semi_sync_replica_status: bool,
    /// RFC 3339; empty = never.
    pub last_seen_timestamp: String,
    /// The last probe ended well.
    pub is_last_check_valid: bool,
    /// Checked within one poll interval.
    pub is_up_to_date: bool,
    /// Checked within five poll intervals.
    pub is_recently_checked: bool,
    /// Since the last probe that ended well.
    pub seconds_since_last_seen: NullInt,
    /// Agents only; 0.
    #[serde(rename = "CountMySQLSnapshots")]
    pub count_mysql_snapshots: i64,
    /// Rather this one is promoted.
    pub is_candidate: bool,
    /// How willing we are to promote it.
    pub promotion_rule: String,
    /// In downtime now.
    pub is_downtimed: bool,
    /// Why.
    pub downtime_reason: String,
    /// Who declared it.
    pub downtime_owner: String,
    /// `YYYY-MM-DD HH:MM:SS`; empty = no downtime.
    pub downtime_end_timestamp: String,
    /// Nanoseconds.
    pub elapsed_downtime: u64,
    /// Registered other name.
    pub unresolved_hostname: String,
    /// Replication uses TLS.
    #[serde(rename = "AllowTLS")]
    pub allow_tls: bool,
    /// `SSL_CA` of replication.
    #[serde(rename = "ReplicationSSLCAFile")]
    pub ssl_ca: String,
    /// `SSL_CAPATH`.
    #[serde(rename = "ReplicationSSLCAPath")]
    pub ssl_ca_path: String,
    /// `SSL_CERT`.
    #[serde(rename = "ReplicationSSLCert")]
    pub ssl_cert: String,
    /// `SSL_CIPHER`.
    #[serde(rename = "ReplicationSSLCipher")]
    pub ssl_cipher: String,
    /// `SSL_CRL`.
    #[serde(rename = "ReplicationSSLCRLFile")]
    pub ssl_crl: String,
    /// `SSL_CRLPATH`.
    #[serde(rename = "ReplicationSSLCRLPath")]
    pub ssl_crl_path: String,
    /// `SSL_KEY`.
    #[serde(rename = "ReplicationSSLKey")]
    pub ssl_key: String,
    /// `SSL_VERIFY_SERVER_CERT`.
    #[serde(rename = "ReplicationSSLVerifyServerCert")]
    pub ssl_verify_server_cert: NullBool,
    /// `TLS_VERSION`.
    #[serde(rename = "ReplicationTLSVersion")]
    pub tls_version: String,
    /// `TLS_CIPHERSUITES`.
    #[serde(rename = "ReplicationTLSCiphersuites")]
    pub tls_ciphersuites: String,
    /// `PUBLIC_KEY_PATH`.
    #[serde(rename = "ReplicationSourcePublicKeyPath")]
    pub public_key_path: String,
    /// `GET_SOURCE_PUBLIC_KEY`.
    #[serde(rename = "ReplicationGetSourcePublicKey")]
    pub get_public_key: NullBool,
    /// Words for what is wrong with it, see [`crate::lens`].
    pub problems: Vec<String>,
    /// Nanoseconds.
    pub last_discovery_latency: u64,
    /// Name of its replication group.
    pub replication_group_name: String,
    /// Only one member of the group is writable.
    pub replication_group_is_single_primary: bool,
    /// `ONLINE`, `RECOVERING`, …
    pub replication_group_member_state: String,
    /// `PRIMARY`, `SECONDARY` or empty.
    pub replication_group_member_role: String,
    /// The other members, sorted.
    pub replication_group_members: Vec<Key>,
    /// The group's primary.
    pub replication_group_primary_instance_key: Key,
    /// An internal of the original that leaked; always empty.
    #[serde(rename = "QSP")]
    pub qsp: Empty,
}

/// *Shape*: `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Empty {}
