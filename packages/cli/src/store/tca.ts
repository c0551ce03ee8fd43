/** `hft tca`: what trading cost, and the best-execution record of every order; `hft store ask`: any query of the cookbook. */

import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import {
  type ExportFormat,
  openRelational,
  openRepository,
  type QueryParams,
  type QueryRow,
  queryNamed,
} from "@tidegate/storage";
import { UsageError } from "../sim/options.ts";

const NS_PER_DAY = 86_400_000_000_000n;

/** The instants a day in UTC begins and ends, ns since the Unix epoch. */
export function dayWindow(day: string): { readonly from_ns: bigint; readonly to_ns: bigint } {
  const ms = /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  // Date.parse takes 2026-02-30 for March.
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== day)
    throw new UsageError(`--day ${day}: want a day as 2026-11-27`);
  const from = BigInt(ms) * 1_000_000n;
  return { from_ns: from, to_ns: from + NS_PER_DAY };
}

const FORMATS: Readonly<Record<string, ExportFormat>> = { csv: "CSVWithNames", parquet: "Parquet" };

/** The format a file's name says. */
function formatOf(path: string): ExportFormat {
  const found = FORMATS[path.slice(path.lastIndexOf(".") + 1)];
  if (found === undefined) throw new UsageError(`--out ${path}: want a name in .csv or .parquet`);
  return found;
}

/** Runs a query of the cookbook over one day; to a file where one is named, else its rows. */
export async function overDay(
  name: "tca" | "best-execution",
  clickhouse: string,
  day: string,
  out: string | null,
): Promise<readonly QueryRow[]> {
  const window = dayWindow(day);
  const { sql } = queryNamed(name);
  const format = out === null ? null : formatOf(out);
  await using store = openRepository(clickhouse);
  if (out === null || format === null) return store.query(sql, window);
  await pipeline(await store.exportAs(format, sql, window), createWriteStream(out));
  return [];
}

/** `name=value` pairs, each a parameter the query has. */
export function parseParams(name: string, pairs: readonly string[]): QueryParams {
  const wanted = queryNamed(name).params;
  const given = Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      const key = pair.slice(0, at);
      if (at < 1 || !(key in wanted))
        throw new UsageError(
          `--param ${pair}: ${name} wants ${Object.keys(wanted).join(", ") || "none"}`,
        );
      return [key, pair.slice(at + 1)];
    }),
  );
  for (const key of Object.keys(wanted))
    if (!(key in given)) throw new UsageError(`--param ${key}=… is missing: ${wanted[key]}`);
  return given;
}

/** Runs a query of the cookbook on the store it is for. */
export async function ask(
  name: string,
  stores: { readonly clickhouse: string | null; readonly database: string | null },
  pairs: readonly string[],
): Promise<readonly QueryRow[]> {
  const { sql, store: on } = queryNamed(name);
  const params = parseParams(name, pairs);
  if (on === "clickhouse") {
    if (stores.clickhouse === null)
      throw new UsageError(`${name} runs on ClickHouse: want --clickhouse`);
    await using store = openRepository(stores.clickhouse);
    return store.query(sql, params);
  }
  if (stores.database === null)
    throw new UsageError(`${name} runs on a relational store: want --database`);
  await using store = openRelational(stores.database);
  return store.query(sql, params);
}

/** Rows for a person, or as one JSON array. */
export function printRows(rows: readonly QueryRow[], json: boolean): void {
  const plain = (value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);
  if (json) {
    process.stdout.write(`${JSON.stringify(rows, (_, value: unknown) => plain(value))}\n`);
    return;
  }
  const names = Object.keys(rows[0] ?? {});
  const cells = [names, ...rows.map((row) => names.map((name) => String(row[name])))];
  const widths = names.map((_, at) => Math.max(...cells.map((row) => (row[at] ?? "").length)));
  const text = cells.map((row) => row.map((cell, at) => cell.padStart(widths[at] ?? 0)).join("  "));
  process.stdout.write(`${rows.length === 0 ? "nothing" : text.join("\n")}\n`);
}
