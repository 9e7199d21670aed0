// Where each card stands and how each edge runs: from instances to numbers, without a browser.
//
// Columns by depth; a leaf takes a row, a source stands in the middle of its replicas. Linear in the number of
// instances, and the same for any order of the input.

import type { Instance } from "../api/types";
import { type Forest, forestOf, type Tie, type Tree } from "./forest";

/** Sizes in units of the drawing; at its natural size one is a CSS pixel. */
export const CARD = { width: 280, height: 84 } as const;
const GAP = { column: 56, row: 14, root: 30 } as const;
/** Left of the first column, for the arcs of a ring. */
const RING_MARGIN = 52;
const PADDING = 8;

export interface Placed {
  instance: Instance;
  name: string;
  /** Names a source that is not here; empty = none. */
  elsewhere: string;
  /** Number of replicas below it, here. */
  replicas: number;
  depth: number;
  x: number;
  y: number;
}

export interface Edge {
  source: string;
  replica: string;
  tie: Tie;
  /** Closes a ring: runs left of the cards. */
  isLoop: boolean;
  /** Data of an SVG path, from source to replica. */
  path: string;
  /** Where something can be written on it. */
  middle: { x: number; y: number };
}

export interface Layout {
  /** In the order in which people read: a source before its replicas. */
  cards: Placed[];
  edges: Edge[];
  width: number;
  height: number;
}

/** Lays out a cluster. */
export function layout(instances: readonly Instance[]): Layout {
  return place(forestOf(instances));
}

function place(forest: Forest): Layout {
  const left = PADDING + (forest.loops.length > 0 ? RING_MARGIN : 0);
  const at = new Map<string, Placed>();
  const trees = inReadingOrder(forest.roots);
  let row = PADDING;
  for (const { tree, depth } of trees) {
    const { instance, name, elsewhere, children } = tree;
    if (depth === 0 && at.size > 0) row += GAP.root - GAP.row;
    const x = left + depth * (CARD.width + GAP.column);
    at.set(name, { instance, name, elsewhere, replicas: children.length, depth, x, y: row });
    if (children.length === 0) row += CARD.height + GAP.row;
  }
  // From the last to the first: replicas have their place before their source takes its own between them.
  for (const { tree } of [...trees].reverse()) {
    const [card, first, last] = [tree.name, tree.children[0]?.name, tree.children.at(-1)?.name].map((name) =>
      at.get(name ?? ""),
    );
    if (card !== undefined && first !== undefined && last !== undefined) card.y = (first.y + last.y) / 2;
  }
  const cards = [...at.values()];
  const edges = [...treeEdges(trees, at), ...loopEdges(forest, at)];
  const right = cards.reduce((most, card) => Math.max(most, card.x + CARD.width), 0);
  const bottom = cards.reduce((most, card) => Math.max(most, card.y + CARD.height), 0);
  return { cards, edges, width: right + PADDING, height: bottom + PADDING };
}

interface Step {
  tree: Tree;
  depth: number;
}

/** A source before its replicas. Not by recursion: a chain may be longer than the stack is deep. */
function inReadingOrder(roots: readonly Tree[]): Step[] {
  const order: Step[] = [];
  const open: Step[] = [...roots].reverse().map((tree) => ({ tree, depth: 0 }));
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    order.push(step);
    for (const child of [...step.tree.children].reverse()) open.push({ tree: child, depth: step.depth + 1 });
  }
  return order;
}

function treeEdges(trees: readonly Step[], at: ReadonlyMap<string, Placed>): Edge[] {
  const edges: Edge[] = [];
  for (const { tree } of trees) {
    const above = at.get(tree.name);
    for (const { name: replica, tie } of tree.children) {
      const below = at.get(replica);
      if (above === undefined || below === undefined || tie === null) continue;
      edges.push({ source: tree.name, replica, tie, isLoop: false, ...elbow(above, below) });
    }
  }
  return edges;
}

/** Out to the right, along the gap, in from the left. */
function elbow(above: Placed, below: Placed): Pick<Edge, "path" | "middle"> {
  const [x1, y1] = [above.x + CARD.width, above.y + CARD.height / 2];
  const [x2, y2] = [below.x, below.y + CARD.height / 2];
  const turn = x1 + GAP.column * 0.4;
  return { path: `M${x1} ${y1}H${turn}V${y2}H${x2}`, middle: { x: (turn + x2) / 2, y: y2 } };
}

/** Down on the outside, up on the inside, so that the two ways between two co-primaries are two lines. */
function loopEdges(forest: Forest, at: ReadonlyMap<string, Placed>): Edge[] {
  return forest.loops.flatMap((loop) => {
    const [above, below] = [at.get(loop.source), at.get(loop.replica)];
    if (above === undefined || below === undefined) return [];
    const goesDown = above.y <= below.y;
    const reach = goesDown ? RING_MARGIN : RING_MARGIN * 0.55;
    const shift = goesDown ? -10 : 10;
    const [y1, y2] = [above.y + CARD.height / 2 + shift, below.y + CARD.height / 2 - shift];
    const x = above.x;
    const path = `M${x} ${y1}C${x - reach} ${y1} ${x - reach} ${y2} ${x} ${y2}`;
    return [{ ...loop, isLoop: true, path, middle: { x: x - reach * 0.75, y: (y1 + y2) / 2 } }];
  });
}
