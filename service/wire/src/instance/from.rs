//! From what is known of an instance to its JSON. Every struct of the core is taken apart without `..`,
//! so that a new field must be placed here.

use std::collections::BTreeMap;

use orchestrator_core::{
    InstanceKey, Timestamp,
    instance::{
        Flavor, GroupMember, GtidState, Identity, Instance as CoreInstance, Labels, PromotionRule,
        Replication, ReplicationGtid, SemiSync, Settings, SourceContact, ThreadState,
    },
    topology::Place,
    view::{Checks, Downtime, InstanceRecord},
};

use super::Instance;
use crate::{
    key::{self, Key},
    lens::Lens,
    quote,
    scalar::{LogPosition, NullBool, NullInt, thread_state},
    time,
};

/// What the original says for the UUID of a source that tells none.
const NO_UUID: &str = "No";

impl Lens<'_> {
    /// One instance as clients see it.
    pub fn instance(&self, record: &InstanceRecord) -> Instance {
        // What could not be read shows as last known: the wire has no word for it.
        let InstanceRecord { instance, checks, unread: _, source_contact_at: _ } = record;
        let CoreInstance {
            key,
            identity,
            settings,
            binary_log,
            replication,
            gtid,
            semi_sync,
            replicas,
            group,
            labels,
            lag_seconds,
        } = instance;
        let errant = self.errant(key);
        let place = self.topology.place(key);
        let replicas = self.replicas(place, replicas);
        let mut wire = Instance {
            key: key.into(),
            self_binlog_coordinates: binary_log.as_ref().map(LogPosition::binary).unwrap_or_default(),
            source_uuid: NO_UUID.into(),
            sql_state: thread_state(None),
            io_state: thread_state(None),
            relaylog_coordinates: LogPosition { kind: 1, ..LogPosition::default() },
            lag_legacy: (*lag_seconds).into(),
            lag: (*lag_seconds).into(),
            replicas_legacy: replicas.clone(),
            replicas,
            problems: self.problems(record),
            gtid_errant: errant,
            is_up_to_date: self.is_up_to_date(record),
            is_recently_checked: self.is_recently_checked(record),
            ..Instance::default()
        };
        wire.put_identity(identity);
        wire.put_settings(settings);
        wire.put_gtid(gtid);
        wire.put_semi_sync(semi_sync);
        wire.put_labels(labels);
        wire.put_checks(checks, self.now);
        wire.put_rule(self.promotion_rule(record));
        if let Some(replication) = replication {
            wire.put_replication(replication);
        }
        if let Some(group) = group {
            wire.put_group(group);
        }
        wire.put_place(place, key);
        if let Some(downtime) = self.downtime(key) {
            wire.put_downtime(downtime, self.now);
        }
        wire
    }

    /// Those that replicate from it, and those that only it tells of.
    fn replicas<'k>(
        &'k self,
        place: Option<&'k Place>,
        listed: impl IntoIterator<Item = &'k InstanceKey>,
    ) -> Vec<Key> {
        let unknown = listed.into_iter().filter(|key| self.view.get(key).is_none());
        key::sorted(place.iter().flat_map(|place| &place.replicas).chain(unknown))
    }
}

impl Instance {
    fn put_identity(&mut self, identity: &Identity) {
        let Identity {
            server_id,
            server_uuid,
            version,
            version_comment,
            uptime_seconds,
            hostname: _,
            report_host: _,
        } = identity;
        self.server_id = u64::from(*server_id);
        self.server_uuid.clone_from(server_uuid);
        self.version.clone_from(version);
        self.version_comment.clone_from(version_comment);
        self.uptime = *uptime_seconds;
        self.flavor_name = match identity.flavor() {
            Flavor::MySql => "MySQL",
            Flavor::MariaDb => "MariaDB",
            Flavor::Percona => "Percona",
            Flavor::MaxScale => "MaxScale",
            Flavor::Unknown => "unknown",
        }
        .into();
    }

