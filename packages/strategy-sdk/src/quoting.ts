/** Keeps one resting order where it is wanted: cancel, wait for the word that it is gone, then a new one. */

import { type Context, type OrderRef, Side, Tif } from "./types.ts";

export interface Quote {
  ref: OrderRef;
  pxTicks: number;
  changedNs: number;
}

export const newQuote = (): Quote => ({
  ref: 0,
  pxTicks: 0,
  changedNs: Number.NEGATIVE_INFINITY,
});

type Ctx = Pick<Context, "buy" | "cancel" | "now" | "order" | "sell">;

/**
 * Moves a quote, post-only, to `pxTicks`; 0 wants none. It is changed at most once in `intervalMs`, and the new price leaves
 * with the first call after the cancel is confirmed.
 */
export function requote(
  ctx: Ctx,
  quote: Quote,
  instrument: number,
  side: number,
  pxTicks: number,
  qtyLots: number,
  intervalMs: number,
): void {
  if (quote.ref !== 0) {
    const order = ctx.order(quote.ref);
    if (order === undefined) quote.ref = 0;
    else if (order.cancelling || quote.pxTicks === pxTicks) return;
  }
  if (ctx.now() - quote.changedNs < intervalMs * 1e6) return;
  if (quote.ref !== 0) {
    if (ctx.cancel(quote.ref)) quote.changedNs = ctx.now();
    return;
  }
  if (pxTicks <= 0) return;
  const send = side === Side.BUY ? ctx.buy : ctx.sell;
  quote.ref = send(instrument, pxTicks, qtyLots, { tif: Tif.POST_ONLY });
  if (quote.ref === 0) return;
  quote.pxTicks = pxTicks;
  quote.changedNs = ctx.now();
}

/** Takes a quote away at once: a book that cannot be priced from is no reason to wait for the interval. */
export function withdraw(ctx: Ctx, quotes: Iterable<Quote>): void {
  for (const { ref } of quotes) if (ref !== 0) ctx.cancel(ref);
}

/** An order ended or was refused: its quote holds nothing. */
export function dropQuote(quotes: Iterable<Quote>, ref: OrderRef): void {
  for (const quote of quotes) if (quote.ref === ref) quote.ref = 0;
}

/** A buy and a sell for each instrument, by its id. */
export type QuotePairs = Record<number, readonly [Quote, Quote]>;

export function pairOf(pairs: QuotePairs, instrument: number): readonly [Quote, Quote] {
  let pair = pairs[instrument];
  if (pair === undefined) {
    pair = [newQuote(), newQuote()];
    pairs[instrument] = pair;
  }
  return pair;
}

export const quotesOf = (pairs: QuotePairs): Quote[] => Object.values(pairs).flat();

/** Ticks a side steps back for the inventory it would add to; null where it may not add any more. */
export function inventorySteps(
  side: number,
  positionLots: number,
  qtyLots: number,
  maxQuotes: number,
  skewTicks: number,
): number | null {
  const inventory = side === Side.BUY ? positionLots : -positionLots;
  if (inventory + qtyLots > maxQuotes * qtyLots) return null;
  return Math.max(0, Math.floor(inventory / qtyLots)) * skewTicks;
}
