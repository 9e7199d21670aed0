//! What analysis says of one instance, in JSON.

use orchestrator_core::analysis::{Facts, Finding, ReplicaCounts, ReplicaTraits, SemiSyncFacts, Sight};
use serde::{Deserialize, Serialize};

use crate::{cluster::ClusterInfo, key::Key, recovery::ProcessingNode, scalar::LogPosition, time};

/// One finding. The order of the fields is that of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReplicationAnalysis {
    /// The instance.
    #[serde(rename = "AnalyzedInstanceKey")]
    pub instance: Key,
    /// Its source; empty = none.
    #[serde(rename = "AnalyzedInstanceMasterKey")]
    pub source: Key,
    /// Its cluster; without the number of instances.
    pub cluster_details: ClusterInfo,
    /// Its data center.
    #[serde(rename = "AnalyzedInstanceDataCenter")]
    pub data_center: String,
    /// Its region.
    #[serde(rename = "AnalyzedInstanceRegion")]
    pub region: String,
    /// Its physical environment.
    #[serde(rename = "AnalyzedInstancePhysicalEnvironment")]
    pub physical_environment: String,
    /// Position of its own binary log.
    #[serde(rename = "AnalyzedInstanceBinlogCoordinates")]
    pub binlog_coordinates: LogPosition,
    /// It is on top.
    #[serde(rename = "IsMaster")]
    pub is_primary: bool,
    /// It is in a replication group.
    pub is_replication_group_member: bool,
    /// It and its source replicate from one another.
    #[serde(rename = "IsCoMaster")]
    pub is_co_primary: bool,
    /// The last probe ended well.
    pub last_check_valid: bool,
    /// The last probe was at least let in.
    pub last_check_partial_success: bool,
    /// Its replicas.
    pub count_replicas: u64,
    /// Of them, those that can be reached.
    pub count_valid_replicas: u64,
    /// Of them, those that replicate.
    pub count_valid_replicating_replicas: u64,
    /// Replicas that cannot connect to it.
    #[serde(rename = "CountReplicasFailingToConnectToMaster")]
    pub count_replicas_failing_to_connect: u64,
    /// Replicas in downtime.
    pub count_downtimed_replicas: u64,
    /// Instances above it.
    pub replication_depth: u64,
    /// Its replicas, sorted.
    pub replicas: Vec<Key>,
    /// Twin of the previous field.
    #[serde(rename = "SlaveHosts")]
    pub replicas_legacy: Vec<Key>,
    /// It cannot connect to its source.
    #[serde(rename = "IsFailingToConnectToMaster")]
    pub is_failing_to_connect: bool,
    /// The code.
    pub analysis: String,
    /// A sentence for people.
    pub description: String,
    /// Codes of structural weaknesses; `null` when there are none.
    pub structure_analysis: Option<Vec<String>>,
    /// It is in downtime.
    pub is_downtimed: bool,
    /// All its replicas are in downtime.
    pub is_replicas_downtimed: bool,
    /// `YYYY-MM-DD HH:MM:SS`; empty = no downtime.
    pub downtime_end_timestamp: String,
    /// Seconds until then.
    pub downtime_remaining_seconds: i64,
    /// It serves logs without applying them.
    pub is_binlog_server: bool,
    /// Always `false` as long as Pseudo-GTID is not supported.
    #[serde(rename = "PseudoGTIDImmediateTopology")]
    pub pseudo_gtid_immediate_topology: bool,
    /// All replicas use MySQL's auto position.
    #[serde(rename = "OracleGTIDImmediateTopology")]
    pub oracle_gtid_immediate_topology: bool,
    /// All replicas use MariaDB's GTID.
    #[serde(rename = "MariaDBGTIDImmediateTopology")]
    pub mariadb_gtid_immediate_topology: bool,
    /// All replicas are binary log servers.
    pub binlog_server_immediate_topology: bool,
    /// Source half of semi-sync is switched on.
    #[serde(rename = "SemiSyncMasterEnabled")]
    pub semi_sync_source_enabled: bool,
    /// Source half of semi-sync is in force.
    #[serde(rename = "SemiSyncMasterStatus")]
    pub semi_sync_source_status: bool,
    /// Acknowledgements that a commit waits for.
    #[serde(rename = "SemiSyncMasterWaitForReplicaCount")]
    pub semi_sync_wait_for_replica_count: u64,
    /// Connected semi-synchronous replicas.
    #[serde(rename = "SemiSyncMasterClients")]
    pub semi_sync_source_clients: u64,
    /// Replicas whose replica half is switched on.
    pub count_semi_sync_replicas_enabled: u64,
    /// Replicas that others could follow.
    pub count_logging_replicas: u64,
    /// Of them, those that log statements.
    pub count_statement_based_logging_replicas: u64,
    /// Of them, those that log mixed.
    pub count_mixed_based_logging_replicas: u64,
    /// Of them, those that log rows.
    pub count_row_based_logging_replicas: u64,
    /// How many major versions they are of.
    pub count_distinct_major_versions_logging_replicas: u64,
    /// Replicas with a wanted delay.
    pub count_delayed_replicas: u64,
    /// Replicas that lag.
    pub count_lagging_replicas: u64,
    /// There is a recovery for it.
    pub is_actionable_recovery: bool,
    /// Host name of the node that says so.
    pub processing_node_hostname: String,
    /// Token of the process that says so.
    pub processing_node_token: String,
    /// Nodes that agree, besides this one.
    pub count_additional_agreeing_nodes: i64,
    /// RFC 3339; detections only.
    pub start_active_period: String,
    /// Left alone because of a downtime.
    pub skippable_due_to_downtime: bool,
    /// Its `@@gtid_mode`.
    #[serde(rename = "GTIDMode")]
    pub gtid_mode: String,
    /// Smallest `@@gtid_mode` of its replicas.
    #[serde(rename = "MinReplicaGTIDMode")]
    pub min_replica_gtid_mode: String,
    /// Largest `@@gtid_mode` of its replicas.
    #[serde(rename = "MaxReplicaGTIDMode")]
    pub max_replica_gtid_mode: String,
    /// Errant GTIDs of one of its replicas.
    #[serde(rename = "MaxReplicaGTIDErrant")]
    pub max_replica_gtid_errant: String,
    /// The command that would help; empty = none.
    pub command_hint: String,
    /// `@@read_only`.
    pub is_read_only: bool,
}

