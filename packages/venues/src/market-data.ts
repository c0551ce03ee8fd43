/** What the market-data loop must know of a venue. Data only: the loop checks the figures and acts on them. */

/** How long to stay away after a code. */
export interface WaitCode {
  readonly code: number;
  readonly waitMs: number;
}

/** Rules of one venue's feed sessions, as the loop's crate `feed` reads them. Milliseconds; 0 = no such rule. */
export interface FeedRules {
  readonly connectTimeoutMs: number;
  /** From an open connection to a granted login; 0 = the venue has none. */
  readonly authTimeoutMs: number;
  readonly subscribeTimeoutMs: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** No attempt is made after one of these. */
  readonly fatalCodes: readonly number[];
  readonly waitCodes?: readonly WaitCode[];
  /** These refuse the streams just asked for and leave the session as it is. */
  readonly streamCodes?: readonly number[];
  readonly ignoredCodes?: readonly number[];
  readonly streamsPerConnection: number;
  readonly connectionsMax: number;
  readonly streamsPerMessage: number;
  /** Pings and pongs count. */
  readonly messagesPerSecond: number;
  readonly connectsMax?: number;
  readonly connectWindowMs?: number;
  readonly pingAfterMs: number;
  readonly idleTimeoutMs: number;
  readonly staleAfterMs: number;
  /** Life of a connection, how long before its end we move on, and how long both run; overlap 0 = one at a time. */
  readonly lifeMs?: number;
  readonly rollBeforeMs?: number;
  readonly overlapMs?: number;
  readonly watchdog?: {
    readonly resubscribeMs: number;
    readonly reconnectMs: number;
    readonly forcedMs: number;
    readonly openGraceMs: number;
  };
  readonly windows?: {
    readonly zone: "UTC" | "Asia/Taipei" | "America/New_York";
    /** 1 = Monday … 7 = Sunday. */
    readonly days: readonly number[];
    /** Minutes of the local day; a range whose end is not after its start runs over midnight. */
    readonly ranges: readonly { readonly from: number; readonly to: number }[];
  };
}

/** One stream as the venue's dialect spells it; `counted` = against the venue's cap. */
export interface FeedStream {
  readonly name: string;
  readonly counted: boolean;
}

/** One kind of connection of a venue. */
export interface FeedLane {
  /** Appended to the base URL. */
  readonly path: string;
  /** Whether the books come over it; exactly one lane of a venue carries them. */
  readonly carriesBook: boolean;
  /** Whether the first streams are asked for in the URL. */
  readonly streamsInUrl: boolean;
  /** The streams of one symbol on it. */
  readonly streams: (symbol: string) => readonly FeedStream[];
}

/** One venue's feed. */
export interface MarketData {
  readonly dialect: "binance" | "alpaca" | "shioaji";
  /** Scheme of the base URL. */
  readonly scheme: "ws" | "http";
  readonly live: string;
  /** Whether a key is wanted to read market data. */
  readonly needsKey: boolean;
  readonly lanes: readonly FeedLane[];
  readonly rules: FeedRules;
}

const counted = (name: string): FeedStream => ({ name, counted: true });

/** The streams of a Binance symbol of these kinds. */
export const binanceStreams =
  (...kinds: readonly string[]) =>
  (symbol: string): FeedStream[] =>
    kinds.map((kind) => counted(`${symbol.toLowerCase()}@${kind}`));

/**
 * Rules every Binance market shares: a day of life, five messages a second, 1,024 streams, 300 attempts in five minutes,
 * a ban by status 418 and 429. Source: the venue's documentation, "WebSocket Streams" and "Limits".
 */
export const BINANCE_RULES: FeedRules = {
  connectTimeoutMs: 5_000,
  authTimeoutMs: 0,
  subscribeTimeoutMs: 5_000,
  backoffMsMin: 1_000,
  backoffMsMax: 32_000,
  fatalCodes: [451],
  waitCodes: [
    { code: 418, waitMs: 120_000 },
    { code: 429, waitMs: 60_000 },
  ],
  streamsPerConnection: 1_024,
  connectionsMax: 16,
  streamsPerMessage: 200,
  messagesPerSecond: 5,
  connectsMax: 300,
  connectWindowMs: 300_000,
  pingAfterMs: 10_000,
  idleTimeoutMs: 60_000,
  staleAfterMs: 5_000,
  lifeMs: 24 * 3_600_000,
  rollBeforeMs: 10 * 60_000,
  overlapMs: 1_000,
};
