// The page in all its states, in a real browser: what it says, that it is accessible, that nothing is refused by the
// policy and nothing comes from elsewhere.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { empty, group, TROUBLED, troubled } from "./fixtures.mjs";
import { browser, isSound, node, open } from "./support.mjs";

let chromium;
before(async () => {
  chromium = await browser();
});
after(async () => chromium?.close());

/** Runs `story` on a node of its own. */
async function on(api, story) {
  const served = await node(api);
  try {
    await story(served.web);
  } finally {
    await served.close();
  }
}

const LOOKS = [
  { name: "light", scheme: "light" },
  { name: "dark", scheme: "dark" },
  { name: "phone", width: 360 },
  { name: "phone-dark", width: 320, scheme: "dark" },
];

for (const look of LOOKS) {
  test(`all clusters, ${look.name}: findings, problems, recoveries, who leads`, async () => {
    await on(troubled(), async (web) => {
      const opened = await open(chromium, `${web}clusters`, look);
      const { page } = opened;
      await page.getByRole("heading", { name: "Needs attention" }).waitFor();
      for (const said of [
        "AllMasterReplicasNotReplicatingOrDead",
        "Recoveries are switched off everywhere",
        "recovery 7 was not long ago",
        "No logging replicas",
        'Duplicate entry "7" for key <b>PRIMARY</b>',
        "under way",
        "no candidate has received everything",
        "lost: db6.example.com:3306",
        "orc-2:10008 answers, and follows orc-1:10008",
      ]) {
        // Each section comes with its own answer, in any order.
        await page.locator("main").filter({ hasText: said }).waitFor();
      }
      await isSound(opened, `clusters-${look.name}`);
    });
  });

  test(`one cluster, ${look.name}: everybody is drawn and listed, with state and lag`, async () => {
    await on(troubled(), async (web) => {
      const opened = await open(chromium, `${web}cluster/alias/orders`, look);
      const { page } = opened;
      await page.getByRole("heading", { name: "orders" }).waitFor();
      for (const { Key, InstanceAlias } of TROUBLED) {
        const name = `${Key.Hostname}:${Key.Port}`;
        await page.getByRole("link", { name }).first().waitFor();
        await page
          .getByRole("row", { name: InstanceAlias || name })
          .first()
          .waitFor();
      }
      const lagging = await page
        .getByRole("link", { name: /db4\.example\.com:3306, lagging/ })
        .getAttribute("aria-label");
      assert.match(lagging, /lag 1 h 10 min/);
      assert.match(lagging, /writable/);
      await isSound(opened, `cluster-${look.name}`);
    });
  });
}

for (const look of LOOKS) {
  test(`nothing discovered, ${look.name}: the page says how to discover`, async () => {
    await on(empty(), async (web) => {
      const opened = await open(chromium, `${web}clusters`, look);
      await opened.page.getByText("orchestrator-client -c discover -i").waitFor();
      await isSound(opened, `empty-${look.name}`);
    });
  });
}

test("an error of the API is shown in its words, and tried again", async () => {
  const words = "Unable to determine cluster name. clusterHint=nosuch";
  const error = [500, { Code: "ERROR", Message: words, Details: null }];
  const api = { ...troubled(), "cluster-info/nosuch": error };
  await on(api, async (web) => {
    const opened = await open(chromium, `${web}cluster/nosuch`, { allowed: ["500"] });
    await opened.page.getByText(words).waitFor();
    await isSound(opened, "error");
    api["cluster-info/nosuch"] = api["cluster-info/alias/orders"];
    await opened.page.getByRole("button", { name: "Try now" }).click();
    await opened.page.getByRole("heading", { name: "orders" }).waitFor();
  });
});

test("without a leader the page says so, and what that means", async () => {
  await on({ ...troubled(), ...group("") }, async (web) => {
    const opened = await open(chromium, `${web}clusters`);
    await opened.page.getByText("Nobody leads the group").waitFor();
    await opened.page.getByText("no leader", { exact: true }).waitFor();
    await isSound(opened, "leaderless");
  });
});

