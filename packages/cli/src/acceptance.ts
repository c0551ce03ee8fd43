import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestCase } from "./test/parse.ts";

/** One row of `docs/acceptance.tsv`. */
export interface Row {
  readonly id: string;
  readonly feature: string;
  readonly status: "open" | "partial" | "proven";
  /** `test:PART OF A NAME` or `evidence:FILE` below docs/evidence, several parted by ` ; `. */
  readonly proof: readonly string[];
  readonly missing: string;
}

export const HEADER = "id\tfeature\tstatus\tproof\tmissing";
const STATUSES = ["open", "partial", "proven"] as const;

/** Every id there must be, in order: A01 to A50 and B001 to B105. */
export function expectedIds(): string[] {
  const ids = (prefix: string, count: number, width: number): string[] =>
    Array.from({ length: count }, (_, i) => `${prefix}${String(i + 1).padStart(width, "0")}`);
  return [...ids("A", 50, 2), ...ids("B", 105, 3)];
}

/**
 * Reads the ledger. Each id stands once and in order; a row that claims something names its proof, and a row that is
 * not proven says what is missing.
 * @throws Error naming the line and what it wants
 */
export function parseLedger(text: string): Row[] {
  const [header, ...lines] = text.split("\n");
  if (header !== HEADER) throw new Error(`line 1: want the header "${HEADER}"`);
  const rows = lines
    .filter((line) => line !== "")
    .map((line, index): Row => {
      const at = `line ${index + 2}`;
      const cells = line.split("\t");
      const [id = "", feature = "", status = "", proof = "", missing = ""] = cells;
      if (cells.length !== 5) throw new Error(`${at}: ${cells.length} columns, want 5`);
      const known = STATUSES.find((each) => each === status);
      if (known === undefined)
        throw new Error(`${at}: status "${status}", want ${STATUSES.join(", ")}`);
      const proofs = proof === "" ? [] : proof.split(" ; ");
      if (known !== "open" && proofs.length === 0)
        throw new Error(`${at}: ${id} is ${known} without a proof`);
      if (known !== "proven" && missing === "")
        throw new Error(`${at}: ${id} does not say what is missing`);
      for (const each of proofs) {
        if (!/^(test|evidence):\S/.test(each))
          throw new Error(`${at}: proof "${each}", want test:NAME or evidence:FILE`);
      }
      return { id, feature, status: known, proof: proofs, missing };
    });
  const expected = expectedIds();
  const wrong = expected.findIndex((id, index) => rows[index]?.id !== id);
  if (wrong !== -1)
    throw new Error(`row ${wrong + 1}: ${rows[wrong]?.id ?? "missing"}, want ${expected[wrong]}`);
  if (rows.length !== expected.length)
    throw new Error(`${rows.length} rows, want ${expected.length}`);
  return rows;
}

/** The checkout's ledger. */
export function readLedger(root: string): Row[] {
  const file = join(root, "docs/acceptance.tsv");
  try {
    return parseLedger(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Error(`docs/acceptance.tsv: ${error instanceof Error ? error.message : error}`);
  }
}

/** The claims of partial and proven rows that nothing shows, as `ID proof: why`. */
export function unproven(
  rows: readonly Row[],
  cases: readonly TestCase[],
  evidence: (file: string) => string | null,
): string[] {
  return rows.flatMap((row) =>
    row.proof.flatMap((proof) => {
      const [kind, rest] = [
        proof.slice(0, proof.indexOf(":")),
        proof.slice(proof.indexOf(":") + 1),
      ];
      const why = kind === "test" ? testFault(row.id, rest, cases) : evidence(rest);
      return why === null ? [] : [`${row.id} ${proof}: ${why}`];
    }),
  );
}

/** A proof by test wants a test of that name that names the row and passed, and none that failed or was skipped. */
function testFault(id: string, part: string, cases: readonly TestCase[]): string | null {
  const found = cases.filter((each) => each.name.includes(part));
  if (found.length === 0) return "no such test";
  if (!found.some((each) => namesRow(each.name, id))) return `no such test names [${id}]`;
  const bad = found.find((each) => each.status !== "passed");
  return bad === undefined ? null : `${bad.status}: ${bad.name}`;
}

/** Tests name the rows they prove: `[A10]`, `[A10 B086]` in TypeScript, `a10_` or `_a10_` in a Rust name. */
export function namesRow(name: string, id: string): boolean {
  const bracketed = [...name.matchAll(/\[([AB0-9, ]+)\]/g)].some((match) =>
    (match[1] ?? "").split(/[ ,]+/).includes(id),
  );
  return bracketed || new RegExp(`(^|[^a-z0-9])${id.toLowerCase()}_`).test(name);
}

/** Evidence is a result object with `ok` true, of a commit that is an ancestor of this checkout. */
export function evidenceFault(root: string, file: string): string | null {
  const path = join(root, "docs/evidence", file);
  if (!existsSync(path)) return "no such file in docs/evidence";
  const value = JSON.parse(readFileSync(path, "utf8")) as { ok?: unknown; commit?: unknown };
  if (value.ok !== true) return "its ok is not true";
  try {
    execFileSync("git", ["merge-base", "--is-ancestor", String(value.commit), "HEAD"], {
      cwd: root,
      stdio: "ignore",
    });
    return null;
  } catch {
    return `its commit ${String(value.commit)} is no ancestor of this checkout`;
  }
}

/** The README's status table: how many rows stand where, by group. */
export function statusTable(rows: readonly Row[]): string {
  const count = (prefix: string, status: Row["status"]): number =>
    rows.filter((row) => row.id.startsWith(prefix) && row.status === status).length;
  const line = (prefix: string, label: string): string =>
    `| ${label} | ${count(prefix, "proven")} | ${count(prefix, "partial")} | ${count(prefix, "open")} |`;
  const named = (status: Row["status"]): string =>
    rows
      .filter((row) => row.status === status)
      .map((row) => `${row.id} ${row.feature}`)
      .join(" · ");
  return [
    "| acceptance rows | proven | partial | open |",
    "|---|---|---|---|",
    line("A", "A01–A50"),
    line("B", "B001–B105"),
    "",
    `Proven: ${named("proven") || "none"}.`,
    "",
    `Partial: ${named("partial") || "none"}.`,
  ].join("\n");
}
