/** One Alpaca market-data session as rules: login, channels, refusals. Pure: told the time and the account's state. */

export const ERRORS = {
  400: "invalid syntax",
  401: "not authenticated",
  402: "auth failed",
  403: "already authenticated",
  404: "auth timeout",
  405: "symbol limit exceeded",
  406: "connection limit exceeded",
  407: "slow client",
  408: "v2 not enabled",
  409: "insufficient subscription",
  500: "internal error",
} as const;
export type ErrorCode = keyof typeof ERRORS;

/** Time a client has for its login, ms. */
export const AUTH_WITHIN_MS = 5_000;
/** Symbols in trades and quotes together on the free plan; bars and the rest are not counted. */
export const COUNTED_CHANNELS_MAX = 30;

export const STOCK_CHANNELS = [
  "trades",
  "quotes",
  "bars",
  "updatedBars",
  "dailyBars",
  "statuses",
  "lulds",
  "imbalances",
] as const;
export const CRYPTO_CHANNELS = [
  "trades",
  "quotes",
  "bars",
  "updatedBars",
  "dailyBars",
  "orderbooks",
] as const;
export type Channel = (typeof STOCK_CHANNELS)[number] | (typeof CRYPTO_CHANNELS)[number];

export interface Account {
  readonly key: string;
  readonly secret: string;
  /** Feeds the account pays for. */
  readonly feeds: readonly string[];
  /** No limit on counted channels. */
  readonly unlimited?: boolean;
}

/** What the session wants to know of the world. */
export interface Gate {
  account(key: string, secret: string): Account | null;
  /** Whether the account has a connection to this endpoint already. */
  connected(key: string): boolean;
  /** Notes the outcome of a login: what a drill counts repeated attempts by. */
  attempted(key: string, code: ErrorCode | 0): void;
}

type Control = Readonly<Record<string, unknown>>;

export interface Reply {
  readonly messages: readonly Control[];
  readonly close: boolean;
}

export const errorMessage = (code: ErrorCode): Control => ({ T: "error", code, msg: ERRORS[code] });

export class AlpacaSession {
  readonly feed: string;
  readonly #gate: Gate;
  readonly #openedMs: number;
  readonly subscribed: ReadonlyMap<Channel, Set<string>>;
  account: Account | null = null;

  constructor(feed: string, channels: readonly Channel[], gate: Gate, nowMs: number) {
    this.feed = feed;
    this.#gate = gate;
    this.#openedMs = nowMs;
    this.subscribed = new Map(channels.map((channel) => [channel, new Set<string>()]));
  }

  greet(): Reply {
    return { messages: [{ T: "success", msg: "connected" }], close: false };
  }

  /** Whether the login is overdue. */
  late(nowMs: number): boolean {
    return this.account === null && nowMs - this.#openedMs >= AUTH_WITHIN_MS;
  }

  /** A login, from a message or from the request's headers. */
  login(key: string, secret: string): Reply {
    const refuse = (code: ErrorCode): Reply => {
      this.#gate.attempted(key, code);
      return { messages: [errorMessage(code)], close: true };
    };
    if (this.account !== null) return { messages: [errorMessage(403)], close: false };
    const account = this.#gate.account(key, secret);
    if (account === null) return refuse(402);
    if (account.feeds.length === 0) return refuse(408);
    if (!account.feeds.includes(this.feed)) return refuse(409);
    if (this.#gate.connected(key)) return refuse(406);
    this.#gate.attempted(key, 0);
    this.account = account;
    return { messages: [{ T: "success", msg: "authenticated" }], close: false };
  }

  /** One message of the client, already decoded; undefined = it could not be. */
  onMessage(message: unknown): Reply {
    const refuse = (code: ErrorCode): Reply => ({ messages: [errorMessage(code)], close: false });
    if (typeof message !== "object" || message === null) return refuse(400);
    const { action, key, secret, ...rest } = message as Record<string, unknown>;
    if (action === "auth") {
      if (typeof key !== "string" || typeof secret !== "string") return refuse(400);
      return this.login(key, secret);
    }
    if (action !== "subscribe" && action !== "unsubscribe") return refuse(400);
    if (this.account === null) return refuse(401);
    const next = new Map([...this.subscribed].map(([channel, names]) => [channel, new Set(names)]));
    for (const [channel, names] of Object.entries(rest)) {
      if (channel === "corrections" || channel === "cancelErrors") continue;
      const set = next.get(channel as Channel);
      if (set === undefined) return refuse(400);
      const texts = Array.isArray(names) ? names.filter((each) => typeof each === "string") : null;
      if (texts === null || texts.length !== (names as unknown[]).length) return refuse(400);
      for (const symbol of texts) {
        if (action === "subscribe") set.add(symbol);
        else set.delete(symbol);
      }
    }
    const counted = (next.get("trades")?.size ?? 0) + (next.get("quotes")?.size ?? 0);
    if (counted > COUNTED_CHANNELS_MAX && this.account.unlimited !== true) return refuse(405);
    for (const [channel, names] of next) {
      const own = this.subscribed.get(channel);
      own?.clear();
      for (const symbol of names) own?.add(symbol);
    }
    return { messages: [this.subscription()], close: false };
  }

  /** The whole set, as the venue answers each change. */
  subscription(): Control {
    const channels = [...this.subscribed].map(([channel, names]) => [channel, [...names]]);
    const own = Object.fromEntries(channels) as Record<string, string[]>;
    // Corrections and cancels come with the trades of a stock, unasked.
    const trades = own["trades"] ?? [];
    const follow = "statuses" in own ? { corrections: trades, cancelErrors: trades } : {};
    return { T: "subscription", ...own, ...follow };
  }

  wants(channel: Channel, symbol: string): boolean {
    const names = this.subscribed.get(channel);
    return names !== undefined && (names.has(symbol) || names.has("*"));
  }
}
