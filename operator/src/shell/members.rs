//! The members' own API: the only way in which the operator speaks to them.
//!
//! One connection a call: three thousand idle ones would hold more memory than everything else together, and a member
//! that was replaced would be asked at its former address.

mod address;
mod call;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, StatusCode};
use orchestrator_crds::BootstrapStatus;
use orchestrator_wire::MemberStatus;
use rustls::ClientConfig;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::plan::Change;

pub use address::{Place, place};
pub use call::{CallError, client_config};

/// A member answers from memory; whoever takes longer is as good as silent, and others wait for this pass.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);
/// Reading two small files and taking them over.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A change is committed within milliseconds, or waits for somebody who is not there. Whatever became of it, the next
/// pass sees it.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(20);

/// How one member is reached and let in.
#[derive(Clone)]
pub struct Door {
    /// Where it is.
    pub place: Place,
    /// Whom to believe, where the API is served by HTTPS.
    pub tls: Option<Arc<ClientConfig>>,
    /// The operator's token.
    pub token: Option<Arc<str>>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("place", &self.place)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// What a member answers to a reload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Reloaded {
    /// Of the files that it read.
    pub config_hash: String,
    /// Of its list of peers.
    pub raft_nodes_hash: String,
    /// What could not be taken over, one line each.
    pub problems: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Bootstrap<'a> {
    token: &'a str,
    #[serde(rename = "ClusterID")]
    cluster_id: &'a str,
    members: Vec<FirstMember<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FirstMember<'a> {
    #[serde(rename = "NodeID")]
    node_id: i64,
    addr: &'a str,
}

impl Door {
    /// How it is, by its own words.
    ///
    /// # Errors
    /// It did not answer as it should within two seconds.
    pub async fn status(&self) -> Result<MemberStatus, CallError> {
        self.post("operator/status", &json!({}), STATUS_TIMEOUT).await
    }

    /// The same of a member that somebody else runs: it may not know our token.
    ///
    /// # Errors
    /// As [`Door::status`].
    pub async fn open_status(&self) -> Result<MemberStatus, CallError> {
        let (status, body) = self.ask(Method::GET, "raft-status", None, STATUS_TIMEOUT).await?;
        read(status, &body)
    }

    /// Asks it to form the group that was written down. The same again does nothing.
    ///
    /// # Errors
    /// It refuses, or did not answer.
    pub async fn bootstrap(&self, group: &BootstrapStatus) -> Result<(), CallError> {
        let members = group.members.iter();
        let members = members.map(|of| FirstMember { node_id: of.node_id, addr: &of.address }).collect();
        let body = Bootstrap { token: &group.token, cluster_id: &group.cluster_id, members };
        self.post::<serde_json::Value>("raft-bootstrap", &body, CHANGE_TIMEOUT).await.map(|_| ())
    }

    /// Asks the leader for a change of the members, if they are still those of `expect`.
    ///
    /// # Errors
    /// They are not, it refuses, or did not answer.
    pub async fn change(&self, change: &Change, expect: u64, cluster_id: &str) -> Result<(), CallError> {
        let mut body = json!({ "ExpectMembershipLogIndex": expect, "ClusterID": cluster_id });
        match change {
            Change::AddLearner(address) => {
                body["Op"] = json!("AddLearner");
                body["Addr"] = json!(address);
            }
            Change::Voters(voters) => {
                body["Op"] = json!("Change");
                body["Voters"] = json!(voters);
            }
            Change::RemoveLearner(node) => {
                body["Op"] = json!("RemoveLearner");
                body["RemoveNodes"] = json!([node]);
            }
        }
        self.post::<serde_json::Value>("raft-membership", &body, CHANGE_TIMEOUT).await.map(|_| ())
    }

    /// Asks the leader to hand over. Its answer proves nothing: the next status does.
    ///
    /// # Errors
    /// It refuses, or did not answer.
    pub async fn transfer(&self, to: &str) -> Result<(), CallError> {
        self.post::<serde_json::Value>("operator/transfer", &json!({ "To": to }), STATUS_TIMEOUT)
            .await
            .map(|_| ())
    }

    /// Asks it to read its files again.
    ///
    /// # Errors
    /// It refuses what stands there, or did not answer.
    pub async fn reload(&self) -> Result<Reloaded, CallError> {
        self.post("operator/reload", &json!({}), RELOAD_TIMEOUT).await
    }

    /// Asks it to go on alone.
    ///
    /// # Errors
    /// It refuses, or did not answer.
    pub async fn force_new_cluster(&self, cluster_id: &str, epoch: u64) -> Result<(), CallError> {
        let body = json!({ "ClusterID": cluster_id, "Epoch": epoch });
        self.post::<serde_json::Value>("raft-force-new-cluster", &body, CHANGE_TIMEOUT).await.map(|_| ())
    }

    async fn post<T: DeserializeOwned>(
        &self,
        route: &str,
        body: &impl Serialize,
        limit: Duration,
    ) -> Result<T, CallError> {
        let body = serde_json::to_vec(body).expect("what we send is JSON");
        let (status, body) = self.ask(Method::POST, route, Some(body.into()), limit).await?;
        read(status, &body)
    }

    async fn ask(
        &self,
        method: Method,
        route: &str,
        body: Option<Bytes>,
        limit: Duration,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let asked = call::call(self, method, route, body.unwrap_or_default());
        tokio::time::timeout(limit, asked).await.unwrap_or(Err(CallError::Late(limit)))
    }
}

/// An error of the API: `{"Code":"ERROR","Message":…}`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    #[serde(default)]
    message: String,
}

fn read<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, CallError> {
    if status.is_success() {
        return serde_json::from_slice(body).map_err(CallError::Unreadable);
    }
    let said = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.message);
    let said = said.unwrap_or_else(|_| String::from_utf8_lossy(body).trim().to_owned());
    Err(CallError::Refused { status, said: shortened(said) })
}

/// Enough for a sentence in a status.
const SAID_CHARS_MAX: usize = 500;

fn shortened(text: String) -> String {
    match text.char_indices().nth(SAID_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_members_words() {
        let body = br#"{"Code":"ERROR","Message":"the members changed","Details":null}"#;
        let error = read::<MemberStatus>(StatusCode::CONFLICT, body).expect_err("it is refused");
        assert_eq!(error.to_string(), "409: the members changed");
        let error = read::<MemberStatus>(StatusCode::NOT_FOUND, b"").expect_err("it is refused");
        assert_eq!(error.to_string(), "404");
    }

    #[test]
    fn long_answers_are_cut_at_a_character() {
        assert_eq!(shortened("ä".repeat(501)).chars().count(), 501);
        assert_eq!(shortened("short".to_owned()), "short");
    }
}
