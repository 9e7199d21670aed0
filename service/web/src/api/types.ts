// The API's JSON as far as the pages read it, under the names it has on the wire, legacy words and misspellings
// included. A test holds these fields against the golden files of `service/wire`.

/** `host:port` in two fields; no instance = an empty host name. A detached source begins with `//`. */
export interface Key {
  Hostname: string;
  Port: number;
}

/** A number that may be unknown. */
export interface MaybeNumber {
  Int64: number;
  Valid: boolean;
}

export interface Instance {
  Key: Key;
  InstanceAlias: string;
  Version: string;
  FlavorName: string;
  ReadOnly: boolean;
  LogBinEnabled: boolean;
  LogReplicationUpdatesEnabled: boolean;
  MasterKey: Key;
  IsDetachedMaster: boolean;
  ReplicationSQLThreadState: number;
  ReplicationIOThreadState: number;
  HasReplicationFilters: boolean;
  SupportsOracleGTID: boolean;
  UsingOracleGTID: boolean;
  UsingMariaDBGTID: boolean;
  LastSQLError: string;
  LastIOError: string;
  SQLDelay: number;
  GtidErrant: string;
  ReplicationLagSeconds: MaybeNumber;
  ClusterName: string;
  DataCenter: string;
  IsCoMaster: boolean;
  SemiSyncMasterEnabled: boolean;
  SemiSyncMasterStatus: boolean;
  SemiSyncReplicaEnabled: boolean;
  SemiSyncReplicaStatus: boolean;
  SecondsSinceLastSeen: MaybeNumber;
  PromotionRule: string;
  IsDowntimed: boolean;
  DowntimeReason: string;
  DowntimeOwner: string;
  DowntimeEndTimestamp: string;
  Problems: string[];
  ReplicationGroupName: string;
  ReplicationGroupMemberState: string;
  ReplicationGroupMemberRole: string;
  ReplicationGroupPrimaryInstanceKey: Key;
}

export interface ClusterInfo {
  ClusterName: string;
  ClusterAlias: string;
  CountInstances: number;
  HasAutomatedMasterRecovery: boolean;
  HasAutomatedIntermediateMasterRecovery: boolean;
}

export interface Finding {
  AnalyzedInstanceKey: Key;
  ClusterDetails: ClusterInfo;
  Analysis: string;
  Description: string;
  StructureAnalysis: string[] | null;
  IsDowntimed: boolean;
  DowntimeEndTimestamp: string;
  CountReplicas: number;
  CountValidReplicatingReplicas: number;
}

export interface Recovery {
  Id: number;
  UID: string;
  AnalysisEntry: Pick<Finding, "AnalyzedInstanceKey" | "ClusterDetails" | "Analysis">;
  SuccessorKey: Key | null;
  SuccessorAlias: string;
  IsSuccessful: boolean;
  LostReplicas: Key[];
  AllErrors: string[] | null;
  RecoveryStartTimestamp: string;
  RecoveryEndTimestamp: string;
  Acknowledged: boolean;
}

export interface BlockedRecovery {
  FailedInstanceKey: Key;
  ClusterName: string;
  Analysis: string;
  LastBlockedTimestamp: string;
  BlockingRecoveryId: number;
}

export interface Health {
  Healthy: boolean;
  Hostname: string;
  IsActiveNode: boolean;
  Error: string | null;
  RaftLeader: string;
  RaftAdvertise: string;
}

export interface RaftStatus {
  RaftAdvertise: string;
  State: string;
  Healthy: boolean;
  Leader: string;
  Peers: string[];
}

/** What many routes wrap their answer in, and all errors. */
export interface Envelope<T> {
  Code: "OK" | "ERROR";
  Message: string;
  Details: T;
}
