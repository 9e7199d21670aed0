// What an instance is like, in one word: the same function for drawing, outline, lists and counts.
//
// The service says which problems an instance has; here is only which of them comes first, and its word.

import type { Instance } from "../api/types";

/** Colour and shape. `muted` = known, and nobody is to be alarmed. */
export type Tone = "ok" | "warn" | "bad" | "muted";

export interface InstanceState {
  word: string;
  tone: Tone;
}

/** The first that an instance has is what it is called by. */
const PROBLEMS: ReadonlyArray<readonly [problem: string, word: string, tone: Tone]> = [
  ["last_check_invalid", "unreachable", "bad"],
  ["not_recently_checked", "stale", "muted"],
  ["not_replicating", "replication stopped", "bad"],
  ["replication_lag", "lagging", "warn"],
  ["group_replication_member_not_online", "not online in its group", "bad"],
  ["errant_gtid", "errant GTID", "warn"],
];

/** Its state; a downtime mutes the colour and keeps the word. */
export function stateOf(instance: Instance): InstanceState {
  const state = problemOf(instance);
  if (!instance.IsDowntimed) return state;
  return { word: state.tone === "ok" ? "downtime" : state.word, tone: "muted" };
}

function problemOf(instance: Instance): InstanceState {
  const first = PROBLEMS.find(([problem]) => instance.Problems.includes(problem));
  if (first === undefined) {
    // A newer node may know problems that this page has no word for.
    const unknown = instance.Problems[0];
    return unknown === undefined
      ? { word: "ok", tone: "ok" }
      : { word: unknown.replaceAll("_", " "), tone: "warn" };
  }
  const [problem, word, tone] = first;
  if (
    problem === "group_replication_member_not_online" &&
    instance.ReplicationGroupMemberState === "RECOVERING"
  ) {
    return { word: "recovering", tone: "warn" };
  }
  return { word, tone };
}

const SEVERITY: Record<Tone, number> = { bad: 0, warn: 1, muted: 2, ok: 3 };

export interface StateCount extends InstanceState {
  count: number;
}

/** How many are in which state, the worst first. */
export function countStates(instances: readonly Instance[]): StateCount[] {
  const counts = new Map<string, StateCount>();
  for (const instance of instances) {
    const state = stateOf(instance);
    const id = `${state.tone} ${state.word}`;
    const entry = counts.get(id) ?? { ...state, count: 0 };
    entry.count += 1;
    counts.set(id, entry);
  }
  return [...counts.values()].sort((a, b) => SEVERITY[a.tone] - SEVERITY[b.tone] || compare(a.word, b.word));
}

/** By code units: the same order in every language. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
