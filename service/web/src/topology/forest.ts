// Which instance hangs below which. Any input gives a forest: unknown sources, rings, self-replication and
// detached ones included. Nothing is dropped, nothing is placed twice.

import type { Instance, Key } from "../api/types";
import { attached, keyText } from "../model/key";
import { compare } from "../model/state";

/** How an instance hangs below its source. */
export type Tie = "replicates" | "stopped" | "detached" | "group";

export interface Tree {
  instance: Instance;
  name: string;
  /** To the instance above; `null` at a root. */
  tie: Tie | null;
  /** Names a source that is not among the instances; empty = none does. */
  elsewhere: string;
  children: Tree[];
}

/** A source that is no tree edge: members of a ring are roots, beside one another. */
export interface Loop {
  source: string;
  replica: string;
  tie: Tie;
}

export interface Forest {
  roots: Tree[];
  loops: Loop[];
}

/** State of a replication thread that runs. */
const RUNNING = 1;

/** The instance that `instance` copies from, or the primary of its group. */
function sourceOf(instance: Instance): Key | null {
  if (keyText(instance.MasterKey) !== "") return attached(instance.MasterKey);
  const primary = instance.ReplicationGroupPrimaryInstanceKey;
  const isSecondary = keyText(primary) !== "" && keyText(primary) !== keyText(instance.Key);
  return isSecondary ? primary : null;
}

function tieOf(instance: Instance): Tie {
  if (keyText(instance.MasterKey) === "") return "group";
  if (instance.IsDetachedMaster || instance.MasterKey.Hostname.startsWith("//")) return "detached";
  const runs =
    instance.ReplicationIOThreadState === RUNNING && instance.ReplicationSQLThreadState === RUNNING;
  return runs ? "replicates" : "stopped";
}

/** Data centre, then name; never by values that change, so that nothing moves by itself. */
function byPlace(a: Tree, b: Tree): number {
  return compare(a.instance.DataCenter, b.instance.DataCenter) || compare(a.name, b.name);
}

/** Draws up the forest. The order of the input does not matter; of two with one name the last counts. */
export function forestOf(instances: readonly Instance[]): Forest {
  const trees = new Map<string, Tree>();
  for (const instance of instances) {
    const name = keyText(instance.Key);
    trees.set(name, { instance, name, tie: null, elsewhere: "", children: [] });
  }
  const sources = new Map<string, string>();
  for (const tree of trees.values()) {
    const source = sourceOf(tree.instance);
    if (source === null) continue;
    if (trees.has(keyText(source))) sources.set(tree.name, keyText(source));
    else tree.elsewhere = keyText(source);
  }
  const ring = ringMembers([...trees.keys()], sources);
  const roots: Tree[] = [];
  const loops: Loop[] = [];
  for (const tree of trees.values()) {
    const source = sources.get(tree.name);
    const above = source === undefined ? undefined : trees.get(source);
    if (above !== undefined && !ring.has(tree.name)) {
      tree.tie = tieOf(tree.instance);
      above.children.push(tree);
      continue;
    }
    roots.push(tree);
    if (above !== undefined)
      loops.push({ source: above.name, replica: tree.name, tie: tieOf(tree.instance) });
  }
  for (const tree of trees.values()) tree.children.sort(byPlace);
  return { roots: roots.sort(byPlace), loops: loops.sort((a, b) => compare(a.replica, b.replica)) };
}

/** Everybody who comes back to himself by following sources; each has one at most, so one walk per start finds it. */
function ringMembers(names: readonly string[], sources: ReadonlyMap<string, string>): Set<string> {
  const members = new Set<string>();
  const walkOf = new Map<string, string>();
  for (const start of names) {
    let at: string | undefined = start;
    while (at !== undefined && !walkOf.has(at)) {
      walkOf.set(at, start);
      at = sources.get(at);
    }
    // Met on this very walk: from here on it goes round.
    if (at === undefined || walkOf.get(at) !== start) continue;
    const first = at;
    do {
      members.add(at);
      at = sources.get(at) ?? first;
    } while (at !== first);
  }
  return members;
}
