/** For tests and conformance cards: a running skin with a log of its own, and a plain client of it. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { until } from "../../feeds/testing.ts";
import { type VenueTruth, venueTruth } from "../../truth.ts";
import type { OrderSwitch } from "../switches.ts";
import { AlpacaOrders, type AlpacaOrdersOptions } from "./index.ts";

export type Json = Record<string, unknown>;

export const KEYS = [
  { key: "sim", secret: "sim-secret", trade: true },
  { key: "sim-kill", secret: "sim-kill-secret", trade: false },
] as const;

export interface Answered {
  readonly status: number;
  readonly body: Json;
  readonly headers: Headers;
}

/** The stream of trade updates, as a client that keeps what came. */
export class Stream implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly frames: { readonly binary: boolean; readonly body: Json }[] = [];
  closed: number | null = null;

  /** `base` is the venue's address for REST. */
  constructor(base: string) {
    this.socket = new WebSocket(`${base.replace("http", "ws")}/stream`);
    this.socket.on("message", (data: Buffer, binary: boolean) => {
      this.frames.push({ binary, body: JSON.parse(data.toString("utf8")) as Json });
    });
    this.socket.on("close", (code) => {
      this.closed = code;
    });
    this.socket.on("error", () => undefined);
  }

  send(body: unknown): void {
    this.socket.send(JSON.stringify(body));
  }

  async opened(): Promise<this> {
    await until("the stream", () => this.socket.readyState === WebSocket.OPEN);
    return this;
  }

  async listening(secret = "sim-secret"): Promise<this> {
    await this.opened();
    this.send({ action: "authenticate", data: { key_id: "sim", secret_key: secret } });
    await until("the login", () => this.frames.length >= 1);
    this.send({ action: "listen", data: { streams: ["trade_updates", "no_such_stream"] } });
    await until("the answer", () => this.frames.length >= 2);
    return this;
  }

  /** What trade updates came so far. */
  get updates(): Json[] {
    return this.frames
      .filter(({ body }) => body["stream"] === "trade_updates")
      .map(({ body }) => body["data"] as Json);
  }

  /** Their events, of one order alone. */
  events(orderId: unknown): unknown[] {
    return this.updates
      .filter(({ order }) => (order as Json)["id"] === orderId)
      .map(({ event }) => event);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
  }
}

type Options = Partial<AlpacaOrdersOptions>;

export class Bench implements AsyncDisposable {
  readonly dir: string;
  #venue: AlpacaOrders;
  readonly #options: Options;
  readonly fatal: unknown[] = [];

  private constructor(dir: string, options: Options) {
    this.dir = dir;
    this.#options = options;
    // Set by `start`, which alone makes one.
    this.#venue = undefined as unknown as AlpacaOrders;
  }

  static async start(options: Options = {}): Promise<Bench> {
    const bench = new Bench(mkdtempSync(join(tmpdir(), "alpaca-orders-")), options);
    await bench.#open();
    return bench;
  }

  async #open(): Promise<void> {
    this.#venue = await AlpacaOrders.alone(this.dir, {
      keys: KEYS,
      onFatal: (error) => this.fatal.push(error),
      ...this.#options,
    });
    // A market that stands still until it is told to move.
    for (const [symbol, middle] of MIDDLES) this.book(symbol, middle);
  }

  /** Ends the venue and starts it again on the same log. */
  async restart(): Promise<void> {
    await this.#venue[Symbol.asyncDispose]();
    await this.#open();
  }

  get venue(): AlpacaOrders {
    return this.#venue;
  }

  get truth(): VenueTruth {
    return venueTruth(join(this.dir, "log.ndjson"));
  }

  get base(): string {
    return `http://127.0.0.1:${this.#venue.port}`;
  }

  throw(name: OrderSwitch, args: { count?: number; ms?: number } = {}): void {
    this.#venue.inject({ switch: name, ...args });
  }

  injected(name: OrderSwitch): number {
    const { injected } = this.#venue.stats() as { injected: Record<string, number> };
    return injected[name] ?? 0;
  }

  /** A book of two levels a side around a middle, 100 at each. */
  book(symbol: string, middle: number, size = 100): void {
    const level = (away: number): [string, string] => [(middle + away).toFixed(2), String(size)];
    this.#venue.book({
      symbol,
      bids: [level(-0.01), level(-0.02)],
      asks: [level(0.01), level(0.02)],
    });
    this.#venue.print({ symbol, price: middle.toFixed(2), qty: "1", aggressor: "BUY" });
  }

  async ask(
    method: string,
    path: string,
    body?: unknown,
    keys: { key: string; secret: string } = KEYS[0],
  ): Promise<Answered> {
    const response = await fetch(`${this.base}${path}`, {
      method,
      headers: { "apca-api-key-id": keys.key, "apca-api-secret-key": keys.secret },
      ...(body === undefined
        ? {}
        : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: text === "" ? {} : (JSON.parse(text) as Json),
      headers: response.headers,
    };
  }

  place(order: Json): Promise<Answered> {
    return this.ask("POST", "/v2/orders", {
      symbol: "AAPL",
      side: "buy",
      type: "limit",
      time_in_force: "day",
      ...order,
    });
  }

  async order(id: unknown): Promise<Json> {
    return (await this.ask("GET", `/v2/orders/${String(id)}`)).body;
  }

  async stream(): Promise<Stream> {
    return new Stream(this.base).listening();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#venue[Symbol.asyncDispose]();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Where the market of each symbol stands when a bench starts. */
const MIDDLES: readonly (readonly [symbol: string, middle: number])[] = [
  ["AAPL", 100],
  ["MSFT", 200],
  ["SPY", 400],
  ["FAKEPACA", 50],
  ["BTC/USD", 60_000],
];