    fn put_settings(&mut self, settings: &Settings) {
        let Settings {
            read_only,
            super_read_only: _,
            log_bin,
            log_replica_updates,
            binlog_format,
            binlog_row_image,
            gtid_mode,
            replica_net_timeout_seconds: _,
        } = settings;
        self.read_only = *read_only;
        self.log_bin_enabled = *log_bin;
        self.log_replica_updates = *log_replica_updates;
        self.log_replica_updates_legacy = *log_replica_updates;
        self.binlog_format = binlog_format.map_or("", |format| format.as_str()).into();
        self.binlog_row_image.clone_from(binlog_row_image);
        self.gtid_mode.clone_from(gtid_mode);
        self.supports_oracle_gtid = !gtid_mode.is_empty() && gtid_mode != "OFF";
    }

    fn put_gtid(&mut self, gtid: &GtidState) {
        let GtidState { executed, purged, binlog_pos: _ } = gtid;
        self.executed_gtid_set.clone_from(executed);
        self.gtid_purged.clone_from(purged);
    }

    fn put_semi_sync(&mut self, semi_sync: &SemiSync) {
        let SemiSync {
            available,
            new_names,
            source_enabled,
            replica_enabled,
            source_timeout_millis,
            wait_for_replica_count,
            source_status,
            source_clients,
            source_wait_sessions: _,
            replica_status,
        } = semi_sync;
        self.semi_sync_available = *available;
        self.semi_sync_source_new_plugin = *new_names;
        self.semi_sync_replica_new_plugin = *new_names;
        self.semi_sync_source_enabled = *source_enabled;
        self.semi_sync_replica_enabled = *replica_enabled;
        self.semi_sync_source_timeout = *source_timeout_millis;
        self.semi_sync_wait_for_replica_count = u64::from(*wait_for_replica_count);
        self.semi_sync_source_status = *source_status;
        self.semi_sync_source_clients = u64::from(*source_clients);
        self.semi_sync_replica_status = *replica_status;
    }

    fn put_labels(&mut self, labels: &Labels) {
        let Labels {
            alias,
            data_center,
            region,
            environment,
            cluster_alias,
            cluster_domain: _,
            promotion_rule: _,
            semi_sync_priority,
            replication_credentials_available,
        } = labels;
        self.instance_alias.clone_from(alias);
        self.data_center.clone_from(data_center);
        self.region.clone_from(region);
        self.physical_environment.clone_from(environment);
        self.suggested_cluster_alias.clone_from(cluster_alias);
        self.semi_sync_priority = u64::from(*semi_sync_priority);
        self.replication_credentials_available = *replication_credentials_available;
    }

    fn put_checks(&mut self, checks: &Checks, now: Timestamp) {
        let Checks { last_attempted: _, last_checked: _, last_seen, partial_success: _, failure: _, latency } =
            checks;
        self.last_seen_timestamp = time::rfc3339_or_empty(*last_seen);
        self.is_last_check_valid = checks.is_valid();
        self.seconds_since_last_seen = last_seen.map(|seen| now.since(seen).as_secs()).into();
        self.last_discovery_latency = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
    }

    fn put_rule(&mut self, rule: PromotionRule) {
        self.is_candidate = matches!(rule, PromotionRule::Must | PromotionRule::Prefer);
        self.promotion_rule = rule.as_str().into();
    }

    fn put_replication(&mut self, replication: &Replication) {
        let Replication {
            source,
            user,
            source_uuid,
            io_thread,
            sql_thread,
            read,
            executed,
            relay,
            gtid,
            received_gtid: _,
            io_errno: _,
            io_error,
            sql_errno: _,
            sql_error,
            seconds_behind,
            sql_delay_seconds,
            has_filters,
            contact: SourceContact { age_millis: _, heartbeats: _, heartbeat_period_millis: _ },
            transport_options,
        } = replication;
        self.source = source.into();
        self.is_source_detached = source.is_detached();
        self.has_replication_credentials = !user.is_empty();
        if !source_uuid.is_empty() {
            self.source_uuid.clone_from(source_uuid);
        }
        self.put_threads(*io_thread, *sql_thread);
        self.read_binlog_coordinates = LogPosition::binary(read);
        self.exec_binlog_coordinates = LogPosition::binary(executed);
        self.is_detached = executed.file.starts_with("//");
        self.relaylog_coordinates = LogPosition::relay(relay);
        self.using_oracle_gtid = *gtid == ReplicationGtid::Oracle;
        self.using_mariadb_gtid = *gtid == ReplicationGtid::MariaDb;
        self.last_io_error = quote::error_text(io_error);
        self.last_sql_error = quote::error_text(sql_error);
        self.seconds_behind = NullInt::from(*seconds_behind);
        self.sql_delay = u64::from(*sql_delay_seconds);
        self.has_replication_filters = *has_filters;
        self.put_transport(transport_options);
    }

