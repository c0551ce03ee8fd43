/** Every bound of the simulated daemon. */

/** Orders, changes, cancels and lists of trades in any ten seconds; one more is a ban. */
export const REQUESTS_PER_10S = 250;
/** How long a ban lasts, ms. */
export const BAN_MS = 60_000;
/** Shares of a board lot. */
export const LOT_SHARES = 1_000;
/** Lots of one order. */
export const QTY_MAX = 499;
/** Orders of a day; one more is refused. */
export const ORDERS_MAX = 100_000;
export const HEARTBEAT_MS = 30_000;
/** Bytes a reader of the stream may leave; what comes then is not told to it. */
export const UNSENT_BYTES_MAX = 1 << 20;

/** Requests in a sliding window, and the ban that follows one too many. */
export class RequestWindow {
  readonly #atMs: number[] = [];
  #bannedUntilMs = 0;

  /** Takes one request; false while banned. */
  take(nowMs: number): boolean {
    if (nowMs < this.#bannedUntilMs) return false;
    while ((this.#atMs[0] ?? nowMs) <= nowMs - 10_000) this.#atMs.shift();
    if (this.#atMs.length >= REQUESTS_PER_10S) {
      this.ban(BAN_MS, nowMs);
      return false;
    }
    this.#atMs.push(nowMs);
    return true;
  }

  ban(ms: number, nowMs: number): void {
    this.#bannedUntilMs = nowMs + ms;
  }
}
