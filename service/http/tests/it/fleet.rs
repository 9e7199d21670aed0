//! A small fleet, as last seen.

use std::sync::Arc;

use orchestrator_core::{
    Instance, InstanceKey, Timestamp, TopologyView,
    analysis::{AnalysisCode, Facts, Finding, ReplicaCounts, StructureWarning},
    instance::{BinlogCoordinates, BinlogFormat, PromotionRule, Replication, ReplicationGtid, ThreadState},
    topology::Topology,
    view::{Candidate, Checks, Downtime, InstanceRecord},
};
use orchestrator_http::ports::Picture;

/// 2024-05-01T10:11:12Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_714_558_272_000);

pub(crate) fn key(host: &str) -> InstanceKey {
    InstanceKey::new(host, 3306)
}

pub(crate) fn record(host: &str, server_id: u32, source: Option<&str>) -> InstanceRecord {
    let mut instance = Instance::unread(key(host));
    instance.identity.server_id = server_id;
    instance.identity.version = "8.0.36".into();
    instance.identity.server_uuid = format!("{server_id:08}-1111-1111-1111-111111111111");
    instance.settings.read_only = source.is_some();
    instance.settings.log_bin = true;
    instance.settings.log_replica_updates = true;
    instance.settings.binlog_format = Some(BinlogFormat::Row);
    instance.settings.gtid_mode = "ON".into();
    instance.labels.cluster_alias = if source.is_none() { "prod-a".into() } else { String::new() };
    instance.replication = source.map(replication);
    instance.lag_seconds = Some(0);
    let checks = Checks {
        last_attempted: NOW,
        last_checked: NOW,
        last_seen: Some(NOW),
        partial_success: true,
        ..Checks::default()
    };
    InstanceRecord { instance, checks, unread: Vec::new(), source_contact_at: None }
}

fn replication(source: &str) -> Replication {
    let at = BinlogCoordinates { file: "bin.000001".into(), position: 4 };
    Replication {
        source: key(source),
        user: "repl".into(),
        source_uuid: String::new(),
        io_thread: ThreadState::Running,
        sql_thread: ThreadState::Running,
        read: at.clone(),
        executed: at.clone(),
        relay: at,
        gtid: ReplicationGtid::Oracle,
        received_gtid: String::new(),
        io_errno: 0,
        io_error: String::new(),
        sql_errno: 0,
        sql_error: String::new(),
        seconds_behind: Some(0),
        sql_delay_seconds: 0,
        has_filters: false,
        contact: Default::default(),
        transport_options: Default::default(),
    }
}

/// `db1` over `db2` and `db3`, `db3` stopped; `db2` in downtime; `solo10` alone and read-only.
pub(crate) fn picture() -> Picture {
    let mut view = TopologyView::default();
    let mut stopped = record("db3", 103, Some("db1"));
    if let Some(replication) = &mut stopped.instance.replication {
        replication.sql_thread = ThreadState::Stopped;
        replication.sql_error = "1 < 2 & 3".into();
    }
    let mut solo = record("solo10", 110, None);
    solo.instance.settings.read_only = true;
    solo.instance.labels.cluster_alias = "lonely".into();
    for record in [record("db1", 101, None), record("db2", 102, Some("db1")), stopped, solo] {
        view.insert(record);
    }
    let mut declared = (*view.declared).clone();
    let downtime = Downtime {
        owner: "ann".into(),
        reason: "upgrade".into(),
        begins_at: NOW,
        ends_at: Timestamp::from_millis(NOW.as_millis() + 60_000),
    };
    declared.downtimes.insert(key("db2"), downtime);
    let candidate = Candidate { rule: PromotionRule::Prefer, declared_at: NOW };
    declared.candidates.insert(key("db3"), candidate);
    view.declared = declared.into();
    let topology = Topology::of(&view);
    let findings: Arc<[Finding]> = [finding("db1", AnalysisCode::AllPrimaryReplicasNotReplicating)].into();
    Picture { view: Arc::new(view), topology: Arc::new(topology), findings, now: NOW }
}

pub(crate) fn finding(host: &str, code: AnalysisCode) -> Finding {
    Finding {
        key: key(host),
        source: None,
        cluster: "db1:3306".into(),
        alias: "prod-a".into(),
        domain: String::new(),
        data_center: String::new(),
        region: String::new(),
        environment: String::new(),
        replicas: vec![key("db2"), key("db3")],
        code,
        structure: vec![StructureWarning::NoLoggingReplicas],
        facts: Facts {
            primary: true,
            replicas: ReplicaCounts { all: 2, valid: 2, ..ReplicaCounts::default() },
            ..Facts::default()
        },
        replicas_downtimed: false,
        recovers_primaries: false,
        recovers_intermediates: false,
    }
}
