/** Holds published books against the venue's truth. Pure: entries and books go in, counts come out. */

import type { TextLevel, TruthEntry } from "@tidegate/venue-sim/feeds/truth";
import type { DrillInstrument } from "./table.ts";

/** Truth entries and books kept while their counterpart is on its way. */
export const TRUTH_KEPT_MAX = 400_000;
export const BOOKS_KEPT_MAX = 400_000;
/** A published book is judged this long after it came, ms: by then its truth has been fetched. */
export const JUDGED_AFTER_MS = 3_000;
const EXAMPLES_MAX = 10;

export type Level = readonly [pxTicks: number, qtyLots: number];

/** One published book that claims to be VALID. */
export interface Published {
  readonly instrument: DrillInstrument;
  readonly what: "top" | "depth";
  /** The venue's update id, or its time in ns. */
  readonly key: string;
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
  readonly atMs: number;
}

/** A decimal text in units of 10^-scale; what is below one unit is cut off, as the services cut dust. */
export function wholeUnits(text: string, scale: number): number {
  const [whole = "0", frac = ""] = text.split(".");
  return Number(whole + frac.slice(0, scale).padEnd(scale, "0"));
}

const same = (a: readonly Level[], b: readonly Level[]): boolean => {
  const length = Math.min(a.length, b.length);
  if (length === 0) return a.length === b.length;
  for (let at = 0; at < length; at += 1) {
    if (a[at]?.[0] !== b[at]?.[0] || a[at]?.[1] !== b[at]?.[1]) return false;
  }
  return true;
};

export interface Wrong {
  readonly venue: string;
  readonly symbol: string;
  readonly what: string;
  readonly key: string;
  readonly published: string;
  readonly truth: string;
}

export class Judge {
  readonly #instruments: ReadonlyMap<string, DrillInstrument>;
  readonly #truth = new Map<string, { bids: Level[]; asks: Level[] }[]>();
  #waiting: Published[] = [];
  /** Books compared, and those that differed, by venue. */
  readonly compared = new Map<string, number>();
  readonly wrong = new Map<string, number>();
  readonly examples: Wrong[] = [];
  dropped = 0;

  constructor(instruments: readonly DrillInstrument[]) {
    this.#instruments = new Map(instruments.map((row) => [`${row.venue} ${row.symbol}`, row]));
  }

  onTruth({ venue, symbol, key, bids, asks }: TruthEntry): void {
    const row = this.#instruments.get(`${venue} ${symbol}`);
    if (row === undefined) return;
    const levels = (texts: readonly TextLevel[]): Level[] =>
      texts
        .map(([px, qty]): Level => [wholeUnits(px, row.pxScale), wholeUnits(qty, row.qtyScale)])
        .filter(([, qty]) => qty > 0);
    const id = `${row.id} ${key}`;
    const entries = this.#truth.get(id) ?? [];
    entries.push({ bids: levels(bids), asks: levels(asks) });
    // Put anew at the end, so that the oldest is the first to go.
    this.#truth.delete(id);
    this.#truth.set(id, entries);
    for (const oldest of this.#truth.keys()) {
      if (this.#truth.size <= TRUTH_KEPT_MAX) break;
      this.#truth.delete(oldest);
    }
  }

  onPublished(book: Published): void {
    if (this.#waiting.length >= BOOKS_KEPT_MAX) {
      this.dropped += 1;
      return;
    }
    this.#waiting.push(book);
  }

  /** Judges what is old enough; all of it at the end. */
  judge(nowMs: number): void {
    const due = this.#waiting.findIndex(({ atMs }) => nowMs - atMs < JUDGED_AFTER_MS);
    const cut = due < 0 ? this.#waiting.length : due;
    for (const book of this.#waiting.slice(0, cut)) this.#one(book);
    this.#waiting = this.#waiting.slice(cut);
  }

  #one({ instrument, what, key, bids, asks }: Published): void {
    const { venue, symbol, id } = instrument;
    const count = (map: Map<string, number>) => map.set(venue, (map.get(venue) ?? 0) + 1);
    count(this.compared);
    const entries = this.#truth.get(`${id} ${key}`) ?? [];
    const holds = entries.some((entry) => same(entry.bids, bids) && same(entry.asks, asks));
    if (holds) return;
    count(this.wrong);
    if (this.examples.length < EXAMPLES_MAX) {
      const text = (levels: readonly Level[]) => levels.slice(0, 3).join(" ");
      this.examples.push({
        venue,
        symbol,
        what,
        key,
        published: `${text(bids)} | ${text(asks)}`,
        truth:
          entries.map((e) => `${text(e.bids)} | ${text(e.asks)}`).join(" or ") || "no such update",
      });
    }
  }
}
