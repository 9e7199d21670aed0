import assert from "node:assert/strict";
import { test } from "node:test";
import type { Health, Instance } from "../../src/api/types";
import { flagsOf, lagText, notesOf, roleOf, shortVersion, versionText } from "../../src/model/facts";
import { groupOf, groupText } from "../../src/model/group";
import { attached, keyText } from "../../src/model/key";
import { clusterPath, pageOf } from "../../src/model/page";
import { countStates, stateOf } from "../../src/model/state";
import { absolute, ago, duration, parseTime } from "../../src/model/time";
import { golden, instance } from "./samples";

test("each problem has its word, and the worst comes first", () => {
  const words: Array<[string[], Partial<Instance>, string]> = [
    [[], {}, "ok ok"],
    [["last_check_invalid", "errant_gtid"], {}, "bad unreachable"],
    [["not_recently_checked"], {}, "muted stale"],
    [["not_replicating", "errant_gtid"], {}, "bad replication stopped"],
    [["replication_lag"], {}, "warn lagging"],
    [["errant_gtid"], {}, "warn errant GTID"],
    [
      ["group_replication_member_not_online"],
      { ReplicationGroupMemberState: "RECOVERING" },
      "warn recovering",
    ],
    [
      ["group_replication_member_not_online"],
      { ReplicationGroupMemberState: "ERROR" },
      "bad not online in its group",
    ],
    [["of_a_later_release"], {}, "warn of a later release"],
  ];
  for (const [problems, change, expected] of words) {
    const { tone, word } = stateOf(instance("a", "b", { Problems: problems, ...change }));
    assert.equal(`${tone} ${word}`, expected);
  }
});

test("a downtime mutes the colour and keeps the word", () => {
  const downtimed = { IsDowntimed: true };
  assert.deepEqual(stateOf(instance("a", "", downtimed)), { tone: "muted", word: "downtime" });
  const lagging = stateOf(instance("a", "b", { ...downtimed, Problems: ["replication_lag"] }));
  assert.deepEqual(lagging, { tone: "muted", word: "lagging" });
});

test("states are counted, the worst first", () => {
  const of = (problem: string): Instance => instance("a", "b", { Problems: problem === "" ? [] : [problem] });
  const counts = countStates([of(""), of("replication_lag"), of(""), of("not_replicating")]);
  assert.deepEqual(
    counts.map(({ count, word }) => `${count} ${word}`),
    ["1 replication stopped", "1 lagging", "2 ok"],
  );
});

test("roles are told in our words", () => {
  const cases: Array<[Instance, number, string]> = [
    [instance("a", ""), 2, "primary"],
    [instance("a", "b"), 0, "replica"],
    [instance("a", "b"), 1, "intermediate primary"],
    [instance("a", "b", { IsCoMaster: true }), 1, "co-primary"],
    [instance("a", "//b", { IsDetachedMaster: true }), 0, "detached replica"],
    [
      instance("a", "", { ReplicationGroupName: "g", ReplicationGroupMemberRole: "SECONDARY" }),
      0,
      "group secondary",
    ],
  ];
  for (const [one, replicas, role] of cases) assert.equal(roleOf(one, replicas), role);
});

test("what is odd is said first, what is usual is said too", () => {
  const flags = (one: Instance): string =>
    flagsOf(one)
      .map((flag) => (flag.odd ? `${flag.text}!` : flag.text))
      .join(", ");
  assert.equal(flags(instance("a", "")), "writable, GTID");
  assert.equal(flags(instance("a", "", { ReadOnly: true })), "read-only!, GTID");
  assert.equal(flags(instance("a", "b", { ReadOnly: false })), "writable!, GTID");
  const odd = instance("a", "//b", {
    IsDetachedMaster: true,
    IsDowntimed: true,
    DowntimeReason: "lost-in-recovery",
    GtidErrant: "x:1",
    LogBinEnabled: false,
    HasReplicationFilters: true,
    SQLDelay: 3600,
    PromotionRule: "must_not",
    SemiSyncReplicaEnabled: true,
    SemiSyncReplicaStatus: false,
  });
  assert.equal(
    flags(odd),
    "lost in recovery!, detached!, errant GTID!, filters!, no binary log!, " +
      "read-only, GTID, semi-sync replica (idle), delay 1 h, promotion must not",
  );
});

test("an unknown lag is not none, and a primary has none", () => {
  assert.equal(
    lagText(instance("a", "b", { ReplicationLagSeconds: { Int64: 75, Valid: true } })),
    "lag 75 s",
  );
  assert.equal(lagText(instance("a", "b", { ReplicationLagSeconds: { Int64: 0, Valid: false } })), "lag ?");
  assert.equal(lagText(instance("a", "")), "");
  const before = { Problems: ["last_check_invalid"], ReplicationLagSeconds: { Int64: 0, Valid: true } };
  assert.equal(lagText(instance("a", "b", before)), "lag ?", "it was none when it could still be read");
});

