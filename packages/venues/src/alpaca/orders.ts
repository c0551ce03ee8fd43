/** Order entry over REST: what is sent, and what each answer means. */

import type { RestAnswer } from "../rest.ts";
import { NoAnswer } from "../rest.ts";
import type { Reason } from "../types.ts";
import {
  decimal,
  errorOf,
  instant,
  isObject,
  type Json,
  json,
  type Scales,
  text,
  textOrNull,
  units,
} from "./codec.ts";
import { paths } from "./endpoints.ts";
import { errorMeaning } from "./errors.ts";

export type Side = "BUY" | "SELL";
export type OrderType = "MARKET" | "LIMIT" | "STOP" | "STOP_LIMIT";
export type Tif = "DAY" | "GTC" | "IOC" | "FOK" | "OPG" | "CLS";

/** One request as it goes out. */
export interface Request {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Path and query. */
  readonly target: string;
  readonly body: string | null;
}

export interface NewOrder {
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly type: OrderType;
  readonly tif: Tif;
  readonly qtyLots: bigint;
  /** Of limit orders alone. */
  readonly pxTicks: bigint | null;
  /** Of stops alone. */
  readonly stopTicks: bigint | null;
}

/** Another price or quantity. The chain's total counts what has filled; `filledLots` is what we know of that. */
export interface Amend {
  readonly venueOrderId: string;
  readonly clientOrderId: string;
  readonly totalLots: bigint;
  readonly filledLots: bigint;
  readonly pxTicks: bigint | null;
  readonly stopTicks: bigint | null;
}

/** Where an order stands, whatever word the venue has for it. */
export type State =
  | "PENDING"
  | "LIVE"
  | "FILLED"
  | "CANCELED"
  | "EXPIRED"
  | "REPLACED"
  | "REJECTED";

const STATES: Readonly<Record<string, State>> = {
  accepted: "PENDING",
  accepted_for_bidding: "PENDING",
  pending_new: "PENDING",
  pending_review: "PENDING",
  held: "PENDING",
  new: "LIVE",
  partially_filled: "LIVE",
  // Under way to their end, and able to fill until then.
  pending_cancel: "LIVE",
  pending_replace: "LIVE",
  stopped: "LIVE",
  suspended: "LIVE",
  calculated: "LIVE",
  done_for_day: "LIVE",
  filled: "FILLED",
  canceled: "CANCELED",
  expired: "EXPIRED",
  replaced: "REPLACED",
  rejected: "REJECTED",
};

/** An order as the venue tells it, in the instrument's units. */
export interface OrderView {
  readonly venueOrderId: string;
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly state: State;
  /** Null of an order in dollars. */
  readonly qtyLots: bigint | null;
  readonly filledLots: bigint;
  readonly replaces: string | null;
  readonly replacedBy: string | null;
  /** ns since the Unix epoch. */
  readonly updatedNs: bigint;
}

/** Reads an order. Throws RangeError, naming what is not as it should be. */
export function orderView(body: Json, scales: Scales): OrderView {
  const status = text(body, "status");
  const state = STATES[status];
  if (state === undefined) throw new RangeError(`status ${status} is not known`);
  const qty = textOrNull(body, "qty");
  return {
    venueOrderId: text(body, "id"),
    clientOrderId: text(body, "client_order_id"),
    symbol: text(body, "symbol"),
    side: text(body, "side") === "buy" ? "BUY" : "SELL",
    state,
    qtyLots: qty === null ? null : units(qty, scales.qtyScale),
    filledLots: units(text(body, "filled_qty"), scales.qtyScale),
    replaces: textOrNull(body, "replaces"),
    replacedBy: textOrNull(body, "replaced_by"),
    updatedNs: instant(text(body, "updated_at")),
  };
}

function prices(
  order: { readonly pxTicks: bigint | null; readonly stopTicks: bigint | null },
  { pxScale }: Scales,
): Record<string, string> {
  return {
    ...(order.pxTicks === null ? {} : { limit_price: decimal(order.pxTicks, pxScale) }),
    ...(order.stopTicks === null ? {} : { stop_price: decimal(order.stopTicks, pxScale) }),
  };
}

export function placeRequest(order: NewOrder, scales: Scales): Request {
  const body = {
    symbol: order.symbol,
    qty: decimal(order.qtyLots, scales.qtyScale),
    side: order.side.toLowerCase(),
    type: order.type.toLowerCase(),
    time_in_force: order.tif.toLowerCase(),
    ...prices(order, scales),
    client_order_id: order.clientOrderId,
  };
  return { method: "POST", target: paths.orders, body: JSON.stringify(body) };
}

/**
 * The venue makes a new order of a replacement and counts its quantity from nothing, whatever the old one has filled. So what
 * is sent is what is still wanted; a fill that we do not know of yet comes on top of it, and is the caller's to reserve for.
 */
export function amendRequest(amend: Amend, scales: Scales): Request {
  const body = {
    qty: decimal(amend.totalLots - amend.filledLots, scales.qtyScale),
    ...prices(amend, scales),
    client_order_id: amend.clientOrderId,
  };
  const target = `${paths.orders}/${encodeURIComponent(amend.venueOrderId)}`;
  return { method: "PATCH", target, body: JSON.stringify(body) };
}

