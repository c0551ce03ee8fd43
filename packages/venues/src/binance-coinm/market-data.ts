import { BINANCE_RULES, binanceStreams, type MarketData } from "../market-data.ts";
import { endpoints } from "./endpoints.ts";

/** Source: the venue's documentation of COIN-M futures: one combined stream; the chain of ids is that of USD-M (`pu`). */
export const marketData: MarketData = {
  dialect: "binance",
  scheme: "ws",
  live: endpoints.live.stream,
  needsKey: false,
  lanes: [
    {
      path: "/stream",
      carriesBook: true,
      streamsInUrl: true,
      streams: binanceStreams("depth@0ms", "trade", "bookTicker"),
    },
  ],
  rules: { ...BINANCE_RULES, streamsPerConnection: 200 },
};
