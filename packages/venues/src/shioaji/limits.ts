import type { Limits } from "../types.ts";

/** 250 orders in ten seconds, 50 market queries in ten. Source: the vendor's site and the daemon's notes; the stricter counts. */
export const limits: Limits = {
  weightPerMinute: 300,
  ordersPer10s: 250,
  ordersPerMinute: 0,
  connectionMsMax: 0,
  clientOrderId: /^[0-9A-Za-z]{1,6}$/,
};

/** A query is a query. */
export const depthWeight = (_levels: number): number => 1;

/** Subscriptions of one login, and logins of one person. */
export const SUBSCRIPTIONS_MAX = 200;
export const LOGINS_MAX = 5;

/** Longest look back of the order limit, ms. */
const ORDERS_MS = 10_000;

/** Orders, changes, cancels and lists of trades of ten seconds, sliding: one too many is a ban. */
export class OrderWindow {
  readonly #sentMs: number[] = [];

  /** Takes one request at a moment of a clock that never goes back; 0, or the ms until there is room: it was not taken then. */
  take(nowMs: number): number {
    while ((this.#sentMs[0] ?? nowMs) <= nowMs - ORDERS_MS) this.#sentMs.shift();
    if (this.#sentMs.length >= limits.ordersPer10s) {
      return (this.#sentMs[0] ?? nowMs) + ORDERS_MS - nowMs;
    }
    this.#sentMs.push(nowMs);
    return 0;
  }
}