export const cancelRequest = (venueOrderId: string): Request => ({
  method: "DELETE",
  target: `${paths.orders}/${encodeURIComponent(venueOrderId)}`,
  body: null,
});

export const cancelAllRequest = (): Request => ({
  method: "DELETE",
  target: paths.orders,
  body: null,
});

/** By our id: what an outcome that is not known is asked with. */
export const byClientIdRequest = (clientOrderId: string): Request => ({
  method: "GET",
  target: `${paths.orderByClientId}?client_order_id=${encodeURIComponent(clientOrderId)}`,
  body: null,
});

/** Orders of one list; a list this long may have been cut short and proves nothing. */
export const ORDERS_LISTED_MAX = 500;
export const openOrdersRequest = (): Request => ({
  method: "GET",
  target: `${paths.orders}?status=open&limit=${ORDERS_LISTED_MAX}&direction=asc`,
  body: null,
});

/** What an answer to a new order, an amend or a cancel says. */
export type Outcome =
  /** Taken. Not final: the stream and queries say what becomes of it. A cancel has no order in its answer. */
  | { readonly kind: "taken"; readonly order: OrderView | null }
  /** Not taken, and nothing was changed by it. */
  | { readonly kind: "refused"; readonly reason: Reason; readonly words: string }
  /** An order of this id is there already: ask for it and take it for what it is. */
  | { readonly kind: "duplicate" }
  /** Not taken for its rate, or never sent: it may be sent again, not before so long. */
  | { readonly kind: "later"; readonly reason: Reason; readonly waitMs: number }
  /** It may have been taken: ask by our id before anything else. */
  | { readonly kind: "unknown"; readonly reason: "OUTCOME_UNKNOWN"; readonly words: string };

/** Waits after a 429 that does not say for how long. */
export const RATE_WAIT_MS = 60_000;

/** Which of our reasons a clear refusal is. Words are read loosely, for they have varied; the code decides first. */
export function reasonOf(code: number, words: string): Reason {
  if (code === 40_410_000) return "UNKNOWN_ORDER";
  if (code === 40_310_000) {
    if (/wash trade/i.test(words)) return "SELF_MATCH";
    if (/short/i.test(words)) return "SHORT_NOT_AVAILABLE";
    if (/buying power|insufficient balance/i.test(words)) return "BUYING_POWER_EXCEEDED";
  }
  if (code === 42_210_000 && /sub-penny/i.test(words)) return "PRICE_OFF_TICK";
  return "VENUE_REJECT";
}

/** What happened to a request that changes something: its answer, or that there was none. */
export function outcomeOf(
  happened: RestAnswer | NoAnswer,
  scalesOf: (symbol: string) => Scales,
): Outcome {
  const unknown = (words: string): Outcome => {
    return { kind: "unknown", reason: "OUTCOME_UNKNOWN", words };
  };
  if (happened instanceof NoAnswer) {
    if (happened.sent) return unknown(happened.message);
    return { kind: "later", reason: "NEVER_SENT", waitMs: 0 };
  }
  const { status, retryAfterS } = happened;
  if (status === 204) return { kind: "taken", order: null };
  if (status >= 200 && status < 300) {
    const body = json(happened);
    try {
      if (isObject(body)) {
        return { kind: "taken", order: orderView(body, scalesOf(text(body, "symbol"))) };
      }
    } catch (error) {
      // It was taken, and what it is we cannot read: that is not known.
      return unknown((error as Error).message);
    }
    return unknown("the answer is no order");
  }
  const { code, message } = errorOf(happened);
  switch (errorMeaning(status, code, message)) {
    case "duplicate":
      return { kind: "duplicate" };
    case "try_later": {
      const waitMs = retryAfterS === null ? RATE_WAIT_MS : retryAfterS * 1_000;
      return { kind: "later", reason: "RATE_BUDGET", waitMs };
    }
    case "unknown_outcome":
      return unknown(`status ${status}: ${message}`);
    default:
      return { kind: "refused", reason: reasonOf(code, message), words: message };
  }
}

/** What the venue says of an id of ours. */
export type Found =
  | { readonly kind: "found"; readonly order: OrderView }
  /** It has no such order at this moment. A request that is still under way can make one after it. */
  | { readonly kind: "absent" }
  /** No word either way. */
  | { readonly kind: "silent"; readonly words: string };

export function foundOf(
  happened: RestAnswer | NoAnswer,
  scalesOf: (symbol: string) => Scales,
): Found {
  if (happened instanceof NoAnswer) return { kind: "silent", words: happened.message };
  const { code, message } = errorOf(happened);
  // A 404 of anything but the order itself says nothing about the order.
  if (happened.status === 404 && code === 40_410_000) return { kind: "absent" };
  const body = json(happened);
  if (happened.status !== 200 || !isObject(body)) {
    return { kind: "silent", words: `status ${happened.status}: ${message}` };
  }
  try {
    return { kind: "found", order: orderView(body, scalesOf(text(body, "symbol"))) };
  } catch (error) {
    return { kind: "silent", words: (error as Error).message };
  }
}
