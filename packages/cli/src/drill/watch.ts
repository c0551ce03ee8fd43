/** What market-data publishes, as the drill sees it: states, freshness, repairs, and books for the judge. */

import { StreamSubscriber } from "@tidegate/bus";
import { decodeEnvelope } from "@tidegate/contracts";
import type { FeedVenue } from "@tidegate/venue-sim/feeds/switches";
import type { Judge, Level } from "./judge.ts";
import type { DrillInstrument } from "./table.ts";

/** Repairs kept per venue. */
const REPAIRS_MAX = 100_000;

interface Seen {
  state: string;
  /** Key of the newest VALID book, and when it first came. */
  key: string;
  freshMs: number;
  brokenMs: number | null;
}

export class Watch implements AsyncDisposable {
  readonly #seen = new Map<number, Seen>();
  readonly #instruments: ReadonlyMap<number, DrillInstrument>;
  readonly #judge: Judge;
  #subscriber: StreamSubscriber | null = null;
  readonly repairsMs = new Map<FeedVenue, number[]>();
  refused = 0;
  lost = 0;

  constructor(instruments: readonly DrillInstrument[], judge: Judge) {
    this.#instruments = new Map(instruments.map((row) => [row.id, row]));
    this.#judge = judge;
    for (const { id } of instruments) {
      this.#seen.set(id, { state: "", key: "", freshMs: 0, brokenMs: null });
    }
  }

  async connect(url: string): Promise<void> {
    this.#subscriber = await StreamSubscriber.connect({
      url,
      prefixes: ["md."],
      hwm: 200_000,
      onData: (_, { payload }) => this.#onData(payload),
      onEvent: (_, event) => {
        if (event.type === "gap") this.lost += Number(event.last) - Number(event.first) + 1;
      },
    });
  }

  #onData(bytes: Uint8Array): void {
    const decoded = decodeEnvelope(bytes);
    if (!decoded.ok) {
      this.refused += 1;
      return;
    }
    const { payload } = decoded.envelope;
    const nowMs = performance.now();
    if (payload.kind === "bookTop") {
      const { value } = payload;
      const { state, bidPxTicks, bidQtyLots, askPxTicks, askQtyLots } = value;
      this.#onState(value.instrumentId, state, nowMs);
      if (state !== "VALID") return;
      const side = (px: number, qty: number): Level[] => (qty === 0 ? [] : [[px, qty]]);
      const bids = side(Number(bidPxTicks), Number(bidQtyLots));
      const asks = side(Number(askPxTicks), Number(askQtyLots));
      this.#onBook("top", value, bids, asks, nowMs);
    } else if (payload.kind === "bookDepth") {
      const { value } = payload;
      if (value.state !== "VALID") return;
      const levels = (deltas: readonly number[], qtys: readonly number[]): Level[] => {
        let px = 0;
        return deltas.map((delta, at) => {
          px += Number(delta);
          return [px, Number(qtys[at] ?? 0)] as const;
        });
      };
      const bids = levels(value.bidPxDeltaTicks, value.bidQtyLots);
      const asks = levels(value.askPxDeltaTicks, value.askQtyLots);
      this.#onBook("depth", value, bids, asks, nowMs);
    } else if (payload.kind === "instrumentStatus") {
      this.#onState(payload.value.instrumentId, payload.value.state, nowMs);
    }
  }

  #onBook(
    what: "top" | "depth",
    head: {
      readonly instrumentId: number;
      readonly venueSeq: number | bigint;
      readonly tsVenueNs: number | bigint;
    },
    bids: readonly Level[],
    asks: readonly Level[],
    atMs: number,
  ): void {
    const instrument = this.#instruments.get(head.instrumentId);
    const seen = this.#seen.get(head.instrumentId);
    if (instrument === undefined || seen === undefined) return;
    const key = String(instrument.venue.startsWith("BINANCE") ? head.venueSeq : head.tsVenueNs);
    if (key !== seen.key) {
      seen.key = key;
      seen.freshMs = atMs;
    }
    this.#judge.onPublished({ instrument, what, key, bids, asks, atMs });
  }

  #onState(id: number, state: string, nowMs: number): void {
    const seen = this.#seen.get(id);
    const instrument = this.#instruments.get(id);
    if (seen === undefined || instrument === undefined || seen.state === state) return;
    if (seen.state === "VALID") seen.brokenMs = nowMs;
    if (state === "VALID" && seen.brokenMs !== null) {
      const repairs = this.repairsMs.get(instrument.venue) ?? [];
      if (repairs.length < REPAIRS_MAX) repairs.push(nowMs - seen.brokenMs);
      this.repairsMs.set(instrument.venue, repairs);
      seen.brokenMs = null;
    }
    seen.state = state;
  }

  /** Whether every instrument of a venue is VALID with a book that came after `sinceMs`. */
  fresh(venue: FeedVenue, sinceMs: number): boolean {
    for (const [id, { state, freshMs }] of this.#seen) {
      if (this.#instruments.get(id)?.venue !== venue) continue;
      if (state !== "VALID" || freshMs <= sinceMs) return false;
    }
    return true;
  }

  states(): Record<string, string> {
    return Object.fromEntries(
      [...this.#seen].map(([id, { state }]) => {
        const row = this.#instruments.get(id);
        return [`${row?.venue} ${row?.symbol}`, state];
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscriber?.[Symbol.asyncDispose]();
  }
}
