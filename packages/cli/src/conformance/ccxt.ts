/** ccxt's Binance clients, REST alone, against our simulator: the shapes a third party reads. */

import ccxt from "ccxt";
import { type Card, expect } from "./cards.ts";

type Kind = "spot" | "linear" | "inverse";

/** `base` gives the address of a market's REST, without a path. */
export function ccxtCards(base: (kind: Kind) => string): Card[] {
  const roots = { spot: "/api/v3", linear: "/fapi/v1", inverse: "/dapi/v1" } as const;
  const client = (kind: Kind) => {
    const exchange = new ccxt.binance({
      enableRateLimit: false,
      options: {
        fetchCurrencies: false,
        fetchMarkets: { types: [kind] },
        fetchMargins: false,
        warnOnFetchOpenOrdersWithoutSymbol: false,
      },
    });
    const url = `${base(kind)}${roots[kind]}`;
    const api = exchange.urls["api"] as Record<string, string>;
    const key = { spot: "public", linear: "fapiPublic", inverse: "dapiPublic" }[kind];
    api[key] = url;
    return exchange;
  };
  const symbols = { spot: "BTC/USDT", linear: "BTC/USDT:USDT", inverse: "BTC/USD:BTC" } as const;
  return (["spot", "linear", "inverse"] as const).flatMap((kind) => {
    const exchange = client(kind);
    const symbol = symbols[kind];
    return [
      {
        name: `ccxt ${kind}: markets from exchangeInfo`,
        async run() {
          const markets = await exchange.loadMarkets();
          const market = markets[symbol];
          expect(market !== undefined, `no ${symbol}`);
          expect((market?.precision.price ?? 0) > 0, "no price step");
        },
      },
      {
        name: `ccxt ${kind}: order book`,
        async run() {
          const book = await exchange.fetchOrderBook(symbol, 100);
          const bid = book.bids[0]?.[0] ?? 0;
          const ask = book.asks[0]?.[0] ?? 0;
          expect(bid > 0 && ask > bid, `${bid} ${ask}`);
          expect((book.nonce ?? 0) > 0, "no update id");
        },
      },
      {
        name: `ccxt ${kind}: trades`,
        async run() {
          await new Promise((resolve) => setTimeout(resolve, 500));
          const trades = await exchange.fetchTrades(symbol, undefined, 50);
          const last = trades.at(-1);
          expect(last !== undefined && (last.price ?? 0) > 0, "no trade");
        },
      },
    ];
  });
}
