/** One Alpaca symbol: its generated market, and what REST tells of its past. */

import { GeneratedMarket, type TradeUpdate } from "../binance/market.ts";
import type { BinanceSymbol } from "../binance/markets.ts";
import { HISTORY_MAX } from "../limits.ts";
import { hash32, Random } from "../random.ts";
import type { TextLevel } from "../truth.ts";
import { type Bar, BarBuilder, type Quote, quoteOf, type Trade, tradeOf } from "./messages.ts";

const MINUTE_MS = 60_000;
/** Minutes of history a symbol begins with, and steps of its market in each. */
const PAST_MINUTES = 30;
const STEPS_PER_MINUTE = 12;

const SPEC = {
  stock: { pxScale: 2, qtyScale: 0, pxText: 2, qtyText: 0 },
  crypto: { pxScale: 2, qtyScale: 4, pxText: 2, qtyText: 4 },
} as const;

export class AlpacaMarket {
  readonly symbol: string;
  readonly crypto: boolean;
  readonly market: GeneratedMarket;
  readonly trades: Trade[] = [];
  readonly quotes: Quote[] = [];
  readonly bars: Bar[] = [];
  readonly #minute = new BarBuilder();
  readonly #day = new BarBuilder();

  constructor(symbol: string, crypto: boolean, seed: number, stepMs: number, nowMs: number) {
    this.symbol = symbol;
    this.crypto = crypto;
    const random = new Random(seed ^ hash32(symbol));
    const [base = symbol, quote = "USD"] = symbol.split("/");
    const spec: BinanceSymbol = {
      symbol,
      pair: symbol,
      base,
      quote,
      ...SPEC[crypto ? "crypto" : "stock"],
      startPx: symbol.startsWith("BTC") ? 6_000_000 : random.int(5_000, 60_000),
    };
    this.market = new GeneratedMarket(spec, random, stepMs);
    this.#past(nowMs);
  }

  #past(nowMs: number): void {
    const first = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS - PAST_MINUTES * MINUTE_MS;
    const stepMs = MINUTE_MS / STEPS_PER_MINUTE;
    for (let step = 0; step < PAST_MINUTES * STEPS_PER_MINUTE; step += 1) {
      const atMs = first + step * stepMs;
      const ns = BigInt(atMs) * 1_000_000n + BigInt(step);
      for (const update of this.market.step()) {
        if (update.kind === "trade") this.onTrade(update, ns, atMs, MINUTE_MS, atMs);
        if (update.kind === "bookTicker") this.onQuote(update.bid, update.ask, ns);
      }
    }
  }

  /** Takes a trade in; gives it, and the minute bar it ends. `dayMs` is the start of its day. */
  onTrade(
    update: TradeUpdate,
    ns: bigint,
    atMs: number,
    barMs: number,
    dayMs: number,
  ): { trade: Trade; ended: Bar | null } {
    const trade = tradeOf(update, ns, this.crypto);
    keep(this.trades, trade);
    const ended = this.#minute.add(Math.floor(atMs / barMs) * barMs, trade.p, trade.s);
    if (ended !== null) keep(this.bars, ended);
    this.#day.add(dayMs, trade.p, trade.s);
    return { trade, ended };
  }

  onQuote(bid: TextLevel, ask: TextLevel, ns: bigint): Quote {
    const quote = quoteOf(bid, ask, ns, this.crypto);
    keep(this.quotes, quote);
    return quote;
  }

  get minuteBar(): Bar | null {
    return this.#minute.bar();
  }

  get dailyBar(): Bar | null {
    return this.#day.bar();
  }
}

function keep<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > HISTORY_MAX) list.splice(0, list.length - HISTORY_MAX);
}