test("a leader that does not answer leaves the older data there, with their age", async () => {
  const api = troubled();
  await on(api, async (web) => {
    const opened = await open(chromium, `${web}clusters`, { allowed: ["502"] });
    await opened.page.getByRole("link", { name: "orders" }).first().waitFor();
    for (const route of ["clusters-info", "replication-analysis", "problems"]) api[route] = [502, ""];
    await opened.page.getByText(/Data from .* the leader does not answer this node/).waitFor();
    assert.ok(await opened.page.getByRole("link", { name: "orders" }).first().isVisible());
    await isSound(opened, "stale");
  });
});

test("a node that is gone is said to be gone", async () => {
  const served = await node(troubled());
  const opened = await open(chromium, `${served.web}clusters`, { allowed: ["ERR_"] });
  await opened.page.getByRole("link", { name: "orders" }).first().waitFor();
  await served.close();
  await opened.page.getByText("no answer", { exact: true }).waitFor();
  await opened.page
    .getByText(/the node cannot be reached/)
    .first()
    .waitFor();
  await isSound(opened, "gone");
});

test("what changes shows without a reload, and links keep the document", async () => {
  const api = troubled();
  await on(api, async (web) => {
    const { page, wrong } = await open(chromium, `${web}clusters`);
    await page.evaluate(() => {
      globalThis.sameDocument = true;
    });
    await page.getByRole("link", { name: "orders" }).first().click();
    await page.getByRole("heading", { level: 1, name: "orders" }).waitFor();
    assert.ok(page.url().endsWith("/web/cluster/alias/orders"), page.url());
    api["cluster/db1.example.com:3306"] = TROUBLED.slice(0, 1);
    await page.getByRole("row", { name: "db2.example.com" }).waitFor({ state: "detached" });
    await page.goBack();
    await page.getByRole("heading", { level: 1, name: "Clusters" }).waitFor();
    assert.ok(await page.evaluate(() => globalThis.sameDocument), "loaded anew");
    assert.deepEqual(wrong, []);
  });
});

test("by keyboard: past the head, to a card, from there to its row", async () => {
  await on(troubled(), async (web) => {
    const { page, wrong } = await open(chromium, `${web}cluster/alias/orders`);
    await page.getByRole("link", { name: /orders-primary/ }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    const focused = () =>
      page.evaluate(() => globalThis.document.activeElement?.getAttribute("aria-label") ?? "");
    for (let presses = 0; presses < 20 && !(await focused()).startsWith("orders-primary"); presses += 1) {
      await page.keyboard.press("Tab");
    }
    assert.match(await focused(), /^orders-primary/);
    await page.keyboard.press("Enter");
    const row = page.locator("tr:target");
    await row.waitFor();
    assert.match(await row.innerText(), /orders-primary/);
    assert.deepEqual(wrong, []);
  });
});

test("without scripts the page leads to the API", async () => {
  await on(troubled(), async (web) => {
    const context = await chromium.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`${web}cluster/alias/orders`);
    const link = page.getByRole("link", { name: "clusters" });
    const address = new URL(await link.getAttribute("href"), page.url());
    assert.equal(address.pathname, "/orc/api/clusters-info");
    await context.close();
  });
});

test("text that comes into the page by mistake is not executed: inline script, handler", async () => {
  await on(empty(), async (web) => {
    const { page } = await open(chromium, `${web}clusters`);
    const ran = await page.evaluate(() => {
      const script = globalThis.document.createElement("script");
      try {
        script.textContent = "globalThis.ran = 1";
      } catch {
        // Refused by trusted types, as it should be.
      }
      globalThis.document.body.append(script);
      try {
        globalThis.document.body.innerHTML = "<img src=x onerror='globalThis.ran = 2'>";
      } catch {
        // Likewise.
      }
      return globalThis.ran ?? 0;
    });
    assert.equal(ran, 0);
  });
});
