// A browser that a story on real servers drives: one command a line in, one answer a line out, both JSON.
//
//   {"open": url}          goes there
//   {"click": name}        follows the first link of that name
//   {"see": [texts]}       waits until all of them are on the page
//   {"miss": [texts]}      waits until none of them is
//   {"sound": name}        the page is as it must always be; a picture is kept for who asked for that
//   {"allow": [parts]}     console messages with these parts are expected from now on
//
// The answer is {} or {"error": text}.

import { createInterface } from "node:readline";
import { browser, isSound, open } from "./support.mjs";

/** A fleet changes within seconds; a story that waits longer has failed. */
const WITHIN_MS = 60_000;
/** Between two looks. */
const EVERY_MS = 100;

const chromium = await browser();
const allowed = [];
let opened;

async function pageText() {
  return opened.page.locator("body").innerText();
}

async function until(isSo, words) {
  const deadline = Date.now() + WITHIN_MS;
  for (;;) {
    const text = await pageText();
    if (isSo(text)) return;
    if (Date.now() > deadline)
      throw new Error(`${words} after ${WITHIN_MS / 1000} s; the page says:\n${text}`);
    await opened.page.waitForTimeout(EVERY_MS);
  }
}

async function obey(command) {
  if (command.open !== undefined) {
    await opened?.page.context().close();
    opened = await open(chromium, command.open, { allowed });
  } else if (command.click !== undefined) {
    await opened.page.getByRole("link", { name: command.click }).first().click();
  } else if (command.see !== undefined) {
    await until(
      (text) => command.see.every((part) => text.includes(part)),
      `not all of ${command.see} are seen`,
    );
  } else if (command.miss !== undefined) {
    await until(
      (text) => !command.miss.some((part) => text.includes(part)),
      `some of ${command.miss} are seen`,
    );
  } else if (command.sound !== undefined) {
    await isSound(opened, command.sound);
  } else if (command.allow !== undefined) {
    allowed.push(...command.allow);
  } else {
    throw new Error(`no command: ${JSON.stringify(command)}`);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer = {};
  try {
    await obey(JSON.parse(line));
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await chromium.close();
