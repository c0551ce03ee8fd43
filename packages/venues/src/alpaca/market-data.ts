import type { FeedLane, FeedRules, MarketData } from "../market-data.ts";
import { endpoints } from "./endpoints.ts";
import { IEX_CHANNELS_MAX } from "./limits.ts";

/**
 * One connection an account, a login within ten seconds, no sequence numbers. 402 auth failed, 406 connection limit, 408 v2 not
 * enabled, 409 insufficient subscription end the session for good; 405 (symbol limit) leaves it as it is; 403 (already
 * authenticated) says nothing; 407 (slow client) and the rest connect anew.
 * Source: the venue's documentation, "WebSocket Stream".
 */
export const RULES: FeedRules = {
  connectTimeoutMs: 5_000,
  authTimeoutMs: 10_000,
  subscribeTimeoutMs: 10_000,
  backoffMsMin: 1_000,
  backoffMsMax: 32_000,
  fatalCodes: [402, 406, 408, 409],
  waitCodes: [{ code: 429, waitMs: 60_000 }],
  streamCodes: [405],
  ignoredCodes: [403],
  streamsPerConnection: IEX_CHANNELS_MAX,
  connectionsMax: 1,
  streamsPerMessage: 1_000,
  messagesPerSecond: 0,
  pingAfterMs: 10_000,
  idleTimeoutMs: 60_000,
  staleAfterMs: 30_000,
};

const lane = (path: string, kinds: readonly string[]): FeedLane => ({
  path,
  carriesBook: true,
  streamsInUrl: false,
  streams: (symbol) =>
    kinds.map((kind) => ({ name: `${kind}:${symbol}`, counted: !kind.endsWith("ars") })),
});

const feed = (path: string, kinds: readonly string[], streams: number): MarketData => ({
  dialect: "alpaca",
  scheme: "ws",
  live: endpoints.live.stream,
  needsKey: true,
  lanes: [lane(path, kinds)],
  rules: { ...RULES, streamsPerConnection: streams },
});

const STOCKS = ["trades", "quotes", "bars", "statuses"] as const;

/** Stocks: the free plan's exchange alone, or the consolidated tape, which caps no channels. */
export const marketData: MarketData = feed("/v2/iex", STOCKS, IEX_CHANNELS_MAX);
export const sipMarketData: MarketData = feed("/v2/sip", STOCKS, 4_096);
/** Crypto: a whole book with resets. */
export const cryptoMarketData: MarketData = feed(
  "/v1beta3/crypto/us",
  ["trades", "quotes", "orderbooks"],
  4_096,
);
