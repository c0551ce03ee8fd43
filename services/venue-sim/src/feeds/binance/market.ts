/** One symbol's market: where its next messages come from, and its book. */

import { decimal, type IntLevel, PlainBook } from "../book.ts";
import type { Random } from "../random.ts";
import type { TextLevel } from "../truth.ts";
import type { BinanceSymbol } from "./markets.ts";

export interface DepthUpdate {
  readonly kind: "depth";
  readonly first: number;
  readonly last: number;
  readonly prev: number;
  readonly bids: readonly TextLevel[];
  readonly asks: readonly TextLevel[];
}
export interface TickerUpdate {
  readonly kind: "bookTicker";
  readonly id: number;
  readonly bid: TextLevel;
  readonly ask: TextLevel;
}
export interface TradeUpdate {
  readonly kind: "trade";
  readonly id: number;
  readonly px: string;
  readonly qty: string;
  readonly buyerIsMaker: boolean;
}
export type Update = DepthUpdate | TickerUpdate | TradeUpdate;

/** One symbol of a venue, recorded or generated. */
export interface Market {
  readonly spec: BinanceSymbol;
  /** Id of the newest depth message, and so of the book. */
  readonly lastId: number;
  /** What is due by `monoMs`, in the order it is sent; the book is that of the update just given, so take one at a time. */
  due(monoMs: number): Iterable<Update>;
  /** The next messages, due or not: what a burst is made of. */
  step(): Update[];
  touch(): { bid: TextLevel; ask: TextLevel };
  levels(max: number): { bids: TextLevel[]; asks: TextLevel[] };
  /** A bid above the best ask that is not in the book: what a crossed message carries. */
  crossing(): TextLevel;
}

/** Levels a side that a generated book is kept at, and how far from its middle a level may lie, in ticks. */
const LEVELS_MIN = 24;
const REACH_TICKS = 150;
/** Changes of one depth message, at most. */
const CHANGES_MAX = 8;

/** A generated market: a middle that walks, levels around it, never crossed; the same seed gives the same messages. */
export class GeneratedMarket implements Market {
  readonly spec: BinanceSymbol;
  readonly book = new PlainBook();
  readonly #random: Random;
  readonly #stepMs: number;
  #nextMs = Number.NEGATIVE_INFINITY;
  #mid: number;
  #id: number;
  #trade = 1_000;

  constructor(spec: BinanceSymbol, random: Random, stepMs: number) {
    this.spec = spec;
    this.#random = random;
    this.#stepMs = stepMs;
    this.#mid = spec.startPx;
    this.#id = 1_000_000 + random.int(0, 1_000_000);
    for (let at = 1; at <= 2 * LEVELS_MIN; at += 1) {
      this.book.set("bid", this.#mid - at, this.#qty());
      this.book.set("ask", this.#mid + at, this.#qty());
    }
  }

  get lastId(): number {
    return this.#id;
  }

  due(monoMs: number): Update[] {
    if (monoMs < this.#nextMs) return [];
    this.#nextMs = Math.max(this.#nextMs + this.#stepMs, monoMs - this.#stepMs);
    return this.step();
  }

  #qty(): number {
    return this.#random.int(1, 40_000);
  }

  #text([px, qty]: IntLevel): TextLevel {
    const { pxScale, qtyScale, pxText, qtyText } = this.spec;
    const pad = (text: string, scale: number, want: number) =>
      want === scale ? text : `${text}${scale === 0 ? "." : ""}${"0".repeat(want - scale)}`;
    return [
      pad(decimal(px, pxScale), pxScale, pxText),
      pad(decimal(qty, qtyScale), qtyScale, qtyText),
    ];
  }

  touch(): { bid: TextLevel; ask: TextLevel } {
    const [bid = [0, 0] as const] = this.book.bids(1);
    const [ask = [0, 0] as const] = this.book.asks(1);
    return { bid: this.#text(bid), ask: this.#text(ask) };
  }

  levels(max: number): { bids: TextLevel[]; asks: TextLevel[] } {
    const text = (level: IntLevel) => this.#text(level);
    return { bids: this.book.bids(max).map(text), asks: this.book.asks(max).map(text) };
  }

  crossing(): TextLevel {
    const [ask = [this.#mid, 0] as const] = this.book.asks(1);
    return this.#text([ask[0] + 3, 17]);
  }

  step(): Update[] {
    const random = this.#random;
    const before = this.touch();
    const changed = { bid: new Map<number, number>(), ask: new Map<number, number>() };
    const put = (side: "bid" | "ask", px: number, qty: number) => {
      if (this.book.qty(side, px) === qty) return;
      this.book.set(side, px, qty);
      changed[side].set(px, qty);
    };
    if (random.oneIn(4)) this.#mid += random.int(-4, 4);
    if (this.#mid < 2 * REACH_TICKS) this.#mid = 2 * REACH_TICKS;
    const mid = this.#mid;
    for (const [px] of this.book.bids(REACH_TICKS * 4)) {
      if (px >= mid || px < mid - REACH_TICKS) put("bid", px, 0);
    }
    for (const [px] of this.book.asks(REACH_TICKS * 4)) {
      if (px <= mid || px > mid + REACH_TICKS) put("ask", px, 0);
    }
    for (let n = random.int(1, CHANGES_MAX); n > 0; n -= 1) {
      const side = random.oneIn(2) ? "bid" : "ask";
      const away = 1 + Math.min(random.int(0, 30), random.int(0, 30));
      const px = side === "bid" ? mid - away : mid + away;
      put(side, px, random.oneIn(3) ? 0 : this.#qty());
    }
    for (const side of ["bid", "ask"] as const) {
      let missing =
        LEVELS_MIN -
        (side === "bid" ? this.book.bids(LEVELS_MIN) : this.book.asks(LEVELS_MIN)).length;
      for (let away = 1; missing > 0; away += 1) {
        const px = side === "bid" ? mid - away : mid + away;
        if (this.book.qty(side, px) > 0) continue;
        put(side, px, this.#qty());
        missing -= 1;
      }
    }
    const out: Update[] = [];
    const prev = this.#id;
    const first = prev + 1;
    this.#id += Math.max(1, changed.bid.size + changed.ask.size);
    const after = this.touch();
    if (before.bid.join() !== after.bid.join() || before.ask.join() !== after.ask.join()) {
      out.push({ kind: "bookTicker", id: this.#id, ...after });
    }
    if (random.oneIn(3)) {
      this.#trade += 1;
      const buyerIsMaker = random.oneIn(2);
      const [px, at] = buyerIsMaker ? after.bid : after.ask;
      out.push({ kind: "trade", id: this.#trade, px, qty: at, buyerIsMaker });
    }
    const text = (levels: Map<number, number>) => [...levels].map((level) => this.#text(level));
    out.push({
      kind: "depth",
      first,
      last: this.#id,
      prev,
      bids: text(changed.bid),
      asks: text(changed.ask),
    });
    return out;
  }
}
