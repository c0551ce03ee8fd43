/** What the columns of a table mean: the file of `--columns`. Pure. */

import { z } from "zod";
import { UsageError } from "../../sim/options.ts";
import { durationNs } from "../options.ts";

const name = z.string().min(1);
/** Integers of 10^-scale, as Databento's prices are of 1e-9; absent where a value is a decimal number. */
const scale = z.number().int().min(0).max(18).optional();
const Time = z.strictObject({
  column: name,
  /** Whole units since 1970, or text like 2022-01-03 09:30:00.5, whose zone is in it or is UTC where `unit` says so. */
  unit: z.enum(["ns", "us", "ms", "s", "text", "text-utc"]),
});
const Sides = z.strictObject({
  buy: z.array(name).min(1),
  sell: z.array(name).min(1),
});
const shared = {
  /** When it happened; and when it was received, the same where no column says so. */
  time: Time,
  received: Time.optional(),
  pxScale: scale,
  qtyScale: scale,
  /** The names of the columns, of a CSV file whose first line is data. */
  header: z.array(name).min(1).optional(),
};

const Table = z.discriminatedUnion("rows", [
  z.strictObject({
    rows: z.literal("quotes"),
    ...shared,
    columns: z.strictObject({ bidPx: name, bidQty: name, askPx: name, askQty: name }),
  }),
  z.strictObject({
    rows: z.literal("levels"),
    ...shared,
    columns: z.strictObject({ px: name, qty: name, side: name }),
    sides: Sides,
  }),
  z.strictObject({
    rows: z.literal("trades"),
    ...shared,
    columns: z.strictObject({ px: name, qty: name, side: name }),
    sides: Sides,
  }),
  z.strictObject({
    rows: z.literal("bars"),
    ...shared,
    received: z.undefined().optional(),
    columns: z.strictObject({
      open: name,
      high: name,
      low: name,
      close: name,
      volume: name.optional(),
    }),
    interval: name,
    /** Which end of a bar its time is. No default: taken wrongly, a strategy would know the future. */
    stamp: z.enum(["open", "close"]),
    spreadTicks: z.number().int().min(1).default(1),
    /** Lots of each quote; absent = a quarter of the bar's volume. */
    quoteLots: z.number().int().min(1).optional(),
  }),
]);
export type TableSpec = z.output<typeof Table>;
export type BarsSpec = Extract<TableSpec, { rows: "bars" }>;

const File = z.union([Table, z.strictObject({ tables: z.array(Table).min(1) })]);

/**
 * Reads the text of a `--columns` file: one table, for every file; or `tables`, one for each file in their order.
 *
 * Errors  UsageError naming the field
 */
export function parseTables(file: string, text: string, count: number): readonly TableSpec[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`--columns ${file}: no JSON: ${(cause as Error).message}`);
  }
  const several = typeof json === "object" && json !== null && "tables" in json;
  const read = several ? File.safeParse(json) : Table.safeParse(json);
  if (!read.success) {
    const what = read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new UsageError(
      `--columns ${file}: ${what.join("; ")}; docs/how-to/bring-your-own-data.md has one of each kind`,
    );
  }
  const tables = "tables" in read.data ? read.data.tables : Array(count).fill(read.data);
  if (tables.length !== count) {
    throw new UsageError(`--columns ${file}: ${tables.length} tables for ${count} files`);
  }
  for (const table of tables as TableSpec[]) {
    if (table.rows === "bars") durationNs(`--columns ${file}: interval`, table.interval);
  }
  return tables as TableSpec[];
}

/** The names of the columns a table is read by. */
export function columnsOf(spec: TableSpec): readonly string[] {
  const times = [spec.time, ...(spec.received === undefined ? [] : [spec.received])];
  return [
    ...times.map(({ column }) => column),
    ...Object.values(spec.columns).filter((column) => column !== undefined),
  ];
}
