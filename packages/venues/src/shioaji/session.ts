/** The stream of order events: what is asked before it, what comes over it. No replay: what was missed is in the list of trades. */

import {
  count,
  digits,
  exact,
  inner,
  isObject,
  type Json,
  type Scales,
  seconds,
  text,
  units,
} from "./codec.ts";
import { paths } from "./endpoints.ts";
import type { Account, ListedDeal, OrderView, Request, Side } from "./orders.ts";

/** A stream is dead after three heartbeats that did not come. */
export const SILENCE_MS_MAX = 95_000;
/** Longest unfinished event. */
const EVENT_CHARACTERS_MAX = 1 << 20;

/** Without it an account's stream has heartbeats and nothing else. */
export const subscribeTradeRequest = ({ brokerId, accountId }: Account): Request => ({
  method: "POST",
  target: paths.subscribeTrade,
  body: JSON.stringify({ account_type: "S", broker_id: brokerId, account_id: accountId }),
});

export interface StreamEvent {
  readonly name: string;
  readonly data: string;
}

/** Cuts a stream into its events. */
export class EventReader {
  #rest = "";

  /**
   * Takes what came; gives the events that are whole.
   *
   * Errors  RangeError for an event without end: the stream is to be opened anew
   */
  push(piece: string): StreamEvent[] {
    const parts = (this.#rest + piece).replaceAll("\r\n", "\n").split("\n\n");
    this.#rest = parts.pop() ?? "";
    if (this.#rest.length > EVENT_CHARACTERS_MAX) throw new RangeError("an event without end");
    return parts.map((part) => {
      const lines = part.split("\n");
      const of = (field: string): string[] =>
        lines
          .filter((line) => line.startsWith(`${field}:`))
          .map((line) => line.slice(field.length + 1).replace(/^ /, ""));
      return { name: of("event")[0] ?? "message", data: of("data").join("\n") };
    });
  }
}

/** One fill, under the exchange's own number. */
export interface Deal extends ListedDeal {
  readonly tradeId: string;
  /** Trade and number of the exchange: the key by which it counts once. */
  readonly key: string;
  readonly customField: string;
  readonly code: string;
  readonly side: Side;
}

/** What was done to an order, or was refused. */
export interface Operation {
  readonly tradeId: string;
  readonly customField: string;
  readonly type: "New" | "Cancel" | "UpdatePrice" | "UpdateQty";
  /** Whether it was done: code "00". */
  readonly done: boolean;
  readonly code: string;
  readonly words: string;
  readonly cancelledLots: bigint;
  readonly atNs: bigint;
}

export type Message =
  | { readonly kind: "heartbeat" }
  | { readonly kind: "operation"; readonly operation: Operation }
  | { readonly kind: "deal"; readonly deal: Deal }
  | { readonly kind: "other" };

const TYPES: readonly unknown[] = ["New", "Cancel", "UpdatePrice", "UpdateQty"];

function operationOf(body: Json): Operation {
  const [operation, order, status] = [
    inner(body, "operation"),
    inner(body, "order"),
    inner(body, "status"),
  ];
  const type = text(operation, "op_type");
  if (!TYPES.includes(type)) throw new RangeError(`op_type ${type} is not known`);
  const code = text(operation, "op_code");
  return {
    tradeId: text(order, "id"),
    customField: text(order, "custom_field"),
    type: type as Operation["type"],
    done: code === "00",
    code,
    words: text(operation, "op_msg"),
    cancelledLots: count(status, "cancel_quantity"),
    atNs: seconds(status, "exchange_ts"),
  };
}

function dealOf(body: Json, scales: Scales): Deal {
  const tradeId = text(body, "trade_id");
  return {
    tradeId,
    key: `${tradeId}/${text(body, "exchange_seq")}`,
    customField: text(body, "custom_field"),
    code: text(body, "code"),
    side: text(body, "action") === "Buy" ? "BUY" : "SELL",
    pxTicks: units(digits(body, "price"), scales.pxScale),
    qtyLots: count(body, "quantity"),
    atNs: seconds(body, "ts"),
  };
}

/**
 * Reads one event.
 *
 * Errors  RangeError where the daemon has changed its shapes: what it said must be asked for
 */
export function message({ name, data }: StreamEvent, scales: Scales): Message {
  if (name === "heartbeat") return { kind: "heartbeat" };
  if (name !== "order_event") return { kind: "other" };
  const body = exact(data);
  if (!isObject(body)) throw new RangeError("an order event that is no JSON object");
  const state = text(body, "state");
  const content = inner(inner(body, "data"), state);
  if (state === "StockOrder") return { kind: "operation", operation: operationOf(content) };
  if (state === "StockDeal") return { kind: "deal", deal: dealOf(content, scales) };
  // Futures and options are not traded here.
  return { kind: "other" };
}

/** Fills an order may have that are not told apart any more. */
const DEALS_MAX = 65_536;

/**
 * The fills of an account, each once, whether the stream told it or the list of trades had it. The two have no key in common:
 * a listed deal is the told one of the same price, quantity and time.
 */
export class Deals {
  readonly #keys = new Set<string>();
  /** By trade, price, quantity and time: how many were told less how many were taken from the list. */
  readonly #told = new Map<string, number>();
  readonly #listed = new Map<string, number>();

  static #likeness(tradeId: string, { pxTicks, qtyLots, atNs }: ListedDeal): string {
    return `${tradeId} ${pxTicks} ${qtyLots} ${atNs}`;
  }

  /** Takes a deal of the stream; false where it counts already. */
  hear(deal: Deal): boolean {
    if (this.#keys.has(deal.key)) return false;
    if (this.#keys.size >= DEALS_MAX) throw new RangeError(`more than ${DEALS_MAX} deals of a day`);
    this.#keys.add(deal.key);
    const like = Deals.#likeness(deal.tradeId, deal);
    const told = (this.#told.get(like) ?? 0) + 1;
    this.#told.set(like, told);
    return told > (this.#listed.get(like) ?? 0);
  }

  /** Takes an order of the list; gives its deals that nobody has told. */
  adopt(order: Pick<OrderView, "tradeId" | "deals">): ListedDeal[] {
    const seen = new Map<string, number>();
    return order.deals.filter((deal) => {
      const like = Deals.#likeness(order.tradeId, deal);
      const nth = (seen.get(like) ?? 0) + 1;
      seen.set(like, nth);
      const known = Math.max(this.#told.get(like) ?? 0, this.#listed.get(like) ?? 0);
      if (nth <= known) return false;
      this.#listed.set(like, nth);
      return true;
    });
  }
}
