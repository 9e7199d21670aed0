#![doc = include_str!("../DESIGN.md")]

mod adopt;
mod apply;
mod declared;
mod detection;
mod error;
mod expiry;
mod handle;
mod held;
mod instances;
mod journal;
mod mysql;
mod port;
mod process;
mod recovery;
mod rows;
mod schema;
mod snapshot;
mod sqlite;
mod text;
mod time;
mod tokens;
mod value;

pub use adopt::SchemaPolicy;
pub use error::{BackendError, HandleError, OpenError, SnapshotError};
pub use expiry::{Expiry, PurgeLimits};
pub use handle::{BackendHandle, BackendThread};
pub use held::{FileLost, HeldFile};
pub use mysql::{MySqlBackend, MySqlOpenError, MySqlOptions, MySqlTls, Password};
pub use port::{Backend, Insert, OnConflict};
pub use recovery::{
    AckSelector, Acknowledgement, BeginOutcome, BeginRecovery, Block, BlockReason, EndOutcome, EndRecovery,
    Progress, ProgressOutcome,
};
pub use rows::{
    AuditRow, BlockedRecoveryRow, CandidateRow, ClusterRow, DetectionFilter, DetectionRow, DowntimeRow,
    InstanceRow, KeyValueRow, NodeHealthRow, NodeIdentity, PAGE_ROWS, PoolMemberRow, ProgressRow,
    RecoveryFilter, RecoveryRow, RecoveryStepRow,
};

pub use snapshot::{SNAPSHOT_VERSION, check_snapshot};
pub use sqlite::{Durability, SqliteBackend, SqliteOptions};
pub use time::{timestamp_from_text, timestamp_to_text};
pub use tokens::AccessTokenRow;
pub use value::{Row, Value};
