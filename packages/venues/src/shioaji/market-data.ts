import type { MarketData } from "../market-data.ts";
import { endpoints } from "./endpoints.ts";
import { LOGINS_MAX, SUBSCRIPTIONS_MAX } from "./limits.ts";

/**
 * The streams of one instrument: trades and the five-level book. `symbol` is `<security type>|<exchange>|<code>|<target>`, the
 * target empty but for a continuous future.
 *
 * A heartbeat comes each 30 s, so silence of 65 s is staleness; data that fails to come while heartbeats do is the watchdog's
 * business: 15 s resubscribe, 60 s reconnect, 300 s forced, inside the sessions only. 503 is a ban of 75 s at least.
 * Source: the daemon's README, 1.7; the steps are those of the reference platform's reconnect policy.
 */
export const marketData: MarketData = {
  dialect: "shioaji",
  scheme: "http",
  live: endpoints.live.stream,
  needsKey: false,
  lanes: [
    {
      path: "",
      carriesBook: true,
      streamsInUrl: false,
      streams: (symbol) =>
        ["Tick", "BidAsk"].map((kind) => ({ name: `${kind}|${symbol}`, counted: true })),
    },
  ],
  rules: {
    connectTimeoutMs: 5_000,
    authTimeoutMs: 0,
    subscribeTimeoutMs: 60_000,
    backoffMsMin: 1_000,
    backoffMsMax: 32_000,
    fatalCodes: [401],
    waitCodes: [
      { code: 429, waitMs: 60_000 },
      { code: 451, waitMs: 75_000 },
      { code: 503, waitMs: 75_000 },
    ],
    streamsPerConnection: SUBSCRIPTIONS_MAX,
    connectionsMax: LOGINS_MAX,
    streamsPerMessage: 1,
    messagesPerSecond: 5,
    pingAfterMs: 0,
    idleTimeoutMs: 0,
    staleAfterMs: 65_000,
    watchdog: {
      resubscribeMs: 15_000,
      reconnectMs: 60_000,
      forcedMs: 300_000,
      openGraceMs: 60_000,
    },
    windows: {
      zone: "Asia/Taipei",
      days: [1, 2, 3, 4, 5],
      ranges: [
        { from: 8 * 60, to: 13 * 60 + 50 },
        { from: 14 * 60 + 45, to: 5 * 60 + 5 },
      ],
    },
  },
};
