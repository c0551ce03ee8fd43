/** The instrument table as it lies in its file; the cores read the same. */

import { readFileSync } from "node:fs";
import { z } from "zod";
import { SymbolsError } from "./errors.ts";
import { TABLE_BYTES_MAX, TABLE_ROWS_MAX } from "./limits.ts";

export const KINDS = ["spot", "linear_perp", "inverse_perp", "equity", "future", "option"] as const;
export type Kind = (typeof KINDS)[number];

const u32 = z.number().int().nonnegative().max(0xffff_ffff);
const lots = z.number().int().nonnegative();

/** One row, as the core crate `tidegate-instruments` reads it: prices count `px_unit`·10^-`px_scale`, sizes `qty_unit`·10^-`qty_scale`. */
const Row = z.strictObject({
  id: u32.positive(),
  venue_id: u32.positive(),
  venue: z.string().min(1),
  symbol: z.string().min(1).max(32),
  kind: z.enum(KINDS),
  base: z.string().min(1).max(16),
  quote: z.string().min(1).max(16),
  px_scale: u32.max(8),
  px_unit: lots.positive(),
  qty_scale: u32.max(8),
  qty_unit: lots.positive(),
  /** 1e-8 of the quote asset. */
  e8_per_tick_lot: lots,
  min_qty_lots: lots.positive(),
  max_qty_lots: lots.positive(),
  min_notional_e8: lots,
  multiplier: u32.positive().optional(),
  /** `YYYYMMDD`. */
  expiry: u32.optional(),
});
export type TableRow = z.output<typeof Row>;

const Table = z.strictObject({
  version: u32.positive(),
  instruments: z.array(Row).max(TABLE_ROWS_MAX),
});
export type InstrumentTable = z.output<typeof Table>;

/** Reads a table file. An unknown key, a missing one, or a number out of its range is an error that names it. */
export function readTable(path: string): InstrumentTable {
  const bad = (what: string) =>
    new SymbolsError(
      null,
      `instrument table ${path}: ${what}; make it anew with \`hft config build\`, or bring back its last good copy`,
    );
  let raw: unknown;
  try {
    const text = readFileSync(path, "utf8");
    if (text.length > TABLE_BYTES_MAX) throw new Error(`is longer than ${TABLE_BYTES_MAX} bytes`);
    raw = JSON.parse(text);
  } catch (error) {
    throw bad((error as Error).message);
  }
  const read = Table.safeParse(raw);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw bad(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "is no table"}`);
}
