//! The two servers of the reference's sample.

use std::time::Duration;

use orchestrator_core::{
    Instance, InstanceKey, Timestamp, TopologyView,
    instance::{
        BinlogCoordinates, BinlogFormat, GtidState, Identity, Labels, Replication, ReplicationGtid, SemiSync,
        Settings, SourceContact, ThreadState,
    },
    topology::Topology,
    view::{Checks, InstanceRecord},
};
use orchestrator_wire::{Lens, Limits};

/// 2024-05-01T10:11:12Z.
pub(crate) const SEEN: Timestamp = Timestamp::from_millis(1_714_558_272_000);

pub(crate) struct Fleet {
    pub(crate) view: TopologyView,
    pub(crate) topology: Topology,
    pub(crate) limits: Limits,
}

impl Fleet {
    pub(crate) fn of(records: impl IntoIterator<Item = InstanceRecord>) -> Self {
        let mut view = TopologyView::default();
        for record in records {
            view.insert(record);
        }
        Self { topology: Topology::of(&view), view, limits: Limits::default() }
    }

    pub(crate) fn lens(&self) -> Lens<'_> {
        let now = SEEN + Duration::from_secs(3);
        Lens { view: &self.view, topology: &self.topology, limits: &self.limits, now }
    }
}

pub(crate) fn key(host: &str) -> InstanceKey {
    InstanceKey::new(format!("{host}.example.com"), 3306)
}

pub(crate) fn record(instance: Instance) -> InstanceRecord {
    let checks = Checks {
        last_attempted: SEEN,
        last_checked: SEEN,
        last_seen: Some(SEEN),
        partial_success: true,
        failure: None,
        latency: Duration::from_nanos(8_123_456),
    };
    InstanceRecord { instance, checks, unread: Vec::new(), source_contact_at: None }
}

fn at(file: &str, position: u64) -> BinlogCoordinates {
    BinlogCoordinates { file: file.into(), position }
}

/// `db1`, on top.
pub(crate) fn primary() -> InstanceRecord {
    let mut instance = Instance::unread(key("db1"));
    instance.identity.server_id = 101;
    instance.identity.server_uuid = "11111111-1111-1111-1111-111111111111".into();
    instance.identity.version = "8.0.36".into();
    instance.gtid.executed = "11111111-1111-1111-1111-111111111111:1-500".into();
    instance.labels.cluster_alias = "prod-a".into();
    record(instance)
}

/// `db2`, which replicates from it.
pub(crate) fn replica() -> InstanceRecord {
    let mut instance = Instance::unread(key("db2"));
    instance.identity = Identity {
        server_id: 102,
        server_uuid: "22222222-2222-2222-2222-222222222222".into(),
        version: "8.0.36".into(),
        version_comment: "MySQL Community Server - GPL".into(),
        uptime_seconds: 86400,
        hostname: "db2".into(),
        report_host: String::new(),
    };
    instance.settings = Settings {
        read_only: true,
        super_read_only: Some(true),
        log_bin: true,
        log_replica_updates: true,
        binlog_format: Some(BinlogFormat::Row),
        binlog_row_image: "FULL".into(),
        gtid_mode: "ON".into(),
        replica_net_timeout_seconds: Some(60),
    };
    instance.binary_log = Some(at("mysql-bin.000007", 1923));
    instance.replication = Some(replication());
    instance.gtid =
        GtidState { executed: "11111111-1111-1111-1111-111111111111:1-500".into(), ..GtidState::default() };
    instance.semi_sync = SemiSync {
        available: true,
        replica_enabled: true,
        replica_status: true,
        source_timeout_millis: 10_000,
        wait_for_replica_count: 1,
        ..SemiSync::default()
    };
    instance.labels = Labels {
        alias: "db2".into(),
        data_center: "dc1".into(),
        semi_sync_priority: 1,
        replication_credentials_available: true,
        ..Labels::default()
    };
    instance.lag_seconds = Some(0);
    record(instance)
}

fn replication() -> Replication {
    Replication {
        source: key("db1"),
        user: "repl".into(),
        source_uuid: "11111111-1111-1111-1111-111111111111".into(),
        io_thread: ThreadState::Running,
        sql_thread: ThreadState::Running,
        read: at("mysql-bin.000012", 8811),
        executed: at("mysql-bin.000012", 8811),
        relay: at("relay-bin.000021", 8990),
        gtid: ReplicationGtid::Oracle,
        received_gtid: String::new(),
        io_errno: 0,
        io_error: String::new(),
        sql_errno: 0,
        sql_error: String::new(),
        seconds_behind: Some(0),
        sql_delay_seconds: 0,
        has_filters: false,
        contact: SourceContact::default(),
        transport_options: Default::default(),
    }
}
