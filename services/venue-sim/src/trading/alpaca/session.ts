/** One stream of the account as rules: login, what it listens to. Pure. */

import { keyOf, type Permitted } from "./auth.ts";

type Control = Readonly<Record<string, unknown>>;

/** What the venue has streams of. */
const STREAMS: readonly string[] = ["trade_updates"];

export class AlpacaSession {
  readonly #keys: readonly Permitted[];
  account: Permitted | null = null;
  #streams: readonly string[] = [];

  constructor(keys: readonly Permitted[]) {
    this.#keys = keys;
  }

  get listens(): boolean {
    return this.account !== null && this.#streams.includes("trade_updates");
  }

  /** Answers one message of the client, already decoded; undefined = it could not be. */
  onMessage(message: unknown): Control {
    const fault = (text: string): Control => ({ action: "error", data: { error_message: text } });
    if (typeof message !== "object" || message === null) return fault("invalid syntax");
    const { action, data, key, secret } = message as Record<string, unknown>;
    const inner =
      typeof data === "object" && data !== null ? (data as Record<string, unknown>) : {};
    if (action === "authenticate" || action === "auth") {
      // The market data's form of the login is understood here too.
      const [id, word] = [inner["key_id"] ?? key, inner["secret_key"] ?? secret];
      const found =
        typeof id === "string" && typeof word === "string" ? keyOf(id, word, this.#keys) : null;
      if (found !== null) this.account = found;
      const status = found === null ? "unauthorized" : "authorized";
      return { stream: "authorization", data: { status, action: "authenticate" } };
    }
    if (action !== "listen") return fault("unknown action");
    if (this.account === null) return fault("access denied. authenticate first");
    const wanted = inner["streams"];
    if (!Array.isArray(wanted)) return fault("invalid syntax");
    // The whole set each time; what the venue does not have is left out without a word.
    this.#streams = STREAMS.filter((name) => wanted.includes(name));
    return { stream: "listening", data: { streams: this.#streams } };
  }
}
