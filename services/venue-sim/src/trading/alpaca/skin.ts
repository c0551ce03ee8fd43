/** The wire of Alpaca's orders: REST, and the stream of trade updates in JSON or MessagePack, text or binary frames. */

import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { decode, encode } from "../../feeds/alpaca/msgpack.ts";
import type { Answer, Skin } from "../../feeds/host.ts";
import type { WsPeer } from "../../feeds/peer.ts";
import type { OrderBoard } from "../switches.ts";
import { checkKey, type Permitted } from "./auth.ts";
import {
  type Book,
  type Controlled,
  control,
  type Injection,
  type Print,
  type Transfer,
} from "./control.ts";
import type { Desk } from "./desk.ts";
import { ApiFault, internal, notFound, tooMany } from "./faults.ts";
import { EVENTS_HELD_MAX, RequestCounter } from "./limits.ts";
import { route, TRADES } from "./routes.ts";
import { AlpacaSession } from "./session.ts";

/** A client that reads slower than this many unsent bytes is disconnected. */
export const UNSENT_BYTES_MAX = 8 * 1024 * 1024;

interface Client {
  readonly peer: WsPeer;
  readonly session: AlpacaSession;
  /** MessagePack, as the request that opened the stream asked. */
  readonly packed: boolean;
}

export interface SkinOptions {
  readonly desk: Desk;
  readonly board: OrderBoard;
  readonly keys: readonly Permitted[];
  readonly ratesScale: number;
  /** The paper venue sends its JSON in binary frames. */
  readonly binaryFrames: boolean;
  /** Wall clock, ms since the Unix epoch. */
  readonly nowMs: () => number;
  readonly monoMs: () => number;
  /** Told of each counted request. */
  readonly onRequest?: (line: AlpacaRequestLine) => void;
}

/** One counted request: ms since the Unix epoch, whose it was, and that it counts once. */
export interface AlpacaRequestLine {
  readonly ts: number;
  readonly m: "alpaca";
  readonly op: string;
  readonly key: string;
  readonly weight: 1;
}

export class AlpacaSkin implements Skin, Controlled {
  readonly #options: SkinOptions;
  readonly #clients = new Map<WsPeer, Client>();
  readonly #requests: RequestCounter;
  /** Events that are to be late, oldest first. */
  readonly #held: { readonly dueMs: number; readonly body: Record<string, unknown> }[] = [];
  readonly #counts = { requests: 0, refused: 0, updates: 0 };
  #skewMs = 0;
  #skewUntilMs = 0;
  #lateByMs = 0;
  #lateUntilMs = 0;

  constructor(options: SkinOptions) {
    this.#options = options;
    this.#requests = new RequestCounter(options.ratesScale);
  }

