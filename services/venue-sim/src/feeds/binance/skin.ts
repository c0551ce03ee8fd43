/** The wire of one Binance market: streams by URL and by message, depth snapshots, and the venue's session rules. */

import type { IncomingMessage } from "node:http";
import { socketRoute } from "../../trading/binance/routes.ts";
import { IncomingLimit, KeepAlive, Subscriptions } from "../../trading/binance/session.ts";
import type { VenueClock } from "../clock.ts";
import type { Answer, Skin } from "../host.ts";
import { MESSAGES_PER_TURN_MAX } from "../limits.ts";
import { Load } from "../load.ts";
import type { WsPeer } from "../peer.ts";
import type { Switchboard } from "../switches.ts";
import { TimeFaults } from "../time-faults.ts";
import type { TruthLog } from "../truth.ts";
import { Wire } from "../wire.ts";
import type { Market, Update } from "./market.ts";
import type { BinanceMarket } from "./markets.ts";
import { depthBody, streamText } from "./messages.ts";
import { binanceRest, RecentTrades } from "./rest.ts";

/** A connection's life, ms of rule time. */
export const LIFE_MS = 24 * 3_600_000;
/** Between a planned shutdown's notice and the end, ms. */
export const SHUTDOWN_AFTER_MS = 1_500;
/** Attempts to connect in five minutes of rule time. */
export const CONNECTS_MAX = 300;
const CONNECT_WINDOW_MS = 300_000;
/** How old the snapshot of `snapshot_old` is, ms, and for how long the stream is held for `snapshot_new`. */
const OLD_MS = 2_000;
const HOLD_MS = 400;
/** A snapshot is kept so often, for `snapshot_old`, ms. */
const KEEP_MS = 500;

interface Client {
  readonly peer: WsPeer;
  readonly combined: boolean;
  readonly carries: (stream: string) => boolean;
  readonly micros: boolean;
  readonly alive: KeepAlive;
  readonly incoming: IncomingLimit;
  readonly subscriptions: Subscriptions;
  readonly openedMs: number;
  /** A fault: what the client pongs is not heard. */
  deaf: boolean;
}

export interface BinanceOptions {
  readonly market: BinanceMarket;
  readonly symbols: readonly Market[];
  readonly clock: VenueClock;
  readonly board: Switchboard;
  readonly truth: TruthLog;
  readonly unsentBytesMax: number;
}

export class BinanceSkin implements Skin {
  readonly #options: BinanceOptions;
  readonly #clients = new Map<WsPeer, Client>();
  readonly #wire: Wire;
  readonly #time: TimeFaults;
  readonly #load: Load;
  readonly #old = new Map<string, { atMs: number; body: string }[]>();
  readonly #stitch = new Map<string, { first: number; prev: number }>();
  readonly #trades = new RecentTrades();
  #attempts: number[] = [];
  #goneMs = Number.POSITIVE_INFINITY;

  constructor(options: BinanceOptions) {
    const { board, clock } = options;
    this.#options = options;
    this.#wire = new Wire(board, () => clock.monoMs());
    this.#time = new TimeFaults(board, clock);
    this.#load = new Load(board, () => clock.monoMs());
  }

