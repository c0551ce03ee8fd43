import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { evidenceFault, readLedger, unproven } from "../acceptance.ts";
import { type LintStep, lintSteps, lintWith } from "../lint.ts";
import { run, seconds } from "../run.ts";
import { parseCargo, parseSkips, parseVitest, skipsNotListed, type TestCase } from "./parse.ts";

/** What the last whole `./hft test` saw, and of which files. */
export interface TestRecord {
  readonly tree: string;
  readonly cases: readonly TestCase[];
}

export const RECORD = "var/test/last.json";

/** One hash over every file git would commit: two checkouts with the same hash hold the same tests. */
export function treeHash(root: string): string {
  const names = execFileSync("git", ["ls-files", "-z", "-co", "--exclude-standard"], { cwd: root })
    .toString("utf8")
    .split("\0")
    .filter((name) => name !== "" && existsSync(join(root, name)))
    .sort();
  const hash = createHash("sha256");
  for (const name of names) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(root, name)))
      .update("\0");
  }
  return hash.digest("hex");
}

export function readRecord(root: string): TestRecord | null {
  try {
    return JSON.parse(readFileSync(join(root, RECORD), "utf8")) as TestRecord;
  } catch {
    return null;
  }
}

function crates(root: string): string[] {
  return readdirSync(join(root, "packages/rust-core/crates")).map((name) => `tidegate-${name}`);
}

export interface TestOptions {
  readonly only: string | null;
  readonly watch: boolean;
  readonly skipLint: boolean;
}

/**
 * The call of `cargo test`, or null where `only` names no crate. Tests of the reference data are marked
 * `#[ignore]`: they run where TIDEGATE_DATA says where it is, and are counted as skipped elsewhere.
 */
export function cargoArgs(
  all: readonly string[],
  only: string | null,
  data: string | undefined,
): string[] | null {
  const chosen = all.filter((name) => only !== null && name.includes(only));
  if (only !== null && chosen.length === 0) return null;
  return [
    "test",
    "--locked",
    "--no-fail-fast",
    ...(only === null ? ["--workspace", "--exclude", "tidegate-napi"] : []),
    ...chosen.flatMap((name) => ["-p", name]),
    ...(data === undefined || data === "" ? [] : ["--", "--include-ignored"]),
  ];
}

/**
 * The same call for the build alone: it gives way to the tests that run beside it, which wait for processes and clocks.
 */
export function buildArgs(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return ["-n", "10", "cargo", ...(end < 0 ? args : args.slice(0, end)), "--no-run"];
}

/** Where it fails the call that runs the tests says why. */
async function buildCargo(root: string, args: readonly string[]): Promise<void> {
  const began = performance.now();
  if ((await run("nice", buildArgs(args), { cwd: root })).code === 0)
    process.stderr.write(`cargo: built (${seconds(began)} s)\n`);
}

async function runCargo(root: string, args: readonly string[]): Promise<TestCase[]> {
  const began = performance.now();
  const { code, output } = await run("cargo", args, { cwd: root });
  const cases = parseCargo(output);
  const failed = cases.some((each) => each.status === "failed");
  if (code !== 0) process.stderr.write(output);
  if (code !== 0 && !failed) {
    cases.push({ runner: "cargo", name: "cargo test (did not build)", status: "failed" });
  }
  process.stderr.write(`cargo: ${tally(cases)} (${seconds(began)} s)\n`);
  return cases;
}

async function runVitest(root: string, only: string | null): Promise<TestCase[]> {
  const began = performance.now();
  const file = join(root, "var/test/vitest.json");
  rmSync(file, { force: true });
  const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  if (only !== null) args.push("--passWithNoTests", only);
  const { code, output } = await run(join(root, "node_modules/.bin/vitest"), args, { cwd: root });
  if (code !== 0) process.stderr.write(output);
  const cases = existsSync(file) ? parseVitest(readFileSync(file, "utf8"), root) : [];
  if (code !== 0 && !cases.some((each) => each.status === "failed")) {
    cases.push({ runner: "vitest", name: "vitest (did not finish)", status: "failed" });
  }
  process.stderr.write(`vitest: ${tally(cases)} (${seconds(began)} s)\n`);
  return cases;
}

