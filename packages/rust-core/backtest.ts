import { native } from "./native.ts";

/** Doubles of one row of `backtestRows("fills")`; the places are `FillRow`. */
export const FILL_DOUBLES = 12;
/** Doubles of one row of `backtestRows("samples")`; the places are `SampleRow`. */
export const SAMPLE_DOUBLES = 8;
/** Times in ns since the start of the run, money in 1e-8 of the settlement asset. */
export const FillRow = {
  RECEIVED_NS: 0,
  VENUE_NS: 1,
  INSTRUMENT: 2,
  ORDER: 3,
  SIDE: 4,
  PX: 5,
  QTY: 6,
  LEFT: 7,
  MAKER: 8,
  FEE_E8: 9,
  VALUE_E8: 10,
  POSITION: 11,
} as const;
export const SampleRow = {
  AT_NS: 0,
  INSTRUMENT: 1,
  EQUITY_E8: 2,
  FEE_E8: 3,
  POSITION: 4,
  BID: 5,
  ASK: 6,
  VOLUME: 7,
} as const;

/** What `tapeInspect` tells of a tape. */
export interface TapeInfo {
  readonly path: string;
  /** BLAKE3 of its content. */
  readonly hash: string;
  readonly venueRows: number;
  readonly receivedRows: number;
  readonly trades: number;
  /** Receive times, ns since the epoch as text; null of an empty tape. */
  readonly firstNs: string | null;
  readonly lastNs: string | null;
  readonly longestGapNs: number;
  readonly header: {
    readonly venue: string;
    readonly symbol: string;
    readonly px_scale: number;
    readonly px_unit: number;
    readonly qty_scale: number;
    readonly qty_unit: number;
    readonly sources: readonly (readonly [string, string])[];
    readonly least_latency_ns: number;
    readonly added_latency_ns: number;
    /** How rows were made that no venue sent; absent where each was recorded. */
    readonly rule?: string;
  };
}

const open =
  native<(config: string, inEvents: Float64Array, outIntent: Float64Array) => void>("backtestOpen");
const poll = native<() => number>("backtestPoll");
const now = native<() => number>("backtestNow");
const submit = native<() => number>("backtestSubmit");
const summary = native<() => string>("backtestSummary");
const rows = native<(which: string) => Float64Array>("backtestRows");
const close = native<() => void>("backtestClose");
const convert = native<(request: string) => Promise<string>>("tapeConvert");
const ofDbn = native<(request: string) => Promise<string>>("tapeOfDbn");
const ofRows =
  native<
    (
      request: string,
      kinds: Uint8Array,
      venueNs: BigInt64Array,
      receivedNs: BigInt64Array,
      px: Int32Array,
      qty: BigInt64Array,
    ) => string
  >("tapeOfRows");
const inspect = native<(path: string) => string>("tapeInspect");

/**
 * Opens this thread's backtest over two views of `strategy-layout.ts`; one a thread.
 *
 * Errors  the configuration or a tape: what, where, the remedy
 */
export function backtestOpen(
  configJson: string,
  inEvents: Float64Array,
  outIntent: Float64Array,
): void {
  open()(configJson, inEvents, outIntent);
}

/** Fills the event view with what comes next; the number of events, -1 at the end of the tapes. */
export function backtestPoll(): number {
  return poll()();
}

/** Time of the run since its start, ns. */
export function backtestNow(): number {
  return now()();
}

/** Sends the intent in the view: a `Submit` of `strategy-layout.ts`. */
export function backtestSubmit(): number {
  return submit()();
}

/** What the run assumed, did and gave, as JSON. */
export function backtestSummary(): string {
  return summary()();
}

/** Rows of fills or samples so far, flat: see `FillRow`, `SampleRow`. */
export function backtestRows(which: "fills" | "samples"): Float64Array {
  return rows()(which);
}

/** Ends this thread's backtest. */
export function backtestClose(): void {
  close()();
}

/** Makes a tape: `{format, files, row, baseNs, out}` to `{tape, messages, leftOut}`, both JSON. */
export function tapeConvert(requestJson: string): Promise<string> {
  return convert()(requestJson);
}

/** Opens a tape, checks all of it, and tells what it is. Throws where it is none or is damaged. */
export function tapeInspect(path: string): TapeInfo {
  return JSON.parse(inspect()(path)) as TapeInfo;
}

/** Makes a tape of Databento's files: `{files, row, baseNs, symbol, out}` to `{tape, messages, leftOut, dust}`, both JSON. */
export function tapeOfDbn(requestJson: string): Promise<string> {
  return ofDbn()(requestJson);
}

/** Columns of one length, in the order their rows were received; kinds as `crates/backtest` numbers them. */
export interface TapeColumns {
  readonly kinds: Uint8Array;
  readonly venueNs: BigInt64Array;
  readonly receivedNs: BigInt64Array;
  readonly px: Int32Array;
  readonly qty: BigInt64Array;
}

/** Makes a tape of rows: `{files, row, baseNs, rule, out}` as JSON. Throws where a row cannot be, or there is none. */
export function tapeOfRows(requestJson: string, columns: TapeColumns): TapeInfo {
  const { kinds, venueNs, receivedNs, px, qty } = columns;
  return JSON.parse(ofRows()(requestJson, kinds, venueNs, receivedNs, px, qty)) as TapeInfo;
}
