/** Tapes of a run: made of recordings on first use and kept by content. */

import { createHash, randomUUID } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { type TapeInfo, tapeConvert, tapeInspect, tapeOfDbn } from "@tidegate/rust-core";
import { UsageError } from "../sim/options.ts";
import { parseData } from "./options.ts";

/** One row of `config/instruments.json`, as the cores read it. */
export interface InstrumentRow {
  readonly id: number;
  readonly venue_id: number;
  readonly venue: string;
  readonly symbol: string;
  readonly kind: string;
  readonly base: string;
  readonly quote: string;
  readonly px_scale: number;
  readonly px_unit: number;
  readonly qty_scale: number;
  readonly qty_unit: number;
  readonly [more: string]: unknown;
}

export const FORMATS = ["binance", "npz", "lobster", "dbn", "table"] as const;
export type Format = (typeof FORMATS)[number];

export function readTable(file: string): readonly InstrumentRow[] {
  if (!existsSync(file)) throw new UsageError(`--instruments ${file}: there is no such file`);
  return (JSON.parse(readFileSync(file, "utf8")) as { instruments: InstrumentRow[] }).instruments;
}

/** A row by id or VENUE:SYMBOL. */
export function rowOf(rows: readonly InstrumentRow[], of: string): InstrumentRow {
  const found = rows.find(
    ({ id, venue, symbol }) => of === String(id) || of === `${venue}:${symbol}`,
  );
  if (found !== undefined) return found;
  const some = rows.slice(0, 4).map(({ id, venue, symbol }) => `${id} = ${venue}:${symbol}`);
  throw new UsageError(`${of}: not in the instrument table; it has ${some.join(", ")}…`);
}

/** What a file is written in, by its name. */
export function formatOf(file: string): Format {
  if (file.endsWith(".npz")) return "npz";
  if (/\.dbn(\.zst)?$/.test(file)) return "dbn";
  if (/\.(parquet|csv|csv\.gz)$/.test(file)) return "table";
  if (/\.(jsonl|gz|zst|xz|txt|bin|cap|lz4)$/.test(file)) return "binance";
  throw new UsageError(
    `${file}: want a .tape, a capture (.jsonl, .jsonl.gz), hftbacktest's .npz, Databento's .dbn or .dbn.zst, or a table (.csv, .csv.gz, .parquet)`,
  );
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

export interface RunTape {
  readonly row: InstrumentRow;
  readonly tape: TapeInfo;
}

/** The name of a tape made of these files under this row: its content decides, so a second run finds it. */
async function cacheName(row: InstrumentRow, format: Format, files: readonly string[]) {
  const hash = createHash("sha256").update(JSON.stringify([row, format, "tape 1"]));
  for (const file of files) hash.update(await sha256Of(file));
  return `${row.venue}-${row.symbol.replaceAll(/[^A-Z0-9]/g, "_")}-${hash.digest("hex").slice(0, 24)}.tape`;
}

/**
 * Opens what `--data` names; a recording is made into a tape in `cacheDir` once. Several files of one instrument follow one another.
 *
 * Errors  UsageError naming the word; what the conversion says
 */
export async function tapesOf(
  words: readonly string[],
  rows: readonly InstrumentRow[],
  cacheDir: string,
): Promise<RunTape[]> {
  const files = new Map<InstrumentRow, string[]>();
  const out: RunTape[] = [];
  for (const word of words) {
    const { of, file } = parseData(word);
    const path = resolve(file);
    if (!existsSync(path)) throw new UsageError(`--data ${word}: there is no ${path}`);
    if (path.endsWith(".tape")) {
      const tape = tapeInspect(path);
      out.push({ row: rowOf(rows, of ?? `${tape.header.venue}:${tape.header.symbol}`), tape });
      continue;
    }
    const row = rowOf(rows, of ?? "");
    files.set(row, [...(files.get(row) ?? []), path]);
  }
  for (const [row, paths] of files) {
    const format = formatOf(paths[0] ?? "");
    const path = join(cacheDir, await cacheName(row, format, paths));
    if (!existsSync(path)) {
      mkdirSync(cacheDir, { recursive: true });
      if (format === "table" || format === "lobster") {
        throw new UsageError(
          `--data ${paths[0]}: what its columns mean must be said; make a tape of it first, by ./hft backtest convert or ./hft data import`,
        );
      }
      const times = { baseNs: 0, midnightNs: 0 };
      // Another process may make the same tape now: each writes its own file, and the last rename stands for both.
      const own = join(cacheDir, `.${randomUUID()}.tape`);
      if (format === "dbn")
        await tapeOfDbn(JSON.stringify({ files: paths, row, baseNs: 0, out: own }));
      else await tapeConvert(JSON.stringify({ format, files: paths, row, times, out: own }));
      renameSync(own, path);
    }
    out.push({ row, tape: tapeInspect(path) });
  }
  return out.sort((a, b) => a.row.id - b.row.id);
}
