// What the page knows, and how it comes to know it. Components are functions of this and keep nothing themselves.

import { ApiError, type Get, wordsOf } from "./api/client";
import type {
  BlockedRecovery,
  ClusterInfo,
  Finding,
  Health,
  Instance,
  RaftStatus,
  Recovery,
} from "./api/types";
import { type Group, groupOf } from "./model/group";
import { clusterSegments, type Page } from "./model/page";

/** What the document says of the node that served it. */
export interface Boot {
  node: string;
  version: string;
  build: string;
}

/** The last good answer, and how it went since. */
export interface Answer<T> {
  value: T | null;
  /** When it came, in milliseconds; 0 = never. */
  at: number;
  /** Why there is none, or no newer one; empty = all is well. */
  error: string;
}

export interface Fleet {
  clusters: ClusterInfo[];
  findings: Finding[];
  /** Instances with problems, downtimed ones left out. */
  problems: Instance[];
  recoveries: Recovery[];
  blocked: BlockedRecovery[];
  recoversAtAll: boolean;
}

export interface Cluster {
  info: ClusterInfo;
  instances: Instance[];
  findings: Finding[];
  recoveries: Recovery[];
  blocked: BlockedRecovery[];
  recoversAtAll: boolean;
}

export interface State {
  boot: Boot;
  page: Page;
  /** Milliseconds; ages are told from here. */
  now: number;
  /** Of the node that answered last. */
  group: Answer<Group>;
  fleet: Answer<Fleet>;
  cluster: Answer<Cluster>;
}

export function nothingYet<T>(): Answer<T> {
  return { value: null, at: 0, error: "" };
}

export function initially(boot: Boot, page: Page, now: number): State {
  return { boot, page, now, group: nothingYet(), fleet: nothingYet(), cluster: nothingYet() };
}

/** Lists that are empty come as `null` from some routes. */
function list<T>(value: T[] | null): T[] {
  return value ?? [];
}

const RECOVERIES_ENABLED = "enabled";

export async function askFleet(get: Get, signal: AbortSignal): Promise<Fleet> {
  const [clusters, findings, problems, recoveries, blocked, recovers] = await Promise.all([
    get<ClusterInfo[] | null>(["clusters-info"], signal),
    get<Finding[] | null>(["replication-analysis"], signal),
    get<Instance[] | null>(["problems"], signal),
    get<Recovery[] | null>(["audit-recovery"], signal),
    get<BlockedRecovery[] | null>(["blocked-recoveries"], signal),
    get<string>(["check-global-recoveries"], signal),
  ]);
  return {
    clusters: list(clusters),
    findings: list(findings),
    problems: list(problems),
    recoveries: list(recoveries),
    blocked: list(blocked),
    recoversAtAll: recovers === RECOVERIES_ENABLED,
  };
}

export async function askCluster(get: Get, hint: readonly string[], signal: AbortSignal): Promise<Cluster> {
  const info = await get<ClusterInfo>(["cluster-info", ...hint], signal);
  const name = info.ClusterName;
  const [instances, findings, recoveries, blocked, recovers] = await Promise.all([
    get<Instance[] | null>(["cluster", name], signal),
    get<Finding[] | null>(["replication-analysis", name], signal),
    get<Recovery[] | null>(["audit-recovery", ...ofCluster(info)], signal),
    get<BlockedRecovery[] | null>(["blocked-recoveries", "cluster", name], signal),
    get<string>(["check-global-recoveries"], signal),
  ]);
  return {
    info,
    instances: list(instances),
    findings: list(findings),
    recoveries: list(recoveries),
    blocked: list(blocked),
    recoversAtAll: recovers === RECOVERIES_ENABLED,
  };
}

/** By the alias where there is one: a recovery is kept under the name that the cluster had before it. */
function ofCluster(info: ClusterInfo): readonly string[] {
  const segments = clusterSegments(info);
  return segments.length === 1 ? ["cluster", ...segments] : segments;
}

/** About the node that answers; these are never forwarded, so they also come when the leader is gone. */
export async function askGroup(get: Get, signal: AbortSignal): Promise<Group> {
  const health = await get<Health>(["health"], signal).catch(unhealthy);
  const raft = await get<RaftStatus>(["raft-status"], signal).catch((error: unknown) => {
    if (error instanceof ApiError && error.message.includes("not running with raft")) return null;
    throw error;
  });
  return groupOf(health, raft);
}

/** A node that is not well says so with an error, and with the same details. */
function unhealthy(error: unknown): Health {
  if (error instanceof ApiError && isHealth(error.details)) return error.details;
  throw error;
}

function isHealth(details: unknown): details is Health {
  return typeof details === "object" && details !== null && "Hostname" in details;
}

/** The answer after another try: what was there stays, with the reason why nothing newer came. */
export async function tried<T>(
  before: Answer<T>,
  asked: Promise<T>,
  clock: () => number,
): Promise<Answer<T>> {
  try {
    const value = await asked;
    return { value, at: clock(), error: "" };
  } catch (error) {
    return { ...before, error: wordsOf(error) };
  }
}
