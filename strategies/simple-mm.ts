/**
 * Quotes both sides of each instrument at the touch, leans against its inventory, and never takes.
 *
 * The page docs/reference/strategies/simple-mm.md says what each parameter does.
 */

import {
  defineStrategy,
  dropQuote,
  inventorySteps,
  pairOf,
  type QuotePairs,
  quotesOf,
  requote,
  Side,
  withdraw,
} from "@tidegate/strategy-sdk";
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
  const lean = inventorySteps(side, position, qty, params.maxQuotes, params.skewTicks);
  if (lean === null) return 0;
  const steps = params.edgeTicks + lean;
  return side === Side.BUY ? bidPx - steps : askPx + steps;
}

export default defineStrategy<Params, QuotePairs>({
  id: "simple-mm",
  params: Params,
  state: () => ({}),
  onBookTop(ctx, top) {
    const kind = ctx.instruments.find(({ id }) => id === top.instrument)?.kind;
    if (kind === undefined) return;
    const [buy, sell] = pairOf(ctx.state, top.instrument);
    if (!top.valid || top.bidQtyLots === 0 || top.askQtyLots === 0) {
      withdraw(ctx, [buy, sell]);
      return;
    }
    const qty = kind === "spot" ? ctx.params.spotQtyLots : ctx.params.perpQtyLots;
    const position = ctx.position(top.instrument);
    const bid = target(Side.BUY, top.bidPxTicks, top.askPxTicks, position, qty, ctx.params);
    const ask = target(Side.SELL, top.bidPxTicks, top.askPxTicks, position, qty, ctx.params);
    requote(ctx, buy, top.instrument, Side.BUY, bid, qty, ctx.params.requoteMs);
    requote(ctx, sell, top.instrument, Side.SELL, ask, qty, ctx.params.requoteMs);
  },
  onOrder({ state }, order) {
    if (order.terminal) dropQuote(quotesOf(state), order.order);
  },
  onRiskFeedback({ state }, feedback) {
    if (feedback.order !== 0 && !feedback.cancel) dropQuote(quotesOf(state), feedback.order);
  },
});
