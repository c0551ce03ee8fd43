import { BINANCE_RULES, binanceStreams, type MarketData } from "../market-data.ts";
import { endpoints } from "./endpoints.ts";

/** Source: the venue's documentation, "WebSocket Streams for Binance": one combined stream, no login. */
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
      streams: binanceStreams("depth@100ms", "trade", "bookTicker"),
    },
  ],
  rules: BINANCE_RULES,
};
