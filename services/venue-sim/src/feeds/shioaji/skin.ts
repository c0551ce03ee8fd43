/** The Shioaji daemon: HTTP requests and one event stream, over TCP and a unix socket. No sequence, no replay. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { VenueClock } from "../clock.ts";
import type { Answer, Skin } from "../host.ts";
import { MESSAGES_PER_TURN_MAX } from "../limits.ts";
import { Load } from "../load.ts";
import { type Peer, SsePeer } from "../peer.ts";
import type { Switchboard } from "../switches.ts";
import { TimeFaults } from "../time-faults.ts";
import type { TruthLog } from "../truth.ts";
import { Wire } from "../wire.ts";
import { CONTINUOUS, CONTRACTS, listed } from "./contracts.ts";
import { ShioajiMarket } from "./market.ts";

/** Subscriptions of one login; all clients of a daemon share them. */
export const SUBSCRIPTIONS_MAX = 200;
export const HEARTBEAT_MS = 30_000;
/** Messages a slow reader misses by the `slow_client` switch. */
export const MISSED_BY_SLOW = 40;

const Subscription = z.object({
  security_type: z.enum(["STK", "FUT", "OPT", "IND"]),
  exchange: z.string().min(1).max(16),
  code: z.string().min(1).max(32),
  target_code: z.string().max(32).nullish(),
  quote_type: z.enum(["Tick", "BidAsk", "Quote"]),
  intraday_odd: z.boolean().optional(),
});
type Subscription = z.output<typeof Subscription>;

interface Client {
  readonly peer: SsePeer;
  readonly id: number;
  /** One event alone, or all. */
  readonly only: string | null;
}

export interface ShioajiOptions {
  readonly clock: VenueClock;
  readonly board: Switchboard;
  readonly truth: TruthLog;
  readonly unsentBytesMax: number;
  readonly seed: number;
}

const answer = (status: number, body: unknown): Answer => ({ status, body: JSON.stringify(body) });
const fault = (code: number, message: string): Answer =>
  answer(code, { code, message, details: null });

export class ShioajiSkin implements Skin {
  readonly #options: ShioajiOptions;
  readonly #clients = new Map<SsePeer, Client>();
  readonly #markets: readonly ShioajiMarket[];
  readonly #wire: Wire;
  readonly #time: TimeFaults;
  readonly #load: Load;
  /** By key of the subscription: what is sent, by contract and event. */
  readonly #subscribed = new Map<string, Subscription>();
  /** Delays the next event stream as the host does an upgrade. */
  delayed: (act: () => void) => void = (act) => act();
  #connection = 0;
  #heartbeatMs = 0;
  #missed = 0;
  #restarts = 0;

  constructor(options: ShioajiOptions) {
    const { board, clock, seed } = options;
    this.#options = options;
    this.#wire = new Wire(board, () => clock.monoMs());
    this.#time = new TimeFaults(board, clock);
    this.#load = new Load(board, () => clock.monoMs());
    this.#markets = CONTRACTS.map((contract) => new ShioajiMarket(contract, seed));
  }

