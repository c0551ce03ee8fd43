/**
 * Order entry over the daemon: what is sent, and what each answer means.
 *
 * There is no client order id and no idempotency. All that comes back of ours is `custom_field`, six characters: a counter is
 * written there, and what became of a request nobody answered is found by it in the list of trades.
 */

import { NoAnswer, type RestAnswer } from "../rest.ts";
import type { Reason } from "../types.ts";
import {
  bodyOf,
  count,
  digits,
  inner,
  isObject,
  type Json,
  PRICE_HERE,
  type Scales,
  seconds,
  text,
  units,
  withPrice,
  wordsOf,
} from "./codec.ts";
import { paths } from "./endpoints.ts";
import { errorMeaning } from "./errors.ts";

export type Side = "BUY" | "SELL";

/** One request as it goes out. */
export interface Request {
  readonly method: "GET" | "POST";
  readonly target: string;
  readonly body: string | null;
}

export interface Account {
  readonly brokerId: string;
  readonly accountId: string;
}

/** A stock order in board lots. */
export interface NewOrder {
  readonly customField: string;
  readonly exchange: "TSE" | "OTC";
  readonly code: string;
  readonly side: Side;
  readonly type: "LIMIT" | "MARKET";
  /** For the day, or at once. */
  readonly tif: "ROD" | "IOC" | "FOK";
  readonly qtyLots: bigint;
  /** Of limit orders alone. */
  readonly pxTicks: bigint | null;
}

/** Orders a custom field can tell apart: six characters of 36. */
export const CUSTOM_FIELDS = 36 ** 6;

/**
 * The n-th custom field. The counter must outlive the process; within a day it must not come around.
 *
 * Errors  RangeError for a number that has no field of its own
 */
export function customField(n: number): string {
  if (!Number.isSafeInteger(n) || n < 0 || n >= CUSTOM_FIELDS) {
    throw new RangeError(`order ${n}: want 0 to ${CUSTOM_FIELDS - 1}`);
  }
  return n.toString(36).padStart(6, "0");
}

const post = (target: string, body: object): Request => ({
  method: "POST",
  target,
  body: JSON.stringify(body),
});

const accountBody = ({ brokerId, accountId }: Account) => ({
  broker_id: brokerId,
  account_id: accountId,
});

export function placeRequest(order: NewOrder, account: Account, scales: Scales): Request {
  const body = {
    contract: { security_type: "STK", exchange: order.exchange, code: order.code },
    stock_order: {
      action: order.side === "BUY" ? "Buy" : "Sell",
      price: PRICE_HERE,
      quantity: Number(order.qtyLots),
      price_type: order.type === "LIMIT" ? "LMT" : "MKT",
      order_type: order.tif,
      order_lot: "Common",
      order_cond: "Cash",
      custom_field: order.customField,
      account: accountBody(account),
    },
  };
  return {
    method: "POST",
    target: paths.place,
    body: withPrice(body, order.pxTicks ?? 0n, scales),
  };
}

export const cancelRequest = (tradeId: string): Request =>
  post(paths.cancel, { trade_id: tradeId });

export const priceRequest = (tradeId: string, pxTicks: bigint, scales: Scales): Request => ({
  method: "POST",
  target: paths.updatePrice,
  body: withPrice({ trade_id: tradeId, price: PRICE_HERE }, pxTicks, scales),
});

/** The venue takes so many lots **off** the order: it knows no new total, and never more. */
export const reduceRequest = (tradeId: string, byLots: bigint): Request =>
  post(paths.updateQty, { trade_id: tradeId, quantity: Number(byLots) });

/** Everything of the day, refreshed from the broker: also what makes a restarted daemon know its orders again. */
export const tradesRequest = (account: Account): Request =>
  post(paths.openOrders, { account_type: "S", ...accountBody(account) });

export interface Amend {
  /** Filled part included. */
  readonly totalLots: bigint;
  readonly pxTicks: bigint;
}

