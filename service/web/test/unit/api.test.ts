import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ApiError, client, understand } from "../../src/api/client";
import { delayAfter, EVERY_MS } from "../../src/api/poll";
import { askGroup, nothingYet, tried } from "../../src/store";
import { flagsThatFit, partsThatFit, shorten, widthOf } from "../../src/topology/text";
import { golden } from "./samples";

const ROOT = new URL("http://node:3000/orc/api/");

function answering(status: number, body: string, seen: string[] = []): typeof fetch {
  return async (input) => {
    seen.push(String(input));
    return new Response(body, { status });
  };
}

test("routes are asked below the prefix, and names cannot leave their segment", async () => {
  const seen: string[] = [];
  await client(ROOT, answering(200, "[]", seen))(["cluster", "alias", "a/b?c#d"]);
  assert.deepEqual(seen, ["http://node:3000/orc/api/cluster/alias/a%2Fb%3Fc%23d"]);
});

test("an answer is bare or in an envelope, and an error has words", () => {
  assert.deepEqual(understand(200, "[1]"), [1]);
  assert.deepEqual(understand(200, '{"Code":"OK","Message":"Analysis","Details":[]}'), []);
  const words = (status: number, body: string): string => {
    try {
      understand(status, body);
      return "no error";
    } catch (error) {
      return error instanceof ApiError ? error.message : "another error";
    }
  };
  assert.equal(words(500, '{"Code":"ERROR","Message":"Unable to do it","Details":null}'), "Unable to do it");
  assert.equal(words(502, ""), "the leader does not answer this node (502)");
  assert.equal(words(404, "404 page not found\n"), "an answer that is no JSON (404)");
  assert.equal(words(404, '"Not leader"'), "an error without words (404)");
  assert.match(words(401, "Not Authorized\n"), /sign in/);
});

test("a node that cannot be reached is said to be so", async () => {
  const broken: typeof fetch = () => Promise.reject(new TypeError("Failed to fetch"));
  await assert.rejects(client(ROOT, broken)(["clusters"]), { message: "the node cannot be reached" });
});

test("a node that is not well still says who it is", async () => {
  const body = golden("health.json").replace('"OK"', '"ERROR"').replace('"Healthy":true', '"Healthy":false');
  const get = client(ROOT, async (input) =>
    String(input).endsWith("/health")
      ? new Response(body, { status: 500 })
      : new Response('{"Code":"ERROR","Message":"raft-state: not running with raft setup","Details":null}', {
          status: 500,
        }),
  );
  const group = await askGroup(get, new AbortController().signal);
  assert.notEqual(group.trouble, "");
});

test("what was there stays when nothing newer comes", async () => {
  const good = await tried(nothingYet<number>(), Promise.resolve(1), () => 7);
  assert.deepEqual(good, { value: 1, at: 7, error: "" });
  const later = await tried(good, Promise.reject(new ApiError("no answer")), () => 9);
  assert.deepEqual(later, { value: 1, at: 7, error: "no answer" });
});

test("failures make the page ask more seldom, up to a limit, and not all pages at once", () => {
  assert.equal(delayAfter(0, false, 0.9), EVERY_MS);
  const waits = [0, 1, 2, 3, 4, 5, 50].map((failures) => delayAfter(failures, false, 0.5));
  assert.deepEqual(waits, [2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  assert.ok(delayAfter(1, false, 0) < delayAfter(1, false, 0.99));
  assert.ok(delayAfter(0, true, 0) >= 40_000, "nobody looks");
});

/** Names of the fields of an interface, from its text: types are gone when this runs. */
function fieldsOf(name: string): string[] {
  const text = readFileSync("src/api/types.ts", "utf8");
  const body = text.split(`export interface ${name} {`)[1]?.split("\n}")[0] ?? "";
  return [...body.matchAll(/^ {2}(\w+):/gm)].map((match) => match[1] ?? "");
}

test("the fields that the page reads are on the wire", () => {
  const wire: Record<string, object> = {
    Instance: JSON.parse(golden("instance.json")) as object,
    Health: (JSON.parse(golden("health.json")) as { Details: object }).Details,
    RaftStatus: JSON.parse(golden("raft_status.json")) as object,
  };
  for (const [name, there] of Object.entries(wire)) {
    const fields = fieldsOf(name);
    assert.ok(fields.length > 3, name);
    assert.deepEqual(
      fields.filter((field) => !(field in there)),
      [],
      name,
    );
  }
});

test("long names keep both ends and fit", () => {
  const name = "a-very-long-name-of-a-database-server.with-a-domain.example.com:3306";
  const short = shorten(name, 200, 15, true);
  assert.ok(widthOf(short, 15, true) <= 200 && short.startsWith("a-very") && short.endsWith(":3306"), short);
  assert.equal(shorten("db1", 200, 15), "db1");
  assert.equal(partsThatFit(["one", "two two two"], widthOf("one · two", 12), 12), "one");
});

test("remarks fill a line, and the rest is counted", () => {
  const flags = ["downtime", "read-only", "GTID", "semi-sync replica"].map((text) => ({ text, odd: false }));
  const { shown, hidden } = flagsThatFit(flags, widthOf("downtime · read-only +4", 12), 12);
  assert.deepEqual([shown.map((flag) => flag.text), hidden], [["downtime", "read-only"], 2]);
  assert.equal(flagsThatFit(flags, 1000, 12).hidden, 0);
});
