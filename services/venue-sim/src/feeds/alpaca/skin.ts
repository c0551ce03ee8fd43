/** The wire of Alpaca's market data, stocks or crypto: the stream in JSON or MessagePack, and REST. */

import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Update } from "../binance/market.ts";
import type { VenueClock } from "../clock.ts";
import type { Answer, Skin } from "../host.ts";
import { MESSAGES_PER_TURN_MAX, SYMBOLS_MAX } from "../limits.ts";
import { Load } from "../load.ts";
import type { WsPeer } from "../peer.ts";
import type { Switchboard } from "../switches.ts";
import { newYorkMidnightMs, TimeFaults } from "../time-faults.ts";
import type { TruthLog } from "../truth.ts";
import { Wire } from "../wire.ts";
import { AlpacaMarket } from "./market.ts";
import { levelsOf } from "./messages.ts";
import { decode, encode, Timestamp } from "./msgpack.ts";
import {
  type Account,
  AlpacaSession,
  type Channel,
  CRYPTO_CHANNELS,
  type ErrorCode,
  errorMessage,
  type Gate,
  type Reply,
  STOCK_CHANNELS,
} from "./protocol.ts";
import { alpacaRest } from "./rest.ts";

/** REST requests of one account in a minute. */
export const REQUESTS_PER_MINUTE = 200;
const STEP_MS = 100;
const MINUTE_MS = 60_000;
const SYMBOL = /^[A-Z0-9.]{1,10}(\/[A-Z]{3,5})?$/;
/** Market close of a half day, 13:00 in New York, in UTC ms of the day `early_close` goes to. */
const EARLY_CLOSE_MS = Date.UTC(2026, 10, 27, 18, 0, 0);

interface Client {
  readonly peer: WsPeer;
  readonly session: AlpacaSession;
  readonly binary: boolean;
  /** A fault: its next login is not heard. */
  unheard: boolean;
}

export interface AlpacaOptions {
  readonly venue: "ALPACA" | "ALPACA_CRYPTO";
  readonly symbols: readonly string[];
  readonly accounts: readonly Account[];
  readonly clock: VenueClock;
  readonly board: Switchboard;
  readonly truth: TruthLog;
  readonly unsentBytesMax: number;
  readonly seed: number;
}

/** Logins of one key, and those that came after a refusal that no client may answer with another. */
export interface Logins {
  granted: number;
  readonly refused: Record<string, number>;
  afterFatal: number;
}

const FATAL: readonly number[] = [402, 406, 408, 409];

export class AlpacaSkin implements Skin, Gate {
  readonly #options: AlpacaOptions;
  readonly #crypto: boolean;
  readonly #clients = new Map<WsPeer, Client>();
  readonly #markets = new Map<string, AlpacaMarket>();
  readonly #wire: Wire;
  readonly #time: TimeFaults;
  readonly #load: Load;
  readonly #requests = new Map<string, { minute: number; count: number }>();
  readonly #barMs: number;
  #closed = false;
  #bandsMs = 0;
  /** By key: what a drill counts repeated attempts with. */
  readonly logins = new Map<string, Logins>();

  constructor(options: AlpacaOptions) {
    const { board, clock, venue } = options;
    this.#options = options;
    this.#crypto = venue === "ALPACA_CRYPTO";
    this.#wire = new Wire(board, () => clock.monoMs());
    this.#time = new TimeFaults(board, clock);
    this.#load = new Load(board, () => clock.monoMs());
    this.#barMs = Math.max(1_000, Math.round(MINUTE_MS / clock.scale));
    for (const symbol of options.symbols) this.#market(symbol);
  }

