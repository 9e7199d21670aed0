//! Other objects that are named: Secrets and ConfigMaps in the same namespace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An object in the same namespace.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A Secret with a user's name and password.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its key with the user's name.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default = "user_key")]
    pub user_key: String,
    /// Its key with the password.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default = "password_key")]
    pub password_key: String,
}

fn user_key() -> String {
    "username".to_owned()
}

fn password_key() -> String {
    "password".to_owned()
}

/// The account with which members reach the MySQL and MariaDB servers.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct TopologySpec {
    /// Secret with user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<CredentialsReference>,
    /// Secret with a client certificate: tls.crt, tls.key, and ca.crt for the authority of the servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_secret_ref: Option<Reference>,
}

/// Programs that run when something fails or is repaired.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct HooksSpec {
    /// ConfigMap whose keys are programs; they are found in /etc/orchestrator/hooks.
    /// Which runs when is said in config, for example by PostMasterFailoverProcesses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<Reference>,
    /// Secrets that the programs need; found in /etc/orchestrator/hook-secrets/NAME.
    #[schemars(length(max = 10))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secret_refs: Vec<Reference>,
}
