/** One client's websocket session as rules: keep-alive, message rate, subscriptions. Told the time. */

export const PING_INTERVAL_MS = 20_000;
export const PONG_WITHIN_MS = 60_000;
/** Messages a client may send to a stream connection in one second: pings, pongs and JSON alike. */
export const INCOMING_PER_S_MAX = 5;
export const STREAMS_PER_CONNECTION_MAX = 1_024;

/** When to ping, and when a silent peer is gone. */
export class KeepAlive {
  #nextPingMs: number;
  #lastPongMs: number;
  constructor(nowMs: number) {
    this.#nextPingMs = nowMs + PING_INTERVAL_MS;
    this.#lastPongMs = nowMs;
  }
  onPong(nowMs: number): void {
    this.#lastPongMs = nowMs;
  }
  poll(nowMs: number): "none" | "ping" | "drop" {
    if (nowMs - this.#lastPongMs >= PONG_WITHIN_MS) return "drop";
    if (nowMs < this.#nextPingMs) return "none";
    this.#nextPingMs = nowMs + PING_INTERVAL_MS;
    return "ping";
  }
}

/** Fixed one-second windows from the first message on. */
export class IncomingLimit {
  #windowMs = Number.NEGATIVE_INFINITY;
  #count = 0;
  /** Counts one message; false when the client has to be disconnected. */
  allow(nowMs: number): boolean {
    if (nowMs - this.#windowMs >= 1_000) {
      this.#windowMs = nowMs;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count <= INCOMING_PER_S_MAX;
  }
}

const STREAM_NAME = /^[a-z0-9_]{1,20}@[a-zA-Z]{1,20}(@[a-zA-Z0-9]{1,10})?$/;

export type Reply =
  | { readonly result: null | readonly string[]; readonly id: unknown }
  | { readonly error: { readonly code: number; readonly msg: string }; readonly id: unknown };

/** The subscription set of one stream connection. */
export class Subscriptions {
  readonly names = new Set<string>();

  /** Adds names of a URL; false when one is malformed or the bound is passed. */
  addAll(names: readonly string[]): boolean {
    if (!names.every((name) => STREAM_NAME.test(name))) return false;
    if (new Set([...this.names, ...names]).size > STREAMS_PER_CONNECTION_MAX) return false;
    for (const name of names) this.names.add(name);
    return true;
  }

  /** Answers one text message of the client. */
  onMessage(text: string): Reply {
    let request: { method?: unknown; params?: unknown; id?: unknown };
    try {
      request = JSON.parse(text) as typeof request;
    } catch {
      return { error: { code: 3, msg: "Invalid JSON: expected value" }, id: null };
    }
    const id = request?.id ?? null;
    const names = Array.isArray(request?.params)
      ? request.params.filter((name): name is string => typeof name === "string")
      : [];
    switch (request?.method) {
      case "SUBSCRIBE":
        if (names.length === 0 || !this.addAll(names)) {
          return { error: { code: 2, msg: "Invalid request: invalid stream" }, id };
        }
        return { result: null, id };
      case "UNSUBSCRIBE":
        for (const name of names) this.names.delete(name);
        return { result: null, id };
      case "LIST_SUBSCRIPTIONS":
        return { result: [...this.names], id };
      default:
        return { error: { code: 2, msg: "Invalid request: unknown method" }, id };
    }
  }
}
