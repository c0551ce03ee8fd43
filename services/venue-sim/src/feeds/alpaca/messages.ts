/** Alpaca's market-data messages, as the stream and REST have them: prices and sizes are JSON numbers. */

import type { TradeUpdate } from "../binance/market.ts";
import type { TextLevel } from "../truth.ts";
import { Timestamp } from "./msgpack.ts";

export interface Trade {
  readonly i: number;
  readonly x?: string;
  readonly p: number;
  readonly s: number;
  readonly t: Timestamp;
  readonly c?: readonly string[];
  readonly z?: string;
  readonly tks?: string;
}
export interface Quote {
  readonly bx?: string;
  readonly bp: number;
  readonly bs: number;
  readonly ax?: string;
  readonly ap: number;
  readonly as: number;
  readonly t: Timestamp;
  readonly c?: readonly string[];
  readonly z?: string;
}
export interface Bar {
  readonly o: number;
  readonly h: number;
  readonly l: number;
  readonly c: number;
  readonly v: number;
  readonly t: Timestamp;
  readonly n: number;
  readonly vw: number;
}

export function tradeOf(trade: TradeUpdate, ns: bigint, crypto: boolean): Trade {
  const common = { i: trade.id, p: Number(trade.px), s: Number(trade.qty), t: new Timestamp(ns) };
  return crypto
    ? { ...common, tks: trade.buyerIsMaker ? "S" : "B" }
    : { ...common, x: "V", c: ["@"], z: "C" };
}

export function quoteOf(bid: TextLevel, ask: TextLevel, ns: bigint, crypto: boolean): Quote {
  const common = {
    bp: Number(bid[0]),
    bs: Number(bid[1]),
    ap: Number(ask[0]),
    as: Number(ask[1]),
    t: new Timestamp(ns),
  };
  return crypto ? common : { bx: "V", ax: "V", ...common, c: ["R"], z: "C" };
}

export const levelsOf = (levels: readonly TextLevel[]): { p: number; s: number }[] =>
  levels.map(([p, s]) => ({ p: Number(p), s: Number(s) }));

/** Bars of one length, from trades in order. */
export class BarBuilder {
  #open: {
    startMs: number;
    o: number;
    h: number;
    l: number;
    c: number;
    v: number;
    n: number;
    pv: number;
  } | null = null;

  /** Gives the bar that a trade at `startMs` (of its bar) ends, if any, and takes the trade in. */
  add(startMs: number, px: number, size: number): Bar | null {
    const ended = this.#open !== null && this.#open.startMs !== startMs ? this.bar() : null;
    if (ended !== null) this.#open = null;
    this.#open ??= { startMs, o: px, h: px, l: px, c: px, v: 0, n: 0, pv: 0 };
    const bar = this.#open;
    bar.h = Math.max(bar.h, px);
    bar.l = Math.min(bar.l, px);
    bar.c = px;
    bar.v += size;
    bar.n += 1;
    bar.pv += px * size;
    return ended;
  }

  /** The bar so far. */
  bar(): Bar | null {
    if (this.#open === null) return null;
    const { startMs, o, h, l, c, v, n, pv } = this.#open;
    const vw = v === 0 ? c : Math.round((pv / v) * 1e6) / 1e6;
    return { o, h, l, c, v, n, vw, t: new Timestamp(BigInt(startMs) * 1_000_000n) };
  }
}

/** Bars of a longer length from those of a minute. */
export function aggregate(bars: readonly Bar[], startOf: (ms: number) => number): Bar[] {
  const out: Bar[] = [];
  let start = Number.NaN;
  for (const bar of bars) {
    const at = startOf(Number(bar.t.ns / 1_000_000n));
    const last = out.at(-1);
    if (last === undefined || at !== start) {
      start = at;
      out.push({ ...bar, t: new Timestamp(BigInt(at) * 1_000_000n) });
      continue;
    }
    const v = last.v + bar.v;
    out[out.length - 1] = {
      ...last,
      h: Math.max(last.h, bar.h),
      l: Math.min(last.l, bar.l),
      c: bar.c,
      v,
      n: last.n + bar.n,
      vw: v === 0 ? bar.c : Math.round(((last.vw * last.v + bar.vw * bar.v) / v) * 1e6) / 1e6,
    };
  }
  return out;
}
