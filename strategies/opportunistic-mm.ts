/**
 * Quotes only where it is paid for it: inside a spread that is wide enough, and otherwise only what brings its position
 * back. The page docs/reference/strategies/opportunistic-mm.md says more.
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
  instrument: z.number().int().min(1).default(2).describe("The one instrument it trades"),
  qtyLots: z.number().int().min(1).default(2).describe("Size of each quote, lots"),
  spreadTicksMin: z.number().int().min(2).default(4).describe("Spread from which it quotes, ticks"),
  improveTicks: z
    .number()
    .int()
    .min(0)
    .default(1)
    .describe("How far inside the touch it quotes, ticks"),
  maxQuotes: z.number().int().min(1).default(4).describe("Inventory limit, in quotes"),
  skewTicks: z.number().int().min(0).default(1).describe("Ticks back per quote of inventory"),
  requoteMs: z
    .number()
    .int()
    .min(1)
    .default(200)
    .describe("Shortest time between two changes of a side"),
});
type Params = z.output<typeof Params>;

/**
 * Where one side wants to quote.
 *
 * Shape   a price in ticks, or 0 for no quote; two own quotes never meet
 */
export function opportunisticTarget(
  side: number,
  bidPx: number,
  askPx: number,
  position: number,
  params: Params,
): number {
  const spread = askPx - bidPx;
  const closes = side === Side.BUY ? position < 0 : position > 0;
  const touch = side === Side.BUY ? bidPx : askPx;
  if (spread < params.spreadTicksMin) return closes ? touch : 0;
  const lean = inventorySteps(side, position, params.qtyLots, params.maxQuotes, params.skewTicks);
  if (lean === null) return 0;
  // At most to one tick short of the middle, so that the two sides leave a spread between them.
  const inside = Math.min(params.improveTicks, Math.floor((spread - 1) / 2));
  const steps = inside - lean;
  return side === Side.BUY ? touch + steps : touch - steps;
}

export default defineStrategy<Params, QuotePairs>({
  id: "opportunistic-mm",
  params: Params,
  fixedParams: ["instrument"],
  state: () => ({}),
  onBookTop(ctx, top) {
    const { params } = ctx;
    if (top.instrument !== params.instrument) return;
    const [buy, sell] = pairOf(ctx.state, top.instrument);
    if (!top.valid || top.bidQtyLots === 0 || top.askQtyLots === 0) {
      withdraw(ctx, [buy, sell]);
      return;
    }
    // Our own quote inside the spread makes it narrower: the market's is judged without it.
    const bidPx =
      buy.ref !== 0 && buy.pxTicks === top.bidPxTicks && top.bidQtyLots <= params.qtyLots
        ? top.bidPxTicks - params.improveTicks
        : top.bidPxTicks;
    const askPx =
      sell.ref !== 0 && sell.pxTicks === top.askPxTicks && top.askQtyLots <= params.qtyLots
        ? top.askPxTicks + params.improveTicks
        : top.askPxTicks;
    const position = ctx.position(top.instrument);
    const bid = opportunisticTarget(Side.BUY, bidPx, askPx, position, params);
    const ask = opportunisticTarget(Side.SELL, bidPx, askPx, position, params);
    const { qtyLots, requoteMs } = params;
    requote(ctx, buy, top.instrument, Side.BUY, bid, qtyLots, requoteMs);
    requote(ctx, sell, top.instrument, Side.SELL, ask, qtyLots, requoteMs);
  },
  onOrder({ state }, order) {
    if (order.terminal) dropQuote(quotesOf(state), order.order);
  },
  onRiskFeedback({ state }, feedback) {
    if (feedback.order !== 0 && !feedback.cancel) dropQuote(quotesOf(state), feedback.order);
  },
});
