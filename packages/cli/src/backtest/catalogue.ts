/** The small catalogue of tapes: one line of JSON a data set, kept beside the tapes. */

import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { type TapeInfo, tapeConvert, tapeInspect, tapeOfDbn } from "@tidegate/rust-core";
import { z } from "zod";
import { check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";
import { writeWhole } from "./outcome.ts";
import { FORMATS, type Format, formatOf, type InstrumentRow, readTable, rowOf } from "./tapes.ts";

/** Data sets of one catalogue; a larger one is several folders. */
export const SETS_MAX = 10_000;

const Entry = z.strictObject({
  /** Its file in the folder. */
  file: z.string().min(1),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  instrument: z.string().min(1),
  firstNs: z.string().nullable(),
  lastNs: z.string().nullable(),
  rows: z.number().int(),
  trades: z.number().int(),
  longestGapNs: z.number(),
  addedLatencyNs: z.number(),
  sources: z.array(z.tuple([z.string(), z.string()])),
  licence: z.string(),
  /** How rows were made that no venue sent, as of bars; null where each was recorded. */
  rule: z.string().nullable().default(null),
});
export type Entry = z.output<typeof Entry>;

const NAME = "catalogue.jsonl";

/** The data sets of a folder, in the order they came. Errors where a line is none: file, line. */
export function readCatalogue(dir: string): Entry[] {
  const path = join(dir, NAME);
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line, at) => {
      if (line === "") return [];
      try {
        return [Entry.parse(JSON.parse(line))];
      } catch (cause) {
        const why = (cause as Error).message.split("\n")[0];
        throw new Error(`${path}, line ${at + 1}: no data set (${why}); import it again`, {
          cause,
        });
      }
    });
}

function entryOf(tape: TapeInfo, licence: string): Entry {
  return {
    file: basename(tape.path),
    hash: tape.hash,
    instrument: `${tape.header.venue}:${tape.header.symbol}`,
    firstNs: tape.firstNs,
    lastNs: tape.lastNs,
    rows: tape.receivedRows,
    trades: tape.trades,
    longestGapNs: tape.longestGapNs,
    addedLatencyNs: tape.header.added_latency_ns,
    sources: tape.header.sources.map(([name, hash]) => [name, hash]),
    licence,
    rule: tape.header.rule ?? null,
  };
}

export interface ConvertWords {
  readonly files: readonly string[];
  readonly instrument: string;
  readonly instruments: string;
  readonly format: string | null;
  readonly baseNs: number;
  /** The exchange's day, for formats that count from its midnight. */
  readonly date: string | null;
  /** The instrument's symbol or number in the files, of Databento's; null = the row's own symbol, or the only one. */
  readonly symbol?: string | null;
  /** The file that says what the columns of a table mean. */
  readonly columns?: string | null;
}

/** Where LOBSTER's exchanges are. */
const ZONE = "America/New_York";

/**
 * Midnight of a day in New York, ns since the epoch as text.
 *
 * Errors  UsageError where it is no day
 */
export function midnightNs(date: string): bigint {
  const utc = Date.parse(`${date}T00:00:00Z`);
  if (!/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(utc)) {
    throw new UsageError(`--date ${date}: want a day like 2012-06-21`);
  }
  // The zone is 4 or 5 hours behind: the one whose midnight reads 0 there.
  const reads = new Intl.DateTimeFormat("en-GB", {
    timeZone: ZONE,
    hour: "2-digit",
    hourCycle: "h23",
  });
  const hours = [4, 5].find((each) => reads.format(utc + each * 3_600_000) === "00") ?? 5;
  return BigInt(utc + hours * 3_600_000) * 1_000_000n;
}

/** The row and the format a conversion is of. */
function checked(root: string, words: ConvertWords): { row: InstrumentRow; format: Format } {
  for (const file of words.files) {
    if (!existsSync(resolve(file))) throw new UsageError(`${file}: there is no such file`);
  }
  const format = words.format ?? formatOf(words.files[0] ?? "");
  if (!FORMATS.includes(format as Format)) {
    throw new UsageError(`--format ${format}: want ${FORMATS.join(", ")}`);
  }
  const table = existsSync(resolve(words.instruments))
    ? resolve(words.instruments)
    : resolve(root, words.instruments);
  return { row: rowOf(readTable(table), words.instrument), format: format as Format };
}