  get peers(): ReadonlySet<WsPeer> {
    return new Set(this.#clients.keys());
  }

  /** The venue's clock. */
  #nowMs(): number {
    const skew = this.#options.monoMs() < this.#skewUntilMs ? this.#skewMs : 0;
    return Math.floor(this.#options.nowMs() + skew);
  }

  stats(): Record<string, unknown> {
    const { desk, board } = this.#options;
    return {
      ...desk.stats(),
      ...this.#counts,
      clients: this.#clients.size,
      injected: board.injected(),
    };
  }

  /** Arms a switch; those that need no request of a client act at once. */
  inject({ switch: name, ...args }: Injection): void {
    const { board, desk, monoMs } = this.#options;
    board.arm(name, args);
    const now = this.#nowMs();
    switch (name) {
      case "disconnect":
        board.take(name);
        for (const peer of this.#clients.keys()) peer.close(1001, "");
        break;
      case "half_open":
        board.take(name);
        for (const peer of this.#clients.keys()) peer.freeze();
        break;
      case "halt":
        board.take(name);
        desk.halt(board.ms(name, args), now);
        break;
      case "session_roll":
        board.take(name);
        desk.roll(board.ms(name, args), now);
        break;
      case "bust":
        // A bust of nothing has not happened; it waits for a fill.
        if (desk.bust(now)) board.take(name);
        break;
      case "clock_skew":
        board.take(name);
        [this.#skewMs, this.#skewUntilMs] = [board.ms(name, args), monoMs() + SKEW_LASTS_MS];
        break;
      case "late_events":
        board.take(name);
        this.#lateByMs = board.ms(name, args);
        this.#lateUntilMs = monoMs() + this.#lateByMs;
        break;
      default:
        break;
    }
    this.publish();
  }

  book({ symbol, bids, asks }: Book): void {
    this.#options.desk.write(symbol, { bids, asks }, this.#nowMs());
    this.publish();
  }

  print({ symbol, price, qty, aggressor }: Print): void {
    this.#options.desk.print(symbol, price, qty, aggressor, this.#nowMs());
    this.publish();
  }

  transfer({ symbol, qtyE8, cashE8 }: Transfer): void {
    this.#options.desk.transfer(symbol, BigInt(qtyE8), BigInt(cashE8));
  }

  upgrade(request: IncomingMessage, url: URL): { refuse: string } | ((peer: WsPeer) => void) {
    if (url.pathname !== "/stream") return { refuse: "404 Not Found" };
    const packed = request.headers["content-type"] === "application/msgpack";
    return (peer) => {
      const client: Client = { peer, session: new AlpacaSession(this.#options.keys), packed };
      this.#clients.set(peer, client);
      peer.ws.on("close", () => this.#clients.delete(peer));
      peer.ws.on("message", (data: Buffer) => this.#onMessage(client, data));
    };
  }

  #onMessage(client: Client, data: Buffer): void {
    let message: unknown;
    try {
      // By what it is, not by the kind of its frame.
      message = data[0] === 0x7b ? JSON.parse(data.toString("utf8")) : decode(data);
    } catch {
      message = undefined;
    }
    const action = (message as { action?: unknown } | null | undefined)?.action;
    const login = action === "authenticate" || action === "auth";
    if (login && this.#options.board.take("auth_timeout") !== null) return;
    this.#send(client, client.session.onMessage(message));
  }

  #send(client: Client, body: unknown): void {
    const { peer, packed } = client;
    if (peer.unsent > UNSENT_BYTES_MAX) {
      peer.terminate();
      return;
    }
    if (packed) peer.send(encode(body));
    else
      peer.send(
        this.#options.binaryFrames ? Buffer.from(JSON.stringify(body)) : JSON.stringify(body),
      );
  }

  async request(request: IncomingMessage, url: URL, body: string): Promise<Answer | null> {
    const method = request.method ?? "GET";
    if (url.pathname.startsWith("/_sim/")) return control(this, method, url.pathname, body);
    this.#counts.requests += 1;
    const header = (name: string): string | undefined => {
      const value = request.headers[name];
      return typeof value === "string" ? value : undefined;
    };
    const headers: Record<string, string> = { "x-request-id": randomUUID().replaceAll("-", "") };
    try {
      const found = route(method, url.pathname);
      const trades = found !== null && TRADES.includes(found.op);
      const { keys, board, desk } = this.#options;
      const key = checkKey(header("apca-api-key-id"), header("apca-api-secret-key"), keys, trades);
      const taken = this.#requests.take(key.key, this.#nowMs());
      const ts = Math.floor(this.#options.nowMs());
      const op = found?.op ?? "unknown";
      this.#options.onRequest?.({ ts, m: "alpaca", op, key: key.key, weight: 1 });
      Object.assign(headers, taken.headers);
      if (!taken.allowed || board.take("rate_limit") !== null) {
        headers["retry-after"] = String(taken.allowed ? 1 : taken.waitS);
        throw tooMany();
      }
      if (found === null) throw notFound("endpoint not found");
      const places = found.op === "order.place";
      if (places && board.take("request_lost") !== null) {
        request.socket.destroy();
        return null;
      }
      if (places && board.take("answer_500") !== null) throw internal();
      const asked = { op: found.op, id: found.id, query: url.searchParams, body };
      const { status, body: said } = desk.call(asked, this.#nowMs());
      const text = status === 204 ? "" : JSON.stringify(said);
      return await this.#answered(request, places, { status, body: text, headers });
    } catch (error) {
      if (!(error instanceof ApiFault)) throw error;
      this.#counts.refused += 1;
      return { status: error.status, body: error.body(), headers };
    } finally {
      // After the answer, as far as this process can tell.
      setImmediate(() => this.publish());
    }
  }

  /** What an armed switch makes of the answer to an order that was taken. */
  async #answered(
    request: IncomingMessage,
    places: boolean,
    answer: Answer,
  ): Promise<Answer | null> {
    if (!places) return answer;
    const { board } = this.#options;
    if (board.take("ack_lost") !== null) {
      request.socket.destroy();
      return null;
    }
    if (board.take("ack_504") !== null) {
      return { ...answer, status: 504, body: '{"code":50410000,"message":"gateway timeout"}' };
    }
    const late = board.take("ack_late");
    if (late !== null) await sleep(board.ms("ack_late", late));
    const early = board.take("fill_before_ack");
    if (early !== null) {
      this.publish();
      await sleep(board.ms("fill_before_ack", early));
    }
    return answer;
  }

  tick(): void {
    const { desk, monoMs, board } = this.#options;
    desk.tick(monoMs(), this.#nowMs());
    if (board.isArmed("bust") && desk.bust(this.#nowMs())) board.take("bust");
    this.publish();
  }

  /** Tells the streams what has happened since the last time, as the armed switches have it. */
  publish(): void {
    const { board, desk, monoMs } = this.#options;
    const now = monoMs();
    for (const body of desk.takeUpdates()) {
      if (board.take("gap") !== null) continue;
      const times = board.take("duplicate") === null ? 1 : 2;
      for (let n = 0; n < times; n += 1) {
        // Order is kept: what comes while others wait, waits behind them.
        if (now < this.#lateUntilMs || this.#held.length > 0) {
          this.#held.push({ dueMs: now + this.#lateByMs, body });
        } else this.#broadcast(body);
      }
    }
    while (
      this.#held[0] !== undefined &&
      (this.#held[0].dueMs <= now || this.#held.length > EVENTS_HELD_MAX)
    ) {
      const next = this.#held.shift();
      if (next !== undefined) this.#broadcast(next.body);
    }
  }

  #broadcast(body: Record<string, unknown>): void {
    this.#counts.updates += 1;
    for (const client of this.#clients.values()) {
      if (client.session.listens) this.#send(client, body);
    }
  }
}

/** How long a skewed clock stays so. */
const SKEW_LASTS_MS = 3_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