  get peers(): ReadonlySet<WsPeer> {
    return new Set(this.#clients.keys());
  }

  #market(symbol: string): AlpacaMarket | null {
    const known = this.#markets.get(symbol);
    if (known !== undefined) return known;
    const fits = SYMBOL.test(symbol) && symbol.includes("/") === this.#crypto;
    if (!fits || this.#markets.size >= SYMBOLS_MAX) return null;
    const { seed, clock } = this.#options;
    const made = new AlpacaMarket(symbol, this.#crypto, seed, STEP_MS, clock.venueMs());
    this.#markets.set(symbol, made);
    return made;
  }

  // What the session asks of the account.
  account(key: string, secret: string): Account | null {
    const found = this.#options.accounts.find((each) => each.key === key && each.secret === secret);
    return found ?? null;
  }

  connected(key: string): boolean {
    for (const { session, peer } of this.#clients.values()) {
      if (session.account?.key === key && !peer.frozen && peer.open) {
        this.#options.board.note("second_connection");
        return true;
      }
    }
    if (this.#options.board.take("second_connection") !== null) return true;
    return false;
  }

  attempted(key: string, code: ErrorCode | 0): void {
    const logins = this.logins.get(key) ?? { granted: 0, refused: {}, afterFatal: 0 };
    if (Object.keys(logins.refused).some((each) => FATAL.includes(Number(each)))) {
      logins.afterFatal += 1;
    }
    if (code === 0) logins.granted += 1;
    else logins.refused[code] = (logins.refused[code] ?? 0) + 1;
    this.logins.set(key, logins);
  }

  upgrade(request: IncomingMessage, url: URL): { refuse: string } | ((peer: WsPeer) => void) {
    const feed = this.#crypto
      ? /^\/v1beta3\/crypto\/(us)$/.exec(url.pathname)?.[1]
      : /^\/v2\/(iex|sip|delayed_sip|test)$/.exec(url.pathname)?.[1];
    if (feed === undefined) return { refuse: "404 Not Found" };
    const { clock } = this.#options;
    const binary = request.headers["content-type"] === "application/msgpack";
    const key = request.headers["apca-api-key-id"];
    const secret = request.headers["apca-api-secret-key"];
    return (peer) => {
      const channels: readonly Channel[] = this.#crypto ? CRYPTO_CHANNELS : STOCK_CHANNELS;
      const session = new AlpacaSession(feed, channels, this, clock.monoMs());
      const client: Client = { peer, session, binary, unheard: false };
      this.#clients.set(peer, client);
      peer.ws.on("close", () => this.#clients.delete(peer));
      peer.ws.on("message", (data: Buffer, isBinary: boolean) =>
        this.#onMessage(client, data, isBinary),
      );
      this.#answer(client, session.greet());
      if (typeof key === "string" && typeof secret === "string") {
        this.#answer(client, session.login(key, secret));
      }
    };
  }

  #onMessage(client: Client, data: Buffer, isBinary: boolean): void {
    let message: unknown;
    try {
      message = client.binary && isBinary ? decode(data) : JSON.parse(data.toString("utf8"));
    } catch {
      message = undefined;
    }
    const { board } = this.#options;
    const action = (message as { action?: unknown } | null | undefined)?.action;
    if (action === "auth" && (client.unheard || board.take("auth_timeout") !== null)) {
      client.unheard = true;
      return;
    }
    const { session } = client;
    const before = new Set(session.subscribed.get("orderbooks" as Channel));
    this.#answer(client, session.onMessage(message));
    for (const names of session.subscribed.values()) for (const name of names) this.#market(name);
    for (const symbol of session.subscribed.get("orderbooks" as Channel) ?? []) {
      if (!before.has(symbol)) this.#wholeBook(client, symbol);
    }
  }

  #answer(client: Client, { messages, close }: Reply): void {
    if (messages.length > 0) client.peer.send(this.#text(client, messages));
    if (close) client.peer.close(1000, "");
  }

  #text(client: Client, messages: readonly unknown[]): string | Buffer {
    return client.binary ? encode(messages) : JSON.stringify(messages);
  }

  /** The whole book, once, to who has just subscribed it. */
  #wholeBook(client: Client, symbol: string): void {
    const market = this.#market(symbol);
    if (market === null) return;
    const { clock, truth, venue } = this.#options;
    const ns = clock.uniqueNs(1_000n);
    const { bids, asks } = market.market.levels(50);
    truth.add({ venue, symbol, kind: "book", key: String(ns), bids, asks });
    const book = { T: "o", S: symbol, t: new Timestamp(ns), b: levelsOf(bids), a: levelsOf(asks) };
    client.peer.send(this.#text(client, [{ ...book, r: true }]));
  }

  request(request: IncomingMessage, url: URL): Answer {
    const { clock } = this.#options;
    const header = (name: string) => String(request.headers[name] ?? "");
    const id = { "x-request-id": randomUUID() };
    const name = header("apca-api-key-id");
    // Crypto's history is open to anyone; a key that is given has to be right all the same.
    const open = this.#crypto && name === "";
    const account = open ? { key: "" } : this.account(name, header("apca-api-secret-key"));
    if (account === null) return { status: 403, body: '{"message":"forbidden."}', headers: id };
    const minute = Math.floor(clock.monoMs() / MINUTE_MS);
    const used = this.#requests.get(account.key);
    const count = used?.minute === minute ? used.count + 1 : 1;
    this.#requests.set(account.key, { minute, count });
    const reset = Math.ceil(((minute + 1) * MINUTE_MS - clock.monoMs()) / 1_000);
    const headers = {
      ...id,
      "x-ratelimit-limit": String(REQUESTS_PER_MINUTE),
      "x-ratelimit-remaining": String(Math.max(0, REQUESTS_PER_MINUTE - count)),
      "x-ratelimit-reset": String(Math.floor(clock.venueMs() / 1_000) + reset),
    };
    if (count > REQUESTS_PER_MINUTE) {
      const wait = { ...headers, "retry-after": String(reset) };
      return { status: 429, body: '{"message":"too many requests."}', headers: wait };
    }
    if (request.method !== "GET") {
      return { status: 404, body: '{"message":"not found"}', headers };
    }
    const answer = alpacaRest(url, this.#crypto, (symbol) => this.#market(symbol));
    return { ...answer, headers };
  }

  tick(): void {
    const { board, clock } = this.#options;
    this.#time.tick();
    this.#sessions();
    const now = clock.monoMs();
    // Changes of a book without sequence cannot be lost unseen, so a venue that falls silent is a market that stands still.
    if (this.#crypto && this.#wire.muted) return;
    const closed = this.#time.current === "early_close" && clock.venueMs() >= EARLY_CLOSE_MS;
    if (closed !== this.#closed) {
      this.#closed = closed;
      this.#statuses(closed ? "H" : "T");
    }
    if (now >= this.#bandsMs) {
      this.#bandsMs = now + this.#barMs;
      this.#bands();
    }
    const markets = [...this.#markets.values()];
    let made = 0;
    for (const market of markets) {
      for (const update of market.market.due(now)) {
        if (!closed) this.#emit(market, update);
        made += 1;
      }
    }
    for (let left = Math.min(this.#load.due(), MESSAGES_PER_TURN_MAX - made); left > 0; ) {
      const market = markets[left % markets.length];
      if (market === undefined) break;
      const updates = market.market.step();
      for (const update of updates) this.#emit(market, update);
      left -= Math.max(updates.length, 1);
    }
    for (const { peer } of this.#clients.values()) {
      if (peer.unsent > this.#options.unsentBytesMax) board.note("slow_client");
    }
    for (const client of [...this.#clients.values()]) {
      if (client.peer.unsent > this.#options.unsentBytesMax) this.#slow(client);
    }
  }

  /** The error may not arrive before the end, as at the venue. */
  #slow(client: Client): void {
    client.peer.send(this.#text(client, [errorMessage(407)]));
    setTimeout(() => client.peer.terminate(), 50);
  }

  #sessions(): void {
    const { board, clock } = this.#options;
    const clients = [...this.#clients.values()].filter(({ peer }) => !peer.frozen && peer.open);
    for (const client of clients) {
      if (client.session.late(clock.monoMs())) {
        this.#answer(client, { messages: [errorMessage(404)], close: true });
      }
    }
    const live = clients.filter(({ session }) => session.account !== null);
    if (live.length === 0) return;
    if (board.take("roll_24h") !== null) for (const { peer } of live) peer.close(1001, "");
    if (board.take("half_open") !== null) for (const { peer } of live) peer.freeze();
    if (board.take("slow_client") !== null) for (const client of live) this.#slow(client);
  }

  #emit(market: AlpacaMarket, update: Update): void {
    const { clock, truth, venue, board } = this.#options;
    const { symbol } = market;
    // Stocks are stamped to the ns, crypto to the µs and below.
    const ns = clock.uniqueNs(this.#crypto ? 1_000n : 1n);
    const key = String(ns);
    switch (update.kind) {
      case "bookTicker": {
        const { bid, ask } = update;
        if (this.#heard("quotes", symbol) && board.take("crossed") !== null) {
          // Told by no truth: whoever prices from it is wrong.
          const quote = { ...market.onQuote(market.market.crossing(), ask, ns) };
          this.#push("quotes", symbol, { T: "q", S: symbol, ...quote }, true);
          return;
        }
        truth.add({ venue, symbol, kind: "touch", key, bids: [bid], asks: [ask] });
        this.#push("quotes", symbol, { T: "q", S: symbol, ...market.onQuote(bid, ask, ns) }, true);
        return;
      }
      case "trade": {
        const atMs = clock.venueMs();
        const day = newYorkMidnightMs(atMs);
        const { trade, ended } = market.onTrade(update, ns, atMs, this.#barMs, day);
        this.#push("trades", symbol, { T: "t", S: symbol, ...trade }, false);
        if (ended === null) return;
        this.#push("bars", symbol, { T: "b", S: symbol, ...ended }, false);
        this.#push("updatedBars", symbol, { T: "u", S: symbol, ...ended }, false);
        if (market.dailyBar !== null) {
          this.#push("dailyBars", symbol, { T: "d", S: symbol, ...market.dailyBar }, false);
        }
        this.#amend(market, ns);
        return;
      }
      case "depth": {
        if (!this.#crypto) return;
        truth.add({ venue, symbol, kind: "book", key, ...market.market.levels(10) });
        const b = levelsOf(update.bids);
        const a = levelsOf(update.asks);
        this.#push("orderbooks", symbol, { T: "o", S: symbol, t: new Timestamp(ns), b, a }, false);
        return;
      }
    }
  }

  /** Once a bar: the trade before the last is corrected, the one before that cancelled. Stocks alone. */
  #amend(market: AlpacaMarket, ns: bigint): void {
    const [gone, old] = market.trades.slice(-3);
    if (this.#crypto || gone === undefined || old === undefined) return;
    const S = market.symbol;
    const t = new Timestamp(ns);
    const { i: oi, p: op, s: os, c: oc, x, z } = old;
    const corrected = { ci: oi + 1_000_000_000, cp: op, cs: os + 1, cc: oc };
    this.#push("trades", S, { T: "c", S, x, oi, op, os, oc, ...corrected, t, z }, false);
    this.#push("trades", S, { T: "x", S, i: gone.i, x, p: gone.p, s: gone.s, a: "C", z, t }, false);
  }

  #statuses(sc: "H" | "T"): void {
    const t = new Timestamp(this.#options.clock.uniqueNs(1n));
    const sm = sc === "H" ? "Trading Halt" : "Trading Resumption";
    for (const S of this.#markets.keys()) {
      this.#push("statuses", S, { T: "s", S, sc, sm, rc: "", rm: "", t, z: "C" }, false);
    }
  }

  /** Price bands, an imbalance and the trading status of each stock, once a bar. */
  #bands(): void {
    if (this.#crypto) return;
    this.#statuses(this.#closed ? "H" : "T");
    for (const { symbol: S, market } of this.#markets.values()) {
      const t = new Timestamp(this.#options.clock.uniqueNs(1n));
      const [bid] = market.levels(1).bids;
      const px = Number(bid?.[0] ?? 0);
      const round = (value: number) => Math.round(value * 100) / 100;
      const band = { u: round(px * 1.05), d: round(px * 0.95), i: "B" };
      this.#push("lulds", S, { T: "l", S, ...band, t, z: "C" }, false);
      this.#push("imbalances", S, { T: "i", S, p: px, z: "C", t }, false);
    }
  }

  /** Whether anyone hears a message: a fault nobody meets is none. */
  #heard(channel: Channel, symbol: string): boolean {
    for (const { session, peer } of this.#clients.values()) {
      if (session.account !== null && !peer.frozen && session.wants(channel, symbol)) return true;
    }
    return false;
  }

  #push(channel: Channel, symbol: string, message: object, losable: boolean): void {
    if (!this.#heard(channel, symbol)) return;
    this.#wire.push(symbol, losable, () => {
      for (const client of this.#clients.values()) {
        const { session, peer } = client;
        if (session.account === null || !session.wants(channel, symbol)) continue;
        peer.send(this.#text(client, [message]));
      }
    });
  }
}
