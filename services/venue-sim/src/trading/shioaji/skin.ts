/** The daemon's sockets: HTTP requests, and one stream of events. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Answer, Skin } from "../../feeds/host.ts";
import { type Peer, SsePeer } from "../../feeds/peer.ts";
import type { OrderBoard } from "../switches.ts";
import type { Desk } from "./desk.ts";
import { ApiFault } from "./faults.ts";
import { BAN_MS, HEARTBEAT_MS, RequestWindow, UNSENT_BYTES_MAX } from "./limits.ts";

export interface SkinOptions {
  readonly desk: Desk;
  readonly board: OrderBoard;
  /** `KEY:SECRET` that every request must bear; null on the loopback, where none is asked for. */
  readonly bearer: string | null;
  readonly nowMs: () => number;
}

type Serve = (body: string, nowMs: number) => object;

const answer = (status: number, body: unknown): Answer => ({ status, body: JSON.stringify(body) });

export class ShioajiSkin implements Skin {
  readonly #options: SkinOptions;
  readonly #peers = new Set<SsePeer>();
  readonly #window = new RequestWindow();
  readonly #waiting: string[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  /** What counts in the window of orders. */
  readonly #counted: Readonly<Record<string, Serve>>;
  #heldUntilMs = 0;
  #heartbeatMs = 0;
  #connection = 0;
  /** Whether the daemon answers. */
  open = true;

  constructor(options: SkinOptions) {
    this.#options = options;
    const { desk } = options;
    this.#counted = {
      "POST /api/v1/order/place_order": (body, now) => desk.place(body, now),
      "POST /api/v1/order/cancel_order": (body, now) => desk.cancel(body, now),
      "POST /api/v1/order/update_price": (body, now) => desk.updatePrice(body, now),
      "POST /api/v1/order/update_qty": (body, now) => desk.updateQty(body, now),
      "POST /api/v1/order/trades": (body) => desk.trades(body),
    };
  }

  get peers(): ReadonlySet<Peer> {
    return this.#peers;
  }

  upgrade(): { refuse: string } {
    return { refuse: "404 Not Found" };
  }

  request(
    request: IncomingMessage,
    url: URL,
    body: string,
    response: ServerResponse,
  ): Answer | null | Promise<Answer | null> {
    if (!this.open) {
      response.destroy();
      return null;
    }
    const { bearer, board } = this.#options;
    const route = `${request.method} ${url.pathname}`;
    if (bearer !== null && request.headers.authorization !== `Bearer ${bearer}`) {
      return { status: 401, body: new ApiFault(401, "Unauthorized").body() };
    }
    if (/^GET \/api\/v1\/stream\/data(\/order_event)?$/.test(route)) {
      if (board.take("auth_timeout") === null) this.#listen(response);
      return null;
    }
    try {
      const serve = this.#counted[route];
      return serve === undefined
        ? this.#plain(route, body)
        : this.#served(route, serve, body, response);
    } catch (error) {
      if (error instanceof ApiFault) return { status: error.status, body: error.body() };
      throw error;
    } finally {
      this.publish();
    }
  }

  #plain(route: string, body: string): Answer {
    const { desk } = this.#options;
    switch (route) {
      case "GET /api/v1/health":
        return answer(200, {
          ...{ status: "ok", version: "1.7.0", token_expires_in_seconds: 86_400 },
          ...{ token_stale: false, contract_count: 3, next_maintenance: null },
          ...{ ca_expires_in_days: null, ca_expired: false },
        });
      case "POST /api/v1/auth/subscribe_trade":
        return answer(200, desk.subscribe(body));
      case "POST /api/v1/portfolio/position_unit":
        return answer(200, desk.positions(body));
      default:
        throw new ApiFault(404, "not found");
    }
  }

  /** A request of orders, as an armed switch has it. */
  #served(
    route: string,
    serve: Serve,
    body: string,
    response: ServerResponse,
  ): Answer | null | Promise<Answer | null> {
    const { board, nowMs } = this.#options;
    const place = route.endsWith("place_order");
    const limited = board.take("rate_limit");
    if (limited !== null) this.#window.ban(limited.ms ?? BAN_MS, nowMs());
    if (!this.#window.take(nowMs())) throw new ApiFault(503, "Too many requests: banned");
    const drop = (): null => {
      response.destroy();
      return null;
    };
    if (place && board.take("request_lost") !== null) return drop();
    if (place && board.take("answer_500") !== null) throw new ApiFault(500, "Internal error");
    // Nobody answers: the client gives up.
    if (route.endsWith("trades") && board.take("query_lost") !== null) return null;
    const served = answer(200, serve(body, nowMs()));
    if (place && board.take("ack_500") !== null) throw new ApiFault(500, "Timeout");
    const lost = place
      ? "ack_lost"
      : route.endsWith("cancel_order")
        ? "cancel_ack_lost"
        : "replace_ack_lost";
    if (!route.endsWith("trades") && board.take(lost) !== null) return drop();
    const late = place ? board.take("ack_late") : null;
    if (late === null) return served;
    return new Promise((resolve) => this.#after(board.ms("ack_late", late), () => resolve(served)));
  }

  #after(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  #listen(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    response.flushHeaders();
    this.#connection += 1;
    const peer = new SsePeer(response);
    this.#peers.add(peer);
    response.on("close", () => this.#peers.delete(peer));
    response.on("error", () => response.destroy());
    this.#heartbeat(peer, this.#connection);
  }

  #heartbeat(peer: SsePeer, connection_id: number): void {
    const timestamp = new Date(this.#options.nowMs()).toISOString();
    const data = { type: "heartbeat", timestamp, connection_id };
    peer.send(`event: heartbeat\ndata: ${JSON.stringify(data)}\n\n`);
  }

  tick(): void {
    const { desk, nowMs } = this.#options;
    desk.tick(nowMs());
    if (nowMs() >= this.#heartbeatMs) {
      this.#heartbeatMs = nowMs() + HEARTBEAT_MS;
      for (const peer of this.#peers) this.#heartbeat(peer, 0);
    }
    this.publish();
  }

  /** Says what the desk has to say: not at all, unreadably, twice or late, as an armed switch has it. No replay. */
  publish(): void {
    const { board, desk, nowMs } = this.#options;
    for (const event of desk.take()) {
      const held = board.take("late_events");
      if (held !== null) this.#heldUntilMs = nowMs() + board.ms("late_events", held);
      if (board.take("gap") !== null) continue;
      if (board.take("garbled") !== null) this.#waiting.push(event.replace('"state"', '"stat"'));
      else this.#waiting.push(event);
      if (board.take("duplicate") !== null) this.#waiting.push(event);
    }
    if (nowMs() < this.#heldUntilMs) return;
    for (const event of this.#waiting.splice(0)) {
      for (const peer of this.#peers) if (peer.unsent <= UNSENT_BYTES_MAX) peer.send(event);
    }
  }

  /** The stream ends for everybody. */
  disconnect(): void {
    for (const peer of this.#peers) peer.terminate();
    this.#peers.clear();
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
