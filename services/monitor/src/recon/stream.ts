/** The private stream of Binance spot on the monitor's own key: its texts, and each time it has begun. */

import { createHmac } from "node:crypto";
import type { VenueKey } from "@tidegate/venues";

/** A login without an answer, and a stream without a word, are given up after this long, ms. */
const ANSWER_MS_MAX = 5_000;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 8_000;
const LOGIN = "recon";

export interface StreamParts {
  /** As `ws://host:port/ws-api/v3`. */
  readonly url: string;
  readonly key: VenueKey;
  readonly onText: (text: string) => void;
  /** It has begun, or begun again: what was missed is asked for. */
  readonly onUp: () => void;
  readonly onDown: (why: string) => void;
}

/** Subscribes, and begins again whenever it ends. */
export class SpotStream {
  readonly #parts: StreamParts;
  #socket: WebSocket | null = null;
  #timer: NodeJS.Timeout | null = null;
  #retryMs = RETRY_MS_MIN;
  #stopped = false;
  up = false;

  constructor(parts: StreamParts) {
    this.#parts = parts;
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #connect(): void {
    const socket = new WebSocket(this.#parts.url);
    this.#socket = socket;
    const patience = setTimeout(() => this.#ended(socket, "no login in time"), ANSWER_MS_MAX);
    socket.onopen = () => socket.send(this.#login());
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") return;
      if (this.up) this.#parts.onText(data);
      else if (this.#granted(data)) {
        clearTimeout(patience);
        this.up = true;
        this.#retryMs = RETRY_MS_MIN;
        this.#parts.onUp();
      } else this.#ended(socket, `the login was refused: ${data.slice(0, 200)}`);
    };
    socket.onerror = () => this.#ended(socket, "the socket failed");
    socket.onclose = ({ code }) => {
      clearTimeout(patience);
      this.#ended(socket, `closed with ${code}`);
    };
  }

  #granted(text: string): boolean {
    const { id, status } = JSON.parse(text) as { id?: unknown; status?: unknown };
    return id === LOGIN && status === 200;
  }

  #login(): string {
    const { key, secret } = this.#parts.key;
    const timestamp = Date.now();
    // Sorted by name, as the venue signs them.
    const payload = `apiKey=${key}&timestamp=${timestamp}`;
    const signature = createHmac("sha256", secret()).update(payload).digest("hex");
    const params = { apiKey: key, timestamp, signature };
    return JSON.stringify({ id: LOGIN, method: "userDataStream.subscribe.signature", params });
  }

  #ended(socket: WebSocket, why: string): void {
    if (socket !== this.#socket) return;
    this.#socket = null;
    socket.close();
    const was = this.up;
    this.up = false;
    if (this.#stopped) return;
    if (was) this.#parts.onDown(why);
    this.#timer = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
  }
}
