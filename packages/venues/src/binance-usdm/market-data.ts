import { BINANCE_RULES, binanceStreams, type MarketData } from "../market-data.ts";
import { endpoints } from "./endpoints.ts";

/** Source: the venue's documentation, "WebSocket base URL split": books on `/public`, trades on `/market`; old roots are gone. */
export const marketData: MarketData = {
  dialect: "binance",
  scheme: "ws",
  live: endpoints.live.stream,
  needsKey: false,
  lanes: [
    {
      path: "/public/stream",
      carriesBook: true,
      streamsInUrl: true,
      streams: binanceStreams("depth@0ms", "bookTicker"),
    },
    {
      path: "/market/stream",
      carriesBook: false,
      streamsInUrl: true,
      streams: binanceStreams("trade"),
    },
  ],
  rules: { ...BINANCE_RULES, streamsPerConnection: 200 },
};
