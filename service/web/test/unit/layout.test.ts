import assert from "node:assert/strict";
import { test } from "node:test";
import type { Instance } from "../../src/api/types";
import { forestOf } from "../../src/topology/forest";
import { CARD, type Layout, layout, type Placed } from "../../src/topology/layout";
import { instance } from "./samples";

/** Names as a picture: two blanks for each level, in reading order. */
function picture(drawn: Layout): string {
  return drawn.cards.map((card) => `${"  ".repeat(card.depth)}${card.instance.Key.Hostname}`).join("\n");
}

function ties(drawn: Layout): string[] {
  const short = (name: string): string => name.replace(":3306", "");
  const text = drawn.edges.map(
    (edge) => `${short(edge.source)}>${short(edge.replica)} ${edge.tie}${edge.isLoop ? " loop" : ""}`,
  );
  return text.sort();
}

function overlap(a: Placed, b: Placed): boolean {
  return Math.abs(a.x - b.x) < CARD.width && Math.abs(a.y - b.y) < CARD.height;
}

/** The same numbers for the same seed (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Any sources at all: trees, rings, self-replication, unknown ones. */
function anyTopology(seed: number): Instance[] {
  const pick = random(seed);
  const size = 1 + pick(24);
  return Array.from({ length: size }, (_, n) => {
    const source = pick(5) === 0 ? "" : pick(9) === 0 ? "elsewhere" : `h${pick(size)}`;
    return instance(`h${n}`, source, { DataCenter: `dc${pick(3)}` });
  });
}

test("replicas hang below their sources, by data centre and name", () => {
  const drawn = layout([
    instance("d", "c"),
    instance("c", "a", { DataCenter: "dc1" }),
    instance("b", "a", { DataCenter: "dc2" }),
    instance("a", ""),
  ]);
  assert.equal(picture(drawn), "a\n  c\n    d\n  b");
  assert.deepEqual(ties(drawn), ["a>b replicates", "a>c replicates", "c>d replicates"]);
});

test("a source stands in the middle of its replicas", () => {
  const drawn = layout([instance("a", ""), instance("b", "a"), instance("c", "a"), instance("d", "a")]);
  const y = (host: string): number =>
    drawn.cards.find((card) => card.instance.Key.Hostname === host)?.y ?? -1;
  assert.equal(y("a"), y("c"));
});

test("co-primaries stand beside one another, each with its own replicas", () => {
  const drawn = layout([
    instance("a", "b", { IsCoMaster: true }),
    instance("b", "a", { IsCoMaster: true }),
    instance("c", "b"),
  ]);
  assert.equal(picture(drawn), "a\nb\n  c");
  assert.deepEqual(ties(drawn), ["a>b replicates loop", "b>a replicates loop", "b>c replicates"]);
  const paths = drawn.edges.filter((edge) => edge.isLoop).map((edge) => edge.path);
  assert.equal(new Set(paths).size, 2, "two ways are two lines");
});

test("a ring of three, a server that copies from itself, two roots, an orphan: all are there", () => {
  const drawn = layout([
    instance("a", "c"),
    instance("b", "a"),
    instance("c", "b"),
    instance("self", "self"),
    instance("root", ""),
    instance("orphan", "gone"),
    instance("below", "orphan"),
  ]);
  assert.equal(picture(drawn), "a\nb\nc\norphan\n  below\nroot\nself");
  assert.equal(drawn.cards.find((card) => card.name === "orphan:3306")?.elsewhere, "gone:3306");
  assert.deepEqual(ties(drawn), [
    "a>b replicates loop",
    "b>c replicates loop",
    "c>a replicates loop",
    "orphan>below replicates",
    "self>self replicates loop",
  ]);
});

test("a stopped replica, a detached one and a member of a group are tied in ways of their own", () => {
  const drawn = layout([
    instance("a", ""),
    instance("b", "a", { ReplicationSQLThreadState: 0 }),
    instance("c", "//a", { IsDetachedMaster: true }),
    instance("d", "", { ReplicationGroupPrimaryInstanceKey: { Hostname: "a", Port: 3306 } }),
  ]);
  assert.deepEqual(ties(drawn), ["a>b stopped", "a>c detached", "a>d group"]);
});

test("nothing is drawn of nothing", () => {
  assert.deepEqual(layout([]).cards, []);
});

test("any topology: everybody once, nobody over another, nobody left of his source, the same for any order", () => {
  for (let seed = 1; seed <= 2000; seed += 1) {
    const instances = anyTopology(seed);
    const drawn = layout(instances);
    const names = drawn.cards.map((card) => card.name).sort();
    assert.deepEqual(names, [...new Set(names)], `seed ${seed}: twice`);
    assert.equal(names.length, instances.length, `seed ${seed}: lost`);
    for (const [n, a] of drawn.cards.entries()) {
      for (const b of drawn.cards.slice(n + 1))
        assert.ok(!overlap(a, b), `seed ${seed}: ${a.name} over ${b.name}`);
      assert.ok(a.x >= 0 && a.y >= 0 && a.x + CARD.width <= drawn.width && a.y + CARD.height <= drawn.height);
    }
    const at = new Map(drawn.cards.map((card) => [card.name, card]));
    for (const edge of drawn.edges) {
      const [above, below] = [at.get(edge.source), at.get(edge.replica)];
      assert.ok(above !== undefined && below !== undefined, `seed ${seed}: an edge to nobody`);
      if (!edge.isLoop) assert.equal(below.depth, above.depth + 1, `seed ${seed}`);
    }
    assert.deepEqual(layout([...instances].reverse()), drawn, `seed ${seed}: another order`);
  }
});

test("every source that is known has an edge, and every other one a name", () => {
  for (let seed = 1; seed <= 500; seed += 1) {
    const instances = anyTopology(seed);
    const forest = forestOf(instances);
    const drawn = layout(instances);
    const tied = new Set(drawn.edges.map((edge) => edge.replica));
    for (const card of drawn.cards) {
      const wanted = card.instance.MasterKey.Hostname !== "";
      assert.equal(wanted, tied.has(card.name) || card.elsewhere !== "", `seed ${seed}: ${card.name}`);
    }
    assert.ok(forest.roots.length > 0);
  }
});

test("five thousand instances are laid out, wide or deep", () => {
  const wide = Array.from({ length: 5000 }, (_, n) =>
    instance(`h${n}`, n === 0 ? "" : `h${Math.floor((n - 1) / 50)}`),
  );
  const deep = Array.from({ length: 5000 }, (_, n) => instance(`h${n}`, n === 0 ? "" : `h${n - 1}`));
  for (const [name, instances] of [
    ["wide", wide],
    ["deep", deep],
  ] as const) {
    const began = performance.now();
    assert.equal(layout(instances).cards.length, 5000);
    console.log(`5,000 instances, ${name}: ${(performance.now() - began).toFixed(0)} ms`);
  }
});