  get peers(): ReadonlySet<WsPeer> {
    return new Set(this.#clients.keys());
  }

  upgrade(request: IncomingMessage, url: URL): { refuse: string } | ((peer: WsPeer) => void) {
    const { market, clock } = this.#options;
    const now = clock.ruleMs();
    this.#attempts = this.#attempts.filter((at) => now - at < CONNECT_WINDOW_MS);
    this.#attempts.push(now);
    if (this.#attempts.length > CONNECTS_MAX) return { refuse: "429 Too Many Requests" };
    const route = socketRoute(request.url ?? "/");
    const routed = /^\/(public|market)\//.test(url.pathname);
    if (route?.kind !== "streams" || routed !== market.routed) return { refuse: "404 Not Found" };
    const fits = new Subscriptions().addAll(route.names) && route.names.every(route.carries);
    if (!fits) return { refuse: "400 Bad Request" };
    const micros = url.searchParams.get("timeUnit")?.toUpperCase() === "MICROSECOND";
    return (peer) => {
      const opened = clock.ruleMs();
      const client: Client = {
        peer,
        combined: route.combined,
        carries: route.carries,
        micros,
        alive: new KeepAlive(opened),
        incoming: new IncomingLimit(),
        subscriptions: new Subscriptions(),
        openedMs: opened,
        deaf: false,
      };
      client.subscriptions.addAll(route.names);
      this.#attach(client);
    };
  }

  #attach(client: Client): void {
    const { peer } = client;
    this.#clients.set(peer, client);
    peer.ws.on("close", () => this.#clients.delete(peer));
    const counted = (): boolean => {
      if (client.incoming.allow(this.#options.clock.monoMs())) return true;
      peer.close(1008, "Too many requests");
      return false;
    };
    peer.ws.on("pong", () => {
      if (!client.deaf) client.alive.onPong(this.#options.clock.ruleMs());
      counted();
    });
    peer.ws.on("ping", () => counted());
    peer.ws.on("message", (data) => {
      if (!counted()) return;
      peer.send(JSON.stringify(client.subscriptions.onMessage(data.toString())));
    });
  }

  async request(request: IncomingMessage, url: URL): Promise<Answer | null> {
    const { market, symbols, clock } = this.#options;
    const symbol = symbols.find(({ spec }) => spec.symbol === url.searchParams.get("symbol"));
    if (
      request.method === "GET" &&
      url.pathname === `${market.rest}/depth` &&
      symbol !== undefined
    ) {
      return { status: 200, body: await this.#snapshot(symbol, url.searchParams.get("limit")) };
    }
    const now = clock.venueMs();
    return binanceRest(market, symbols, this.#trades, request.method ?? "GET", url, now);
  }

  async #snapshot(symbol: Market, limit: string | null): Promise<string> {
    const { board, clock, market } = this.#options;
    const wanted = Number(limit ?? 100);
    const levels = Math.min(
      Number.isSafeInteger(wanted) && wanted > 0 ? wanted : 100,
      market.snapshotLevelsMax,
    );
    const now = clock.monoMs();
    const old = this.#old.get(symbol.spec.symbol)?.find(({ atMs }) => now - atMs >= OLD_MS);
    if (old !== undefined && board.take("snapshot_old") !== null) return old.body;
    if (board.take("snapshot_new") !== null) {
      // The book goes on while the stream stands: the answer is ahead of everything sent.
      this.#wire.hold();
      await new Promise((resolve) => setTimeout(resolve, HOLD_MS));
      const body = depthBody(market, symbol, levels, clock.venueMs());
      setTimeout(() => this.#wire.release(), HOLD_MS / 4);
      return body;
    }
    return depthBody(market, symbol, levels, clock.venueMs());
  }

  tick(): void {
    const { board, clock, symbols } = this.#options;
    this.#time.tick();
    this.#sessionFaults();
    const now = clock.monoMs();
    let made = 0;
    for (const symbol of symbols) {
      for (const update of symbol.due(now)) {
        this.#emit(symbol, update);
        made += 1;
      }
      this.#keepOld(symbol, now);
    }
    for (let left = Math.min(this.#load.due(), MESSAGES_PER_TURN_MAX - made); left > 0; ) {
      const symbol = symbols[left % symbols.length];
      if (symbol === undefined) break;
      const updates = symbol.step();
      for (const update of updates) this.#emit(symbol, update);
      left -= Math.max(updates.length, 1);
    }
    for (const { peer } of this.#clients.values()) {
      if (peer.unsent > this.#options.unsentBytesMax) {
        board.note("slow_client");
        peer.terminate();
      }
    }
  }

  #keepOld(symbol: Market, now: number): void {
    const { market, clock } = this.#options;
    const kept = this.#old.get(symbol.spec.symbol) ?? [];
    const newest = kept[0];
    if (newest !== undefined && now - newest.atMs < KEEP_MS) return;
    kept.unshift({ atMs: now, body: depthBody(market, symbol, 1_000, clock.venueMs()) });
    // Enough to have one that is old; the newest such is served.
    this.#old.set(symbol.spec.symbol, kept.slice(0, Math.ceil(OLD_MS / KEEP_MS) + 2));
  }

  #sessionFaults(): void {
    const { board, clock } = this.#options;
    const now = clock.ruleMs();
    const clients = [...this.#clients.values()].filter(({ peer }) => !peer.frozen);
    if (clients.length > 0) {
      if (board.take("shutdown_notice") !== null) {
        const event = `{"e":"serverShutdown","E":${clock.venueMs()}}`;
        for (const { peer, combined } of clients) {
          peer.send(combined ? `{"stream":"!serverShutdown","data":${event}}` : event);
        }
        this.#goneMs = clock.monoMs() + SHUTDOWN_AFTER_MS;
      }
      if (board.take("roll_24h") !== null) for (const { peer } of clients) peer.close(1001, "");
      if (board.take("half_open") !== null) for (const { peer } of clients) peer.freeze();
      if (board.take("slow_client") !== null) for (const { peer } of clients) peer.terminate();
    }
    if (clock.monoMs() >= this.#goneMs) {
      this.#goneMs = Number.POSITIVE_INFINITY;
      for (const { peer } of clients) peer.close(1001, "server shutdown");
    }
    for (const client of clients) {
      if (!client.deaf && board.isArmed("pong_lost")) client.deaf = true;
      if (now - client.openedMs >= LIFE_MS) {
        client.peer.close(1001, "");
        continue;
      }
      const due = client.alive.poll(now);
      if (due === "ping") client.peer.ping(String(clock.venueMs()));
      if (due === "drop") {
        if (client.deaf) board.take("pong_lost");
        client.peer.terminate();
      }
    }
  }

  #emit(symbol: Market, made: Update): void {
    const { market, board, truth, clock } = this.#options;
    const { spec } = symbol;
    const { venue } = market;
    let update = made;
    if (update.kind === "trade") this.#trades.add(spec.symbol, update, clock.venueMs());
    if (update.kind === "depth") {
      const key = String(update.last);
      truth.add({ venue, symbol: spec.symbol, kind: "book", key, ...symbol.levels(10) });
      const heard = this.#heard(symbol, "depth");
      if (heard && board.armed("gap")?.hidden === true) {
        // A venue whose ids hide what it lost: no client can see it, so that a drill must.
        board.take("gap");
        const { first, prev } = this.#stitch.get(spec.symbol) ?? update;
        this.#stitch.set(spec.symbol, { first, prev });
        return;
      }
      update = { ...update, ...this.#stitch.get(spec.symbol) };
      this.#stitch.delete(spec.symbol);
      if (heard && board.take("crossed") !== null) {
        update = { ...update, bids: [...update.bids, symbol.crossing()] };
      }
      if (heard && market.chained && board.take("pu_mismatch") !== null) {
        update = { ...update, prev: update.prev - 1 };
      }
    } else if (update.kind === "bookTicker") {
      const { bid, ask } = update;
      const key = String(update.id);
      truth.add({ venue, symbol: spec.symbol, kind: "touch", key, bids: [bid], asks: [ask] });
    }
    if (!this.#heard(symbol, update.kind)) return;
    const atMs = clock.venueMs();
    const whole = update;
    this.#wire.push(spec.symbol, update.kind === "depth", () => this.#send(symbol, whole, atMs));
  }

  /** Whether anyone hears a message: a fault nobody meets is none. */
  #heard(symbol: Market, kind: Update["kind"]): boolean {
    const streams = streamsOf(symbol.spec.symbol.toLowerCase(), kind);
    for (const { peer, subscriptions, carries } of this.#clients.values()) {
      if (peer.frozen) continue;
      if (streams.some((stream) => subscriptions.names.has(stream) && carries(stream))) return true;
    }
    return false;
  }

  #send(symbol: Market, update: Update, atMs: number): void {
    const { market } = this.#options;
    const name = symbol.spec.symbol.toLowerCase();
    const texts = new Map<boolean, string>();
    for (const { peer, subscriptions, combined, micros, carries } of this.#clients.values()) {
      for (const stream of streamsOf(name, update.kind)) {
        if (!subscriptions.names.has(stream) || !carries(stream)) continue;
        let text = texts.get(micros);
        if (text === undefined) {
          text = streamText(market, symbol.spec, update, atMs, micros);
          texts.set(micros, text);
        }
        peer.send(combined ? `{"stream":"${stream}","data":${text}}` : text);
      }
    }
  }
}

/** The names under which a message can be subscribed; the generated market has one speed. */
function streamsOf(name: string, kind: Update["kind"]): readonly string[] {
  if (kind !== "depth") return [`${name}@${kind}`];
  return [`${name}@depth`, `${name}@depth@100ms`, `${name}@depth@0ms`];
}
