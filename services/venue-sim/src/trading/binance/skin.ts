/** The sockets of the venue: REST, websocket APIs, streams. Thin: decisions are in venue.ts, session.ts and routes.ts. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import { BodyTooLarge, readText } from "../../body.ts";
import type { MarketId } from "../../markets.ts";
import type { OrderBoard } from "../switches.ts";
import { restPayload, wsPayload } from "./auth.ts";
import type { ApiRequest, UserEvent, Venue } from "./desk.ts";
import { ApiFault } from "./faults.ts";
import { restRoute, type SocketRoute, socketRoute, wsMethod } from "./routes.ts";
import { IncomingLimit, KeepAlive, Subscriptions } from "./session.ts";
import { answered, delayMs, instead, told } from "./switched.ts";

export const CONNECTIONS_MAX = 300;
export const BODY_BYTES_MAX = 64 * 1024;
/** Events held back by a switch; later ones are told to nobody. */
export const LATE_EVENTS_MAX = 10_000;
/** A client that reads slower than this many unsent bytes is disconnected. */
export const UNSENT_BYTES_MAX = 16 * 1024 * 1024;

interface Client {
  readonly socket: WebSocket;
  readonly route: SocketRoute;
  readonly alive: KeepAlive;
  readonly incoming: IncomingLimit;
  readonly subscriptions: Subscriptions;
  /** Spot API connections that asked for user data: the subscription id. */
  userData: number | null;
}

/** Faults a test or a drill asks for; each is used up by the next event it applies to. */
export interface ArmedFaults {
  /** Replies to accepted orders to swallow. */
  ackLost: number;
  /** Swallow the user events of those orders too. */
  ackLostEvents: boolean;
  /** Depth messages not to send, per market. */
  readonly depthGap: Record<MarketId, number>;
  /** Added to the venue's clock, ms. */
  clockSkewMs: number;
}

export interface ServerOptions {
  readonly venue: Venue;
  readonly nowMs: () => number;
  readonly onControl: (request: Record<string, unknown>) => unknown;
  readonly faults: ArmedFaults;
  readonly boards: Readonly<Record<MarketId, OrderBoard>>;
  readonly onError: (error: unknown) => void;
}

/** The port the operator named is in use. */
export class PortTaken extends Error {}