impl ReplicationAnalysis {
    /// A finding as clients see it, signed by the node that made it.
    pub fn new(finding: &Finding, node: &ProcessingNode) -> Self {
        let Finding {
            key,
            source,
            cluster,
            alias,
            domain,
            data_center,
            region,
            environment,
            replicas,
            code,
            structure,
            facts,
            replicas_downtimed,
            recovers_primaries,
            recovers_intermediates,
        } = finding;
        let replicas: Vec<_> = replicas.iter().map(Key::from).collect();
        let mut analysis = Self {
            instance: key.into(),
            source: Key::or_none(source.as_ref()),
            cluster_details: ClusterInfo {
                cluster_name: cluster.as_ref().into(),
                cluster_alias: alias.clone(),
                cluster_domain: domain.clone(),
                recovers_primary: *recovers_primaries,
                recovers_intermediate_primary: *recovers_intermediates,
                ..ClusterInfo::default()
            },
            data_center: data_center.clone(),
            region: region.clone(),
            physical_environment: environment.clone(),
            replicas_legacy: replicas.clone(),
            replicas,
            analysis: code.as_str().into(),
            description: code.description().into(),
            structure_analysis: (!structure.is_empty())
                .then(|| structure.iter().map(|warning| warning.as_str().into()).collect()),
            is_replicas_downtimed: *replicas_downtimed,
            downtime_remaining_seconds: finding.downtime_remaining_seconds(),
            is_actionable_recovery: finding.is_actionable(),
            skippable_due_to_downtime: finding.is_skippable(),
            processing_node_hostname: node.hostname.clone(),
            processing_node_token: node.token.clone(),
            ..Self::default()
        };
        analysis.put_facts(facts);
        analysis
    }

