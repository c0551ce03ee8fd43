/** How the log has an order that never met the market: as the core would have begun it. */

import type { Order } from "../core.ts";
import { scaledText } from "../decimal.ts";

export interface Unplaced {
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: "BUY" | "SELL";
  /** As the core names them. */
  readonly type: string;
  readonly timeInForce: string;
  readonly pxTicks: bigint;
  readonly qtyLots: bigint;
  readonly scales: { readonly pxScale: number; readonly qtyScale: number };
  readonly createdMs: number;
  readonly updatedMs: number;
}

export function unplacedOrder(asked: Unplaced): Order {
  const { clientOrderId, symbol, side, type, timeInForce, pxTicks, qtyLots, scales } = asked;
  const quantity = scaledText(qtyLots, scales.qtyScale);
  return {
    ...{ orderId: 0, clientOrderId, symbol, side, type, timeInForce },
    ...{ price: scaledText(pxTicks, scales.pxScale), quantity, leaves: quantity },
    ...{ cum: scaledText(0n, scales.qtyScale), quoteE8: "0", status: "NEW", reason: "" },
    ...{ pxTicks: Number(pxTicks), qtyLots: Number(qtyLots), leavesLots: Number(qtyLots) },
    ...{ cumLots: 0, timeMs: asked.createdMs, updateMs: asked.updatedMs },
  };
}
