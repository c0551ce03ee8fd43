/** What the log says, as a state of the matching core. Pure. */

import type { Balances, Order, Trade } from "./core.ts";
import type { LogLine } from "./log.ts";
import { MARKETS, type MarketId } from "./markets.ts";

function tif(order: Order): string {
  if (order.type === "LIMIT_MAKER" || order.timeInForce === "GTX") return "POST_ONLY";
  // The core keeps a market order as immediate-or-cancel.
  return order.type === "MARKET" ? "IOC" : order.timeInForce;
}

/**
 * The state JSON the core's `restore` takes: orders, trades, ids and ledger of one market. Resting orders stand at the
 * back of their queue; null when the log holds nothing of the market.
 */
export function restoredState(lines: readonly LogLine[], market: MarketId): string | null {
  const spec = MARKETS[market];
  const orders = new Map<number, Order>();
  const trades: Trade[] = [];
  let ledger: Balances | null = null;
  for (const line of lines) {
    if (line.m !== market) continue;
    if (line.ledger !== undefined) ledger = line.ledger;
    if (line.k === "post") continue;
    orders.set(line.order.orderId, line.order);
    if (line.k === "fill") trades.push(line.trade);
  }
  if (orders.size === 0) return null;
  const idMax = (ids: Iterable<number>) => {
    let max = 0;
    for (const id of ids) max = Math.max(max, id);
    return max;
  };
  return JSON.stringify({
    nextOrderId: idMax(orders.keys()) + 1,
    nextTradeId: idMax(trades.map(({ tradeId }) => tradeId)) + 1,
    nextSeq: lines.length + 1,
    duplicates: 0,
    ledger: {
      baseE8: ledger?.baseE8 ?? spec.balances.baseE8,
      quoteE8: ledger?.quoteE8 ?? spec.balances.quoteE8,
      positionLots: ledger?.positionLots ?? 0,
      cashE8: ledger?.cashE8 ?? "0",
      feesBaseE8: ledger?.feesBaseE8 ?? "0",
      feesQuoteE8: ledger?.feesQuoteE8 ?? "0",
      // Spot reports no cost; nothing of a spot account is computed from it.
      openCostE8: ledger?.openCostE8 ?? "0",
      fills: ledger?.fills ?? 0,
    },
    orders: [...orders.values()]
      .sort((a, b) => a.orderId - b.orderId)
      .map((order) => ({
        orderId: order.orderId,
        clientOrderId: order.clientOrderId,
        side: order.side,
        kind: order.type === "MARKET" ? "MARKET" : "LIMIT",
        tif: tif(order),
        px: order.pxTicks,
        qty: order.qtyLots,
        cum: order.cumLots,
        quoteE8: order.quoteE8,
        status: order.status,
        reason: order.reason,
        timeMs: order.timeMs,
        updateMs: order.updateMs,
      })),
    trades: trades.map((trade) => ({
      tradeId: trade.tradeId,
      orderId: trade.orderId,
      clientOrderId: trade.clientOrderId,
      side: trade.side,
      px: trade.pxTicks,
      qty: trade.qtyLots,
      quoteE8: trade.quoteE8,
      feeE8: trade.feeE8,
      feeInBase: trade.feeAsset === spec.baseAsset,
      maker: trade.maker,
      timeMs: trade.timeMs,
    })),
  });
}
