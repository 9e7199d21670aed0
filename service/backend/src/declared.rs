//! What people declared: downtimes, promotion rules, aliases, the global switch, pools, pairs, seeds.
//!
//! All of it is replicated: production writes it only while applying commands.

use std::collections::BTreeMap;

use orchestrator_core::instance::PromotionRule;
use orchestrator_core::view::{Candidate, Declared, Downtime};
use orchestrator_core::{InstanceKey, Timestamp};

use crate::error::BackendError;
use crate::port::{Backend, OnConflict};
use crate::rows::{CandidateRow, DowntimeRow, KeyValueRow, PoolMemberRow};
use crate::value::{Value, key_values};

const KEY: [&str; 2] = ["hostname", "port"];

impl dyn Backend + '_ {
    /// Everything that was declared, as analysis and recovery read it.
    pub fn declared(&mut self) -> Result<Declared, BackendError> {
        let downtimes = self.downtimes()?.into_iter().map(|row| {
            let DowntimeRow { key, owner, reason, begins_at, ends_at } = row;
            (key, Downtime { owner, reason, begins_at, ends_at })
        });
        let candidates = self
            .candidates()?
            .into_iter()
            .map(|row| (row.key, Candidate { rule: row.rule, declared_at: row.declared_at }));
        Ok(Declared {
            downtimes: downtimes.collect(),
            candidates: candidates.collect(),
            maintenance: self.maintenance()?,
            recoveries_disabled: self.recoveries_disabled()?,
            cluster_aliases: self.declared_aliases()?,
            active_recoveries: self.active_recoveries()?,
        })
    }

    /// Downtimes in the order of their instances, also ended ones that were not cleared yet.
    pub fn downtimes(&mut self) -> Result<Vec<DowntimeRow>, BackendError> {
        let sql = "select hostname, port, owner, reason, begin_timestamp, end_timestamp \
                   from database_instance_downtime where downtime_active = 1 order by hostname, port";
        let rows = self.query(sql, &[])?;
        let read = |mut row: crate::value::Row| DowntimeRow {
            key: row.key(),
            owner: row.text(),
            reason: row.text(),
            begins_at: row.time().unwrap_or_default(),
            ends_at: row.time().unwrap_or_default(),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Begins or replaces a downtime.
    pub fn begin_downtime(&mut self, downtime: &DowntimeRow) -> Result<(), BackendError> {
        let [hostname, port] = key_values(&downtime.key);
        let row = vec![
            ("hostname", hostname),
            ("port", port),
            ("downtime_active", 1_i64.into()),
            ("begin_timestamp", downtime.begins_at.into()),
            ("end_timestamp", downtime.ends_at.into()),
            ("owner", (&downtime.owner).into()),
            ("reason", (&downtime.reason).into()),
        ];
        self.insert("database_instance_downtime", OnConflict::Update(&KEY), row)
    }

    /// Ends a downtime; `false` when there was none.
    pub fn end_downtime(&mut self, key: &InstanceKey) -> Result<bool, BackendError> {
        let sql = "delete from database_instance_downtime where hostname = ? and port = ?";
        Ok(self.execute(sql, &key_values(key))? > 0)
    }

    /// Promotion rules in the order of their instances, also expired ones that were not cleared yet.
    pub fn candidates(&mut self) -> Result<Vec<CandidateRow>, BackendError> {
        let sql = "select hostname, port, promotion_rule, last_suggested from candidate_database_instance \
                   order by hostname, port";
        let rows = self.query(sql, &[])?;
        let read = |mut row: crate::value::Row| CandidateRow {
            key: row.key(),
            rule: PromotionRule::parse(&row.text()).unwrap_or_default(),
            declared_at: row.time().unwrap_or_default(),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Declares or renews a promotion rule.
    pub fn register_candidate(&mut self, candidate: &CandidateRow) -> Result<(), BackendError> {
        let [hostname, port] = key_values(&candidate.key);
        let row = vec![
            ("hostname", hostname),
            ("port", port),
            ("promotion_rule", candidate.rule.as_str().into()),
            ("last_suggested", candidate.declared_at.into()),
        ];
        self.insert("candidate_database_instance", OnConflict::Update(&KEY), row)
    }

    /// Instances that a refactoring or a person locked, and until when.
    pub fn maintenance(&mut self) -> Result<BTreeMap<InstanceKey, Timestamp>, BackendError> {
        let sql = "select hostname, port, end_timestamp from database_instance_maintenance \
                   where maintenance_active = 1";
        let rows = self.query(sql, &[])?;
        Ok(rows.into_iter().map(|mut row| (row.key(), row.time().unwrap_or_default())).collect())
    }

    /// Members of one pool or of all, in the order of pools, then of instances; also unknown instances.
    pub fn pool_members(&mut self, pool: Option<&str>) -> Result<Vec<PoolMemberRow>, BackendError> {
        let (condition, values) = match pool {
            None => ("1 = 1", vec![]),
            Some(pool) => ("pool = ?", vec![pool.into()]),
        };
        let sql = format!(
            "select pool, hostname, port from database_instance_pool \
             where {condition} order by pool, hostname, port"
        );
        let read = |mut row: crate::value::Row| PoolMemberRow { pool: row.text(), key: row.key() };
        Ok(self.query(&sql, &values)?.into_iter().map(read).collect())
    }

    /// Automatic recoveries are switched off everywhere.
    pub fn recoveries_disabled(&mut self) -> Result<bool, BackendError> {
        let sql = "select count(*) from global_recovery_disable where disable_recovery = 1";
        Ok(self.query_int(sql, &[])? > 0)
    }

    /// Switches automatic recoveries off or on.
    pub fn set_recoveries_disabled(&mut self, disabled: bool) -> Result<(), BackendError> {
        if !disabled {
            return self.execute("delete from global_recovery_disable", &[]).map(drop);
        }
        let row = vec![("disable_recovery", 1_i64.into())];
        self.insert("global_recovery_disable", OnConflict::Ignore, row)
    }

    /// Declared aliases by cluster name.
    pub fn declared_aliases(&mut self) -> Result<BTreeMap<String, String>, BackendError> {
        let rows = self.query("select cluster_name, alias from cluster_alias_override", &[])?;
        Ok(rows.into_iter().map(|mut row| (row.text(), row.text())).collect())
    }

    /// Declares the alias of a cluster, or takes the declaration back.
    pub fn set_cluster_alias(&mut self, cluster: &str, alias: Option<&str>) -> Result<(), BackendError> {
        let Some(alias) = alias else {
            let sql = "delete from cluster_alias_override where cluster_name = ?";
            return self.execute(sql, &[cluster.into()]).map(drop);
        };
        let row = vec![("cluster_name", cluster.into()), ("alias", alias.into())];
        self.insert("cluster_alias_override", OnConflict::Update(&["cluster_name"]), row)
    }

    /// The replicated pairs in the order of their keys.
    pub fn key_values(&mut self) -> Result<Vec<KeyValueRow>, BackendError> {
        let rows = self.query("select store_key, store_value from kv_store order by store_key", &[])?;
        Ok(rows.into_iter().map(|mut row| KeyValueRow { key: row.text(), value: row.text() }).collect())
    }

    /// Sets one pair.
    pub fn put_key_value(&mut self, pair: &KeyValueRow, at: Timestamp) -> Result<(), BackendError> {
        let row = vec![
            ("store_key", (&pair.key).into()),
            ("store_value", (&pair.value).into()),
            ("last_updated", at.into()),
        ];
        self.insert("kv_store", OnConflict::Update(&["store_key"]), row)
    }

    /// Instances that people asked to discover, in the order of their names.
    pub fn discovered(&mut self) -> Result<Vec<InstanceKey>, BackendError> {
        let rows =
            self.query("select hostname, port from orchestrator_discovered order by hostname, port", &[])?;
        Ok(rows.into_iter().map(|mut row| row.key()).collect())
    }

    /// Notes an instance that somebody asked to discover.
    pub fn add_discovered(&mut self, key: &InstanceKey, at: Timestamp) -> Result<(), BackendError> {
        let [hostname, port] = key_values(key);
        let row = vec![("hostname", hostname), ("port", port), ("discovered_at", Value::from(at))];
        self.insert("orchestrator_discovered", OnConflict::Ignore, row)
    }
}
