//! The last known topology: written behind the view in batches, read once at start (see D11).

mod columns;
mod read;

use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::view::{Checks, InstanceRecord, LOST_IN_RECOVERY};
use orchestrator_core::{Instance, InstanceKey, Timestamp};

use crate::error::BackendError;
use crate::port::{Backend, Insert, OnConflict};
use crate::rows::{ClusterRow, InstanceRow};
use crate::value::{Value, key_values};

use columns::COLUMNS;

impl dyn Backend + '_ {
    /// Writes the newest value of each of these instances, in one transaction.
    ///
    /// *Limits*: a few hundred rows at a time keep other callers from waiting for more than some milliseconds.
    pub fn write_instances(&mut self, rows: &[InstanceRow]) -> Result<(), BackendError> {
        let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        let insert = Insert {
            table: "database_instance",
            columns: &names,
            on_conflict: OnConflict::Update(&["hostname", "port"]),
        };
        let values: Vec<Vec<Value>> =
            rows.iter().map(|row| COLUMNS.iter().map(|(_, value)| value(row)).collect()).collect();
        self.in_transaction(|backend| backend.insert_all(&insert, &values))
    }

    /// Every instance as last written. Attributes that the tables of the original have no column for are
    /// at their defaults until the next probe.
    pub fn instances(&mut self) -> Result<Vec<InstanceRow>, BackendError> {
        let sql = format!("select {} from database_instance order by hostname, port", read::COLUMN_LIST);
        Ok(self.query(&sql, &[])?.into_iter().map(read::instance).collect())
    }

    /// Writes a row for an instance of which only the name is known; one that exists stays as it is.
    ///
    /// The original shows such rows as valid until its first probe of them.
    pub fn add_unread_instance(&mut self, key: &InstanceKey, at: Timestamp) -> Result<(), BackendError> {
        let checks = Checks {
            last_attempted: at,
            last_checked: at,
            last_seen: Some(at),
            partial_success: true,
            failure: None,
            latency: Duration::ZERO,
        };
        let instance = Instance::unread(key.clone());
        let row = InstanceRow {
            record: Arc::new(InstanceRecord {
                instance,
                checks,
                unread: Vec::new(),
                source_contact_at: None,
            }),
            cluster: key.to_string(),
            depth: 0,
            is_co_primary: false,
            ancestry_uuid: String::new(),
            errant_gtid: String::new(),
        };
        // Nobody knows yet whether it replicates.
        let value = |name: &str, value: fn(&InstanceRow) -> Value| match name {
            "replication_sql_thread_state" | "replication_io_thread_state" => 0_i64.into(),
            _ => value(&row),
        };
        let row = COLUMNS.iter().map(|(name, of)| (*name, value(name, *of))).collect();
        self.insert("database_instance", OnConflict::Ignore, row)
    }

    /// Drops these instances; how many were known. Downtimes and promotion rules stay until they end.
    pub fn forget_instances(&mut self, keys: &[InstanceKey]) -> Result<u64, BackendError> {
        self.in_transaction(|backend| {
            let mut forgotten = 0;
            for key in keys {
                let values = key_values(key);
                for table in ["orchestrator_discovered", "database_instance_last_analysis"] {
                    backend
                        .execute(&format!("delete from {table} where hostname = ? and port = ?"), &values)?;
                }
                // What a recovery left behind is forgotten with it: a new server may come to its address.
                let sql =
                    "delete from database_instance_downtime where hostname = ? and port = ? and reason = ?";
                let [hostname, port] = values.clone();
                backend.execute(sql, &[hostname, port, LOST_IN_RECOVERY.into()])?;
                let sql = "delete from database_instance where hostname = ? and port = ?";
                forgotten += backend.execute(sql, &values)?;
            }
            Ok(forgotten)
        })
    }

    /// Writes names of clusters, for reports that read the tables.
    pub fn write_clusters(&mut self, clusters: &[ClusterRow], at: Timestamp) -> Result<(), BackendError> {
        self.in_transaction(|backend| {
            clusters.iter().try_for_each(|cluster| backend.write_cluster(cluster, at))
        })
    }

    fn write_cluster(&mut self, row: &ClusterRow, at: Timestamp) -> Result<(), BackendError> {
        let ClusterRow { cluster, alias, domain } = row;
        let sql = "delete from cluster_alias where alias = ? and cluster_name <> ?";
        self.execute(sql, &[alias.into(), cluster.into()])?;
        let key = OnConflict::Update(&["cluster_name"]);
        let named = |column, value: &String| {
            vec![("cluster_name", cluster.into()), (column, value.into()), ("last_registered", at.into())]
        };
        self.insert("cluster_alias", key, named("alias", alias))?;
        if !domain.is_empty() {
            self.insert("cluster_domain_name", key, named("domain_name", domain))?;
        }
        Ok(())
    }
}
