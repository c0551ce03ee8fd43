/**
 * Quotes both sides, and steps back from the side that is being run over: trades excite each other, so each side has an
 * intensity that jumps with every aggressor and fades. The page docs/reference/strategies/mm-hawkes.md says more.
 */

import {
  addFading,
  defineStrategy,
  dropQuote,
  type Fading,
  fadedTo,
  fading,
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
  instrument: z.number().int().min(1).default(2).describe("The one instrument it trades"),
  qtyLots: z.number().int().min(1).default(2).describe("Size of each quote, lots"),
  edgeTicks: z
    .number()
    .int()
    .min(0)
    .default(1)
    .describe("Distance behind the touch at rest, ticks"),
  halfLifeMs: z.number().positive().default(500).describe("A trade's weight halves in this, ms"),
  jump: z.number().positive().default(1).describe("What one trade adds to its side's intensity"),
  ticksPerUnit: z
    .number()
    .min(0)
    .default(2)
    .describe("Ticks a quote steps back per unit of the intensity against it over that for it"),
  pullAt: z
    .number()
    .positive()
    .default(6)
    .describe("Intensity against a side at which it is not quoted"),
  maxQuotes: z.number().int().min(1).default(5).describe("Inventory limit, in quotes"),
  skewTicks: z.number().int().min(0).default(2).describe("Ticks back per quote of inventory"),
  requoteMs: z
    .number()
    .int()
    .min(1)
    .default(200)
    .describe("Shortest time between two changes of a side"),
});
type Params = z.output<typeof Params>;
interface State {
  readonly quotes: QuotePairs;
  readonly bought: Fading;
  readonly sold: Fading;
}

/**
 * Where one side wants to quote given what is sold into it (`against`) and taken from the other (`along`).
 *
 * Shape   a price in ticks, or 0 for no quote
 */
export function hawkesTarget(
  side: number,
  touchPx: number,
  against: number,
  along: number,
  position: number,
  params: Params,
): number {
  if (against >= params.pullAt) return 0;
  const { qtyLots, maxQuotes, skewTicks } = params;
  const lean = inventorySteps(side, position, qtyLots, maxQuotes, skewTicks);
  if (lean === null) return 0;
  const flee = Math.floor(Math.max(0, against - along) * params.ticksPerUnit);
  const steps = params.edgeTicks + lean + flee;
  return side === Side.BUY ? touchPx - steps : touchPx + steps;
}

export default defineStrategy<Params, State>({
  id: "mm-hawkes",
  params: Params,
  fixedParams: ["instrument"],
  state: () => ({ quotes: {}, bought: fading(), sold: fading() }),
  onTrade({ state, params }, trade) {
    if (trade.instrument !== params.instrument) return;
    const flow = trade.aggressor === Side.BUY ? state.bought : state.sold;
    addFading(flow, params.jump, trade.nowNs, params.halfLifeMs);
  },
  onBookTop(ctx, top) {
    const { state, params } = ctx;
    if (top.instrument !== params.instrument) return;
    const [buy, sell] = pairOf(state.quotes, top.instrument);
    if (!top.valid || top.bidQtyLots === 0 || top.askQtyLots === 0) {
      withdraw(ctx, [buy, sell]);
      return;
    }
    const bought = fadedTo(state.bought, ctx.now(), params.halfLifeMs);
    const sold = fadedTo(state.sold, ctx.now(), params.halfLifeMs);
    const position = ctx.position(top.instrument);
    const bid = hawkesTarget(Side.BUY, top.bidPxTicks, sold, bought, position, params);
    const ask = hawkesTarget(Side.SELL, top.askPxTicks, bought, sold, position, params);
    const { qtyLots, requoteMs } = params;
    requote(ctx, buy, top.instrument, Side.BUY, bid, qtyLots, requoteMs);
    requote(ctx, sell, top.instrument, Side.SELL, ask, qtyLots, requoteMs);
  },
  onOrder({ state }, order) {
    if (order.terminal) dropQuote(quotesOf(state.quotes), order.order);
  },
  onRiskFeedback({ state }, feedback) {
    if (feedback.order !== 0 && !feedback.cancel) dropQuote(quotesOf(state.quotes), feedback.order);
  },
});
