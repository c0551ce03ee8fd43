/** Binance's public REST beside the depth snapshot: what a client asks before it subscribes. */

import { decimal } from "../book.ts";
import type { Answer } from "../host.ts";
import type { Market, TradeUpdate } from "./market.ts";
import type { BinanceMarket, BinanceSymbol } from "./markets.ts";

const refused = (status: number, code: number, msg: string): Answer => ({
  status,
  body: JSON.stringify({ code, msg }),
});

/** Trades of one answer, and kept per symbol. */
export const TRADES_MAX = 1_000;

/** The newest trades of each symbol, oldest first. */
export class RecentTrades {
  readonly #bySymbol = new Map<string, { trade: TradeUpdate; atMs: number }[]>();

  add(symbol: string, trade: TradeUpdate, atMs: number): void {
    const kept = this.#bySymbol.get(symbol) ?? [];
    kept.push({ trade, atMs });
    if (kept.length > TRADES_MAX) kept.shift();
    this.#bySymbol.set(symbol, kept);
  }

  last(symbol: string, limit: number): readonly { trade: TradeUpdate; atMs: number }[] {
    return (this.#bySymbol.get(symbol) ?? []).slice(-limit);
  }
}

function symbolInfo(market: BinanceMarket, spec: BinanceSymbol): unknown {
  const tickSize = decimal(1, spec.pxScale);
  const stepSize = decimal(1, spec.qtyScale);
  const filters = [
    { filterType: "PRICE_FILTER", minPrice: tickSize, maxPrice: "1000000", tickSize },
    { filterType: "LOT_SIZE", minQty: stepSize, maxQty: "9000", stepSize },
    { filterType: "MARKET_LOT_SIZE", minQty: stepSize, maxQty: "9000", stepSize },
    { filterType: "MIN_NOTIONAL", minNotional: "5", notional: "5" },
  ];
  const common = { symbol: spec.symbol, baseAsset: spec.base, quoteAsset: spec.quote, filters };
  if (market.venue === "BINANCE_SPOT") {
    return {
      ...common,
      status: "TRADING",
      baseAssetPrecision: 8,
      quotePrecision: 8,
      quoteAssetPrecision: 8,
      orderTypes: ["LIMIT", "LIMIT_MAKER", "MARKET"],
      isSpotTradingAllowed: true,
      isMarginTradingAllowed: false,
      permissions: ["SPOT"],
    };
  }
  const coin = market.venue === "BINANCE_COINM";
  return {
    ...common,
    pair: spec.pair,
    contractType: "PERPETUAL",
    deliveryDate: 4_133_404_800_000,
    onboardDate: 1_569_398_400_000,
    ...(coin
      ? { contractStatus: "TRADING", contractSize: spec.contractSize }
      : { status: "TRADING" }),
    marginAsset: coin ? spec.base : spec.quote,
    pricePrecision: spec.pxScale,
    quantityPrecision: spec.qtyScale,
    baseAssetPrecision: 8,
    quotePrecision: 8,
    orderTypes: ["LIMIT", "MARKET"],
    timeInForce: ["GTC", "IOC", "FOK", "GTX"],
  };
}

export function binanceRest(
  market: BinanceMarket,
  symbols: readonly Market[],
  trades: RecentTrades,
  method: string,
  url: URL,
  nowMs: number,
): Answer {
  const path = url.pathname.startsWith(`${market.rest}/`)
    ? url.pathname.slice(market.rest.length + 1)
    : null;
  if (method !== "GET" || path === null) return refused(404, -1000, "Unknown path.");
  const ok = (body: unknown): Answer => ({ status: 200, body: JSON.stringify(body) });
  switch (path) {
    case "ping":
      return ok({});
    case "time":
      return ok({ serverTime: nowMs });
    case "exchangeInfo":
      return ok({
        timezone: "UTC",
        serverTime: nowMs,
        rateLimits: [],
        exchangeFilters: [],
        symbols: symbols.map(({ spec }) => symbolInfo(market, spec)),
      });
    case "trades":
    case "aggTrades":
    case "ticker/bookTicker": {
      const wanted = url.searchParams.get("symbol");
      const symbol = symbols.find(({ spec }) => spec.symbol === wanted);
      if (wanted === null) {
        return refused(
          400,
          -1102,
          "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
        );
      }
      if (symbol === undefined) return refused(400, -1121, "Invalid symbol.");
      const { bid, ask } = symbol.touch();
      if (path === "ticker/bookTicker") {
        const [bidPrice, bidQty] = bid;
        const [askPrice, askQty] = ask;
        const row = { symbol: wanted, bidPrice, bidQty, askPrice, askQty, time: nowMs };
        return ok(market.venue === "BINANCE_COINM" ? [row] : row);
      }
      const limit = Number(url.searchParams.get("limit") ?? 500);
      if (!Number.isSafeInteger(limit) || limit < 1 || limit > TRADES_MAX) {
        return refused(400, -1130, "Data sent for parameter 'limit' is not valid.");
      }
      const rows = trades.last(wanted, limit).map(({ trade, atMs }) => {
        const { id, px, qty, buyerIsMaker } = trade;
        if (path === "aggTrades") {
          return { a: id, p: px, q: qty, f: id, l: id, T: atMs, m: buyerIsMaker, M: true };
        }
        const quoteQty = (Number(px) * Number(qty)).toFixed(8);
        return {
          id,
          price: px,
          qty,
          quoteQty,
          time: atMs,
          isBuyerMaker: buyerIsMaker,
          isBestMatch: true,
        };
      });
      return ok(rows);
    }
    case "depth":
      return refused(400, -1121, "Invalid symbol.");
    default:
      return refused(404, -1000, "Unknown path.");
  }
}
