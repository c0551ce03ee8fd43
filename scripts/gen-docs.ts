/** Writes the pages of docs/reference that are made from code; with --check only says whether they are up to date. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { METRICS, reasonRows } from "@tidegate/contracts";
import { cookbook } from "@tidegate/storage";

const root = fileURLToPath(new URL("../", import.meta.url));
const cell = (text: string): string => text.replaceAll("|", "\\|");

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

function reasonPage(): string {
  const rows = reasonRows().map((row) => [
    String(row.number),
    `\`${row.name}\``,
    row.meaning,
    row.remedy,
  ]);
  return `# Reason codes

Why an order was refused or changed. The first refusal wins and is the only one reported. Made from the contracts by \`scripts/gen-docs.ts\`.

${table(["number", "code", "meaning", "what to do"], rows)}
`;
}

function metricsPage(): string {
  const rows = Object.values(METRICS).map((row) => [
    `\`${row.name}\``,
    row.type,
    row.unit,
    row.labels.join(", "),
    row.processes.length === 8 ? "all" : row.processes.join(", "),
    row.help,
  ]);
  return `# Metrics

Served by every process on \`/metrics\`. Nothing can be measured that does not stand in the catalogue. Made from the contracts by \`scripts/gen-docs.ts\`.

${table(["name", "type", "unit", "labels", "processes", "meaning"], rows)}
`;
}

/** Page by its path below the root. */
export const PAGES: ReadonlyMap<string, () => string> = new Map([
  ["docs/reference/reason-codes.md", reasonPage],
  ["docs/reference/metrics.md", metricsPage],
  ["docs/reference/sql-cookbook.md", cookbook],
]);

export function stale(): string[] {
  return [...PAGES].flatMap(([path, make]) => {
    try {
      return readFileSync(join(root, path), "utf8") === make() ? [] : [path];
    } catch {
      return [path];
    }
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--check")) {
    const old = stale();
    if (old.length > 0) process.stdout.write(`not up to date: ${old.join(", ")}\n`);
    process.exitCode = old.length === 0 ? 0 : 1;
  } else {
    for (const [path, make] of PAGES) writeFileSync(join(root, path), make());
  }
}