/** The requests that make new terms of an order, in their order; null where the venue has no way to them: it never adds. */
export function amendRequests(
  { tradeId, qtyLots, cancelledLots, pxTicks }: OrderView,
  amend: Amend,
  scales: Scales,
): Request[] | null {
  const lessLots = qtyLots - cancelledLots - amend.totalLots;
  if (lessLots < 0n) return null;
  return [
    ...(lessLots > 0n ? [reduceRequest(tradeId, lessLots)] : []),
    ...(amend.pxTicks === pxTicks ? [] : [priceRequest(tradeId, amend.pxTicks, scales)]),
  ];
}

/** Where an order stands, whatever word the venue has for it. */
export type State = "PENDING" | "LIVE" | "FILLED" | "CANCELED" | "EXPIRED" | "REJECTED";

const STATES: Readonly<Record<string, State>> = {
  PendingSubmit: "PENDING",
  PreSubmitted: "PENDING",
  Submitted: "LIVE",
  PartFilled: "LIVE",
  Filled: "FILLED",
  Cancelled: "CANCELED",
  Failed: "REJECTED",
  Inactive: "EXPIRED",
};

/** A deal as the list of trades has it; its number is not the exchange's, which the stream tells. */
export interface ListedDeal {
  readonly pxTicks: bigint;
  readonly qtyLots: bigint;
  readonly atNs: bigint;
}

/** An order as the daemon tells it. */
export interface OrderView {
  /** What cancels and changes name it by, as long as this daemon lives. */
  readonly tradeId: string;
  readonly customField: string;
  readonly code: string;
  readonly side: Side;
  readonly state: State;
  readonly qtyLots: bigint;
  readonly filledLots: bigint;
  readonly cancelledLots: bigint;
  readonly pxTicks: bigint;
  readonly deals: readonly ListedDeal[];
  readonly words: string;
}

function listedDeal(deal: unknown, scales: Scales): ListedDeal {
  if (!isObject(deal)) throw new RangeError("a deal is no object");
  return {
    pxTicks: units(digits(deal, "price"), scales.pxScale),
    qtyLots: count(deal, "quantity"),
    atNs: seconds(deal, "ts"),
  };
}

/** Reads a trade. Throws RangeError, naming what is not as it should be. */
export function orderView(body: Json, scales: Scales): OrderView {
  const [contract, order, status] = [
    inner(body, "contract"),
    inner(body, "order"),
    inner(body, "status"),
  ];
  const said = text(status, "status");
  const state = STATES[said];
  if (state === undefined) throw new RangeError(`status ${said} is not known`);
  const modified = units(digits(status, "modified_price"), scales.pxScale);
  const { deals } = status;
  if (!Array.isArray(deals)) throw new RangeError("deals are no list");
  return {
    tradeId: text(order, "id"),
    customField: text(order, "custom_field"),
    code: text(contract, "code"),
    side: text(order, "action") === "Buy" ? "BUY" : "SELL",
    state,
    qtyLots: count(order, "quantity"),
    filledLots: count(status, "deal_quantity"),
    cancelledLots: count(status, "cancel_quantity"),
    // 0 until it is changed.
    pxTicks: modified === 0n ? units(digits(order, "price"), scales.pxScale) : modified,
    deals: deals.map((deal) => listedDeal(deal, scales)),
    words: typeof status["msg"] === "string" ? status["msg"] : "",
  };
}

/** What an answer to a new order, a change or a cancel says. */
export type Outcome =
  /** Taken. Never final: the stream and the list of trades say what becomes of it. */
  | { readonly kind: "taken"; readonly order: OrderView }
  /** Not taken, and nothing was changed by it. */
  | { readonly kind: "refused"; readonly reason: Reason; readonly words: string }
  /** Not taken for its rate, or never sent: it may be sent again, not before so long. */
  | { readonly kind: "later"; readonly reason: Reason; readonly waitMs: number }
  /** It may have been taken: look for it in the list of trades before anything else. */
  | { readonly kind: "unknown"; readonly reason: "OUTCOME_UNKNOWN"; readonly words: string };

