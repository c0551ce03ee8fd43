/** Reads recorded captures: gzip or plain lines of `<receive ns> <raw JSON>`, checked once, merged by receive time. */

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { gunzipSync } from "node:zlib";
import type { MarketId } from "./markets.ts";

/** Lines of all files together; about an hour of both markets. */
export const RECORDS_MAX = 2_000_000;

export type RecordKind = "depth" | "trade" | "bookTicker" | "snapshot";

export interface SampleRecord {
  readonly market: MarketId;
  readonly kind: RecordKind;
  /** Receive time, ns after the first line of the sample. */
  readonly atNs: number;
  /** Stream name, "" for the snapshot. */
  readonly stream: string;
  /** The text of "data", or of the snapshot, as recorded. */
  readonly text: string;
  /** The bytes for the matching core: the text, with sizes below a lot cut off (see `onLot`). */
  readonly bytes: Buffer;
  /** Last update id (depth, ticker, snapshot) or trade id. */
  readonly id: number;
}

export interface Sample {
  readonly records: readonly SampleRecord[];
  /** The one snapshot of each market, where recorded. */
  readonly snapshots: ReadonlyMap<MarketId, SampleRecord>;
  readonly spanNs: number;
  /** Receive time of the first record, ms since the Unix epoch. */
  readonly firstMs: number;
  /** The least receive time less venue time of any record, ms: negative where the collector's clock was slow. */
  readonly lagMsMin: number;
  /** Per market, how far ids move when the recording starts again. */
  readonly updateIdSpan: Readonly<Record<MarketId, number>>;
  readonly tradeIdSpan: Readonly<Record<MarketId, number>>;
}

/** A sample that cannot be served: names the file, the line where there is one, and the remedy. */
export class SampleError extends Error {
  readonly file: string;
  readonly line: number;
  constructor(file: string, line: number, what: string, options?: ErrorOptions) {
    super(`cannot replay ${file}${line > 0 ? ` line ${line}` : ""}: ${what}`, options);
    this.file = file;
    this.line = line;
  }
}

interface Message {
  readonly kind: RecordKind;
  readonly stream: string;
  readonly text: string;
  readonly id: number;
  readonly venueMs: number | null;
  readonly usdm: boolean | null;
}

interface Parsed extends Message {
  readonly recvNs: bigint;
}

