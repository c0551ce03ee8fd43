/** What can be made to go wrong with orders: names, and the venues whose skin knows each. */

import { Board, type SwitchRow } from "../switchboard.ts";

export const ORDER_VENUES = ["ALPACA", "BINANCE_SPOT", "BINANCE_USDM", "FIX", "SHIOAJI"] as const;
export type OrderVenue = (typeof ORDER_VENUES)[number];

const ALPACA = ["ALPACA"] as const;
const BINANCE = ["BINANCE_SPOT", "BINANCE_USDM"] as const;
const FIX = ["FIX"] as const;
const SHIOAJI = ["SHIOAJI"] as const;
const WITH_CODES = [...ALPACA, ...BINANCE] as const;
/** Those with an answer to each request, which FIX has not. */
const ANSWERING = [...WITH_CODES, ...SHIOAJI] as const;
const NOT_ALPACA = [...BINANCE, ...FIX, ...SHIOAJI] as const;

export const ORDER_SWITCHES = {
  slow_accept: { part: 1, venues: ALPACA, unit: "count", size: 1 },
  tls: { part: 1, venues: ALPACA, unit: "count", size: 1 },
  /** The next login on the stream is not answered. */
  auth_timeout: { part: 1, venues: ORDER_VENUES, unit: "count", size: 1 },
  /** Every stream is closed. */
  disconnect: { part: 1, venues: ORDER_VENUES, unit: "count", size: 1 },
  /** Every stream stays open and is dead. */
  half_open: { part: 1, venues: ALPACA, unit: "count", size: 1 },
  /** The next event is told to nobody. */
  gap: { part: 2, venues: ORDER_VENUES, unit: "count", size: 1 },
  /** The next event is told twice. */
  duplicate: { part: 2, venues: ORDER_VENUES, unit: "count", size: 1 },
  /** Events come so much later, in order. */
  late_events: { part: 2, venues: ORDER_VENUES, unit: "ms", size: 500 },
  /** The next order is taken and its answer lost with the connection. */
  ack_lost: { part: 3, venues: ORDER_VENUES, unit: "count", size: 1 },
  /** The answer to the next order comes so much later. */
  ack_late: { part: 3, venues: ORDER_VENUES, unit: "ms", size: 2_000 },
  /** The next order is taken and the answer says 504. */
  ack_504: { part: 3, venues: WITH_CODES, unit: "count", size: 1 },
  /** The next order is not taken and the connection ends all the same. */
  request_lost: { part: 3, venues: ORDER_VENUES, unit: "count", size: 1 },
  /** The next order is not taken and the answer says 500. */
  answer_500: { part: 3, venues: ANSWERING, unit: "count", size: 1 },
  /** The next order's events come before its answer. */
  fill_before_ack: { part: 3, venues: ORDER_VENUES, unit: "ms", size: 50 },
  /** The next order is answered as taken and rejected after that. */
  reject_after_ack: { part: 3, venues: ORDER_VENUES, unit: "count", size: 1 },
  /** The next cancel takes so long: the order can fill meanwhile. */
  pending_cancel: { part: 3, venues: ORDER_VENUES, unit: "ms", size: 500 },
  /** The next replacement takes so long. */
  pending_replace: { part: 3, venues: ORDER_VENUES, unit: "ms", size: 500 },
  /** The next cancel is taken and rejected after that. */
  cancel_rejected: { part: 3, venues: ORDER_VENUES, unit: "count", size: 1 },
  /** The next replacement is taken and rejected after that. */
  replace_rejected: { part: 3, venues: ORDER_VENUES, unit: "count", size: 1 },
  /** The next order is refused by the rule of pattern day traders. */
  pattern_day_trader: { part: 3, venues: ALPACA, unit: "count", size: 1 },
  /** The next order is refused with `code` and in the words of the venue. */
  refuse: { part: 3, venues: NOT_ALPACA, unit: "count", size: 1 },
  /** The next cancel is done and its answer lost. */
  cancel_ack_lost: { part: 3, venues: NOT_ALPACA, unit: "count", size: 1 },
  /** The next replacement is done and its answer lost. */
  replace_ack_lost: { part: 3, venues: NOT_ALPACA, unit: "count", size: 1 },
  /** The next question about an order is not answered. */
  query_lost: { part: 3, venues: NOT_ALPACA, unit: "count", size: 1 },
  /** The next event has a number where the venue writes a text. */
  garbled: { part: 2, venues: NOT_ALPACA, unit: "count", size: 1 },
  /** Every stream of events ends with the venue's own word for it. */
  stream_ends: { part: 1, venues: BINANCE, unit: "count", size: 1 },
  /** The newest fill is taken back. */
  bust: { part: 3, venues: [...ALPACA, ...FIX], unit: "count", size: 1 },
  /** The newest fill was another: a tick dearer. */
  correct: { part: 3, venues: FIX, unit: "count", size: 1 },
  /** The next order breaks a rule of the session layer: Reject (3). */
  session_reject: { part: 3, venues: FIX, unit: "count", size: 1 },
  /** The next order cannot be served: BusinessMessageReject (j) with reason `code`. */
  business_reject: { part: 3, venues: FIX, unit: "count", size: 1 },
  /** The next message is one too many: Logout, and the connection ends. */
  message_limit: { part: 4, venues: FIX, unit: "count", size: 1 },
  /** Trading stops for so long; orders wait. */
  halt: { part: 3, venues: ORDER_VENUES, unit: "ms", size: 500 },
  /** The trading day ends, and the next begins so much later. */
  session_roll: { part: 3, venues: ORDER_VENUES, unit: "ms", size: 500 },
  /** The next request is answered as one too many. */
  rate_limit: { part: 4, venues: [...ALPACA, ...SHIOAJI], unit: "count", size: 1 },
  /** The next order is taken and the answer says 500. */
  ack_500: { part: 3, venues: SHIOAJI, unit: "count", size: 1 },
  /** The daemon is started anew: it has forgotten every order, and its stream ends. */
  daemon_restart: { part: 1, venues: SHIOAJI, unit: "count", size: 1 },
  /** The venue's clock is so far off. */
  clock_skew: { part: 5, venues: ALPACA, unit: "ms", size: 2_000 },
} as const satisfies Record<string, SwitchRow>;
export type OrderSwitch = keyof typeof ORDER_SWITCHES;
export const ORDER_SWITCH_NAMES = Object.keys(ORDER_SWITCHES) as OrderSwitch[];

/** The switches of one venue's orders. */
export class OrderBoard extends Board<OrderVenue, OrderSwitch> {
  constructor(venue: OrderVenue) {
    super(venue, ORDER_SWITCHES);
  }
}
