// A browser, and a node that answers what a test wants: the built page over an API of fixtures.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** A folder to put pictures into, for people who look; none = no pictures. */
const SHOTS = process.env.SHOTS ?? "";
const PREFIX = "/orc";
const BUILD = "0123456789abcdef";
/** What the service sends. */
const POLICY = readFileSync("dist/policy.txt", "utf8").trim();
const TYPES = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };

/** Chromium of the system; nothing is skipped in silence. */
export async function browser() {
  assert.ok(existsSync(CHROMIUM), `no browser at ${CHROMIUM}: install Debian's chromium, or set CHROMIUM`);
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
}

function asset(name) {
  return readFileSync(join("dist", name));
}

function document(depth) {
  const web = "../".repeat(depth);
  const boot = JSON.stringify({ node: "orc-1", version: "1.2.3", build: BUILD });
  const text = asset("index.html").toString();
  const assets = `${web}assets/${BUILD}/`;
  return text.replaceAll("{{assets}}", assets).replaceAll("{{web}}", web).replaceAll("{{boot}}", boot);
}

function send(response, status, type, body) {
  response.writeHead(status, { "content-type": `${type}; charset=UTF-8`, "content-security-policy": POLICY });
  response.end(body);
}

/**
 * A node whose API answers from `api`: route → JSON, or `[status, JSON]`; what is missing is 404. The object may be
 * changed while it serves.
 */
export async function node(api) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://node").pathname);
    const page = path.split(`${PREFIX}/web/`)[1] ?? "";
    const route = path.split(`${PREFIX}/api/`)[1];
    if (page.startsWith("assets/")) {
      const name = page.split("/").at(-1);
      return send(response, 200, TYPES[name.split(".").at(-1)], asset(name));
    }
    if (page.includes("assets/")) return send(response, 404, "text/plain", "404 page not found\n");
    if (page !== "") return send(response, 200, TYPES.html, document(page.split("/").length - 1));
    const answer = api[route];
    if (answer === undefined) return send(response, 404, "text/plain", "404 page not found\n");
    const [status, body] = Array.isArray(answer) && typeof answer[0] === "number" ? answer : [200, answer];
    return send(response, status, "application/json", body === "" ? "" : JSON.stringify(body));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const web = `http://127.0.0.1:${server.address().port}${PREFIX}/web/`;
  const close = () =>
    new Promise((done) => {
      server.close(done);
      server.closeAllConnections();
    });
  return { web, close };
}

/**
 * A page on which everything that must never happen is noted: errors, reports of the policy, foreign requests.
 * `allowed` = text of console messages that a test provokes, such as failed requests.
 */
export async function open(on, url, { width = 1280, scheme = "light", allowed = [] } = {}) {
  const context = await on.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => {
    const text = message.text();
    if (!allowed.some((part) => text.includes(part))) wrong.push(`${message.type()}: ${text}`);
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) wrong.push(`foreign: ${request.url()}`);
  });
  await page.goto(url);
  return { page, wrong };
}

/** The rules of accessible pages, evaluated past the policy of the page, which stays on. */
export async function violations(page) {
  const session = await page.context().newCDPSession(page);
  const run = `(() => { const module = undefined, exports = undefined, define = undefined; ${axe.source};
    return axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"] }); })()`;
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: run,
    awaitPromise: true,
    returnByValue: true,
  });
  assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
  return result.value.violations.map(({ id, nodes }) => `${id}: ${nodes.map((one) => one.html).join(" ")}`);
}

/** The page is as it must always be, and is kept as a picture for who asked for that. */
export async function isSound({ page, wrong }, name) {
  if (SHOTS !== "") {
    mkdirSync(SHOTS, { recursive: true });
    await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
    const drawing = page.locator(".canvas");
    if ((await drawing.count()) > 0) {
      await drawing.evaluate((element) => element.style.setProperty("max-height", "none"));
      await drawing.screenshot({ path: join(SHOTS, `${name}-drawing.png`) });
    }
  }
  assert.deepEqual(wrong, [], name);
  assert.deepEqual(await violations(page), [], name);
  const overflow = await page.evaluate(
    () => globalThis.document.documentElement.scrollWidth - globalThis.innerWidth,
  );
  assert.ok(overflow <= 0, `${name}: the page scrolls sideways by ${overflow} pixels`);
}
