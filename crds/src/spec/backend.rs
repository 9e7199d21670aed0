//! Where a member keeps its state.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::references::CredentialsReference;
use crate::{closed::closed, rules, schema};

/// In what each member keeps its state.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = rules::backend)]
pub struct BackendSpec {
    /// sqlite: a file on the member's volume. mysql: a database of its own for each member. Cannot be changed.
    #[serde(rename = "type")]
    pub backend_type: BackendType,
    /// The databases, for type mysql.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mysql: Option<MysqlBackendSpec>,
}

impl Default for BackendSpec {
    fn default() -> Self {
        Self { backend_type: BackendType::Sqlite, mysql: None }
    }
}

/// Kinds of backend, spelled as in the service's configuration.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum BackendType {
    /// A file on the member's volume.
    Sqlite,
    /// A database of its own for each member.
    Mysql,
}

/// One database for each member: members share none.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::mysql_backend)]
pub struct MysqlBackendSpec {
    /// Host of a member's database, with {ordinal} where the member's number stands, for example
    /// backend-{ordinal}.databases.svc.
    #[schemars(length(min = 1, max = 253))]
    pub host_template: String,
    /// Its port.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default = "mysql_port")]
    pub port: i32,
    /// Name of the database.
    #[schemars(length(min = 1, max = 64))]
    #[serde(default = "database")]
    pub database: String,
    /// Secret with user and password.
    pub credentials_secret_ref: CredentialsReference,
}

fn mysql_port() -> i32 {
    3306
}

fn database() -> String {
    "orchestrator".to_owned()
}

/// The volume of each member: its raft log, and its state with the backend sqlite.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = rules::storage)]
pub struct StorageSpec {
    /// Size, such as 1Gi. Can grow where the storage class allows it.
    #[schemars(schema_with = "schema::quantity")]
    pub size: Quantity,
    /// Storage class. Left out: the default one. Cannot be changed.
    #[schemars(length(min = 1, max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
    /// ReadWriteOncePod is safer, where the storage driver knows it. Cannot be changed.
    pub access_mode: AccessMode,
    /// No volume: a member that leaves its node has lost its data and joins again as a new one. Cannot be changed.
    pub ephemeral: bool,
    /// What happens to volumes that are not needed any more.
    pub retention: RetentionSpec,
}

impl Default for StorageSpec {
    fn default() -> Self {
        Self {
            size: Quantity("1Gi".to_owned()),
            storage_class_name: None,
            access_mode: AccessMode::ReadWriteOnce,
            ephemeral: false,
            retention: RetentionSpec::default(),
        }
    }
}

closed! {
    /// Who may use a member's volume at the same time.
    AccessMode {
        /// Pods of one node.
        ReadWriteOnce,
        /// One pod.
        ReadWriteOncePod,
    }
}

/// What happens to volumes that are not needed any more.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct RetentionSpec {
    /// When this object is deleted. Retain: an object of the same name finds its group again.
    pub when_deleted: DeletionRetention,
    /// When replicas becomes less. Delete: after the group let the member go.
    /// Retain keeps the files to look at; a member that comes back never goes on with them.
    pub when_scaled: ScaleRetention,
}

/// What happens to volumes when the object is deleted.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeletionRetention {
    /// They stay.
    #[default]
    Retain,
    /// They are deleted with it.
    Delete,
}

/// What happens to volumes when members are taken away.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScaleRetention {
    /// They are deleted.
    #[default]
    Delete,
    /// They stay.
    Retain,
}
