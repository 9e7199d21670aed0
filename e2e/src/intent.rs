//! The replicated state as it is in a node's own database file: what people declared, wherever they were answered.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::group::Group;
use crate::until::until;

/// Reads from beside: the file is open in the node, and its last commits are in the log beside it.
const READ: &str = r#"
import json, sqlite3, sys
db = sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True, timeout=10)
db.execute("begin")
tables = {
  "database_instance_downtime": "hostname, port, downtime_active, begin_timestamp, end_timestamp, owner, reason",
  "candidate_database_instance": "hostname, port, promotion_rule, last_suggested",
  "cluster_alias_override": "cluster_name, alias",
  "global_recovery_disable": "disable_recovery",
  "kv_store": "store_key, store_value",
  "orchestrator_discovered": "hostname, port, discovered_at",
  "orchestrator_sequence": "sequence_name, last_id",
}
print(json.dumps({t: sorted(db.execute("select %s from %s" % (c, t)).fetchall()) for t, c in tables.items()}))
"#;

/// Replicated rows by table.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent(Value);

impl Intent {
    /// What the database in the node's folder holds.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of(folder: &Path) -> Result<Self> {
        let file = folder.join("orchestrator.sqlite3");
        let out = Command::new("python3").args(["-c", READ]).arg(file).output().context("python3")?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr).trim());
        Ok(Self(serde_json::from_slice(&out.stdout)?))
    }

    /// Reasons of downtimes by server.
    #[must_use]
    pub fn downtimes(&self) -> BTreeMap<String, String> {
        let rows = self.0["database_instance_downtime"].as_array().map_or(&[][..], Vec::as_slice);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        rows.iter().map(|row| (text(&row[0]), text(&row[6]))).collect()
    }

    /// What differs from another, in a few words; `None` if nothing does.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        let tables = self.0.as_object()?;
        let (name, mine) = tables.iter().find(|(name, rows)| other.0[name.as_str()] != **rows)?;
        let (mine, theirs) = (mine.as_array()?, other.0[name.as_str()].as_array()?);
        let only = |these: &[Value], those: &[Value]| these.iter().find(|row| !those.contains(row)).cloned();
        Some(format!(
            "{name}: {} and {} rows; only here {:?}, only there {:?}",
            mine.len(),
            theirs.len(),
            only(mine, theirs),
            only(theirs, mine)
        ))
    }
}

/// Waits until every node has applied the same entries, and answers what each holds. Nobody may write meanwhile.
///
/// # Errors
/// They do not become equal in time, or a file cannot be read.
pub fn of_all(group: &Group, limit: std::time::Duration) -> Result<Vec<Intent>> {
    until("all nodes applied the same", limit, || {
        let applied = group.nodes.iter().map(|node| {
            let status = node.api.get("raft-status").and_then(crate::Reply::raw).unwrap_or_default();
            (status["AppliedIndex"].as_u64(), status["LastLogIndex"].as_u64())
        });
        let applied: Vec<_> = applied.collect();
        let same = applied.iter().all(|it| *it == applied[0] && it.0.is_some() && it.0 == it.1);
        if same { Ok(()) } else { Err(format!("{applied:?}")) }
    })?;
    group.nodes.iter().map(|node| Intent::of(node.folder())).collect()
}