const ENVELOPE = /^\{"stream":"([a-z0-9]+@(depth|trade|bookTicker)[a-zA-Z0-9@]*)","data":/;
const KINDS: Readonly<Record<string, RecordKind>> = {
  depth: "depth",
  trade: "trade",
  bookTicker: "bookTicker",
};

function safeId(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** One line, or a text saying what is wrong with it. */
export function parseLine(line: string): Parsed | string {
  const space = line.indexOf(" ");
  const stamp = line.slice(0, Math.max(space, 0));
  if (!/^\d{19}$/.test(stamp)) return "want `<receive time in ns> <JSON>`";
  const message = parseMessage(line.slice(space + 1));
  return typeof message === "string" ? message : { ...message, recvNs: BigInt(stamp) };
}

/** One message of a stream, or one snapshot, as it came; or a text saying what is wrong with it. */
export function parseMessage(json: string): Message | string {
  const envelope = ENVELOPE.exec(json);
  const text = envelope === null ? json : json.slice(envelope[0].length, -1);
  if (envelope !== null && !json.endsWith("}}")) return "the JSON envelope is cut off";
  let data: Record<string, unknown>;
  try {
    data = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return "not JSON";
  }
  if (typeof data !== "object" || data === null) return "not a JSON object";
  const kind = envelope === null ? "snapshot" : KINDS[envelope[2] ?? ""];
  if (kind === undefined) return `unknown stream ${envelope?.[1]}`;
  const id = safeId(
    kind === "snapshot" ? data["lastUpdateId"] : kind === "trade" ? data["t"] : data["u"],
  );
  if (id === null) return `a ${kind} without its id`;
  if (kind !== "snapshot" && data["s"] !== "BTCUSDT")
    return `symbol ${String(data["s"])}, want BTCUSDT`;
  const venueMs = safeId(data["E"]);
  // What tells the two venues apart: futures depth chains by "pu", futures stamps its tickers and snapshots.
  const usdm = kind === "depth" ? "pu" in data : kind === "trade" ? "X" in data : "E" in data;
  return { kind, stream: envelope?.[1] ?? "", text, id, venueMs, usdm };
}

/**
 * Spot levels with the dust below a lot (0.00001) cut off: a few far levels of the recording hold orders older than the
 * lot rule ("25.42618900"), which no order of ours can meet. The streams carry them as recorded.
 */
export function onLot(text: string): string {
  return text.replace(/"(\d+\.\d{5})(?!000)\d{3}"\]/g, '"$1000"]');
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "no such file" : String(cause);
    throw new SampleError(path, 0, `${why}; give --data files that exist`, { cause });
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.toString("utf8");
  try {
    return gunzipSync(bytes).toString("utf8");
  } catch (cause) {
    throw new SampleError(
      path,
      0,
      `the gzip data is damaged (${(cause as Error).message}); fetch the file again`,
      {
        cause,
      },
    );
  }
}

/** Parses the lines of one named text. The whole file is one market; a line of the other is refused. */
export function parseFile(name: string, text: string): { market: MarketId; lines: Parsed[] } {
  const lines: Parsed[] = [];
  let market: MarketId | null = null;
  let lastNs = 0n;
  let number = 0;
  for (const line of text.split("\n")) {
    number += 1;
    if (line === "") continue;
    const parsed = parseLine(line);
    if (typeof parsed === "string")
      throw new SampleError(name, number, `${parsed}; cut or fetch the file again`);
    if (parsed.recvNs < lastNs) throw new SampleError(name, number, "receive time goes back");
    lastNs = parsed.recvNs;
    if (parsed.usdm !== null) {
      const of: MarketId = parsed.usdm ? "usdm" : "spot";
      market ??= of;
      if (market !== of) throw new SampleError(name, number, `a ${of} message in a ${market} file`);
    }
    if (lines.length >= RECORDS_MAX)
      throw new SampleError(name, number, `more than ${RECORDS_MAX} lines`);
    lines.push(parsed);
  }
  if (market === null) throw new SampleError(name, 0, "it holds no market data");
  return { market, lines };
}

/** Merges parsed files by receive time; at the same time the earlier file comes first. */
export function merge(files: readonly { market: MarketId; lines: Parsed[] }[]): Sample {
  const all = files.flatMap(({ market, lines }) => lines.map((parsed) => ({ market, parsed })));
  all.sort((a, b) =>
    a.parsed.recvNs < b.parsed.recvNs ? -1 : a.parsed.recvNs > b.parsed.recvNs ? 1 : 0,
  );
  const firstNs = all[0]?.parsed.recvNs ?? 0n;
  const snapshots = new Map<MarketId, SampleRecord>();
  let lagMsMin = Number.POSITIVE_INFINITY;
  const records: SampleRecord[] = [];
  for (const { market, parsed } of all) {
    const atNs = Number(parsed.recvNs - firstNs);
    const record: SampleRecord = {
      market,
      kind: parsed.kind,
      atNs,
      stream: parsed.stream,
      text: parsed.text,
      bytes: Buffer.from(market === "spot" ? onLot(parsed.text) : parsed.text),
      id: parsed.id,
    };
    if (parsed.venueMs !== null) {
      lagMsMin = Math.min(lagMsMin, Number(parsed.recvNs / 1_000n) / 1_000 - parsed.venueMs);
    }
    if (parsed.kind === "snapshot" && !snapshots.has(market)) snapshots.set(market, record);
    records.push(record);
  }
  const span = (of: MarketId, trades: boolean): number => {
    let low = Number.MAX_SAFE_INTEGER;
    let high = 0;
    for (const { market, kind, id } of records) {
      if (market !== of || (kind === "trade") !== trades) continue;
      low = Math.min(low, id);
      high = Math.max(high, id);
    }
    // Depth messages begin below their own last id, so a wide margin keeps first ids above the old last.
    return high === 0 ? 0 : (high - low) * 2 + 1_000_000;
  };
  return {
    records,
    snapshots,
    spanNs: records.at(-1)?.atNs ?? 0,
    firstMs: Number(firstNs / 1_000_000n),
    lagMsMin: Number.isFinite(lagMsMin) ? Math.floor(lagMsMin) : 0,
    updateIdSpan: { spot: span("spot", false), usdm: span("usdm", false) },
    tradeIdSpan: { spot: span("spot", true), usdm: span("usdm", true) },
  };
}

/**
 * Loads every file and checks that each market found has its snapshot.
 *
 * Errors  SampleError with file and line: missing, damaged, malformed, out of order, no snapshot
 */
export function loadSample(paths: readonly string[]): Sample {
  const files = paths.map((path) => ({ path, ...parseFile(path, readText(path)) }));
  const sample = merge(files);
  for (const { path, market } of files) {
    if (!sample.snapshots.has(market)) {
      throw new SampleError(
        path,
        0,
        `no ${market} snapshot in ${basename(path)}; add the first file of the recording`,
      );
    }
  }
  return sample;
}
