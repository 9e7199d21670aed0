//! What components are started with: checked, in the units they use, one small struct for each.
//!
//! A value of these types cannot be wrong; whoever holds one need not check it again.

mod audit;
mod backend;
mod check;
mod classification;
mod detection;
mod discovery;
mod hooks;
mod listen;
mod logging;
mod raft;
mod recovery;
mod topology;

pub use audit::AuditSettings;
pub use backend::{BackendSettings, MysqlBackend, SchemaSettings};
pub use classification::ClassificationSettings;
pub use detection::DetectionSettings;
pub use discovery::{DiscoverySettings, HostnameResolve, InstanceNaming};
pub use hooks::HookSettings;
pub use listen::{HttpAuth, ListenSettings, ListenTls, MessageIdentity};
pub use logging::LogFormat;
pub use raft::{Bootstrap, MembershipSource, RaftSettings, RaftTls};
pub use recovery::{BehindPolicy, RecoverySettings};
pub use topology::{TlsFiles, TlsMode, TopologyAccess};

use crate::keys::File;
use crate::problem::Report;
use check::Check;

/// The whole configuration; the server takes it apart and hands each component its own part.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether the log shows each probe and request (`Debug`).
    pub debug: bool,
    /// How its lines are written (`LogFormat`).
    pub log_format: LogFormat,
    /// Where and how the API is served.
    pub listen: ListenSettings,
    /// HTTPS of the API.
    pub tls: ListenTls,
    /// Who may use the API.
    pub auth: HttpAuth,
    /// Where state is kept.
    pub backend: BackendSettings,
    /// What is done about a schema that is not this version's.
    pub schema: SchemaSettings,
    /// The raft group; `None` for a node that stands alone and keeps no log.
    pub raft: Option<RaftSettings>,
    /// How the monitored servers are reached.
    pub topology: TopologyAccess,
    /// What is probed, and when.
    pub discovery: DiscoverySettings,
    /// How servers and clusters are named and sorted.
    pub classification: ClassificationSettings,
    /// When a failure is one.
    pub detection: DetectionSettings,
    /// What is done about it.
    pub recovery: RecoverySettings,
    /// Programs that users want to be run.
    pub hooks: HookSettings,
    /// Where the audit goes, and for how long.
    pub audit: AuditSettings,
}

impl Settings {
    /// Builds every part of an adjusted `file`; all errors are reported, and any of them voids the result.
    pub(crate) fn build(file: &File, report: &mut Report) -> Self {
        let mut check = Check { file, report };
        let raft = raft::build(&mut check);
        Self {
            debug: *file.Debug,
            log_format: logging::build(&mut check),
            listen: listen::build(&mut check),
            tls: listen::build_tls(&mut check),
            auth: listen::build_auth(&mut check),
            backend: backend::build(&mut check),
            schema: backend::build_schema(file),
            raft,
            topology: topology::build(&mut check),
            discovery: discovery::build(&mut check),
            classification: classification::build(&mut check),
            detection: detection::build(&mut check),
            recovery: recovery::build(&mut check),
            hooks: hooks::build(file),
            audit: audit::build(&mut check),
        }
    }
}
