/** The venue's counter of requests: so many a minute for one key, in fixed minutes of the venue's clock. */

/** Requests of one key in a minute. */
export const REQUESTS_PER_MINUTE = 200;
/** Orders of one list. */
export const ORDERS_LISTED_MAX = 500;
/** Entries of one page of activities. */
export const ACTIVITIES_PAGE_MAX = 100;
/** Characters of a client order id. */
export const CLIENT_ORDER_ID_MAX = 128;
/** Orders kept for queries; beyond it the oldest ended one is forgotten, its client id too. */
export const ORDERS_KEPT_MAX = 100_000;
/** Fills kept for queries; beyond it the oldest is forgotten. */
export const FILLS_KEPT_MAX = 100_000;
/** Events that wait to be told while `late_events` is in force; beyond it the oldest go out at once. */
export const EVENTS_HELD_MAX = 10_000;

const MINUTE_MS = 60_000;

export interface Taken {
  readonly allowed: boolean;
  /** Whole seconds to the end of the minute, at least 1. */
  readonly waitS: number;
  readonly headers: Readonly<Record<string, string>>;
}

export class RequestCounter {
  readonly #max: number;
  /** By key; there are as many as the account has. */
  readonly #used = new Map<string, { minute: number; count: number }>();

  /** `scale` times what the venue allows. */
  constructor(scale = 1) {
    this.#max = Math.floor(REQUESTS_PER_MINUTE * scale);
  }

  /** Counts one request; one that is refused counts too. */
  take(key: string, nowMs: number): Taken {
    const minute = Math.floor(nowMs / MINUTE_MS);
    const used = this.#used.get(key);
    const count = used?.minute === minute ? used.count + 1 : 1;
    this.#used.set(key, { minute, count });
    const resetMs = (minute + 1) * MINUTE_MS;
    return {
      allowed: count <= this.#max,
      waitS: Math.ceil((resetMs - nowMs) / 1_000),
      headers: {
        "x-ratelimit-limit": String(this.#max),
        "x-ratelimit-remaining": String(Math.max(0, this.#max - count)),
        "x-ratelimit-reset": String(resetMs / 1_000),
      },
    };
  }
}
