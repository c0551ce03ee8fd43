import { execFileSync } from "node:child_process";
import { arch, cpus, platform, release, totalmem } from "node:os";

/** How a measured value is held against its bound. */
export type Op = "=" | "<" | "<=" | ">" | ">=";

/** One bound an issue or a document names, under the name it gives. */
export interface Check {
  readonly name: string;
  readonly value: number;
  readonly op: Op;
  readonly bound: number;
  readonly unit: string;
  readonly ok: boolean;
}

/** The one object every measuring command prints as its last line with `--json`. */
export interface Result {
  readonly command: string;
  readonly ok: boolean;
  readonly checks: readonly Check[];
  readonly figures: Readonly<Record<string, unknown>>;
  readonly seed: number | null;
  readonly commit: string;
  readonly machine: string;
}

const holds: Record<Op, (value: number, bound: number) => boolean> = {
  "=": (value, bound) => value === bound,
  "<": (value, bound) => value < bound,
  "<=": (value, bound) => value <= bound,
  ">": (value, bound) => value > bound,
  ">=": (value, bound) => value >= bound,
};

/** A check is ok if and only if its value is a finite number and holds against the bound. */
export function check(name: string, value: number, op: Op, bound: number, unit = ""): Check {
  return { name, value, op, bound, unit, ok: Number.isFinite(value) && holds[op](value, bound) };
}

/** `ok` is computed from the checks; a result without any check is not ok. */
export function result(
  command: string,
  checks: readonly Check[],
  figures: Readonly<Record<string, unknown>>,
  seed: number | null = null,
): Result {
  const ok = checks.length > 0 && checks.every((each) => each.ok);
  return { command, ok, checks, figures, seed, commit: commit(), machine: machine() };
}

/** The checkout's commit, with `+` when files differ from it; "unknown" outside git. */
export function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    return git("rev-parse", "HEAD") + (git("status", "--porcelain") === "" ? "" : "+");
  } catch {
    return "unknown";
  }
}

/** What the figures were measured on. */
export function machine(): string {
  const all = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${platform()} ${release()} ${arch()}, ${all.length} x ${all[0]?.model ?? "cpu"}, ${gib} GiB, node ${process.versions.node}`;
}

/** The result as a table for a person. */
export function resultTable(value: Result): string {
  const rows = value.checks.map((each) => [
    each.ok ? "ok" : "FAILED",
    each.name,
    `${format(each.value)}${each.unit === "" ? "" : ` ${each.unit}`}`,
    `${each.op} ${format(each.bound)}`,
  ]);
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(0, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [...lines, `${value.command}: ${value.ok ? "ok" : "FAILED"}`].join("\n");
}

function format(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString("en-US") : value.toPrecision(4);
}

/** Prints the result (one JSON line or a table) and sets the exit code: 0 if every check holds, else 1. */
export function report(value: Result, json: boolean): void {
  process.stdout.write(`${json ? JSON.stringify(value) : resultTable(value)}\n`);
  process.exitCode = value.ok ? 0 : 1;
}
