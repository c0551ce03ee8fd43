/** The fields of what the venue sends: tags as the standard numbers them. */

import type { FixField } from "@tidegate/rust-core";
import type { Order, Side, Trade } from "../../core.ts";
import { e8Text } from "../../decimal.ts";

export type Fields = readonly FixField[];

/** One message on its way out. */
export interface Outgoing {
  readonly type: string;
  readonly fields: Fields;
}

/** What a client sent, by tag; of a tag that stands twice, the first. */
export class Incoming {
  readonly type: string;
  readonly seq: number;
  readonly #values = new Map<number, string>();

  constructor(type: string, seq: number, fields: Fields) {
    this.type = type;
    this.seq = seq;
    for (const [tag, value] of fields) {
      if (!this.#values.has(tag)) this.#values.set(tag, value);
    }
  }

  get(tag: number): string | undefined {
    return this.#values.get(tag);
  }

  /** A field the session has checked to be there. */
  want(tag: number): string {
    return this.#values.get(tag) ?? "";
  }
}

/** ExecType (150). */
export type ExecType = "0" | "4" | "5" | "6" | "8" | "C" | "E" | "F" | "G" | "H" | "I";

const STATUS: Readonly<Record<string, string>> = {
  NEW: "0",
  PARTIALLY_FILLED: "1",
  FILLED: "2",
  CANCELED: "4",
  REJECTED: "8",
  EXPIRED: "C",
  EXPIRED_IN_MATCH: "C",
};
/** OrdStatus (39) of a status of the core. */
export const ordStatus = (status: string): string => STATUS[status] ?? "0";

export const sideCode = (side: Side): string => (side === "BUY" ? "1" : "2");

/** UTCTimestamp with milliseconds. */
export function utc(ms: number): string {
  const iso = new Date(ms).toISOString();
  return `${iso.slice(0, 10).replaceAll("-", "")}-${iso.slice(11, 23)}`;
}

export interface Report {
  readonly order: Order;
  /** ClOrdID of the order's newest version, or of the cancel or amend that is answered. */
  readonly clOrdId: string;
  readonly original?: string | undefined;
  readonly execType: ExecType;
  /** Where it is not the order's own. */
  readonly status?: string | undefined;
  readonly execId: string;
  readonly execRefId?: string | undefined;
  readonly trade?: Trade | null;
  readonly reason?: number | undefined;
  readonly words?: string | undefined;
  readonly timeMs: number;
  /** What answers a question. */
  readonly extra?: Fields;
}

const open = (status: string): boolean => status === "0" || status === "1";

/** ExecutionReport (8). */
export function executionReport(report: Report): Outgoing {
  const { order, trade = null, execType } = report;
  const status = report.status ?? ordStatus(order.status);
  const maybe = (tag: number, value: string | number | undefined): FixField[] =>
    value === undefined ? [] : [[tag, String(value)]];
  const fields: FixField[] = [
    [37, order.orderId === 0 ? "NONE" : String(order.orderId)],
    [11, report.clOrdId],
    ...maybe(41, report.original),
    [17, report.execId],
    ...maybe(19, report.execRefId),
    [150, execType],
    [39, status],
    ...maybe(103, report.reason),
    [55, order.symbol],
    [54, sideCode(order.side)],
    [38, order.quantity],
    ...(order.type === "MARKET" ? [] : maybe(44, order.price)),
    ...(trade === null ? [] : maybe(32, trade.qty)),
    ...(trade === null ? [] : maybe(31, trade.px)),
    [151, open(status) || status === "6" || status === "E" ? order.leaves : "0"],
    [14, order.cum],
    [6, average(order)],
    [60, utc(report.timeMs)],
    ...maybe(58, report.words),
    ...(trade === null ? [] : fees(trade)),
    ...(trade === null ? [] : maybe(851, trade.maker ? 1 : 2)),
    ...(report.extra ?? []),
  ];
  return { type: "8", fields };
}

/** NoMiscFees: one, an exchange fee. */
const fees = (trade: Trade): FixField[] => [
  [136, "1"],
  [137, e8Text(trade.feeE8)],
  [138, trade.feeAsset],
  [139, "4"],
];

/** AvgPx (6): what was paid over what was filled, cut at the eighth decimal. */
function average(order: Order): string {
  const lots = BigInt(order.cumLots);
  if (lots === 0n) return "0";
  // 1e-8 of the quote a lot, and a lot is 1e-5 of the base.
  return e8Text((BigInt(order.quoteE8) * 100_000n) / lots);
}

/** What an order that is not known is told as. */
export function unknownOrder(
  said: { readonly clOrdId: string; readonly symbol: string; readonly side: string },
  execId: string,
  extra: Fields,
): Outgoing {
  return {
    type: "8",
    fields: [
      [37, "NONE"],
      [11, said.clOrdId],
      [17, execId],
      [150, "I"],
      [39, "8"],
      [103, "5"],
      [55, said.symbol],
      [54, said.side],
      [151, "0"],
      [14, "0"],
      [6, "0"],
      [58, "Unknown order"],
      ...extra,
    ],
  };
}

/** OrderCancelReject (9). */
export function cancelReject(
  message: Incoming,
  order: Order | null,
  [reason, words]: readonly [number, string],
): Outgoing {
  return {
    type: "9",
    fields: [
      [37, order === null ? "NONE" : String(order.orderId)],
      [11, message.want(11)],
      [41, message.want(41)],
      [39, order === null ? "8" : ordStatus(order.status)],
      [434, message.type === "G" ? "2" : "1"],
      [102, String(reason)],
      [58, words],
    ],
  };
}

/** BusinessMessageReject (j). */
export const businessReject = (message: Incoming, reason: number, words: string): Outgoing => ({
  type: "j",
  fields: [
    [45, String(message.seq)],
    [372, message.type],
    [379, message.get(11) ?? "NONE"],
    [380, String(reason)],
    [58, words],
  ],
});

/** A fill as the list of trades has it. */
export interface Listed {
  readonly symbol: string;
  readonly orderId: number;
  readonly clOrdId: string;
  readonly trade: Trade;
}

/** TradeCaptureReport (AE), one of a list. */
export const tradeReport = (
  request: string,
  { symbol, orderId, clOrdId, trade }: Listed,
  total: number,
  last: boolean,
): Outgoing => ({
  type: "AE",
  fields: [
    [571, `t${trade.tradeId}`],
    [568, request],
    [748, String(total)],
    [912, last ? "Y" : "N"],
    [570, "N"],
    [17, String(trade.tradeId)],
    [55, symbol],
    [32, trade.qty],
    [31, trade.px],
    [75, utc(trade.timeMs).slice(0, 8)],
    [60, utc(trade.timeMs)],
    [851, trade.maker ? "1" : "2"],
    [552, "1"],
    [54, sideCode(trade.side)],
    [37, String(orderId)],
    [11, clOrdId],
    ...fees(trade),
  ],
});

/** TradeCaptureReportRequestAck (AQ) of a list without a row. */
export const noTrades = (message: Incoming): Outgoing => ({
  type: "AQ",
  fields: [
    [568, message.want(568)],
    [569, message.want(569)],
    [748, "0"],
    [749, "0"],
    [750, "0"],
    [55, message.get(55) ?? "NA"],
  ],
});

/** OrderMassCancelReport (r). */
export const massCancelReport = (message: Incoming, affected: number): Outgoing => ({
  type: "r",
  fields: [
    [37, "NONE"],
    [11, message.want(11)],
    [530, message.want(530)],
    [531, message.want(530)],
    [533, String(affected)],
  ],
});
