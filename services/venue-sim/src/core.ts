/** The matching core as the service sees it: the native SimMarket behind typed answers. One market each. */

import type { SimMarket } from "@tidegate/rust-core";

/** Opens one core; the native class, or a fake in a test. */
export type SimMarketFactory = (configJson: string) => SimMarket;

export type Side = "BUY" | "SELL";

export interface Order {
  readonly orderId: number;
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly type: string;
  readonly timeInForce: string;
  readonly price: string;
  readonly quantity: string;
  readonly cum: string;
  readonly leaves: string;
  readonly quoteE8: string;
  readonly status: string;
  readonly reason: string;
  readonly pxTicks: number;
  readonly qtyLots: number;
  readonly cumLots: number;
  readonly leavesLots: number;
  readonly timeMs: number;
  readonly updateMs: number;
  /** What it waits for, or has waited for. */
  readonly stopPrice?: string;
  readonly fills?: readonly Trade[];
}

export interface Trade {
  readonly tradeId: number;
  readonly orderId: number;
  readonly clientOrderId: string;
  readonly side: Side;
  readonly px: string;
  readonly qty: string;
  readonly pxTicks: number;
  readonly qtyLots: number;
  readonly quoteE8: string;
  readonly fee: string;
  readonly feeE8: string;
  readonly feeAsset: string;
  readonly maker: boolean;
  readonly timeMs: number;
}

export interface CoreEvent {
  readonly seq: number;
  readonly type:
    | "new"
    | "trade"
    | "canceled"
    | "expired"
    | "rejected"
    | "replaced"
    | "triggered"
    | "busted";
  readonly timeMs: number;
  /** As of the event. Of a rejection only the client order id holds. */
  readonly order: Order;
  /** Of a trade, and of a bust the trade that was taken back. */
  readonly trade: Trade | null;
}

interface RawEvent extends Omit<Order, "type"> {
  readonly seq: number;
  readonly type: CoreEvent["type"];
  readonly orderType: string;
  readonly orderTimeMs: number;
  readonly tradeId: number;
  readonly lastPx: string;
  readonly lastQty: string;
  readonly lastPxTicks: number;
  readonly lastQtyLots: number;
  readonly lastQuoteE8: string;
  readonly fee: string;
  readonly feeE8: string;
  readonly feeAsset: string;
  readonly maker: boolean;
}

/** The core's flat events as order and trade. */
export function parseEvents(json: string): CoreEvent[] {
  return (JSON.parse(json) as RawEvent[]).map((raw) => {
    const order: Order = {
      orderId: raw.orderId,
      clientOrderId: raw.clientOrderId,
      symbol: raw.symbol,
      side: raw.side,
      type: raw.orderType,
      timeInForce: raw.timeInForce,
      price: raw.price,
      quantity: raw.quantity,
      cum: raw.cum,
      leaves: raw.leaves,
      quoteE8: raw.quoteE8,
      status: raw.status,
      reason: raw.reason,
      pxTicks: raw.pxTicks,
      qtyLots: raw.qtyLots,
      cumLots: raw.cumLots,
      leavesLots: raw.leavesLots,
      timeMs: raw.orderTimeMs,
      updateMs: raw.updateMs,
      ...(raw.stopPrice === undefined ? {} : { stopPrice: raw.stopPrice }),
    };
    const trade: Trade | null =
      raw.type === "trade" || raw.type === "busted"
        ? {
            tradeId: raw.tradeId,
            orderId: raw.orderId,
            clientOrderId: raw.clientOrderId,
            side: raw.side,
            px: raw.lastPx,
            qty: raw.lastQty,
            pxTicks: raw.lastPxTicks,
            qtyLots: raw.lastQtyLots,
            quoteE8: raw.lastQuoteE8,
            fee: raw.fee,
            feeE8: raw.feeE8,
            feeAsset: raw.feeAsset,
            maker: raw.maker,
            timeMs: raw.timeMs,
          }
        : null;
    return { seq: raw.seq, type: raw.type, timeMs: raw.timeMs, order, trade };
  });
}

export interface Balances {
  readonly baseE8: string;
  readonly quoteE8: string;
  readonly baseLockedE8: string;
  readonly quoteLockedE8: string;
  readonly positionLots: number;
  readonly cashE8: string;
  readonly feesBaseE8: string;
  readonly feesQuoteE8: string;
  readonly fills: number;
  readonly openCostE8?: string;
  readonly entryPx?: string;
  readonly realisedE8?: string;
  readonly walletE8?: string;
}