  get peers(): ReadonlySet<Peer> {
    return new Set<Peer>(this.#clients.keys());
  }

  upgrade(): { refuse: string } {
    return { refuse: "404 Not Found" };
  }

  request(
    request: IncomingMessage,
    url: URL,
    body: string,
    response: ServerResponse,
  ): Answer | null {
    const route = `${request.method} ${url.pathname}`;
    const stream = /^GET \/api\/v1\/stream\/data(?:\/([a-z_]+))?$/.exec(route);
    if (stream !== null) {
      this.delayed(() => this.#open(response, stream[1] ?? null));
      return null;
    }
    const contract = /^GET \/api\/v1\/data\/contracts\/([A-Za-z0-9]+)$/.exec(route)?.[1];
    if (contract !== undefined) {
      const found = CONTRACTS.find(({ code }) => code === contract);
      return found === undefined
        ? fault(404, `contract ${contract} not found`)
        : answer(200, listed(found));
    }
    switch (route) {
      case "GET /api/v1/health":
        return answer(200, {
          status: "ok",
          version: "1.7.0",
          token_expires_in_seconds: 86_400,
          token_stale: false,
          contract_count: CONTRACTS.length,
          next_maintenance: null,
          ca_expires_in_days: null,
          ca_expired: false,
        });
      case "GET /api/v1/info":
        return answer(200, { version: "1.7.0", simulation: true });
      case "GET /api/v1/data/contracts":
        return answer(200, CONTRACTS.map(listed));
      case "POST /api/v1/auth/subscribe_trade":
      case "POST /api/v1/auth/unsubscribe_trade":
        return answer(200, { success: true, message: "" });
      case "GET /api/v1/stream/status":
        return answer(200, { subscriptions: [...this.#subscribed.values()] });
      case "POST /api/v1/stream/subscribe":
        return this.#subscribe(body, true);
      case "POST /api/v1/stream/unsubscribe":
        return this.#subscribe(body, false);
      default:
        return fault(404, "not found");
    }
  }

  #subscribe(body: string, on: boolean): Answer {
    let parsed: ReturnType<typeof Subscription.safeParse>;
    try {
      parsed = Subscription.safeParse(JSON.parse(body));
    } catch {
      return fault(400, "body is not JSON");
    }
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return fault(422, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}`);
    }
    const wanted = parsed.data;
    const { security_type, exchange, code } = wanted;
    const known =
      (security_type === "FUT" && code in CONTINUOUS) ||
      CONTRACTS.some(
        (c) => c.code === code && c.exchange === exchange && c.securityType === security_type,
      );
    const says = (success: boolean, message: string) =>
      answer(200, { success, message, subscription: success ? wanted : null });
    if (!known) return says(false, `contract ${security_type}/${exchange}/${code} not found`);
    const key = `${wanted.quote_type}|${code}`;
    if (!on) {
      this.#subscribed.delete(key);
      return says(true, "unsubscribed");
    }
    if (this.#subscribed.size >= SUBSCRIPTIONS_MAX && !this.#subscribed.has(key)) {
      return says(false, `subscription limit ${SUBSCRIPTIONS_MAX} exceeded`);
    }
    this.#subscribed.set(key, wanted);
    return says(true, "subscribed");
  }

  #open(response: ServerResponse, only: string | null): void {
    if (response.destroyed) return;
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    response.flushHeaders();
    this.#connection += 1;
    const peer = new SsePeer(response);
    const client: Client = { peer, id: this.#connection, only };
    this.#clients.set(peer, client);
    response.on("close", () => this.#clients.delete(peer));
    response.on("error", () => response.destroy());
    this.#heartbeat(client);
  }

  #heartbeat({ peer, id }: Client): void {
    const timestamp = new Date(this.#options.clock.venueMs()).toISOString();
    const data = { type: "heartbeat", timestamp, connection_id: id };
    peer.send(`event: heartbeat\ndata: ${JSON.stringify(data)}\n\n`);
  }

  tick(): void {
    const { board, clock } = this.#options;
    this.#time.tick();
    const clients = [...this.#clients.values()].filter(({ peer }) => !peer.frozen && peer.open);
    if (clients.length > 0) {
      if (board.take("roll_24h") !== null) {
        // The daemon is started anew: it has forgotten what was subscribed.
        this.#restarts += 1;
        this.#subscribed.clear();
        for (const { peer } of clients) peer.terminate();
      }
      if (board.take("half_open") !== null) for (const { peer } of clients) peer.freeze();
      if (board.take("slow_client") !== null) this.#missed = MISSED_BY_SLOW;
    }
    if (clock.ruleMs() >= this.#heartbeatMs) {
      this.#heartbeatMs = clock.ruleMs() + HEARTBEAT_MS;
      for (const client of clients) this.#heartbeat(client);
    }
    const now = clock.monoMs();
    let made = 0;
    for (const market of this.#markets) {
      const updates = market.market.due(now);
      if (updates.length > 0) this.#emit(market, updates);
      made += updates.length;
    }
    for (let left = Math.min(this.#load.due(), MESSAGES_PER_TURN_MAX - made); left > 0; left -= 1) {
      const market = this.#markets[left % this.#markets.length];
      if (market !== undefined) this.#emit(market, market.market.step());
    }
  }

  #emit(market: ShioajiMarket, updates: ReturnType<ShioajiMarket["market"]["step"]>): void {
    const { clock, truth, board } = this.#options;
    const { code, securityType } = market.contract;
    const suffix = securityType === "STK" ? "stk" : "fop";
    for (const update of updates) {
      if (update.kind === "trade") {
        const ns = (clock.uniqueNs(1_000n) / 1_000n) * 1_000n;
        this.#push("Tick", code, `tick_${suffix}`, market.tick(update, ns), false);
      }
      if (update.kind === "depth") {
        const ns = (clock.uniqueNs(1_000n) / 1_000n) * 1_000n;
        const crossed = this.#wants("BidAsk", code) && board.take("crossed") !== null;
        if (!crossed) {
          const key = String(ns);
          truth.add({ venue: "SHIOAJI", symbol: code, kind: "book", key, ...market.levels() });
        }
        this.#push("BidAsk", code, `bidask_${suffix}`, market.bidask(ns, crossed), true);
        if (this.#wants("Quote", code)) {
          this.#push("Quote", code, `quote_${suffix}`, market.quote(ns), false);
        }
      }
    }
  }

  /** A continuous name flows only where its contract was named with it. */
  #wants(type: Subscription["quote_type"], code: string): boolean {
    // A fault nobody meets is none.
    if (![...this.#clients.keys()].some(({ frozen }) => !frozen)) return false;
    for (const wanted of this.#subscribed.values()) {
      if (wanted.quote_type !== type) continue;
      if (wanted.code === code || (wanted.code in CONTINUOUS && wanted.target_code === code)) {
        return true;
      }
    }
    return false;
  }

  #push(
    type: Subscription["quote_type"],
    code: string,
    name: string,
    event: object,
    losable: boolean,
  ): void {
    if (!this.#wants(type, code)) return;
    const text = `event: ${name}\ndata: ${JSON.stringify(event)}\n\n`;
    this.#wire.push(code, losable, () => {
      if (this.#missed > 0) {
        this.#missed -= 1;
        return;
      }
      for (const { peer, only } of this.#clients.values()) {
        if (only !== null && only !== name) continue;
        // A reader that does not keep up misses events; the daemon never waits.
        if (peer.unsent > this.#options.unsentBytesMax) this.#options.board.note("slow_client");
        else peer.send(text);
      }
    });
  }

  stats(): Record<string, unknown> {
    return { subscriptions: this.#subscribed.size, restarts: this.#restarts };
  }
}
