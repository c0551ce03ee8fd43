/** Binance's market-data texts. */

import type { Market, Update } from "./market.ts";
import type { BinanceMarket, BinanceSymbol } from "./markets.ts";

/** The data of a stream message; times in ms, or µs where the client asked for them. */
export function streamText(
  market: BinanceMarket,
  spec: BinanceSymbol,
  update: Update,
  atMs: number,
  micros: boolean,
): string {
  const E = micros ? atMs * 1_000 : atMs;
  const s = spec.symbol;
  const futures = market.chained;
  const ps = market.venue === "BINANCE_COINM" ? { ps: spec.pair } : {};
  switch (update.kind) {
    case "depth": {
      const { first: U, last: u, prev: pu, bids: b, asks: a } = update;
      return JSON.stringify(
        futures
          ? { e: "depthUpdate", E, T: E, s, ...ps, U, u, pu, b, a }
          : { e: "depthUpdate", E, s, U, u, b, a },
      );
    }
    case "bookTicker": {
      const { id: u, bid, ask } = update;
      const [b, B] = bid;
      const [a, A] = ask;
      return JSON.stringify(
        futures ? { e: "bookTicker", u, s, ...ps, b, B, a, A, T: E, E } : { u, s, b, B, a, A },
      );
    }
    case "trade": {
      const { id: t, px: p, qty: q, buyerIsMaker: m } = update;
      return JSON.stringify(
        futures
          ? { e: "trade", E, T: E, s, t, p, q, X: "MARKET", m }
          : { e: "trade", E, s, t, p, q, T: E, m, M: true },
      );
    }
  }
}

/** The body of a depth snapshot. */
export function depthBody(
  market: BinanceMarket,
  symbol: Market,
  levels: number,
  atMs: number,
): string {
  const { bids, asks } = symbol.levels(levels);
  const times = market.chained ? { E: atMs, T: atMs } : {};
  const names =
    market.venue === "BINANCE_COINM" ? { symbol: symbol.spec.symbol, pair: symbol.spec.pair } : {};
  return JSON.stringify({ lastUpdateId: symbol.lastId, ...names, ...times, bids, asks });
}
