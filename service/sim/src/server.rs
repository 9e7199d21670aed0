//! One server of the fleet: what it holds, how it replicates, and what statements do to it.

use orchestrator_core::{
    InstanceKey,
    instance::{
        BinlogFormat, Instance, PromotionRule, Replication, ReplicationGtid, SourceContact, ThreadState,
    },
};

use crate::rows::{Rows, SERVERS_MAX, uuid};

/// Time between heartbeats, milliseconds.
const HEARTBEAT_MS: u32 = 1_000;

/// A replica notices after this that a silent source is gone, milliseconds.
const NET_TIMEOUT_MS: u64 = 20_000;

/// What can be said to a server; each changes it at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Statement {
    ReadOnly,
    Open,
    StopReceiving,
    StartReceiving,
    Follow(usize),
    ResetReplication,
    Detach,
}

/// What a server is.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) up: bool,
    pub(crate) frozen: bool,
    /// Survives a restart: an old primary comes back writable.
    pub(crate) read_only: bool,
    pub(crate) executed: Rows,
    /// Superset of `executed`; relay logs are durable.
    pub(crate) received: Rows,
    pub(crate) source: Option<usize>,
    pub(crate) detached: bool,
    pub(crate) receiving: bool,
    /// It applies about as fast as clients write, so that it falls behind.
    pub(crate) slow: bool,
    /// The applying thread stands still.
    pub(crate) stuck: bool,
    /// When it last heard its source.
    pub(crate) contact_at: u64,
    /// Own rows that clients were told are safe, or that nobody waits for any more.
    pub(crate) answered: u64,
    /// Own rows that each replica said it received.
    pub(crate) acknowledged_by: [u64; SERVERS_MAX],
    /// What waits for it to wake.
    pub(crate) queued: Vec<Statement>,
    pub(crate) rule: PromotionRule,
    pub(crate) banned: bool,
    pub(crate) logs_updates: bool,
}

pub(crate) fn key(server: usize) -> InstanceKey {
    InstanceKey::new(["a", "b", "c", "d", "e"][server], 3306)
}

pub(crate) fn index(key: &InstanceKey) -> usize {
    usize::from(key.hostname.trim_start_matches('/').as_bytes()[0] - b'a')
}

impl Server {
    /// The first is the primary, the others follow it.
    pub(crate) fn new(at: usize) -> Self {
        Self {
            up: true,
            frozen: false,
            read_only: at != 0,
            executed: Rows::default(),
            received: Rows::default(),
            source: (at != 0).then_some(0),
            detached: false,
            receiving: at != 0,
            slow: false,
            stuck: false,
            contact_at: 0,
            answered: 0,
            acknowledged_by: [0; SERVERS_MAX],
            queued: Vec::new(),
            rule: PromotionRule::Neutral,
            banned: false,
            logs_updates: true,
        }
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.up && !self.frozen
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.is_awake() && !self.read_only
    }

    pub(crate) fn may_not_be_promoted(&self) -> bool {
        self.rule == PromotionRule::MustNot || self.banned
    }

    pub(crate) fn obey(&mut self, statement: &Statement) {
        match statement {
            Statement::ReadOnly => self.read_only = true,
            Statement::Open => self.read_only = false,
            Statement::StopReceiving => self.receiving = false,
            Statement::StartReceiving => self.receiving = self.source.is_some(),
            // As the server does: who follows it already keeps what it received.
            Statement::Follow(source) if self.source == Some(*source) && !self.detached => {
                self.receiving = true;
            }
            Statement::Follow(source) => {
                // A change of source drops the relay log.
                self.received = self.executed;
                (self.source, self.detached, self.receiving) = (Some(*source), false, true);
            }
            Statement::ResetReplication => {
                self.received = self.executed;
                (self.source, self.detached, self.receiving) = (None, false, false);
            }
            Statement::Detach => (self.detached, self.receiving) = (true, false),
        }
    }

    /// A crash ends what clients and peers waited for; a statement that waited in a socket is gone.
    pub(crate) fn crash(&mut self) {
        (self.up, self.frozen) = (false, false);
        self.acknowledged_by = [0; SERVERS_MAX];
        self.queued.clear();
    }

    /// Rows that were in the log at the crash are committed, but nobody waits for them any more.
    pub(crate) fn restart(&mut self, me: usize, now: u64, receives: bool) {
        (self.up, self.answered, self.contact_at) = (true, self.executed.0[me], now);
        self.receiving = if receives { self.source.is_some() && !self.detached } else { false };
    }

    pub(crate) fn wake(&mut self) -> Vec<Statement> {
        self.frozen = false;
        let queued = std::mem::take(&mut self.queued);
        queued.iter().for_each(|statement| self.obey(statement));
        queued
    }

    /// What a probe reads. `gone` = its source refuses connections.
    pub(crate) fn instance(&self, me: usize, now: u64, gone: bool, acks: u32, clients: u32) -> Instance {
        let mut instance = Instance::unread(key(me));
        let identity = &mut instance.identity;
        identity.server_id = me as u32 + 1;
        identity.server_uuid = uuid(me);
        identity.version = "8.4.0".into();
        let settings = &mut instance.settings;
        (settings.read_only, settings.log_bin) = (self.read_only, true);
        settings.log_replica_updates = self.logs_updates;
        settings.binlog_format = Some(BinlogFormat::Row);
        settings.gtid_mode = "ON".into();
        instance.gtid.executed = self.executed.text();
        let semi_sync = &mut instance.semi_sync;
        (semi_sync.available, semi_sync.source_enabled, semi_sync.source_status) = (true, true, true);
        semi_sync.replica_enabled = true;
        (semi_sync.wait_for_replica_count, semi_sync.source_clients) = (acks, clients);
        instance.lag_seconds = Some(0);
        instance.replication = self.source.map(|source| self.replication(source, now, gone));
        instance
    }

    fn replication(&self, source: usize, now: u64, gone: bool) -> Replication {
        let contact = SourceContact {
            age_millis: Some(now - self.contact_at),
            heartbeats: None,
            heartbeat_period_millis: Some(HEARTBEAT_MS),
        };
        let source = key(source);
        Replication {
            source: if self.detached {
                InstanceKey::new(format!("//{}", source.hostname), 3306)
            } else {
                source
            },
            user: "replication".into(),
            source_uuid: String::new(),
            io_thread: match () {
                () if !self.receiving => ThreadState::Stopped,
                // A silent source is told from an idle one by the missing heartbeats only.
                () if !gone && now - self.contact_at < NET_TIMEOUT_MS => ThreadState::Running,
                () => ThreadState::Other,
            },
            sql_thread: if self.stuck { ThreadState::Stopped } else { ThreadState::Running },
            read: Default::default(),
            executed: Default::default(),
            relay: Default::default(),
            gtid: ReplicationGtid::Oracle,
            received_gtid: self.received.text(),
            io_errno: 0,
            io_error: String::new(),
            sql_errno: 0,
            sql_error: String::new(),
            seconds_behind: Some(0),
            sql_delay_seconds: 0,
            has_filters: false,
            contact,
            transport_options: Default::default(),
        }
    }
}
