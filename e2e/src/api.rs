//! A client for the HTTP API that takes answers apart as little as possible: JSON in, JSON out.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde_json::Value;

use crate::lab::Server;
use crate::line::Line;
use crate::sql::block_on;

/// Longest answer that a story waits for: `recover` answers when the recovery has ended.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A health question is answered in a millisecond or not at all.
const HEALTH_WITHIN: Duration = Duration::from_secs(1);

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body as JSON; text that is not JSON becomes a JSON string.
    pub body: Value,
    /// From connect to the last byte.
    pub elapsed: Duration,
}

impl Reply {
    /// `Details` of an envelope whose `Code` is `OK`.
    ///
    /// # Errors
    /// With the envelope's message otherwise.
    pub fn details(self) -> Result<Value> {
        if self.status == 200 && self.body["Code"] == "OK" {
            return Ok(self.body["Details"].clone());
        }
        bail!("status {}: {}", self.status, self.body)
    }

    /// The body of a route that answers without an envelope.
    ///
    /// # Errors
    /// When the status is not 200.
    pub fn raw(self) -> Result<Value> {
        if self.status == 200 { Ok(self.body) } else { bail!("status {}: {}", self.status, self.body) }
    }
}

/// The API of one node.
#[derive(Debug, Clone)]
pub struct Api {
    /// `http://host:port`, without a path.
    pub base: String,
}

async fn fetch(base: &str, path: &str) -> Result<(u16, Bytes)> {
    let authority = base.strip_prefix("http://").context("the harness speaks plain http")?;
    Line::to(authority).await?.get(path).await
}

impl Api {
    /// The API at `base`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned() }
    }

    /// `GET {base}{path}` within `limit`.
    ///
    /// # Errors
    /// No connection or no complete answer in time; any status is an answer.
    pub fn get_within(&self, path: &str, limit: Duration) -> Result<Reply> {
        let (answer, elapsed) = block_on(async {
            let began = Instant::now();
            let answer = tokio::time::timeout(limit, fetch(&self.base, path)).await;
            (answer.context("no answer in time"), began.elapsed())
        });
        let (status, bytes) = answer.and_then(|a| a).with_context(|| format!("GET {}{path}", self.base))?;
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok(Reply { status, body, elapsed })
    }

    /// `GET /api/{route}`.
    ///
    /// # Errors
    /// As [`Api::get_within`].
    pub fn get(&self, route: &str) -> Result<Reply> {
        self.get_within(&format!("/api/{route}"), ANSWER_WITHIN)
    }

    /// `raft-health` says 200.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.get_within("/api/raft-health", HEALTH_WITHIN).is_ok_and(|r| r.status == 200)
    }

    /// `leader-check` says 200.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.get_within("/api/leader-check", HEALTH_WITHIN).is_ok_and(|r| r.status == 200)
    }

    /// Discovers a server and returns it as the node sees it.
    ///
    /// # Errors
    /// With the server's message.
    pub fn discover(&self, server: &Server) -> Result<Value> {
        self.get(&format!("discover/{}", server.path()))?.details()
    }

    /// One instance, or an error when it is not known.
    ///
    /// # Errors
    /// With the server's message.
    pub fn instance(&self, server: &Server) -> Result<Value> {
        self.get(&format!("instance/{}", server.path()))?.raw()
    }

    /// All instances of a cluster, by name, alias or member.
    ///
    /// # Errors
    /// When the cluster is not known.
    pub fn cluster(&self, hint: &str) -> Result<Vec<Value>> {
        list(self.get(&format!("cluster/{hint}"))?.raw()?)
    }

    /// `clusters-info`.
    ///
    /// # Errors
    /// With the server's message.
    pub fn clusters_info(&self) -> Result<Vec<Value>> {
        list(self.get("clusters-info")?.raw()?)
    }

    /// The tree as text.
    ///
    /// # Errors
    /// When the cluster is not known.
    pub fn topology(&self, hint: &str) -> Result<String> {
        let details = self.get(&format!("topology/{hint}"))?.details()?;
        details.as_str().map(str::to_owned).context("topology is text")
    }

    /// Entries of `replication-analysis` about one server; empty when nothing is wrong with it.
    ///
    /// # Errors
    /// With the server's message.
    pub fn analysis_of(&self, server: &Server) -> Result<Vec<Value>> {
        let all = list(self.get("replication-analysis")?.details()?)?;
        Ok(all.into_iter().filter(|e| key_of(&e["AnalyzedInstanceKey"]) == server.key()).collect())
    }

    /// Failure detections about one server, newest first.
    ///
    /// # Errors
    /// With the server's message.
    pub fn detections_of(&self, server: &Server) -> Result<Vec<Value>> {
        self.audited("audit-failure-detection", server)
    }

    /// Recoveries of one server, newest first.
    ///
    /// # Errors
    /// With the server's message.
    pub fn recoveries_of(&self, server: &Server) -> Result<Vec<Value>> {
        self.audited("audit-recovery", server)
    }

    fn audited(&self, route: &str, server: &Server) -> Result<Vec<Value>> {
        let all = list(self.get(route)?.raw()?)?;
        Ok(all
            .into_iter()
            .filter(|e| key_of(&e["AnalysisEntry"]["AnalyzedInstanceKey"]) == server.key())
            .collect())
    }

    /// Messages of a recovery's steps, oldest first.
    ///
    /// # Errors
    /// With the server's message.
    pub fn steps(&self, uid: &str) -> Result<Vec<String>> {
        let steps = list(self.get(&format!("audit-recovery-steps/{uid}"))?.raw()?)?;
        Ok(steps.iter().filter_map(|s| s["Message"].as_str().map(str::to_owned)).collect())
    }
}

fn list(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        // Some routes of the original say null for an empty list.
        Value::Null => Ok(Vec::new()),
        other => bail!("a list was expected: {other}"),
    }
}

/// `host:port` of a key as the API writes it.
#[must_use]
pub fn key_of(key: &Value) -> String {
    format!("{}:{}", key["Hostname"].as_str().unwrap_or_default(), key["Port"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_host_colon_port() {
        assert_eq!(key_of(&serde_json::json!({"Hostname": "db1", "Port": 3306})), "db1:3306");
    }

    #[test]
    fn an_error_envelope_is_an_error_with_its_message() {
        let body = serde_json::json!({"Code": "ERROR", "Message": "Unauthorized", "Details": null});
        let error = Reply { status: 500, body, elapsed: Duration::ZERO }.details().expect_err("not OK");
        assert!(error.to_string().contains("Unauthorized"));
    }
}
