// What a card and a row say of an instance besides its state.

import type { Instance } from "../api/types";
import { keyText } from "./key";
import { duration, timeText } from "./time";

/** Its place in replication, in our words. */
export function roleOf(instance: Instance, replicas: number): string {
  if (instance.ReplicationGroupName !== "") {
    return `group ${instance.ReplicationGroupMemberRole.toLowerCase() || "member"}`;
  }
  if (instance.IsCoMaster) return "co-primary";
  if (keyText(instance.MasterKey) === "") return "primary";
  if (instance.IsDetachedMaster) return "detached replica";
  return replicas > 0 ? "intermediate primary" : "replica";
}

/** Does it copy from another? */
export function replicates(instance: Instance): boolean {
  return keyText(instance.MasterKey) !== "";
}

/** `lag 3 s`, `lag ?`; empty where nothing is copied. What was read long ago is not known now. */
export function lagText(instance: Instance): string {
  if (!replicates(instance)) return "";
  const isOld = ["last_check_invalid", "not_recently_checked"].some((problem) =>
    instance.Problems.includes(problem),
  );
  const lag = instance.ReplicationLagSeconds;
  return lag.Valid && !isOld ? `lag ${duration(lag.Int64)}` : "lag ?";
}

/** `MySQL 8.0.36-0ubuntu`, as the server says it. */
export function versionText(instance: Instance): string {
  const flavor = instance.FlavorName === "unknown" ? "" : instance.FlavorName;
  return [flavor, instance.Version].filter((part) => part !== "").join(" ");
}

/** `MySQL 8.0.36`: without what a distribution adds. */
export function shortVersion(instance: Instance): string {
  const number = /^[0-9.]+/.exec(instance.Version)?.[0] ?? instance.Version;
  return versionText({ ...instance, Version: number });
}

/** A short remark; `odd` = somebody should look at it. */
export interface Flag {
  text: string;
  odd: boolean;
}

/** All remarks, the odd ones first. */
export function flagsOf(instance: Instance): Flag[] {
  const flags = [writability(instance), ...trouble(instance), ...settings(instance)];
  return [...flags.filter((flag) => flag.odd), ...flags.filter((flag) => !flag.odd)];
}

function writability(instance: Instance): Flag {
  const isReplica = replicates(instance) && !instance.IsCoMaster;
  const mayWrite = !isReplica || instance.ReplicationGroupMemberRole === "PRIMARY";
  return instance.ReadOnly
    ? { text: "read-only", odd: !isReplica && !instance.IsCoMaster && instance.ReplicationGroupName === "" }
    : { text: "writable", odd: !mayWrite };
}

function trouble(instance: Instance): Flag[] {
  const flags: Flag[] = [];
  const add = (when: boolean, text: string): void => {
    if (when) flags.push({ text, odd: true });
  };
  add(instance.DowntimeReason === LOST, "lost in recovery");
  add(instance.IsDetachedMaster, "detached");
  add(instance.GtidErrant !== "", "errant GTID");
  add(instance.IsDowntimed && instance.DowntimeReason !== LOST, "downtime");
  add(instance.HasReplicationFilters, "filters");
  add(!instance.LogBinEnabled, "no binary log");
  return flags;
}

/** Reason of the downtime that a recovery sets on what it had to leave behind. */
const LOST = "lost-in-recovery";

function settings(instance: Instance): Flag[] {
  const flags: Flag[] = [];
  const add = (when: boolean, text: string): void => {
    if (when) flags.push({ text, odd: false });
  };
  add(instance.UsingOracleGTID || instance.SupportsOracleGTID, "GTID");
  add(instance.UsingMariaDBGTID, "GTID");
  add(instance.SemiSyncMasterEnabled, semiSync("source", instance.SemiSyncMasterStatus));
  add(
    instance.SemiSyncReplicaEnabled && replicates(instance),
    semiSync("replica", instance.SemiSyncReplicaStatus),
  );
  add(instance.SQLDelay > 0, `delay ${duration(instance.SQLDelay)}`);
  add(
    !["", "neutral"].includes(instance.PromotionRule),
    `promotion ${instance.PromotionRule.replaceAll("_", " ")}`,
  );
  return flags;
}

function semiSync(side: string, isOn: boolean): string {
  return `semi-sync ${side}${isOn ? "" : " (idle)"}`;
}

/** Whole sentences about what is wrong: errors, errant transactions, downtime. */
export function notesOf(instance: Instance): string[] {
  const notes: string[] = [];
  const add = (text: string, label: string): void => {
    if (text !== "") notes.push(`${label}: ${unquote(text)}`);
  };
  add(instance.LastIOError, "IO thread");
  add(instance.LastSQLError, "SQL thread");
  add(instance.GtidErrant, "errant GTID");
  if (instance.IsDowntimed) {
    const until = timeText(instance.DowntimeEndTimestamp);
    notes.push(`downtime by ${instance.DowntimeOwner} until ${until}: ${instance.DowntimeReason}`);
  }
  const seen = instance.SecondsSinceLastSeen;
  if (instance.Problems.includes("last_check_invalid")) {
    notes.push(seen.Valid ? `last seen ${duration(seen.Int64)} ago` : "never seen");
  }
  return notes;
}

/** Errors come in the quotes that a program would write around them. */
function unquote(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, -1);
  }
}
