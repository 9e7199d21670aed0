#![doc = include_str!("../DESIGN.md")]

pub mod analysis;
pub mod audit;
pub mod cluster;
pub mod envelope;
pub mod events;
pub mod health;
pub mod instance;
pub mod json;
pub mod key;
pub mod lens;
pub mod members;
pub mod quote;
pub mod recovery;
pub mod scalar;
pub mod time;
pub mod tree;

pub use analysis::ReplicationAnalysis;
pub use audit::{
    AnalysisChangelog, Audit, AuditRecord, BlockedRecord, BlockedRecovery, ChangelogRecord, RecoveryStep,
    StepRecord,
};
pub use cluster::{Candidate, ClusterInfo, Clusters};
pub use envelope::Envelope;
pub use events::{EventMember, RaftEvent, RaftEvents};
pub use health::{HealthStatus, NodeHealth, RaftStatus};
pub use instance::Instance;
pub use key::Key;
pub use lens::{Lens, Limits};
pub use members::{DataState, MemberName, MemberStatus, Members, Replication};
pub use recovery::{
    Acknowledgement, CaseRecord, DetectionRecord, ProcessingNode, RecoveryRecord, TopologyRecovery,
};
