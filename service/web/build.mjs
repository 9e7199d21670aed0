// Builds dist/, which is committed, so that `cargo build` needs no Node; see DESIGN.md.
//
//   node build.mjs            writes dist/
//   node build.mjs --verify   builds elsewhere and compares the bytes; changes nothing
//   node build.mjs --tests    bundles the unit tests into .build/

import { createHash } from "node:crypto";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const DIST = join(HERE, "dist");
/** What decides over dist/: everything below src/, and how it is built. */
const HOW = ["build.mjs", "package-lock.json", "package.json", "tsconfig.json"];
/** Shipped as they are. */
const COPIED = ["icon.svg", "index.html", "policy.txt"];

/** @param {string} folder relative to here */
function filesBelow(folder) {
  const entries = readdirSync(join(HERE, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return files.map((file) => file.slice(HERE.length));
}

/** @param {string} file */
function sha256(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/**
 * In the notation of `sha256sum`: the sources first, then what was built of them.
 * @param {string} out
 */
function manifest(out) {
  const sources = [...HOW, ...filesBelow("src")].sort();
  const built = readdirSync(out)
    .filter((name) => name !== "MANIFEST")
    .sort();
  const lines = [
    ...sources.map((file) => `${sha256(join(HERE, file))}  ${file}`),
    ...built.map((name) => `${sha256(join(out, name))}  dist/${name}`),
  ];
  return `${lines.join("\n")}\n`;
}

/** @param {string} out */
async function build(out) {
  const license = readFileSync(join(HERE, "node_modules/preact/LICENSE"), "utf8").trim();
  await esbuild.build({
    absWorkingDir: HERE,
    entryPoints: { app: "src/main.tsx", style: "src/styles/main.css" },
    outdir: out,
    bundle: true,
    minify: true,
    format: "esm",
    target: ["es2022"],
    charset: "utf8",
    legalComments: "none",
    banner: { js: `/* Contains Preact.\n\n${license}\n*/` },
    logLevel: "warning",
  });
  for (const name of COPIED) copyFileSync(join(HERE, "src", name), join(out, name));
  writeFileSync(join(out, "MANIFEST"), manifest(out));
}

async function write() {
  rmSync(DIST, { recursive: true, force: true });
  mkdirSync(DIST);
  await build(DIST);
}

async function verify() {
  const elsewhere = mkdtempSync(join(tmpdir(), "orchestrator-web-"));
  try {
    await build(elsewhere);
    const names = [...new Set([...readdirSync(elsewhere), ...readdirSync(DIST)])].sort();
    const differing = names.filter((name) => contents(elsewhere, name) !== contents(DIST, name));
    if (differing.length > 0) {
      console.error(
        `dist/ is not what src/ gives: ${differing.join(", ")}. Run \`npm run build\` and commit.`,
      );
      process.exitCode = 1;
    }
  } finally {
    rmSync(elsewhere, { recursive: true });
  }
}

/**
 * @param {string} folder
 * @param {string} name
 */
function contents(folder, name) {
  try {
    return readFileSync(join(folder, name), "latin1");
  } catch {
    return null;
  }
}

async function tests() {
  const out = join(HERE, ".build");
  rmSync(out, { recursive: true, force: true });
  const entryPoints = filesBelow("test/unit").filter((file) => /\.test\.tsx?$/.test(file));
  await esbuild.build({
    absWorkingDir: HERE,
    entryPoints,
    outdir: out,
    outExtension: { ".js": ".test.mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: ["node20"],
    sourcemap: "inline",
    logLevel: "warning",
  });
}

const modes = new Map([
  ["--verify", verify],
  ["--tests", tests],
]);
await (modes.get(process.argv[2] ?? "") ?? write)();
