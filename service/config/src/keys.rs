//! Every key that a file may hold, once: name, type, default, effect of a reload, what we do with it.
//!
//! [`File`] mirrors the document: legacy names, all optional, secrets and places included. Nobody but
//! this crate sees its fields; components get the small structs of [`crate::Settings`].
//! Names, types and defaults of the original's keys are a contract and are held by a golden file.

use crate::secret::Secret;
use crate::value::{AnyField, Field, TextMap, Value};

/// What a changed value does when the configuration is reloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// It takes effect at once.
    Live,
    /// It takes effect at the next start.
    Restart,
    /// Some uses follow at once, others at the next start.
    Partly,
    /// It has no effect, neither now nor later.
    Never,
}

/// What this version does with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// It has its effect.
    Now,
    /// Known and checked; its effect comes with a later version.
    Later,
    /// Of use only with the MySQL backend; kept quiet about otherwise, since all samples carry it.
    Mysql,
    /// Accepted for the sake of existing files; it has no effect and never will.
    Obsolete,
}

/// One row of the table of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    /// The documented spelling; files may use any case.
    pub name: &'static str,
    /// `bool`, `string`, `[]string`, `map[string]string`, `int`, `int32`, `uint` or `float32`.
    pub kind: &'static str,
    /// Effect of a reload.
    pub reload: Reload,
    /// What this version does with it.
    pub plan: Plan,
}

/// Keys that this version takes over at a reload; all others wait for a restart, whatever [`KeySpec::reload`] says of
/// the original. Shared with whoever rolls a change out.
pub const RELOADABLE: &[&str] = &[
    "AuthenticationMethod",
    "HTTPAuthUser",
    "HTTPAuthPassword",
    "AuthUserHeader",
    "PowerAuthUsers",
    "PowerAuthGroups",
    "ReadOnly",
    "RaftNodes",
];

macro_rules! keys {
    ($($name:ident: $type:ty = $default:expr, $reload:ident, $plan:ident;)*) => {
        /// The document: every known key with its value and the place that set it.
        #[derive(Debug, Clone)]
        #[expect(non_snake_case, reason = "the fields are the keys of the file")]
        pub struct File {
            $(pub(crate) $name: Field<$type>,)*
        }

        impl Default for File {
            fn default() -> Self {
                Self {$(
                    $name: Field {
                        name: stringify!($name),
                        value: <$type as Value>::from_literal($default),
                        place: None,
                    },
                )*}
            }
        }

        /// The table, in the order of the documentation.
        pub const KEYS: &[KeySpec] = &[$(
            KeySpec {
                name: stringify!($name),
                kind: <$type as Value>::KIND,
                reload: Reload::$reload,
                plan: Plan::$plan,
            },
        )*];

        impl File {
            /// All fields, in the order of [`KEYS`].
            pub(crate) fn fields(&self) -> Vec<&dyn AnyField> {
                vec![$(&self.$name,)*]
            }

            /// All fields, in the order of [`KEYS`].
            pub(crate) fn fields_mut(&mut self) -> Vec<&mut dyn AnyField> {
                vec![$(&mut self.$name,)*]
            }
        }
    };
}