test("errors are told without the quotes they come in", () => {
  const notes = notesOf(
    instance("a", "b", { LastIOError: '"error \\"x\\" connecting"', LastSQLError: '"bad \\x1b"' }),
  );
  assert.deepEqual(notes, ['IO thread: error "x" connecting', "SQL thread: bad \\x1b"]);
});

test("a version is told in full, or without what a distribution adds", () => {
  const one = instance("a", "", { FlavorName: "MariaDB", Version: "10.11.18-MariaDB-0+deb12u1-log" });
  assert.equal(versionText(one), "MariaDB 10.11.18-MariaDB-0+deb12u1-log");
  assert.equal(shortVersion(one), "MariaDB 10.11.18");
  assert.equal(shortVersion({ ...one, FlavorName: "unknown", Version: "weird" }), "weird");
});

test("keys read as people write them", () => {
  assert.equal(keyText({ Hostname: "2001:db8::7", Port: 3306 }), "[2001:db8::7]:3306");
  assert.equal(keyText({ Hostname: "_", Port: 3306 }), "");
  assert.equal(keyText(null), "");
  assert.equal(keyText(attached({ Hostname: "//db1", Port: 3306 })), "db1:3306");
});

test("times and durations have no locale", () => {
  assert.equal(duration(119), "119 s");
  assert.equal(duration(120), "2 min");
  assert.equal(duration(5 * 3600 + 20 * 60), "5 h 20 min");
  assert.equal(duration(3 * 86_400), "3 d");
  assert.equal(parseTime("2024-05-01 10:11:12"), parseTime("2024-05-01T10:11:12Z"));
  assert.equal(absolute(parseTime("2024-05-01T12:11:12+02:00") ?? 0), "2024-05-01 10:11:12 UTC");
  for (const nothing of ["", "0001-01-01T00:00:00Z", "soon"]) assert.equal(parseTime(nothing), null);
  assert.equal(ago(10_000, 0), "0 s ago", "a clock that is ahead");
});

test("addresses lead to pages and back", () => {
  assert.deepEqual(pageOf("clusters/"), { name: "clusters" });
  const path = (name: string, alias: string): string =>
    clusterPath({ ClusterName: name, ClusterAlias: alias });
  assert.deepEqual(pageOf(path("db1:3306", "")), { name: "cluster", hint: ["db1:3306"] });
  assert.equal(path("db1:3306", "db1:3306"), "cluster/db1:3306");
  assert.equal(path("db1:3306", "a/b"), "cluster/db1:3306", "the API takes it for two segments");
  assert.equal(path("db1:3306", "a b"), "cluster/alias/a%20b");
  assert.deepEqual(pageOf("cluster/alias/a%20b"), { name: "cluster", hint: ["alias", "a b"] });
  assert.deepEqual(pageOf("cluster/instance/db1/3306/"), { name: "cluster", hint: ["db1:3306"] });
  for (const path of ["", "cluster", "cluster/", "clusters/x", "cluster/a/b", "audit"]) {
    assert.deepEqual(pageOf(path), { name: "nowhere" }, path);
  }
});

const health = (JSON.parse(golden("health.json")) as { Details: Health }).Details;
const raft = {
  RaftAdvertise: "o2:10008",
  State: "Follower",
  Healthy: true,
  Leader: "o1:10008",
  Peers: ["o2:10008", "o1:10008"],
};

test("a node says whom it follows, that it leads, that nobody does, that it is alone", () => {
  const follower = { ...health, IsActiveNode: false };
  const cases = [
    [groupOf(follower, raft), "o2:10008 answers, and follows o1:10008, which the data come from."],
    [groupOf(health, { ...raft, Leader: "o2:10008" }), "o2:10008 answers, and leads."],
    [groupOf(follower, { ...raft, Leader: "" }), "o2:10008 answers, and knows no leader."],
    [groupOf(follower, { ...raft, Healthy: false }), "o2:10008 answers, and knows no leader."],
    [groupOf(health, null), `${health.Hostname} answers, and runs alone.`],
  ] as const;
  for (const [group, text] of cases) assert.equal(groupText(group), text);
});

test("a node that is not well says why", () => {
  assert.equal(groupOf({ ...health, Healthy: false, Error: "disk full" }, raft).trouble, "disk full");
  assert.notEqual(groupOf({ ...health, Healthy: false, Error: null }, raft).trouble, "");
});
