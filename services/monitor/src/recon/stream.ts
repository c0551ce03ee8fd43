/** The private stream of a Binance spot account, on its WS API and by signature; made again whenever it ends. */

import { createHmac } from "node:crypto";
import { binanceSpot, type VenueKey, type WeightBudget } from "@tidegate/venues";

/** First and longest wait before a new connection, ms. */
const WAIT_MS_MIN = 100;
const WAIT_MS_MAX = 5_000;
/** Weight of a connection and of its subscription. */
const WEIGHT = 4;

export interface PrivateStreamParts {
  /** The WS API without its path. */
  readonly url: string;
  readonly key: VenueKey;
  readonly budget: WeightBudget;
  readonly onMessage: (body: Uint8Array) => void;
  /** It is subscribed: for the first time, or after an end, when anything may have been missed. */
  readonly onSubscribed: (again: boolean) => void;
  readonly onFault: (what: string, error: unknown) => void;
}

/** The text of the subscription. All parameters but the signature are signed, by name. */
function subscription({ key, secret }: VenueKey, nowMs: number): string {
  const payload = `apiKey=${key}&timestamp=${nowMs}`;
  const signature = createHmac("sha256", secret()).update(payload).digest("hex");
  const params = { apiKey: key, timestamp: nowMs, signature };
  return JSON.stringify({ id: "user", method: "userDataStream.subscribe.signature", params });
}

/** The stream, until it is stopped. */
export class PrivateStream implements Disposable {
  readonly #parts: PrivateStreamParts;
  #socket: WebSocket | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;
  #subscribed = 0;
  #waitMs = WAIT_MS_MIN;

  constructor(parts: PrivateStreamParts) {
    this.#parts = parts;
    this.#open();
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #open(): void {
    const { url, key, budget, onMessage, onSubscribed, onFault } = this.#parts;
    try {
      budget.take("private stream", WEIGHT);
    } catch (error) {
      onFault("private stream", error);
      this.#again();
      return;
    }
    const socket = new WebSocket(`${url.replace(/\/+$/, "")}${binanceSpot.endpoints.wsApiPath}`);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    let [over, counted] = [false, true];
    const settle = (): void => {
      if (counted) budget.settle(WEIGHT);
      counted = false;
    };
    const end = (why: unknown): void => {
      if (over) return;
      over = true;
      settle();
      if (this.#stopped) return;
      onFault("private stream", why);
      socket.close();
      this.#again();
    };
    socket.addEventListener("open", () => socket.send(subscription(key, Date.now())));
    socket.addEventListener("message", ({ data }: { readonly data: unknown }) => {
      const body = typeof data === "string" ? Buffer.from(data) : Buffer.from(data as ArrayBuffer);
      let said: { id?: unknown; status?: unknown; event?: { e?: unknown }; e?: unknown };
      try {
        said = JSON.parse(body.toString("utf8")) as typeof said;
      } catch (error) {
        return onFault("private stream", error);
      }
      if (said.id === "user") {
        if (said.status !== 200) return end(new Error(body.toString("utf8").slice(0, 200)));
        settle();
        this.#waitMs = WAIT_MS_MIN;
        this.#subscribed += 1;
        onSubscribed(this.#subscribed > 1);
        return;
      }
      const kind = said.event?.e ?? said.e;
      if (kind === "eventStreamTerminated" || kind === "serverShutdown")
        return end(new Error(String(kind)));
      onMessage(body);
    });
    socket.addEventListener("close", () => end(new Error("closed")));
    socket.addEventListener("error", () => end(new Error("the connection failed")));
  }

  #again(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.#open(), this.#waitMs);
    this.#waitMs = Math.min(WAIT_MS_MAX, this.#waitMs * 2);
  }
}
