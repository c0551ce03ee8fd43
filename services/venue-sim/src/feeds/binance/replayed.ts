/** A recorded symbol: the samples' messages at their own pace, over and over, each pass with ids of its own. */

import type { Sample, SampleRecord } from "../../sample.ts";
import { decimal, PlainBook, units } from "../book.ts";
import type { TextLevel } from "../truth.ts";
import type { Market, Update } from "./market.ts";
import type { BinanceSymbol } from "./markets.ts";

interface Depth {
  readonly U: number;
  readonly u: number;
  readonly pu?: number;
  readonly b: readonly TextLevel[];
  readonly a: readonly TextLevel[];
}
interface Snapshot {
  readonly bids: readonly TextLevel[];
  readonly asks: readonly TextLevel[];
}
interface Ticker {
  readonly u: number;
  readonly b: string;
  readonly B: string;
  readonly a: string;
  readonly A: string;
}
interface Trade {
  readonly t: number;
  readonly p: string;
  readonly q: string;
  readonly m: boolean;
}

export class ReplayedMarket implements Market {
  readonly spec: BinanceSymbol;
  readonly #book = new PlainBook();
  readonly #records: readonly SampleRecord[];
  readonly #snapshot: SampleRecord;
  readonly #idSpan: number;
  readonly #tradeSpan: number;
  #pass = 0;
  #next = 0;
  #lastId = 0;
  /** Host time at which the record with `atNs` 0 would be due; unknown until the first look at the clock. */
  #originMs: number | null = null;

  /** The sample holds one market with its snapshot. */
  constructor(spec: BinanceSymbol, sample: Sample, market: "spot" | "usdm") {
    this.spec = spec;
    const snapshot = sample.snapshots.get(market);
    if (snapshot === undefined) throw new Error(`bug: the ${market} sample has no snapshot`);
    this.#snapshot = snapshot;
    const from = sample.records.findIndex(({ kind, id }) => kind === "depth" && id > snapshot.id);
    this.#records = sample.records
      .slice(Math.max(from, 0))
      .filter(({ kind }) => kind !== "snapshot");
    this.#idSpan = sample.updateIdSpan[market];
    this.#tradeSpan = sample.tradeIdSpan[market];
    this.#begin();
  }

  get lastId(): number {
    return this.#lastId;
  }

  #begin(): void {
    this.#next = 0;
    this.#book.clear();
    const { bids, asks } = JSON.parse(this.#snapshot.text) as Snapshot;
    this.#apply("bid", bids);
    this.#apply("ask", asks);
    this.#lastId = this.#snapshot.id + this.#pass * this.#idSpan;
  }

  #apply(side: "bid" | "ask", levels: readonly TextLevel[]): void {
    const { pxText, qtyText } = this.spec;
    for (const [px, qty] of levels) this.#book.set(side, units(px, pxText), units(qty, qtyText));
  }

  levels(max: number): { bids: TextLevel[]; asks: TextLevel[] } {
    const { pxText, qtyText } = this.spec;
    const text = ([px, qty]: readonly [number, number]): TextLevel => [
      decimal(px, pxText),
      decimal(qty, qtyText),
    ];
    return { bids: this.#book.bids(max).map(text), asks: this.#book.asks(max).map(text) };
  }

  touch(): { bid: TextLevel; ask: TextLevel } {
    const { bids, asks } = this.levels(1);
    return { bid: bids[0] ?? ["0", "0"], ask: asks[0] ?? ["0", "0"] };
  }

  crossing(): TextLevel {
    const { pxText, pxScale, qtyText, qtyScale } = this.spec;
    const [ask = [0, 0] as const] = this.#book.asks(1);
    const px = ask[0] + 3 * 10 ** (pxText - pxScale);
    return [decimal(px, pxText), decimal(17 * 10 ** (qtyText - qtyScale), qtyText)];
  }

  *due(monoMs: number): Generator<Update> {
    const first = this.#records[0];
    this.#originMs ??= monoMs - (first?.atNs ?? 0) / 1e6;
    for (;;) {
      const record = this.#records[this.#next];
      if (record === undefined) {
        // The next pass: its ids are far from those of the last, which a client sees as a gap.
        this.#pass += 1;
        this.#begin();
        this.#originMs = null;
        return;
      }
      if (this.#originMs + record.atNs / 1e6 > monoMs) return;
      this.#next += 1;
      yield this.#update(record);
    }
  }

  step(): Update[] {
    const out: Update[] = [];
    for (;;) {
      const record = this.#records[this.#next];
      if (record === undefined) return out;
      const before = this.#records[this.#next - 1];
      if (this.#originMs !== null && before !== undefined) {
        this.#originMs -= (record.atNs - before.atNs) / 1e6;
      }
      this.#next += 1;
      const update = this.#update(record);
      out.push(update);
      if (update.kind === "depth") return out;
    }
  }

  #update(record: SampleRecord): Update {
    const data: unknown = JSON.parse(record.text);
    const shift = this.#pass * this.#idSpan;
    switch (record.kind) {
      case "bookTicker": {
        const { u, b, B, a, A } = data as Ticker;
        return { kind: "bookTicker", id: u + shift, bid: [b, B], ask: [a, A] };
      }
      case "trade": {
        const { t, p, q, m } = data as Trade;
        const id = t + this.#pass * this.#tradeSpan;
        return { kind: "trade", id, px: p, qty: q, buyerIsMaker: m };
      }
      default: {
        const { U, u, pu, b, a } = data as Depth;
        this.#apply("bid", b);
        this.#apply("ask", a);
        this.#lastId = u + shift;
        const [first, last] = [U + shift, u + shift];
        return { kind: "depth", first, last, prev: (pu ?? U - 1) + shift, bids: b, asks: a };
      }
    }
  }
}
