/** What the log says, as a state of the matching core. Pure. */

import type { Balances, Order, Trade } from "./core.ts";
import { parseScaled } from "./decimal.ts";
import type { LogLine } from "./log.ts";
import type { BookId, CoreSpec } from "./markets.ts";

/** Types that trade at any price once they trade; all others have a limit. */
const MARKET_TYPES: readonly string[] = ["MARKET", "STOP_MARKET", "STOP_LOSS"];

function tif(order: Order): string {
  if (order.type === "LIMIT_MAKER" || order.timeInForce === "GTX") return "POST_ONLY";
  // The core keeps a market order as immediate-or-cancel.
  return MARKET_TYPES.includes(order.type) ? "IOC" : order.timeInForce;
}

const ticks = (px: string, scale: number): number => Number(parseScaled(px, scale) ?? 0n);

/**
 * The state JSON the core's `restore` takes: orders, trades, ids and ledger of one market. Resting orders stand at the
 * back of their queue; null when the log holds nothing of the market.
 */
export function restoredState(
  lines: readonly LogLine[],
  book: BookId,
  spec: Pick<CoreSpec, "balances" | "baseAsset" | "pxScale">,
  /** The name an order had in its core, where the log has another. */
  named: (clientOrderId: string) => string = (id) => id,
): string | null {
  const orders = new Map<number, Order>();
  const trades = new Map<number, Trade & { readonly busted?: true }>();
  const triggered = new Set<number>();
  /** Lots of each order that were taken back: they neither filled nor can. */
  const voids = new Map<number, number>();
  let ledger: Balances | null = null;
  for (const line of lines) {
    if (line.m !== book) continue;
    if (line.ledger !== undefined) ledger = line.ledger;
    if (line.k === "post") continue;
    const { orderId } = line.order;
    // An order the core was never given has no number.
    if (orderId === 0) continue;
    orders.set(orderId, line.order);
    if (line.k === "trigger") triggered.add(orderId);
    if (line.k === "fill") trades.set(line.trade.tradeId, line.trade);
    if (line.k === "bust") {
      trades.set(line.trade.tradeId, { ...line.trade, busted: true });
      voids.set(orderId, (voids.get(orderId) ?? 0) + line.trade.qtyLots);
    }
  }
  if (orders.size === 0) return null;
  const idMax = (ids: Iterable<number>) => {
    let max = 0;
    for (const id of ids) max = Math.max(max, id);
    return max;
  };
  return JSON.stringify({
    nextOrderId: idMax(orders.keys()) + 1,
    nextTradeId: idMax(trades.keys()) + 1,
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
        clientOrderId: named(order.clientOrderId),
        side: order.side,
        kind: MARKET_TYPES.includes(order.type) ? "MARKET" : "LIMIT",
        tif: tif(order),
        px: order.pxTicks,
        qty: order.qtyLots,
        cum: order.cumLots,
        quoteE8: order.quoteE8,
        status: order.status,
        reason: order.reason,
        timeMs: order.timeMs,
        updateMs: order.updateMs,
        ...(voids.has(order.orderId) ? { void: voids.get(order.orderId) } : {}),
        ...(order.stopPrice === undefined
          ? {}
          : {
              // The stops of these skins are all of one kind; take-profits are not spoken here.
              extras: { trigger: { kind: "STOP", px: ticks(order.stopPrice, spec.pxScale) } },
              triggered: triggered.has(order.orderId),
            }),
      })),
    trades: [...trades.values()].map((trade) => ({
      tradeId: trade.tradeId,
      orderId: trade.orderId,
      clientOrderId: named(trade.clientOrderId),
      side: trade.side,
      px: trade.pxTicks,
      qty: trade.qtyLots,
      quoteE8: trade.quoteE8,
      feeE8: trade.feeE8,
      feeInBase: trade.feeAsset === spec.baseAsset,
      maker: trade.maker,
      timeMs: trade.timeMs,
      ...(trade.busted === true ? { busted: true } : {}),
    })),
  });
}
