/** What the last refresh of the contracts did: written by `hft config sync`, read by `hft config contracts-status`. */

import { readFileSync } from "node:fs";
import { z } from "zod";
import { SymbolsError } from "./errors.ts";

const count = z.number().int().nonnegative();
const Status = z.discriminatedUnion("ok", [
  z.strictObject({
    format: z.literal(1),
    ok: z.literal(true),
    at: z.iso.datetime(),
    form: z.string().min(1),
    /** Source without a query or a key. */
    from: z.string().min(1),
    cache_version: z.number().int().positive(),
    contracts: count,
    added: count,
    removed: count,
    changed: count,
    expiring: count,
    /** Rows that were left out, by reason. */
    left_out: z.record(z.string(), count),
  }),
  z.strictObject({
    format: z.literal(1),
    ok: z.literal(false),
    at: z.iso.datetime(),
    form: z.string().min(1),
    from: z.string().min(1),
    /** Why the old cache stays. */
    error: z.string().min(1),
  }),
]);
export type RefreshStatus = z.output<typeof Status>;

/** The status as a file's text, checked by its own schema: what is written can be read. */
export function refreshStatusText(status: RefreshStatus): string {
  return `${JSON.stringify(Status.parse(status), null, 1)}\n`;
}

/** Reads the status. A missing file, an unknown key or a figure that is none is an error that names it. */
export function readRefreshStatus(path: string): RefreshStatus {
  const bad = (what: string) =>
    new SymbolsError(null, `status ${path}: ${what}; \`hft config sync --status-file\` writes it`);
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw bad((error as Error).message);
  }
  const read = Status.safeParse(raw);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw bad(`${issue?.path.join(".") || "file"}: ${issue?.message ?? "is no status"}`);
}
