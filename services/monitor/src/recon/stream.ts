/** The private stream of a venue on the monitor's own key: its texts, and each time it has begun. */

import { createHmac } from "node:crypto";
import { alpaca, binanceSpot, binanceUsdm, type RestClient, type VenueKey } from "@tidegate/venues";
import type { Handshake } from "./venue.ts";

/** A beginning without an answer is given up after this long, ms. */
const ANSWER_MS_MAX = 5_000;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 8_000;
const LOGIN = "recon";

export interface StreamParts {
  readonly handshake: Handshake;
  readonly onText: (text: string) => void;
  /** It has begun, or begun again: what was missed is asked for. */
  readonly onUp: () => void;
  readonly onDown: (why: string) => void;
}

/** Subscribes, and begins again whenever it ends. */
export class PrivateStream {
  readonly #parts: StreamParts;
  #socket: WebSocket | null = null;
  #timer: NodeJS.Timeout | null = null;
  readonly #keeping: NodeJS.Timeout | null;
  #retryMs = RETRY_MS_MIN;
  #stopped = false;
  up = false;

  constructor(parts: StreamParts) {
    this.#parts = parts;
    const { keep } = parts.handshake;
    this.#keeping = keep === undefined ? null : setInterval(() => this.#keep(), keep.everyMs);
    void this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#keeping !== null) clearInterval(this.#keeping);
    this.#socket?.close();
  }

  /** A failure is told; where it matters the venue ends the stream, and it is begun anew. */
  #keep(): void {
    const { handshake, onDown } = this.#parts;
    if (!this.up) return;
    handshake.keep?.act().catch((error: unknown) => onDown(`not kept: ${String(error)}`));
  }

  async #connect(): Promise<void> {
    const { handshake } = this.#parts;
    let url: string;
    try {
      url = await handshake.url();
    } catch (error) {
      this.#parts.onDown(`no address: ${(error as Error).message}`);
      this.#again();
      return;
    }
    if (this.#stopped) return;
    const socket = new WebSocket(url);
    // One venue sends its JSON in binary frames.
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    const patience = setTimeout(() => this.#ended(socket, "no login in time"), ANSWER_MS_MAX);
    const begun = (): void => {
      clearTimeout(patience);
      this.up = true;
      this.#retryMs = RETRY_MS_MIN;
      this.#parts.onUp();
    };
    socket.onopen = () => {
      if (handshake.hello === null) begun();
      else socket.send(handshake.hello());
    };
    socket.onmessage = ({ data }) => {
      const text =
        typeof data === "string" ? data : Buffer.from(data as ArrayBuffer).toString("utf8");
      if (this.up) {
        if (handshake.ends?.(text) === true) this.#ended(socket, "the venue has ended it");
        else this.#parts.onText(text);
        return;
      }
      const answer = handshake.answered(text);
      if (answer === "up") begun();
      else if (answer === "refused")
        this.#ended(socket, `the login was refused: ${text.slice(0, 200)}`);
      else socket.send(answer.say);
    };
    socket.onerror = () => this.#ended(socket, "the socket failed");
    socket.onclose = ({ code }) => {
      clearTimeout(patience);
      this.#ended(socket, `closed with ${code}`);
    };
  }

  #ended(socket: WebSocket, why: string): void {
    if (socket !== this.#socket) return;
    this.#socket = null;
    socket.close();
    const was = this.up;
    this.up = false;
    if (this.#stopped) return;
    if (was) this.#parts.onDown(why);
    this.#again();
  }

  #again(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
  }
}

const trimmed = (url: string): string => url.replace(/\/+$/, "");

/** Binance spot: one signed request on the WS API. `base` as `wss://host:port`. */
export function spotHandshake(base: string, key: VenueKey): Handshake {
  return {
    url: async () => `${trimmed(base)}${binanceSpot.endpoints.wsApiPath}`,
    hello: () => {
      const timestamp = Date.now();
      // Sorted by name, as the venue signs them.
      const payload = `apiKey=${key.key}&timestamp=${timestamp}`;
      const signature = createHmac("sha256", key.secret()).update(payload).digest("hex");
      const params = { apiKey: key.key, timestamp, signature };
      return JSON.stringify({ id: LOGIN, method: "userDataStream.subscribe.signature", params });
    },
    answered: (text) => {
      const { id, status } = JSON.parse(text) as { id?: unknown; status?: unknown };
      return id === LOGIN && status === 200 ? "up" : "refused";
    },
  };
}

/** Binance USD-M: a listen key, which is the address. It is asked for each time: the venue gives the one there is. */
export function usdmHandshake(base: string, rest: RestClient): Handshake {
  return {
    url: async () => {
      const { status, body } = await binanceUsdm.queries.listenKey.start(rest);
      const text = Buffer.from(body).toString("utf8");
      if (status !== 200) throw new Error(`status ${status}: ${text.slice(0, 200)}`);
      const { listenKey } = JSON.parse(text) as { listenKey?: unknown };
      if (typeof listenKey !== "string") throw new Error("an answer without listenKey");
      return `${trimmed(base)}/private/ws/${encodeURIComponent(listenKey)}`;
    },
    hello: null,
    answered: () => "up",
    ends: (text) => text.includes('"listenKeyExpired"'),
    keep: {
      everyMs: binanceUsdm.limits.LISTEN_KEY_RENEW_MS,
      async act() {
        const { status } = await binanceUsdm.queries.listenKey.renew(rest);
        if (status !== 200) throw new Error(`the listen key was not renewed: status ${status}`);
      },
    },
  };
}

/** Alpaca: the key, and then what is listened to. */
export function alpacaHandshake(base: string, key: VenueKey): Handshake {
  const { session } = alpaca;
  const never = (symbol: string): never => {
    throw new RangeError(`an update of ${symbol} before the stream has begun`);
  };
  return {
    url: async () => `${trimmed(base)}${alpaca.endpoints.wsApiPath}`,
    hello: () => session.login(key.key, key.secret()),
    answered: (text) => {
      const said = session.message(text, never);
      if (said.kind === "login") return said.granted ? { say: session.listen() } : "refused";
      return said.kind === "listening" && said.streams.includes("trade_updates") ? "up" : "refused";
    },
  };
}