    fn put_threads(&mut self, io_thread: ThreadState, sql_thread: ThreadState) {
        self.io_state = thread_state(Some(io_thread));
        self.sql_state = thread_state(Some(sql_thread));
        self.io_running = io_thread == ThreadState::Running;
        self.sql_running = sql_thread == ThreadState::Running;
        self.io_running_legacy = self.io_running;
        self.sql_running_legacy = self.sql_running;
    }

    /// Clauses that this release does not know stay inside; they survive a change of source all the same.
    fn put_transport(&mut self, options: &BTreeMap<String, String>) {
        let text = |name: &str| options.get(name).cloned().unwrap_or_default();
        let switch = |name: &str| NullBool::from(options.get(name).map(|value| is_on(value)));
        self.allow_tls = switch("SSL").value;
        self.ssl_ca = text("SSL_CA");
        self.ssl_ca_path = text("SSL_CAPATH");
        self.ssl_cert = text("SSL_CERT");
        self.ssl_cipher = text("SSL_CIPHER");
        self.ssl_crl = text("SSL_CRL");
        self.ssl_crl_path = text("SSL_CRLPATH");
        self.ssl_key = text("SSL_KEY");
        self.ssl_verify_server_cert = switch("SSL_VERIFY_SERVER_CERT");
        self.tls_version = text("TLS_VERSION");
        self.tls_ciphersuites = text("TLS_CIPHERSUITES");
        self.public_key_path = text("PUBLIC_KEY_PATH");
        self.get_public_key = switch("GET_SOURCE_PUBLIC_KEY");
    }

    fn put_group(&mut self, group: &GroupMember) {
        let GroupMember { name, single_primary, state, role, members, primary } = group;
        self.replication_group_name.clone_from(name);
        self.replication_group_is_single_primary = *single_primary;
        self.replication_group_member_state.clone_from(state);
        self.replication_group_member_role.clone_from(role);
        self.replication_group_members = key::sorted(members);
        self.replication_group_primary_instance_key = Key::or_none(primary.as_ref());
    }

    /// An instance without a place (the topology is older than the view) counts as its own cluster.
    fn put_place(&mut self, place: Option<&Place>, key: &InstanceKey) {
        let Some(place) = place else {
            self.cluster_name = key.to_string();
            return;
        };
        let Place {
            cluster,
            depth,
            is_co_primary,
            ancestry_uuid,
            source,
            upstream: _,
            replicas: _,
            secondaries: _,
            suggested_alias,
        } = place;
        self.cluster_name = cluster.as_ref().into();
        self.replication_depth = u64::from(*depth);
        self.is_co_primary = *is_co_primary;
        self.ancestry_uuid.clone_from(ancestry_uuid);
        self.suggested_cluster_alias = suggested_alias.as_ref().into();
        if let Some(source) = source {
            self.source = source.into();
        }
    }

    fn put_downtime(&mut self, downtime: &Downtime, now: Timestamp) {
        let Downtime { owner, reason, begins_at, ends_at } = downtime;
        self.is_downtimed = true;
        self.downtime_owner.clone_from(owner);
        self.downtime_reason.clone_from(reason);
        self.downtime_end_timestamp = time::sql(*ends_at);
        self.elapsed_downtime = u64::try_from(now.since(*begins_at).as_nanos()).unwrap_or(u64::MAX);
    }
}

fn is_on(value: &str) -> bool {
    ["1", "yes", "on", "true"].iter().any(|word| value.eq_ignore_ascii_case(word))
}
