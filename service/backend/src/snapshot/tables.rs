//! Which rows are replicated.

/// One table with replicated rows.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    /// Which of its rows are replicated; the others are this node's own history.
    pub(super) replicated: &'static str,
    /// The columns that tell rows apart. Rows are written in their order, so that equal states make equal files.
    pub(super) order: &'static [&'static str],
    /// What else the table holds.
    pub(super) history: History,
}

/// What a table holds beside replicated rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum History {
    /// Nothing.
    None,
    /// Detections that are active no more.
    Detections,
    /// Recoveries that block no more.
    Recoveries,
    /// Their steps.
    Steps,
}

const WHOLE: &str = "1 = 1";

pub(super) const TABLES: [Table; 11] = [
    Table {
        name: "database_instance_downtime",
        columns: &[
            "hostname",
            "port",
            "downtime_active",
            "begin_timestamp",
            "end_timestamp",
            "owner",
            "reason",
        ],
        replicated: WHOLE,
        order: &["hostname", "port"],
        history: History::None,
    },
    Table {
        name: "candidate_database_instance",
        columns: &["hostname", "port", "promotion_rule", "last_suggested"],
        replicated: WHOLE,
        order: &["hostname", "port"],
        history: History::None,
    },
    Table {
        name: "cluster_alias_override",
        columns: &["cluster_name", "alias"],
        replicated: WHOLE,
        order: &["cluster_name"],
        history: History::None,
    },
    Table {
        name: "kv_store",
        columns: &["store_key", "store_value", "last_updated"],
        replicated: WHOLE,
        order: &["store_key"],
        history: History::None,
    },
    Table {
        name: "global_recovery_disable",
        columns: &["disable_recovery"],
        replicated: WHOLE,
        order: &["disable_recovery"],
        history: History::None,
    },
    Table {
        name: "access_token",
        columns: &[
            "public_token",
            "secret_token",
            "generated_at",
            "generated_by",
            "is_acquired",
            "is_reentrant",
            "acquired_at",
        ],
        replicated: WHOLE,
        order: &["public_token"],
        history: History::None,
    },
    Table {
        name: "orchestrator_discovered",
        columns: &["hostname", "port", "discovered_at"],
        replicated: WHOLE,
        order: &["hostname", "port"],
        history: History::None,
    },
    Table {
        name: "orchestrator_sequence",
        columns: &["sequence_name", "last_id"],
        replicated: WHOLE,
        order: &["sequence_name"],
        history: History::None,
    },
    Table {
        name: "topology_failure_detection",
        columns: &[
            "detection_id",
            "hostname",
            "port",
            "in_active_period",
            "start_active_period",
            "end_active_period_unixtime",
            "processing_node_hostname",
            "processcing_node_token", // sic
            "analysis",
            "cluster_name",
            "cluster_alias",
            "count_affected_slaves",
            "slave_hosts",
            "is_actionable",
        ],
        replicated: "in_active_period = 1",
        order: &["detection_id"],
        history: History::Detections,
    },
    Table {
        name: "topology_recovery",
        columns: &[
            "recovery_id",
            "uid",
            "hostname",
            "port",
            "in_active_period",
            "start_active_period",
            "end_active_period_unixtime",
            "end_recovery",
            "processing_node_hostname",
            "processcing_node_token", // sic
            "is_successful",
            "successor_hostname",
            "successor_port",
            "successor_alias",
            "analysis",
            "cluster_name",
            "cluster_alias",
            "count_affected_slaves",
            "slave_hosts",
            "participating_instances",
            "lost_slaves",
            "all_errors",
            "acknowledged",
            "acknowledged_at",
            "acknowledged_by",
            "acknowledge_comment",
            "last_detection_id",
        ],
        replicated: "in_active_period = 1",
        order: &["recovery_id"],
        history: History::Recoveries,
    },
    Table {
        name: "orchestrator_recovery_progress",
        columns: &[
            "recovery_uid",
            "recovery_id",
            "seq",
            "stage",
            "record",
            "successor_hostname",
            "successor_port",
            "updated_at_millis",
        ],
        replicated: WHOLE,
        order: &["recovery_uid"],
        history: History::None,
    },
];

/// Steps of recoveries that still count. Their numbers are each node's own and stay out.
pub(super) const STEPS: Table = Table {
    name: "topology_recovery_steps",
    columns: &["recovery_uid", "audit_at", "message"],
    replicated: "recovery_uid in (select uid from topology_recovery where in_active_period = 1)",
    order: &["recovery_uid", "recovery_step_id"],
    history: History::Steps,
};

pub(super) fn all() -> impl Iterator<Item = &'static Table> {
    TABLES.iter().chain([&STEPS])
}

/// Those whose rows are all replicated.
pub(super) fn whole() -> impl Iterator<Item = &'static Table> {
    all().filter(|table| table.history == History::None)
}

pub(super) fn named(name: &str) -> Option<&'static Table> {
    all().find(|table| table.name == name)
}