    fn put_facts(&mut self, facts: &Facts) {
        let Facts {
            primary,
            co_primary,
            group_member,
            cluster_head: _,
            depth,
            sight: Sight { valid, partial, proven_alive: _, unresolved: _ },
            read_only,
            binlog_server,
            failing_to_connect,
            gtid_mode,
            coordinates,
            replicas,
            traits,
            semi_sync,
            downtimed,
            downtime_ends_at,
            downtime_remaining: _,
            wants_writeable: _,
        } = facts;
        self.is_primary = *primary;
        self.is_co_primary = *co_primary;
        self.is_replication_group_member = *group_member;
        self.replication_depth = u64::from(*depth);
        self.last_check_valid = *valid;
        self.last_check_partial_success = *partial;
        self.is_read_only = *read_only;
        self.is_binlog_server = *binlog_server;
        self.is_failing_to_connect = *failing_to_connect;
        self.gtid_mode.clone_from(gtid_mode);
        self.binlog_coordinates = LogPosition::binary(coordinates);
        self.is_downtimed = *downtimed;
        self.downtime_end_timestamp = time::sql_or_empty(*downtime_ends_at);
        self.put_counts(replicas);
        self.put_traits(traits);
        self.put_semi_sync(semi_sync);
    }

    fn put_counts(&mut self, counts: &ReplicaCounts) {
        let ReplicaCounts {
            all,
            valid,
            replicating,
            silent: _,
            failing_to_connect,
            lagging,
            delayed,
            downtimed,
            logging,
            statement_logging,
            mixed_logging,
            row_logging,
            logging_versions,
            semi_sync,
        } = *counts;
        self.count_replicas = u64::from(all);
        self.count_valid_replicas = u64::from(valid);
        self.count_valid_replicating_replicas = u64::from(replicating);
        self.count_replicas_failing_to_connect = u64::from(failing_to_connect);
        self.count_lagging_replicas = u64::from(lagging);
        self.count_delayed_replicas = u64::from(delayed);
        self.count_downtimed_replicas = u64::from(downtimed);
        self.count_logging_replicas = u64::from(logging);
        self.count_statement_based_logging_replicas = u64::from(statement_logging);
        self.count_mixed_based_logging_replicas = u64::from(mixed_logging);
        self.count_row_based_logging_replicas = u64::from(row_logging);
        self.count_distinct_major_versions_logging_replicas = u64::from(logging_versions);
        self.count_semi_sync_replicas_enabled = u64::from(semi_sync);
    }

    fn put_traits(&mut self, traits: &ReplicaTraits) {
        let ReplicaTraits {
            oracle_gtid,
            mariadb_gtid,
            binlog_server,
            pseudo_gtid,
            min_gtid_mode,
            max_gtid_mode,
            max_errant,
        } = traits;
        self.oracle_gtid_immediate_topology = *oracle_gtid;
        self.mariadb_gtid_immediate_topology = *mariadb_gtid;
        self.binlog_server_immediate_topology = *binlog_server;
        self.pseudo_gtid_immediate_topology = *pseudo_gtid;
        self.min_replica_gtid_mode.clone_from(min_gtid_mode);
        self.max_replica_gtid_mode.clone_from(max_gtid_mode);
        self.max_replica_gtid_errant.clone_from(max_errant);
    }

    fn put_semi_sync(&mut self, semi_sync: &SemiSyncFacts) {
        let SemiSyncFacts { enabled, status, wait_count, clients, blocked: _, stale: _, wants_exact: _ } =
            *semi_sync;
        self.semi_sync_source_enabled = enabled;
        self.semi_sync_source_status = status;
        self.semi_sync_wait_for_replica_count = u64::from(wait_count);
        self.semi_sync_source_clients = u64::from(clients);
    }
}