/** `N passed, N failed`, and the skipped where there are any. */
export function tally(cases: readonly TestCase[]): string {
  const count = (status: TestCase["status"]): number =>
    cases.filter((each) => each.status === status).length;
  const skipped = count("skipped");
  return `${count("passed")} passed, ${count("failed")} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** Lint, then all tests; prints the skipped by name and the tally as its last line. True when all is well. */
export async function test(root: string, options: TestOptions): Promise<boolean> {
  mkdirSync(join(root, "var/test"), { recursive: true });
  if (options.watch) {
    const args = ["watch", ...(options.only === null ? [] : [options.only])];
    return (
      (await run(join(root, "node_modules/.bin/vitest"), args, { cwd: root, echo: true })).code ===
      0
    );
  }
  const args = cargoArgs(crates(root), options.only, process.env["TIDEGATE_DATA"]);
  const steps = options.skipLint || options.only !== null ? [] : lintSteps(root);
  const linted = async (of: readonly LintStep[]): Promise<TestCase[]> =>
    (await lintWith(root, of)) ? [] : [{ runner: "vitest", name: "lint", status: "failed" }];
  // Lint and cargo compute, vitest mostly waits: side by side they take little longer than one of them. What cargo builds for
  // the tests comes first: some of vitest's wait for it, and a lint that holds cargo's lock would have them wait longer.
  const ofRust = async (): Promise<TestCase[]> => {
    const short = await linted(steps.filter(({ long }) => long !== true));
    if (args !== null) await buildCargo(root, args);
    const long = linted(steps.filter(({ long }) => long === true));
    return [...short, ...(args === null ? [] : await runCargo(root, args)), ...(await long)];
  };
  const cases = (await Promise.all([ofRust(), runVitest(root, options.only)])).flat();
  const skips = parseSkips(readFileSync(join(root, "docs/skips.tsv"), "utf8"));
  for (const each of cases) {
    if (each.status === "skipped") process.stdout.write(`skipped: ${each.name}\n`);
    if (each.status === "failed") process.stdout.write(`failed: ${each.name}\n`);
  }
  const unlisted = process.env["CI"] === "true" ? skipsNotListed(cases, skips) : [];
  for (const each of unlisted) {
    process.stdout.write(`skipped without a reason in docs/skips.tsv: ${each.name}\n`);
  }
  const claims =
    options.only === null
      ? unproven(readLedger(root), cases, (file) => evidenceFault(root, file))
      : [];
  for (const claim of claims) process.stdout.write(`claimed without proof: ${claim}\n`);
  const ok =
    claims.length === 0 &&
    unlisted.length === 0 &&
    cases.some((each) => each.status === "passed") &&
    cases.every((each) => each.status !== "failed");
  if (options.only === null) {
    const record: TestRecord = { tree: treeHash(root), cases };
    writeFileSync(join(root, RECORD), JSON.stringify(record));
  }
  process.stdout.write(`${tally(cases)}\n`);
  return ok;
}

/** The names of all tests, without running them. */
export async function listTests(root: string): Promise<string[]> {
  const cargo = await run(
    "cargo",
    ["test", "--workspace", "--exclude", "tidegate-napi", "--locked", "--quiet", "--", "--list"],
    { cwd: root },
  );
  const vitest = await run(join(root, "node_modules/.bin/vitest"), ["list"], { cwd: root });
  const names = (text: string, pattern: RegExp): string[] =>
    text.split("\n").flatMap((line) => pattern.exec(line)?.[1] ?? []);
  return [
    ...names(cargo.output, /^(.+): test$/).map((name) => `cargo ${name}`),
    ...names(vitest.output, /^(\S+\.test\.ts > .+)$/).map((name) => `vitest ${name}`),
  ];
}
