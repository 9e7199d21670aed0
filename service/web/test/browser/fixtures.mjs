// An API in all its states, on the bytes that the tests of `service/wire` hold the service to.

import { readFileSync } from "node:fs";

function golden(name) {
  return JSON.parse(readFileSync(`../wire/tests/golden/${name}`, "utf8"));
}

const key = (host) => ({ Hostname: host, Port: host === "" ? 0 : 3306 });
const CLUSTER = "db1.example.com:3306";

export function instance(host, source, change = {}) {
  return {
    ...golden("instance.json"),
    Key: key(host),
    InstanceAlias: "",
    ClusterName: CLUSTER,
    MasterKey: key(source),
    ReadOnly: source !== "",
    SemiSyncMasterEnabled: source === "",
    SemiSyncMasterStatus: source === "",
    SemiSyncReplicaEnabled: source !== "",
    ...change,
  };
}

const INFO = {
  ClusterName: CLUSTER,
  ClusterAlias: "orders",
  ClusterDomain: "",
  CountInstances: 9,
  HeuristicLag: 0,
  HasAutomatedMasterRecovery: true,
  HasAutomatedIntermediateMasterRecovery: false,
};

const finding = (host, code, description, change = {}) => ({
  AnalyzedInstanceKey: key(host),
  ClusterDetails: INFO,
  Analysis: code,
  Description: description,
  StructureAnalysis: [],
  IsDowntimed: false,
  DowntimeEndTimestamp: "",
  CountReplicas: 3,
  CountValidReplicatingReplicas: 0,
  ...change,
});

const recovery = (id, change = {}) => ({
  Id: id,
  UID: `uid-${id}`,
  AnalysisEntry: finding("db0.example.com", "DeadMaster", ""),
  SuccessorKey: key("db1.example.com"),
  SuccessorAlias: "",
  IsSuccessful: true,
  LostReplicas: [],
  AllErrors: [""],
  RecoveryStartTimestamp: "2026-11-20T10:11:12Z",
  RecoveryEndTimestamp: "2026-11-20 10:11:13",
  Acknowledged: false,
  ...change,
});

const DETAILS = (value) => ({ Code: "OK", Message: "", Details: value });

/** A node that follows `leader`; empty = it knows none. */
export function group(leader, own = "orc-2:10008") {
  const raft = { ...golden("raft_status.json"), RaftAdvertise: own, Leader: leader, Healthy: leader !== "" };
  const peers = ["orc-1:10008", "orc-2:10008", "orc-3:10008"];
  const health = { ...golden("health.json").Details, IsActiveNode: leader === own, RaftAdvertise: own };
  return { health: DETAILS(health), "raft-status": { ...raft, Peers: peers } };
}

/** Nothing discovered. */
export function empty() {
  return {
    ...group("orc-1:10008"),
    "clusters-info": null,
    "replication-analysis": DETAILS([]),
    problems: null,
    "audit-recovery": [],
    "blocked-recoveries": [],
    "check-global-recoveries": DETAILS("enabled"),
  };
}

/** One of each kind of trouble. */
export const TROUBLED = [
  instance("db1.example.com", "", { InstanceAlias: "orders-primary", DataCenter: "dc1" }),
  instance("db2.example.com", "db1.example.com", { PromotionRule: "prefer" }),
  instance("db3.example.com", "db1.example.com", {
    Problems: ["not_replicating"],
    ReplicationSQLThreadState: 0,
    ReplicationLagSeconds: { Int64: 0, Valid: false },
    LastSQLError: '"Duplicate entry \\"7\\" for key <b>PRIMARY</b>"',
  }),
  instance("db4.example.com", "db3.example.com", {
    Problems: ["replication_lag"],
    ReplicationLagSeconds: { Int64: 4210, Valid: true },
    ReadOnly: false,
  }),
  instance("db5.example.com", "db1.example.com", {
    Problems: ["last_check_invalid"],
    SecondsSinceLastSeen: { Int64: 7300, Valid: true },
    IsDowntimed: true,
    DowntimeOwner: "ann",
    DowntimeReason: "disk is being replaced",
    DowntimeEndTimestamp: "2026-11-22 08:00:00",
  }),
  instance("db6.example.com", "//db1.example.com", {
    Problems: ["last_check_invalid"],
    IsDetachedMaster: true,
    IsDowntimed: true,
    DowntimeOwner: "orchestrator",
    DowntimeReason: "lost-in-recovery",
    DowntimeEndTimestamp: "2027-11-22 08:00:00",
  }),
  instance("db7-with-quite-a-long-name-in-the-second-data-centre.example.com", "db1.example.com", {
    Problems: ["errant_gtid"],
    GtidErrant: "22222222-2222-2222-2222-222222222222:1-3",
    DataCenter: "dc2",
    SQLDelay: 3600,
  }),
  instance("ring-a.example.com", "ring-b.example.com", { IsCoMaster: true, ReadOnly: false }),
  instance("ring-b.example.com", "ring-a.example.com", { IsCoMaster: true, ReadOnly: true }),
  instance("ring-c.example.com", "ring-b.example.com", {
    ReplicationIOThreadState: 0,
    Problems: ["last_check_invalid"],
  }),
  instance("orphan.example.com", "nobody-knows.example.com", { Problems: ["not_recently_checked"] }),
];

export function troubled() {
  const findings = [
    finding(
      "db1.example.com",
      "AllMasterReplicasNotReplicatingOrDead",
      "Master is reachable but none of its replicas replicate",
      {
        StructureAnalysis: ["NoLoggingReplicasStructureWarning"],
      },
    ),
    finding("ring-a.example.com", "NoProblem", "", { StructureAnalysis: ["ErrantGTIDStructureWarning"] }),
    finding("db3.example.com", "DeadIntermediateMaster", "Intermediate master is dead", {
      IsDowntimed: true,
      DowntimeEndTimestamp: "2026-11-22 08:00:00",
    }),
  ];
  const blocked = [
    {
      FailedInstanceKey: key("db1.example.com"),
      ClusterName: CLUSTER,
      Analysis: "DeadMaster",
      LastBlockedTimestamp: "2026-11-20T10:12:00Z",
      BlockingRecoveryId: 7,
    },
  ];
  const recoveries = [
    recovery(9, { RecoveryEndTimestamp: "", SuccessorKey: key("") }),
    recovery(8, {
      IsSuccessful: false,
      SuccessorKey: key(""),
      AllErrors: ["no candidate has received everything"],
    }),
    recovery(7, { Acknowledged: true, LostReplicas: [key("db6.example.com")] }),
  ];
  const other = { ...INFO, ClusterName: "shop1:3306", ClusterAlias: "shop", CountInstances: 3 };
  return {
    ...empty(),
    "clusters-info": [INFO, other],
    "replication-analysis": DETAILS(findings),
    [`replication-analysis/${CLUSTER}`]: DETAILS(findings),
    problems: TROUBLED.filter((one) => one.Problems.length > 0 && !one.IsDowntimed),
    "audit-recovery": recoveries,
    "audit-recovery/alias/orders": recoveries,
    "blocked-recoveries": blocked,
    [`blocked-recoveries/cluster/${CLUSTER}`]: blocked,
    "cluster-info/alias/orders": INFO,
    [`cluster-info/${CLUSTER}`]: INFO,
    [`cluster/${CLUSTER}`]: TROUBLED,
    "check-global-recoveries": DETAILS("disabled"),
  };
}
