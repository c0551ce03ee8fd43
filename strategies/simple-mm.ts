/**
 * Quotes both sides of each instrument at the touch, leans against its inventory, and never takes.
 *
 * The page docs/reference/strategies/simple-mm.md says what each parameter does.
 */

import { type Context, defineStrategy, Side, Tif } from "@tidegate/strategy-sdk";
import { z } from "zod";

const Params = z.object({
  /** Quoted size by instrument kind, lots. */
  spotQtyLots: z.number().int().min(1).default(50).describe("Size of each spot quote, lots"),
  perpQtyLots: z.number().int().min(1).default(2).describe("Size of each perp quote, lots"),
  /** How far inside from the touch a quote stands back, ticks. */
  edgeTicks: z.number().int().min(0).default(0).describe("Distance behind the touch, ticks"),
  maxQuotes: z
    .number()
    .int()
    .min(1)
    .default(5)
    .describe("Inventory limit, in quotes: beyond it only the closing side is quoted"),
  skewTicks: z
    .number()
    .int()
    .min(0)
    .default(2)
    .describe("Ticks a side steps back per quote of inventory it would add to"),
  requoteMs: z
    .number()
    .int()
    .min(1)
    .default(400)
    .describe("Shortest time between two changes of one side"),
});
type Params = z.output<typeof Params>;

interface Quote {
  ref: number;
  pxTicks: number;
  changedNs: number;
}
/** Two quotes per instrument, buy then sell. */
type State = Record<number, readonly [Quote, Quote]>;
type Ctx = Context<Params, State>;

function quotes(ctx: Ctx, instrument: number): readonly [Quote, Quote] {
  let pair = ctx.state[instrument];
  if (pair === undefined) {
    const none = (): Quote => ({ ref: 0, pxTicks: 0, changedNs: Number.NEGATIVE_INFINITY });
    pair = [none(), none()];
    ctx.state[instrument] = pair;
  }
  return pair;
}

/**
 * Where one side wants to quote.
 *
 * Shape   a price in ticks, or 0 for no quote
 * Units   `position` and `qty` in lots, prices in ticks
 */
export function target(
  side: number,
  bidPx: number,
  askPx: number,
  position: number,
  qty: number,
  params: Pick<Params, "edgeTicks" | "maxQuotes" | "skewTicks">,
): number {
  const inventory = side === Side.BUY ? position : -position;
  if (inventory + qty > params.maxQuotes * qty) return 0;
  const steps = params.edgeTicks + Math.max(0, Math.floor(inventory / qty)) * params.skewTicks;
  return side === Side.BUY ? bidPx - steps : askPx + steps;
}

function requote(
  ctx: Ctx,
  quote: Quote,
  instrument: number,
  side: number,
  pxTicks: number,
  qty: number,
): void {
  if (quote.ref !== 0) {
    const order = ctx.order(quote.ref);
    if (order === undefined) quote.ref = 0;
    else if (order.cancelling || quote.pxTicks === pxTicks) return;
  }
  if (ctx.now() - quote.changedNs < ctx.params.requoteMs * 1e6) return;
  if (quote.ref !== 0) {
    if (ctx.cancel(quote.ref)) quote.changedNs = ctx.now();
    return; // the new price goes out with the first book event after the cancel is confirmed
  }
  if (pxTicks <= 0) return;
  const options = { tif: Tif.POST_ONLY };
  quote.ref =
    side === Side.BUY
      ? ctx.buy(instrument, pxTicks, qty, options)
      : ctx.sell(instrument, pxTicks, qty, options);
  if (quote.ref === 0) return;
  quote.pxTicks = pxTicks;
  quote.changedNs = ctx.now();
}

export default defineStrategy<Params, State>({
  id: "simple-mm",
  params: Params,
  state: () => ({}),
  onBookTop(ctx, top) {
    const kind = ctx.instruments.find(({ id }) => id === top.instrument)?.kind;
    if (kind === undefined) return;
    const [buy, sell] = quotes(ctx, top.instrument);
    if (!top.valid || top.bidQtyLots === 0 || top.askQtyLots === 0) {
      // A book that cannot be priced from is no reason to wait for the interval.
      if (buy.ref !== 0) ctx.cancel(buy.ref);
      if (sell.ref !== 0) ctx.cancel(sell.ref);
      return;
    }
    const qty = kind === "spot" ? ctx.params.spotQtyLots : ctx.params.perpQtyLots;
    const position = ctx.position(top.instrument);
    const bid = target(Side.BUY, top.bidPxTicks, top.askPxTicks, position, qty, ctx.params);
    const ask = target(Side.SELL, top.bidPxTicks, top.askPxTicks, position, qty, ctx.params);
    requote(ctx, buy, top.instrument, Side.BUY, bid, qty);
    requote(ctx, sell, top.instrument, Side.SELL, ask, qty);
  },
  onOrder(ctx, order) {
    if (!order.terminal) return;
    for (const quote of quotes(ctx, order.instrument)) {
      if (quote.ref === order.order) quote.ref = 0;
    }
  },
  onRiskFeedback(ctx, feedback) {
    if (feedback.order === 0 || feedback.cancel) return;
    for (const { id } of ctx.instruments) {
      for (const quote of quotes(ctx, id)) {
        if (quote.ref === feedback.order) quote.ref = 0;
      }
    }
  },
});