export interface Converted {
  readonly tape: TapeInfo;
  readonly messages: number;
  readonly leftOut: number;
  readonly dust: number;
}

/** `hft backtest convert`: recordings of one instrument to a tape file. */
export async function convertTo(
  root: string,
  words: ConvertWords,
  out: string,
): Promise<Converted> {
  const { row, format } = checked(root, words);
  const files = words.files.map((file) => resolve(file));
  if (format === "lobster" && words.date === null) {
    throw new UsageError("--format lobster: its files count from midnight; want --date of the day");
  }
  if (format === "dbn") {
    const symbol = words.symbol == null ? {} : { symbol: words.symbol };
    const request = { files, row, baseNs: words.baseNs, ...symbol, out: resolve(out) };
    return JSON.parse(await tapeOfDbn(JSON.stringify(request))) as Converted;
  }
  if (format === "table") {
    if (words.columns == null || !existsSync(resolve(words.columns))) {
      throw new UsageError(
        `--columns ${words.columns ?? ""}: a table needs the file that says what its columns mean; docs/how-to/bring-your-own-data.md has one of each kind`,
      );
    }
    const { convertTables } = await import("./tables/convert.ts");
    const columns = resolve(words.columns);
    return convertTables({ files, row, columns, baseNs: words.baseNs, out: resolve(out) });
  }
  const midnight = words.date === null ? 0n : midnightNs(words.date);
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  const times = { baseNs: words.baseNs, midnightNs: rawJSON(String(midnight)) };
  const request = { format, files, row, times, out: resolve(out) };
  return JSON.parse(await tapeConvert(JSON.stringify(request))) as Converted;
}

/** `hft data import`: converts into the folder and adds a line; the same content again adds none. */
export async function importSet(
  root: string,
  words: ConvertWords,
  dir: string,
  licence: string,
): Promise<{ readonly entry: Entry; readonly known: boolean }> {
  const known = readCatalogue(dir);
  if (known.length >= SETS_MAX) {
    throw new Error(`${dir} holds ${SETS_MAX} data sets: use another folder`);
  }
  mkdirSync(dir, { recursive: true });
  const part = join(dir, `.import-${process.pid}.tape`);
  const { tape } = await convertTo(root, words, part);
  const symbol = tape.header.symbol.replaceAll(/[^A-Z0-9]/g, "_");
  const path = join(dir, `${tape.header.venue}-${symbol}-${tape.hash.slice(0, 16)}.tape`);
  renameSync(part, path);
  const entry = entryOf({ ...tape, path }, licence);
  if (known.some(({ hash }) => hash === entry.hash)) return { entry, known: true };
  const lines = [...known, entry].map((each) => JSON.stringify(each));
  writeWhole(join(dir, NAME), `${lines.join("\n")}\n`);
  return { entry, known: false };
}

/** `hft data verify`: opens every tape of the catalogue, which checks all of it, and holds it against its line. */
export function verifySets(dir: string): Result {
  const sets = readCatalogue(dir);
  const faults: string[] = [];
  for (const entry of sets) {
    try {
      const is = entryOf(tapeInspect(join(dir, entry.file)), entry.licence);
      for (const name of Object.keys(is) as (keyof Entry)[]) {
        if (JSON.stringify(is[name]) !== JSON.stringify(entry[name])) {
          faults.push(
            `${entry.file}: ${name} is ${JSON.stringify(is[name])}, the catalogue says ${JSON.stringify(entry[name])}`,
          );
        }
      }
    } catch (error) {
      faults.push((error as Error).message);
    }
  }
  return result(
    "data verify",
    [check("faults", faults.length, "=", 0), check("data_sets", sets.length, ">=", 1)],
    { faults, rows: sets.reduce((sum, { rows }) => sum + rows, 0) },
  );
}