keys! {
    // Service, logging, web
    Debug: bool = false, Restart, Now;
    EnableSyslog: bool = false, Restart, Obsolete;
    ListenAddress: String = ":3000", Restart, Now;
    ListenSocket: String = "", Restart, Now;
    HTTPAdvertise: String = "", Restart, Now;
    URLPrefix: String = "", Restart, Now;
    StatusEndpoint: String = "/api/status", Restart, Now;
    StatusOUVerify: bool = false, Live, Now;
    WebMessage: String = "", Live, Later;
    RemoveTextFromHostnameDisplay: String = "", Live, Later;
    PrependMessagesWithOrcIdentity: String = "", Restart, Now;
    CustomOrcIdentity: String = "", Restart, Now;

    // HTTP authentication and authorisation
    AuthenticationMethod: String = "", Partly, Now;
    HTTPAuthUser: String = "", Partly, Now;
    HTTPAuthPassword: Secret<String> = "", Partly, Now;
    AuthUserHeader: String = "X-Forwarded-User", Live, Later;
    PowerAuthUsers: Vec<String> = &["*"], Live, Later;
    PowerAuthGroups: Vec<String> = &[], Live, Later;
    AccessTokenUseExpirySeconds: u64 = 60, Live, Later;
    AccessTokenExpiryMinutes: u64 = 1440, Live, Later;
    ReadOnly: bool = false, Live, Now;
    OAuthClientId: String = "", Never, Obsolete;
    OAuthClientSecret: Secret<String> = "", Never, Obsolete;
    OAuthScopes: Vec<String> = &[], Never, Obsolete;

    // TLS of the web/API listener
    UseSSL: bool = false, Restart, Now;
    UseMutualTLS: bool = false, Restart, Now;
    SSLSkipVerify: bool = false, Restart, Now;
    SSLPrivateKeyFile: String = "", Restart, Now;
    SSLCertFile: String = "", Restart, Now;
    SSLCAFile: String = "", Restart, Now;
    SSLValidOUs: Vec<String> = &[], Restart, Now;

    // Backend database
    BackendDB: String = "mysql", Restart, Now;
    SQLite3DataFile: String = "", Restart, Now;
    SkipOrchestratorDatabaseUpdate: bool = false, Restart, Now;
    PanicIfDifferentDatabaseDeploy: bool = false, Restart, Now;
    MySQLOrchestratorHost: String = "", Live, Mysql;
    MySQLOrchestratorPort: u64 = 3306, Live, Mysql;
    MySQLOrchestratorDatabase: String = "", Live, Mysql;
    MySQLOrchestratorUser: String = "", Live, Mysql;
    MySQLOrchestratorPassword: Secret<String> = "", Live, Mysql;
    MySQLOrchestratorCredentialsConfigFile: String = "", Live, Mysql;
    MySQLOrchestratorMaxPoolConnections: i64 = 128, Restart, Mysql;
    MySQLOrchestratorReadTimeoutSeconds: i64 = 30, Live, Mysql;
    MySQLOrchestratorRejectReadOnly: bool = false, Live, Mysql;
    MySQLOrchestratorMaxAllowedPacket: i32 = -1, Live, Mysql;
    MySQLOrchestratorUseMutualTLS: bool = false, Restart, Mysql;
    MySQLOrchestratorSSLSkipVerify: bool = false, Restart, Mysql;
    MySQLOrchestratorSSLPrivateKeyFile: String = "", Restart, Mysql;
    MySQLOrchestratorSSLCertFile: String = "", Restart, Mysql;
    MySQLOrchestratorSSLCAFile: String = "", Restart, Mysql;
    MySQLConnectTimeoutSeconds: i64 = 2, Live, Now;
    MySQLConnectionLifetimeSeconds: i64 = 0, Live, Later;
    InstanceWriteBufferSize: i64 = 100, Restart, Obsolete;
    BufferInstanceWrites: bool = false, Live, Obsolete;
    InstanceFlushIntervalMilliseconds: i64 = 100, Restart, Obsolete;

    // Raft
    RaftEnabled: bool = false, Restart, Now;
    RaftDataDir: String = "", Restart, Now;
    RaftBind: String = "127.0.0.1:10008", Restart, Now;
    RaftAdvertise: String = "", Restart, Now;
    DefaultRaftPort: i64 = 10_008, Restart, Now;
    RaftNodes: Vec<String> = &[], Restart, Now;
    ExpectFailureAnalysisConcensus: bool = true, Never, Obsolete;

    // Access to monitored MySQL servers
    MySQLTopologyUser: String = "", Live, Now;
    MySQLTopologyPassword: Secret<String> = "", Live, Now;
    MySQLTopologyCredentialsConfigFile: String = "", Live, Now;
    MySQLTopologyUseMutualTLS: bool = false, Live, Now;
    MySQLTopologyUseMixedTLS: bool = true, Live, Now;
    TLSCacheTTLFactor: u64 = 100, Never, Obsolete;
    MySQLTopologySSLSkipVerify: bool = false, Restart, Now;
    MySQLTopologySSLPrivateKeyFile: String = "", Restart, Now;
    MySQLTopologySSLCertFile: String = "", Restart, Now;
    MySQLTopologySSLCAFile: String = "", Restart, Now;
    MySQLTopologyMaxAllowedPacket: i32 = -1, Never, Now;
    MySQLDiscoveryReadTimeoutSeconds: i64 = 10, Live, Now;
    MySQLTopologyReadTimeoutSeconds: i64 = 600, Live, Now;
    DefaultInstancePort: i64 = 3306, Live, Now;
    ReplicationCredentialsQuery: String = "", Live, Later;
    UseSuperReadOnly: bool = false, Live, Now;

    // Discovery
    InstancePollSeconds: u64 = 5, Partly, Now;
    ReasonableInstanceCheckSeconds: u64 = 1, Live, Now;
    DeadInstancePollSecondsMultiplyFactor: f64 = 1.0, Live, Now;
    DeadInstancePollSecondsMax: u64 = 300, Live, Now;
    DeadInstanceDiscoveryMaxConcurrency: u64 = 0, Restart, Later;
    DeadInstanceDiscoveryLogsEnabled: bool = false, Live, Later;
    DiscoveryMaxConcurrency: u64 = 300, Restart, Now;
    DiscoveryQueueCapacity: u64 = 100_000, Restart, Later;
    DiscoveryQueueMaxStatisticsSize: i64 = 120, Live, Later;
    DiscoveryCollectionRetentionSeconds: u64 = 120, Restart, Later;
    DiscoverySeeds: Vec<String> = &[], Restart, Now;
    DiscoverByShowSlaveHosts: bool = false, Live, Now;
    UnseenInstanceForgetHours: u64 = 240, Live, Now;
    SnapshotTopologiesIntervalHours: u64 = 0, Restart, Later;
    InstanceBulkOperationsWaitTimeoutSeconds: u64 = 10, Live, Later;
    MaxConcurrentReplicaOperations: i64 = 5, Live, Now;
    SkipMaxScaleCheck: bool = true, Live, Obsolete;
    DiscoveryIgnoreHostnameFilters: Vec<String> = &[], Live, Now;
    DiscoveryIgnoreReplicaHostnameFilters: Vec<String> = &[], Live, Now;
    DiscoveryIgnoreMasterHostnameFilters: Vec<String> = &[], Live, Now;
    DiscoveryIgnoreReplicationUsernameFilters: Vec<String> = &[], Live, Now;
    EnableDiscoveryFiltersLogs: bool = true, Live, Later;

    // Name resolution
    HostnameResolveMethod: String = "default", Live, Now;
    MySQLHostnameResolveMethod: String = "@@hostname", Live, Now;
    ExpiryHostnameResolvesMinutes: i64 = 60, Partly, Later;
    RejectHostnameResolvePattern: String = "", Live, Later;
    SkipBinlogServerUnresolveCheck: bool = true, Live, Obsolete;

    // Classification of servers and clusters
    ReplicationLagQuery: String = "", Live, Now;
    SlaveLagQuery: String = "", Live, Now;
    ClusterNameToAlias: TextMap = &[], Live, Now;
    DetectClusterAliasQuery: String = "", Live, Now;
    DetectClusterDomainQuery: String = "", Live, Now;
    DetectInstanceAliasQuery: String = "", Live, Now;
    DetectPromotionRuleQuery: String = "", Live, Now;
    DataCenterPattern: String = "", Live, Now;
    RegionPattern: String = "", Live, Now;
    PhysicalEnvironmentPattern: String = "", Live, Now;
    DetectDataCenterQuery: String = "", Live, Now;
    DetectRegionQuery: String = "", Live, Now;
    DetectPhysicalEnvironmentQuery: String = "", Live, Now;
    DetectSemiSyncEnforcedQuery: String = "", Live, Now;
    SupportFuzzyPoolHostnames: bool = true, Live, Later;
    InstancePoolExpiryMinutes: u64 = 60, Live, Later;
    CandidateInstanceExpireMinutes: u64 = 60, Live, Now;
    PromotionIgnoreHostnameFilters: Vec<String> = &[], Live, Now;
    OSCIgnoreHostnameFilters: Vec<String> = &[], Live, Now;
    ProblemIgnoreHostnameFilters: Vec<String> = &[], Live, Now;

    // Lag thresholds and topology refactoring
    ReasonableReplicationLagSeconds: i64 = 10, Live, Now;
    ReasonableMaintenanceReplicationLagSeconds: i64 = 20, Live, Now;
    VerifyReplicationFilters: bool = false, Live, Now;
    LowerReplicaVersionAllowed: bool = false, Live, Now;
    PostTakeMasterProcesses: Vec<String> = &[], Live, Later;

    // Failure detection and recovery
    ReduceReplicationAnalysisCount: bool = true, Live, Later;
    FailureDetectionPeriodBlockMinutes: i64 = 60, Live, Now;
    RecoveryPeriodBlockSeconds: i64 = 3600, Live, Now;
    RecoveryPeriodBlockMinutes: i64 = 60, Live, Now;
    RecoveryIgnoreHostnameFilters: Vec<String> = &[], Live, Now;
    RecoverMasterClusterFilters: Vec<String> = &[], Live, Now;
    RecoverIntermediateMasterClusterFilters: Vec<String> = &[], Live, Later;
    RecoverNonWriteableMaster: bool = false, Live, Later;
    CoMasterRecoveryMustPromoteOtherCoMaster: bool = true, Live, Later;
    DetachLostReplicasAfterMasterFailover: bool = false, Live, Now;
    DetachLostSlavesAfterMasterFailover: bool = true, Live, Now;
    ApplyMySQLPromotionAfterMasterFailover: bool = true, Live, Now;
    PreventCrossDataCenterMasterFailover: bool = false, Live, Now;
    PreventCrossRegionMasterFailover: bool = false, Live, Now;
    MasterFailoverDetachReplicaMasterHost: bool = false, Live, Now;
    MasterFailoverDetachSlaveMasterHost: bool = false, Live, Now;
    MasterFailoverLostInstancesDowntimeMinutes: u64 = 0, Never, Obsolete;
    FailMasterPromotionOnLagMinutes: u64 = 0, Live, Now;
    FailMasterPromotionIfSQLThreadNotUpToDate: bool = false, Live, Now;
    DelayMasterPromotionIfSQLThreadNotUpToDate: bool = false, Live, Now;
    PostponeReplicaRecoveryOnLagMinutes: u64 = 0, Live, Later;
    PostponeSlaveRecoveryOnLagMinutes: u64 = 0, Live, Later;
    EnforceExactSemiSyncReplicas: bool = false, Live, Later;
    RecoverLockedSemiSyncMaster: bool = false, Live, Later;
    ReasonableLockedSemiSyncMasterSeconds: u64 = 0, Live, Now;
    ProcessesShellCommand: String = "bash", Live, Now;
    OnFailureDetectionProcesses: Vec<String> = &[], Live, Now;
    PreGracefulTakeoverProcesses: Vec<String> = &[], Live, Later;
    PreFailoverProcesses: Vec<String> = &[], Live, Now;
    PostMasterFailoverProcesses: Vec<String> = &[], Live, Now;
    PostIntermediateMasterFailoverProcesses: Vec<String> = &[], Live, Later;
    PostFailoverProcesses: Vec<String> = &[], Live, Now;
    PostUnsuccessfulFailoverProcesses: Vec<String> = &[], Live, Now;
    PostGracefulTakeoverProcesses: Vec<String> = &[], Live, Later;

    // Key-value stores, metrics, audit
    KVClusterMasterPrefix: String = "mysql/master", Live, Later;
    ConsulAddress: String = "", Restart, Later;
    ConsulScheme: String = "http", Restart, Later;
    ConsulAclToken: Secret<String> = "", Restart, Later;
    ConsulCrossDataCenterDistribution: bool = false, Live, Later;
    ConsulKVStoreProvider: String = "consul", Restart, Later;
    ConsulMaxKVsPerTransaction: i64 = 5, Live, Later;
    ZkAddress: String = "", Restart, Later;
    GraphiteAddr: String = "", Restart, Obsolete;
    GraphitePath: String = "", Restart, Obsolete;
    GraphiteConvertHostnameDotsToUnderscores: bool = true, Restart, Obsolete;
    GraphitePollSeconds: i64 = 60, Restart, Obsolete;
    AuditLogFile: String = "", Live, Now;
    AuditToSyslog: bool = false, Restart, Obsolete;
    AuditToBackendDB: bool = false, Live, Now;
    AuditPurgeDays: u64 = 7, Live, Now;

    // Pseudo-GTID and agents
    AutoPseudoGTID: bool = false, Live, Obsolete;
    PseudoGTIDPattern: String = "", Live, Obsolete;
    PseudoGTIDPatternIsFixedSubstring: bool = false, Live, Obsolete;
    PseudoGTIDMonotonicHint: String = "", Live, Obsolete;
    DetectPseudoGTIDQuery: String = "", Live, Obsolete;
    BinlogEventsChunkSize: i64 = 10_000, Live, Obsolete;
    SkipBinlogEventsContaining: Vec<String> = &[], Live, Obsolete;
    ServeAgentsHttp: bool = false, Restart, Obsolete;
    AgentsServerPort: String = ":3001", Restart, Obsolete;
    AgentsUseSSL: bool = false, Restart, Obsolete;
    AgentsUseMutualTLS: bool = false, Restart, Obsolete;
    AgentSSLSkipVerify: bool = false, Restart, Obsolete;
    AgentSSLPrivateKeyFile: String = "", Restart, Obsolete;
    AgentSSLCertFile: String = "", Restart, Obsolete;
    AgentSSLCAFile: String = "", Restart, Obsolete;
    AgentSSLValidOUs: Vec<String> = &[], Restart, Obsolete;
    AgentPollMinutes: u64 = 60, Live, Obsolete;
    UnseenAgentForgetHours: u64 = 6, Live, Obsolete;
    StaleSeedFailMinutes: u64 = 60, Live, Obsolete;
    SeedAcceptableBytesDiff: i64 = 8192, Never, Obsolete;
    SeedWaitSecondsBeforeSend: i64 = 2, Live, Obsolete;

    // New, not known to the original
    // A primary is dead only when a majority of the raft group says so; false lets the leader decide alone.
    FailureDetectionQuorum: bool = true, Live, Now;
    // Each server is probed by one node for all of them.
    SharedProbing: bool = false, Live, Later;
    // Each primary is asked for a sign of life that often.
    PrimaryPulseMilliseconds: u64 = 500, Live, Now;
    // A primary that owes an answer for that long is suspected, and looked at closely.
    PrimaryPulseTimeoutMilliseconds: u64 = 1000, Live, Now;
    // An old primary that returns is made read-only.
    FailedPrimaryReadOnly: bool = true, Live, Now;
    // A primary that went away without a word may come back for that long before it is replaced.
    CrashGraceSeconds: u64 = 0, Live, Now;
    // A primary that was shut down in order may come back for that long before it is replaced.
    CleanShutdownGraceSeconds: u64 = 15, Live, Now;
    // How the log's lines are written: text, or json, an object a line. ORC_LOG_FORMAT in the environment wins.
    LogFormat: String = "text", Restart, Now;
    // Where probes are answered besides the API's address, plain and without a password, as host:port or :port.
    ProbeListenAddress: String = "", Restart, Now;
    // Who forms the group out of empty nodes: auto (the nodes) or external (the API's raft-bootstrap).
    RaftBootstrap: String = "auto", Restart, Now;
    // Whose word changes the members of a running group: config (RaftNodes, and calls) or api (calls alone).
    RaftMembershipSource: String = "config", Restart, Now;
    // A node that is in no working group that long after its start ends, with the reason; 0: it waits for ever.
    RaftJoinTimeoutSeconds: u64 = 0, Restart, Now;
    // Holds the token by which an operator changes the group over the API; read at each use.
    OperatorTokenFile: String = "", Restart, Now;
    // Nodes talk TLS and prove by certificates of this authority who they are: all three files or none, in PEM.
    RaftTLSCertFile: String = "", Restart, Now;
    RaftTLSPrivateKeyFile: String = "", Restart, Now;
    RaftTLSCAFile: String = "", Restart, Now;
}
