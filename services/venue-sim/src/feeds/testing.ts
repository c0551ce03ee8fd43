/** For tests: a simulator of some venues, and plain clients of each kind, all over real sockets. */

import { request as httpRequest } from "node:http";
import { WebSocket } from "ws";
import { Feeds, type FeedsOptions } from "./index.ts";
import type { FeedVenue, SwitchArgs, SwitchName } from "./switches.ts";

export async function until<T>(
  what: string,
  read: () => T | null | undefined | false,
  ms = 8_000,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const value = read();
    if (value !== null && value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

type Message = Readonly<Record<string, unknown>>;

/** A websocket that keeps what came. */
export class Client implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly messages: Message[] = [];
  closed: { code: number } | null = null;
  status = 0;
  pings = 0;

  constructor(url: string, options: ConstructorParameters<typeof WebSocket>[2] = {}) {
    this.socket = new WebSocket(url, options);
    this.socket.on("message", (data: Buffer) => {
      const parsed = JSON.parse(data.toString()) as Message | Message[];
      this.messages.push(...(Array.isArray(parsed) ? parsed : [parsed]));
    });
    this.socket.on("ping", () => {
      this.pings += 1;
    });
    this.socket.on("close", (code) => {
      this.closed = { code };
    });
    this.socket.on("unexpected-response", (_, response) => {
      this.status = response.statusCode ?? 0;
      response.resume();
      this.closed = { code: 0 };
    });
    this.socket.on("error", () => undefined);
  }

  async opened(): Promise<this> {
    await until("the connection", () => this.socket.readyState === WebSocket.OPEN);
    return this;
  }

  send(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }

  /** The first message, from the `from`th on, for which `is` holds. */
  async next(is: (message: Message) => boolean, from = 0, ms = 8_000): Promise<Message> {
    return until("a message", () => this.messages.slice(from).find(is), ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
  }
}

/** An event stream that keeps what came. */
export class Events implements AsyncDisposable {
  readonly events: { name: string; data: Message }[] = [];
  readonly #stop: () => void;
  ended = false;

  constructor(options: { port: number } | { socketPath: string }, path = "/api/v1/stream/data") {
    let text = "";
    const request = httpRequest({ ...options, host: "127.0.0.1", path }, (response) => {
      response.on("data", (data: Buffer) => {
        text += data.toString();
        const blocks = text.split("\n\n");
        text = blocks.pop() ?? "";
        for (const block of blocks) {
          const [, name = "", data = "{}"] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
          this.events.push({ name, data: JSON.parse(data) as Message });
        }
      });
      response.on("close", () => {
        this.ended = true;
      });
      response.on("error", () => undefined);
    });
    request.on("error", () => {
      this.ended = true;
    });
    request.end();
    this.#stop = () => request.destroy();
  }

  async next(name: string, from = 0): Promise<Message> {
    return (await until(name, () => this.events.slice(from).find((each) => each.name === name)))
      .data;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
  }
}

/** A simulator of one venue with the names a test needs. */
export class Bench implements AsyncDisposable {
  readonly feeds: Feeds;
  readonly venue: FeedVenue;

  private constructor(feeds: Feeds, venue: FeedVenue) {
    this.feeds = feeds;
    this.venue = venue;
  }

  static async start(venue: FeedVenue, options: FeedsOptions = {}): Promise<Bench> {
    const feeds = await Feeds.start({ venues: [venue], samples: false, ...options });
    return new Bench(feeds, venue);
  }

  get port(): number {
    return this.feeds.port(this.venue);
  }

  throw(name: SwitchName, args: SwitchArgs & { kick?: boolean } = {}): void {
    this.feeds.inject({ venue: this.venue, switch: name, ...args });
  }

  injected(name: SwitchName): number {
    type Stats = { venues: Record<string, { injected: Record<string, number> }> };
    return (this.feeds.stats() as Stats).venues[this.venue]?.injected[name] ?? 0;
  }

  ws(path: string, options: ConstructorParameters<typeof WebSocket>[2] = {}): Client {
    return new Client(`ws://127.0.0.1:${this.port}${path}`, options);
  }

  async get(
    path: string,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; body: Message }> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, { headers });
    return { status: response.status, body: (await response.json()) as Message };
  }

  async post(path: string, body: unknown): Promise<{ status: number; body: Message }> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Message };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.feeds[Symbol.asyncDispose]();
  }
}
