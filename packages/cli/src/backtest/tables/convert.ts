/** Tables of prices to a tape. */

import { readFileSync } from "node:fs";
import { type TapeInfo, tapeOfRows } from "@tidegate/rust-core";
import { readTable } from "@tidegate/storage/table";
import { durationNs } from "../options.ts";
import type { InstrumentRow } from "../tapes.ts";
import { barRule } from "./bars.ts";
import { readCsv } from "./csv.ts";
import { TableReader, TapeRows } from "./rows.ts";
import { columnsOf, parseTables, type TableSpec } from "./spec.ts";

export interface TableRequest {
  readonly files: readonly string[];
  readonly row: InstrumentRow;
  readonly columns: string;
  readonly baseNs: number;
  readonly out: string;
}

/** Rows of one file, appended. Gives how many it had, and how many sizes were cut to a lot. */
async function readFile(file: string, spec: TableSpec, row: InstrumentRow, out: TapeRows) {
  const interval = spec.rows === "bars" ? durationNs("interval", spec.interval) : 0;
  const reader = new TableReader(spec, row, out, interval);
  const names = columnsOf(spec);
  const parquet = file.endsWith(".parquet");
  const rows = parquet ? readTable(file, names) : readCsv(file, names, spec.header);
  let count = 0;
  for await (const { at, cells } of rows) {
    try {
      reader.take(cells);
    } catch (cause) {
      throw new Error(`${file}:${at}: ${(cause as Error).message}`, { cause });
    }
    count += 1;
  }
  return { count, dust: reader.dust };
}

/**
 * Reads the files by the spec and writes a tape. Rows that were received at one time stand in the order of the files.
 *
 * Errors  UsageError of the spec; of a file: where, what, the remedy
 */
export async function convertTables(request: TableRequest): Promise<{
  readonly tape: TapeInfo;
  readonly messages: number;
  readonly leftOut: number;
  readonly dust: number;
}> {
  const { files, row, columns, baseNs, out } = request;
  const specs = parseTables(columns, readFileSync(columns, "utf8"), files.length);
  const rows = new TapeRows();
  let [messages, dust] = [0, 0];
  for (const [at, file] of files.entries()) {
    const read = await readFile(file, specs[at] as TableSpec, row, rows);
    messages += read.count;
    dust += read.dust;
  }
  const rules = new Set(specs.flatMap((spec) => (spec.rows === "bars" ? [barRule(spec)] : [])));
  const rule = rules.size > 0 ? { rule: [...rules].join("; ") } : {};
  // The spec decides the rows as the files do.
  const sources = [...files, columns];
  const tape = tapeOfRows(
    JSON.stringify({ files: sources, row, baseNs, ...rule, out }),
    rows.columns(),
  );
  return { tape, messages, leftOut: 0, dust };
}
