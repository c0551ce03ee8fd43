/** The vendor's own REST client against our simulator. */

import { marketData, pagination } from "@alpacahq/alpaca-trade-api";
import { GOOD } from "./alpaca-stream.ts";
import { type Card, expect } from "./cards.ts";

async function status(act: Promise<unknown>): Promise<number> {
  try {
    await act;
    return 200;
  } catch (error) {
    const { response, status: direct } = error as { response?: Response; status?: number };
    return direct ?? response?.status ?? 0;
  }
}

export function restCards(stockBase: string, cryptoBase: string): Card[] {
  const configuration = (basePath: string, secret = GOOD.secret) =>
    new marketData.Configuration({ basePath, keyId: GOOD.keyId, secret });
  const stocks = new marketData.StockApi(configuration(stockBase));
  const crypto = new marketData.CryptoApi(configuration(cryptoBase));
  return [
    {
      name: "REST: a wrong key is refused",
      async run() {
        const api = new marketData.StockApi(configuration(stockBase, "wrong"));
        const got = await status(api.stockLatestTrades({ symbols: "AAPL" }));
        expect(got === 403, `status ${got}`);
      },
    },
    {
      name: "REST: newest trade, quote and bar of several symbols",
      async run() {
        const symbols = "AAPL,MSFT";
        const { trades } = await stocks.stockLatestTrades({ symbols });
        const { quotes } = await stocks.stockLatestQuotes({ symbols });
        const { bars } = await stocks.stockLatestBars({ symbols });
        for (const symbol of ["AAPL", "MSFT"]) {
          expect((trades[symbol]?.p ?? 0) > 0, `no trade of ${symbol}`);
          expect((quotes[symbol]?.ap ?? 0) > 0, `no quote of ${symbol}`);
          expect((bars[symbol]?.h ?? 0) > 0, `no bar of ${symbol}`);
        }
      },
    },
    {
      name: "REST: newest trade of one symbol",
      async run() {
        const { symbol, trade } = await stocks.stockLatestTradeSingle({ symbol: "AAPL" });
        expect(symbol === "AAPL" && trade.p > 0, `${symbol}`);
      },
    },
    {
      name: "REST: snapshots",
      async run() {
        const snapshot = await stocks.stockSnapshotSingle({ symbol: "AAPL" });
        const { latestTrade, latestQuote, dailyBar } = snapshot;
        expect(latestTrade !== undefined && latestQuote !== undefined, "a part is missing");
        expect((dailyBar?.h ?? 0) > 0, "no daily bar");
      },
    },
    {
      name: "REST: trades by pages are each there once, in order",
      async run() {
        const end = new Date(Date.now() - 120_000);
        const whole = await stocks.stockTrades({ symbols: "AAPL,MSFT", end, limit: 10_000 });
        let pages = 0;
        const paged: Record<string, number[]> = {};
        let pageToken: string | undefined;
        do {
          const page = await stocks.stockTrades({
            symbols: "AAPL,MSFT",
            end,
            limit: 7,
            ...(pageToken === undefined ? {} : { pageToken }),
          });
          pages += 1;
          for (const [symbol, rows] of Object.entries(page.trades)) {
            for (const { i } of rows) {
              paged[symbol] ??= [];
              paged[symbol].push(i);
            }
          }
          pageToken = page.nextPageToken ?? undefined;
        } while (pageToken !== undefined);
        const want = Object.fromEntries(
          Object.entries(whole.trades).map(([symbol, rows]) => [symbol, rows.map(({ i }) => i)]),
        );
        expect(pages > 3, `${pages} pages`);
        expect(JSON.stringify(paged) === JSON.stringify(want), "the pages are not the whole");
      },
    },
    {
      name: "REST: the client's own paging walks bars of one symbol",
      async run() {
        const rows: marketData.StockBar[] = [];
        const pages = pagination.paginate<marketData.StockBar>(async (pageToken) => {
          const page = await stocks.stockBarSingle({
            symbol: "AAPL",
            timeframe: "1Min",
            limit: 5,
            ...(pageToken === undefined ? {} : { pageToken }),
          });
          return { items: page.bars, nextPageToken: page.nextPageToken };
        });
        for await (const bar of pages) rows.push(bar);
        const times = rows.map(({ t }) => t.getTime());
        expect(rows.length >= 20, `${rows.length} bars`);
        expect(
          times.every((t, at) => at === 0 || t > (times[at - 1] ?? 0)),
          "not in order",
        );
      },
    },
    {
      name: "REST: longer bars are made of minutes",
      async run() {
        const end = new Date(Date.now() - 120_000);
        const minutes = await stocks.stockBarSingle({ symbol: "SPY", timeframe: "1Min", end });
        const tens = await stocks.stockBarSingle({ symbol: "SPY", timeframe: "10Min", end });
        const sum = (bars: readonly marketData.StockBar[]) =>
          bars.reduce((total, { v }) => total + v, 0);
        expect(tens.bars.length < minutes.bars.length, "not fewer");
        expect(tens.bars.length >= 2, `${tens.bars.length} bars`);
        const whole = tens.bars.slice(0, -1);
        const until = tens.bars.at(-1)?.t.getTime() ?? 0;
        const part = minutes.bars.filter(({ t }) => t.getTime() < until);
        expect(sum(whole) === sum(part), `${sum(whole)} of ${sum(part)}`);
      },
    },
    {
      name: "REST: a bad timeframe and a bad page token are refused",
      async run() {
        const bad = await status(stocks.stockBars({ symbols: "AAPL", timeframe: "7Foo" }));
        const token = await status(stocks.stockTrades({ symbols: "AAPL", pageToken: "!!" }));
        expect(bad === 400 && token === 400, `${bad} ${token}`);
      },
    },
    {
      name: "REST: crypto trades by pages, newest quote, order book, snapshot",
      async run() {
        const loc = "us" as const;
        const symbols = "BTC/USD";
        const page = await crypto.cryptoTrades({ loc, symbols, limit: 5 });
        expect(page.trades["BTC/USD"]?.length === 5, "not five trades");
        expect(typeof page.nextPageToken === "string", "no next page");
        const { quotes } = await crypto.cryptoLatestQuotes({ loc, symbols });
        expect((quotes["BTC/USD"]?.ap ?? 0) > (quotes["BTC/USD"]?.bp ?? 0), "no quote");
        const { orderbooks } = await crypto.cryptoLatestOrderbooks({ loc, symbols });
        expect((orderbooks["BTC/USD"]?.b.length ?? 0) >= 20, "no book");
        const { snapshots } = await crypto.cryptoSnapshots({ loc, symbols });
        expect((snapshots["BTC/USD"]?.latestTrade?.p ?? 0) > 0, "no snapshot");
      },
    },
  ];
}