export class VenueServer {
  readonly #options: ServerOptions;
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: BODY_BYTES_MAX });
  readonly #clients = new Set<Client>();
  /** False while the venue is away between two recordings. */
  open = true;
  /** Events that are held back, in order. */
  readonly #late: (UserEvent & { readonly notBeforeMs: number })[] = [];
  readonly #heldUntilMs: Record<MarketId, number> = { spot: 0, usdm: 0 };
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#http = createServer((request, response) => void this.#onRequest(request, response));
    this.#http.on("upgrade", (request, socket, head) => this.#onUpgrade(request, socket, head));
  }

  /** Listens on loopback; the port, chosen by the system when 0. Throws PortTaken naming the port. */
  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", (cause: NodeJS.ErrnoException) => {
        const taken = cause.code === "EADDRINUSE";
        reject(
          taken
            ? new PortTaken(
                `cannot listen on 127.0.0.1:${port}: the port is taken; choose another or 0 for a free one`,
                { cause },
              )
            : cause,
        );
      });
      this.#http.listen(port, "127.0.0.1", resolve);
    });
    return (this.#http.address() as AddressInfo).port;
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Whether anybody reads a stream: what nobody reads need not be rewritten. */
  wants(market: MarketId, stream: string): boolean {
    for (const { route, subscriptions } of this.#clients) {
      if (route.kind === "streams" && route.market === market && subscriptions.names.has(stream))
        return true;
    }
    return false;
  }

  /** Sends one message of a stream to whoever subscribed it. */
  stream(market: MarketId, stream: string, text: string): void {
    for (const client of this.#clients) {
      const { route } = client;
      if (
        route.kind !== "streams" ||
        route.market !== market ||
        !client.subscriptions.names.has(stream)
      )
        continue;
      if (!route.carries(stream)) continue;
      this.#send(client, route.combined ? `{"stream":"${stream}","data":${text}}` : text);
    }
  }

  /** Sends what the venue has to say to the account. */
  publishUserEvents(): void {
    const nowMs = this.#options.nowMs();
    const due = this.#late.splice(0);
    for (const each of this.#options.venue.takeUserEvents()) {
      for (const event of told(this.#options.boards[each.market], each.event)) {
        due.push({ ...each, event, notBeforeMs: this.#lateUntilMs(each.market, nowMs) });
      }
    }
    for (const each of due) {
      if (each.notBeforeMs <= nowMs) this.#publish(each);
      else if (this.#late.length < LATE_EVENTS_MAX) this.#late.push(each);
    }
  }

  /** Until when events of a market are held back; they stay in order. */
  #lateUntilMs(market: MarketId, nowMs: number): number {
    const board = this.#options.boards[market];
    const args = board.take("late_events");
    if (args !== null) this.#heldUntilMs[market] = nowMs + board.ms("late_events", args);
    return this.#heldUntilMs[market];
  }

  #publish({ market, event }: UserEvent): void {
    const text = JSON.stringify(event);
    for (const client of this.#clients) {
      if (market === "spot" && client.userData !== null) {
        this.#send(client, `{"subscriptionId":${client.userData},"event":${text}}`);
      }
      if (market === "usdm" && client.route.kind === "private") this.#send(client, text);
    }
  }

  /** The user stream of a market ends, in the venue's own words; connections stay. */
  endStream(market: MarketId, nowMs: number): void {
    if (market === "usdm") {
      this.#options.venue.expireListenKey();
      this.#options.venue.tick(nowMs);
      this.publishUserEvents();
      return;
    }
    this.#publish({ market, event: { e: "eventStreamTerminated", E: nowMs } });
    for (const client of this.#clients) client.userData = null;
  }

  /** Tells everyone that the venue is about to go. */
  announceShutdown(nowMs: number): void {
    const event = `{"e":"serverShutdown","E":${nowMs}}`;
    for (const client of this.#clients) {
      const combined = client.route.kind === "streams" && client.route.combined;
      if (client.route.kind === "api") this.#send(client, `{"event":${event}}`);
      else this.#send(client, combined ? `{"stream":"!serverShutdown","data":${event}}` : event);
    }
  }

  /** Ends websockets: all, or stream connections only. */
  disconnect(which: "all" | "streams"): void {
    for (const client of this.#clients) {
      if (which === "all" || client.route.kind === "streams")
        client.socket.close(1001, "server shutdown");
    }
  }

  /** Keep-alive of every session; a few times a second. */
  tick(nowMs: number): void {
    for (const client of this.#clients) {
      const due = client.alive.poll(nowMs);
      if (due === "ping") client.socket.ping(String(nowMs));
      if (due === "drop") client.socket.terminate();
    }
  }

  async close(): Promise<void> {
    this.open = false;
    for (const timer of this.#timers) clearTimeout(timer);
    this.disconnect("all");
    this.#http.closeAllConnections();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
    for (const { socket } of this.#clients) socket.terminate();
  }

  #send(client: Client, text: string): void {
    if (client.socket.readyState !== WebSocket.OPEN) return;
    if (client.socket.bufferedAmount > UNSENT_BYTES_MAX) {
      client.socket.terminate();
      return;
    }
    client.socket.send(text);
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuse = (status: string) =>
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    const route = socketRoute(request.url ?? "/");
    if (route === null) return void refuse("404 Not Found");
    if (!this.open || this.#clients.size >= CONNECTIONS_MAX)
      return void refuse("503 Service Unavailable");
    const nowMs = this.#options.nowMs();
    const client = (ws: WebSocket): Client => ({
      socket: ws,
      route,
      alive: new KeepAlive(nowMs),
      incoming: new IncomingLimit(),
      subscriptions: new Subscriptions(),
      userData: null,
    });
    if (route.kind === "private" && !this.#options.venue.isListenKey(route.listenKey)) {
      return void refuse("401 Unauthorized");
    }
    if (
      route.kind === "streams" &&
      !(new Subscriptions().addAll(route.names) && route.names.every(route.carries))
    ) {
      return void refuse("400 Bad Request");
    }
    this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#attach(client(ws)));
  }

  #attach(client: Client): void {
    const { socket, route } = client;
    if (route.kind === "streams") client.subscriptions.addAll(route.names);
    this.#clients.add(client);
    socket.on("close", () => this.#clients.delete(client));
    socket.on("error", () => socket.terminate());
    const counted = (): boolean => {
      if (route.kind === "api" || client.incoming.allow(this.#options.nowMs())) return true;
      socket.close(1008, "Too many requests");
      return false;
    };
    socket.on("pong", () => {
      client.alive.onPong(this.#options.nowMs());
      counted();
    });
    socket.on("ping", () => counted());
    socket.on("message", (data) => {
      if (!counted()) return;
      const text = data.toString();
      if (route.kind === "streams") {
        const reply = client.subscriptions.onMessage(text);
        this.#send(client, JSON.stringify(reply));
      } else if (route.kind === "api") {
        this.#onApiMessage(client, route.market, text);
      }
    });
  }

  #later(ms: number, act: () => void): void {
    if (ms === 0) {
      act();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      try {
        act();
      } catch (error) {
        this.#options.onError(error);
      }
    }, ms);
    this.#timers.add(timer);
  }

  #onApiMessage(client: Client, market: MarketId, text: string): void {
    let id: unknown = null;
    try {
      const message = parseApiMessage(text);
      id = message.id;
      const op = wsMethod(market, message.method);
      if (op === null) throw new ApiFault(400, -1000, `Unknown method '${message.method}'.`);
      const { params } = message;
      const key = params.get("apiKey");
      const request = { market, op, params, payload: wsPayload(params), key };
      this.#later(delayMs(this.#options.boards[market], op), () => {
        this.#onApiRequest(client, request, id);
      });
    } catch (error) {
      if (!(error instanceof ApiFault)) throw error;
      this.#answer(client, market, faultReply(id, error, this.#options.nowMs()));
    }
  }

  #onApiRequest(client: Client, request: ApiRequest, id: unknown): void {
    const { venue, boards } = this.#options;
    const { market, op } = request;
    const nowMs = this.#options.nowMs();
    let reply: Record<string, unknown> | null = null;
    let lateMs = 0;
    try {
      const lost = instead(boards[market], op);
      if (lost === "disconnect") client.socket.terminate();
      if (lost !== null) return;
      const { body } = venue.call(request, nowMs);
      let result = body;
      if (op === "userDataStream.subscribe") {
        client.userData ??= 0;
        result = { subscriptionId: client.userData };
      }
      this.#afterthought(request, nowMs);
      const how = answered(boards[market], op);
      if (how !== "lost" && !(op === "order.place" && this.#loseAck())) {
        reply = { id, status: 200, result };
        lateMs = how.lateMs;
      }
    } catch (error) {
      if (!(error instanceof ApiFault)) throw error;
      reply = faultReply(id, error, nowMs);
    }
    const answer = reply;
    if (answer !== null) this.#later(lateMs, () => this.#answer(client, market, answer));
    this.publishUserEvents();
  }

  #answer(client: Client, market: MarketId, reply: Record<string, unknown>): void {
    const rateLimits = this.#rateLimits(market, this.#options.nowMs());
    this.#send(client, JSON.stringify({ ...reply, rateLimits }));
  }

  /** An order that was taken is rejected after all. */
  #afterthought({ market, op, params }: ApiRequest, nowMs: number): void {
    if (op !== "order.place" || this.#options.boards[market].take("reject_after_ack") === null)
      return;
    this.#options.venue.reject(market, params.get("newClientOrderId") ?? "", nowMs);
  }

  #rateLimits(market: MarketId, nowMs: number): unknown {
    const { weight, orders } = this.#options.venue.usage(market, nowMs);
    const spec = this.#options.venue.spec(market);
    return [
      {
        rateLimitType: "REQUEST_WEIGHT",
        interval: "MINUTE",
        intervalNum: 1,
        limit: spec.weightPerMinuteMax,
        count: weight,
      },
      {
        rateLimitType: "ORDERS",
        interval: "SECOND",
        intervalNum: 10,
        limit: spec.ordersPer10sMax,
        count: orders,
      },
    ];
  }

  /** Whether the armed fault swallows this reply (and, if asked, the events of its order). */
  #loseAck(): boolean {
    const { faults, venue } = this.#options;
    if (faults.ackLost === 0) return false;
    faults.ackLost -= 1;
    if (faults.ackLostEvents) venue.takeUserEvents();
    return true;
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await readText(request, BODY_BYTES_MAX);
      const url = new URL(request.url ?? "/", "http://venue");
      if (url.pathname === "/_sim") return this.#onControl(request, response, body);
      const route = restRoute(request.method ?? "GET", url.pathname);
      const nowMs = this.#options.nowMs();
      if (route === null)
        return reply(response, 404, JSON.stringify({ code: -1000, msg: "Unknown path." }), {});
      const { market, op } = route;
      const query = url.search.slice(1);
      const key = request.headers["x-mbx-apikey"];
      const headers: Record<string, string> = {};
      let status = 200;
      let text: string;
      try {
        if (!this.open)
          throw new ApiFault(
            503,
            -1008,
            "Server is currently overloaded with other requests. Please try again.",
          );
        const params = new Map([...new URLSearchParams(query), ...new URLSearchParams(body)]);
        const payload = restPayload(query, body);
        const lost = instead(this.#options.boards[market], op);
        if (lost === "disconnect") request.socket.destroy();
        if (lost !== null) return;
        const asked = { market, op, params, payload };
        const answer = this.#options.venue.call(
          { ...asked, key: typeof key === "string" ? key : undefined },
          nowMs,
        );
        const how = answered(this.#options.boards[market], op);
        if (how === "lost" || (op === "order.place" && this.#loseAck())) {
          request.socket.destroy();
          this.publishUserEvents();
          return;
        }
        text = JSON.stringify(answer.body);
      } catch (error) {
        if (!(error instanceof ApiFault)) throw error;
        status = error.status;
        text = JSON.stringify({ code: error.code, msg: error.message });
        if (error.retryAfterS > 0) headers["retry-after"] = String(error.retryAfterS);
      }
      const usage = this.#options.venue.usage(market, nowMs);
      headers["x-mbx-used-weight-1m"] = String(usage.weight);
      headers["x-mbx-order-count-10s"] = String(usage.orders);
      reply(response, status, text, headers);
      this.publishUserEvents();
    } catch (error) {
      if (error instanceof BodyTooLarge)
        return void reply(response, 413, '{"code":-1000,"msg":"Body too large."}', {});
      this.#options.onError(error);
      response.destroy();
    }
  }

  #onControl(request: IncomingMessage, response: ServerResponse, body: string): void {
    try {
      const wanted = request.method === "POST" ? (JSON.parse(body) as Record<string, unknown>) : {};
      reply(response, 200, JSON.stringify(this.#options.onControl(wanted)), {});
    } catch (error) {
      reply(response, 400, JSON.stringify({ error: (error as Error).message }), {});
    }
  }
}

function reply(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string>,
): void {
  response.writeHead(status, { "content-type": "application/json;charset=UTF-8", ...headers });
  response.end(text);
}

/** A refusal as the websocket APIs tell it. */
function faultReply(id: unknown, error: ApiFault, nowMs: number): Record<string, unknown> {
  const data =
    error.retryAfterS > 0
      ? { data: { serverTime: nowMs, retryAfter: nowMs + error.retryAfterS * 1_000 } }
      : {};
  return { id, status: error.status, error: { code: error.code, msg: error.message, ...data } };
}

/** One request of a websocket API. Numbers in params become the text that was signed. */
function parseApiMessage(text: string): {
  id: unknown;
  method: string;
  params: Map<string, string>;
} {
  let message: { id?: unknown; method?: unknown; params?: unknown };
  try {
    message = JSON.parse(text) as typeof message;
  } catch {
    throw new ApiFault(400, -1000, "Invalid JSON.");
  }
  const { id = null, method, params } = message ?? {};
  if (typeof method !== "string")
    throw new ApiFault(400, -1102, "Mandatory parameter 'method' was not sent.");
  const map = new Map<string, string>();
  for (const [name, value] of Object.entries(
    typeof params === "object" && params !== null ? params : {},
  )) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      map.set(name, String(value));
    }
  }
  return { id, method, params: map };
}