/** Waits after a 503: the daemon is banned, and asking again makes it worse. */
export const BAN_WAIT_MS = 60_000;

/** Which of our reasons a refusal is, by its words: the daemon has no codes of its own. */
export function reasonOf(words: string): Reason {
  if (/not found/i.test(words)) return "UNKNOWN_ORDER";
  if (/insufficient|limit exceeded/i.test(words)) return "BUYING_POWER_EXCEEDED";
  if (/tick/i.test(words)) return "PRICE_OFF_TICK";
  return "VENUE_REJECT";
}

/** What happened to a request that changes something: its answer, or that there was none. */
export function outcomeOf(happened: RestAnswer | NoAnswer, scales: Scales): Outcome {
  const unknown = (words: string): Outcome => {
    return { kind: "unknown", reason: "OUTCOME_UNKNOWN", words };
  };
  if (happened instanceof NoAnswer) {
    if (happened.sent) return unknown(happened.message);
    return { kind: "later", reason: "NEVER_SENT", waitMs: 0 };
  }
  const { status } = happened;
  if (status === 200) return takenOf(happened, scales);
  const words = wordsOf(happened);
  switch (errorMeaning(status, 0, words)) {
    case "try_later":
      return { kind: "later", reason: "RATE_BUDGET", waitMs: BAN_WAIT_MS };
    case "unknown_outcome":
      return unknown(`status ${status}: ${words}`);
    default:
      return { kind: "refused", reason: reasonOf(words), words };
  }
}

/** A 200 with an order that has failed is a refusal. */
function takenOf(answer: RestAnswer, scales: Scales): Outcome {
  try {
    const body = bodyOf(answer);
    if (!isObject(body)) throw new RangeError("the answer is no trade");
    const order = orderView(body, scales);
    if (order.state !== "REJECTED") return { kind: "taken", order };
    return { kind: "refused", reason: reasonOf(order.words), words: order.words };
  } catch (error) {
    // It was taken, and what it is we cannot read: that is not known.
    return { kind: "unknown", reason: "OUTCOME_UNKNOWN", words: (error as Error).message };
  }
}

/** What the list of trades says of an order of ours. */
export type Found =
  | { readonly kind: "found"; readonly order: OrderView }
  /** It has no such order at this moment. A request that is still under way can make one after it. */
  | { readonly kind: "absent" }
  /** More than one fits: a person has to look. */
  | { readonly kind: "ambiguous"; readonly orders: readonly OrderView[] }
  /** No word either way. */
  | { readonly kind: "silent"; readonly words: string };

export type Wanted = Pick<NewOrder, "customField" | "code" | "side" | "qtyLots">;

/** Reads the list of trades. Throws RangeError on what is none. */
export function orderViews(answer: Pick<RestAnswer, "body">, scales: Scales): OrderView[] {
  const body = bodyOf(answer);
  if (!Array.isArray(body)) throw new RangeError("trades are no list");
  return body.filter(isObject).map((each) => orderView(each, scales));
}

/** Finds an order by custom field, code, side and quantity; never by price, which the venue may have changed. */
export function foundOf(happened: RestAnswer | NoAnswer, wanted: Wanted, scales: Scales): Found {
  if (happened instanceof NoAnswer) return { kind: "silent", words: happened.message };
  if (happened.status !== 200) {
    return { kind: "silent", words: `status ${happened.status}: ${wordsOf(happened)}` };
  }
  let all: OrderView[];
  try {
    all = orderViews(happened, scales);
  } catch (error) {
    return { kind: "silent", words: (error as Error).message };
  }
  const fits = (each: OrderView): boolean =>
    each.customField === wanted.customField &&
    each.code === wanted.code &&
    each.side === wanted.side &&
    each.qtyLots === wanted.qtyLots;
  const orders = all.filter(fits);
  const [order] = orders;
  if (order === undefined) return { kind: "absent" };
  return orders.length === 1 ? { kind: "found", order } : { kind: "ambiguous", orders };
}
