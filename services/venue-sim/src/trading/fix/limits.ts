/** Every bound of the FIX venue. */

/** Orders, cancels and amends of ten seconds; the next is answered with a Logout. */
export const MESSAGES_PER_10S = 200;
/** Orders the desk remembers; the oldest that has ended goes first. */
export const ORDERS_KEPT_MAX = 100_000;
/** Fills the list of trades has; the oldest goes first. */
export const FILLS_KEPT_MAX = 10_000;
/** Reports that wait for a client that is not there; the oldest goes first, and is counted. */
export const REPORTS_WAITING_MAX = 10_000;
/** Bytes a client may leave unread before its connection ends. */
export const UNREAD_BYTES_MAX = 4 << 20;

/** Messages in fixed windows of the venue's clock. */
export class MessageWindow {
  #window = -1;
  #count = 0;

  /** Takes one message; false where it is one too many. */
  take(nowMs: number): boolean {
    const window = Math.floor(nowMs / 10_000);
    if (window !== this.#window) [this.#window, this.#count] = [window, 0];
    this.#count += 1;
    return this.#count <= MESSAGES_PER_10S;
  }
}
