/** Bodies and events of the daemon, in its own keys. Prices are JSON numbers, whole ones too. */

import type { Trade } from "../../core.ts";
import { DONE } from "./faults.ts";
import { LOT_SHARES } from "./limits.ts";

/** One order of the day. */
export interface HeldOrder {
  /** Its number of the day: the core's name of it. */
  readonly n: number;
  readonly id: string;
  readonly code: string;
  readonly exchange: string;
  readonly action: "Buy" | "Sell";
  readonly price: string;
  readonly quantity: number;
  readonly priceType: "LMT" | "MKT";
  readonly orderType: "ROD" | "IOC" | "FOK";
  readonly customField: string;
  readonly createdMs: number;
  status:
    | "PendingSubmit"
    | "Submitted"
    | "PartFilled"
    | "Filled"
    | "Cancelled"
    | "Failed"
    | "Inactive";
  words: string;
  modifiedPrice: string | null;
  cancelled: number;
  readonly deals: Trade[];
}

const ACCOUNT = { account_type: "S", person_id: "", broker_id: "9A95", account_id: "0000001" };
export const { broker_id: BROKER_ID, account_id: ACCOUNT_ID } = ACCOUNT;

/** A decimal text as a JSON number. The daemon writes doubles; these have few digits, which a double keeps. */
const number = (text: string): number => Number(text);
const seconds = (ms: number): number => ms / 1_000;
const seqno = (n: number): string => String(100_000 + n);
const ordno = (n: number): string => `Y${String(n).padStart(4, "0")}`;
const filled = ({ deals }: HeldOrder): number =>
  deals.reduce((sum, { qtyLots }) => sum + qtyLots / LOT_SHARES, 0);

const contract = ({ code, exchange }: HeldOrder) => ({ security_type: "STK", exchange, code });

const order = (held: HeldOrder) => ({
  id: held.id,
  seqno: seqno(held.n),
  ordno: ordno(held.n),
  account: ACCOUNT,
  action: held.action,
  price: number(held.price),
  quantity: held.quantity,
  order_type: held.orderType,
  price_type: held.priceType,
  order_cond: "Cash",
  order_lot: "Common",
  custom_field: held.customField,
});

/** What a request and the list of trades are answered with. */
export const tradeBody = (held: HeldOrder): object => ({
  contract: contract(held),
  order: order(held),
  status: {
    id: held.id,
    status: held.status,
    status_code: held.status === "Failed" ? "99" : "00",
    order_ts: seconds(held.createdMs),
    order_quantity: held.quantity,
    deal_quantity: filled(held),
    cancel_quantity: held.cancelled,
    modified_price: number(held.modifiedPrice ?? "0"),
    msg: held.words,
    // Numbered by the order: the exchange's number is in the stream alone.
    deals: held.deals.map(({ px, qtyLots, timeMs }, at) => ({
      seq: String(at + 1).padStart(6, "0"),
      price: number(px),
      quantity: qtyLots / LOT_SHARES,
      ts: seconds(timeMs),
    })),
  },
});

export type OpType = "New" | "Cancel" | "UpdatePrice" | "UpdateQty";

const event = (state: string, content: object): string =>
  `event: order_event\ndata: ${JSON.stringify({ state, data: { [state]: content } })}\n\n`;

/** What was done to an order, or was not. */
export const operationEvent = (
  held: HeldOrder,
  type: OpType,
  [code, words]: readonly [string, string],
  nowMs: number,
): string =>
  event("StockOrder", {
    operation: { op_type: type, op_code: code, op_msg: words },
    order: order(held),
    status: {
      id: held.id,
      exchange_ts: seconds(nowMs),
      modified_price: number(held.modifiedPrice ?? "0"),
      cancel_quantity: held.cancelled,
      order_quantity: held.quantity,
      web_id: "137",
    },
    contract: contract(held),
  });

export const done = [DONE, ""] as const;

export const dealEvent = (held: HeldOrder, trade: Trade): string =>
  event("StockDeal", {
    trade_id: held.id,
    seqno: seqno(held.n),
    ordno: ordno(held.n),
    exchange_seq: String(trade.tradeId),
    broker_id: BROKER_ID,
    account_id: ACCOUNT_ID,
    action: held.action,
    code: held.code,
    order_cond: "Cash",
    order_lot: "Common",
    price: number(trade.px),
    quantity: trade.qtyLots / LOT_SHARES,
    web_id: "137",
    custom_field: held.customField,
    ts: seconds(trade.timeMs),
  });
