/**
 * Rests a ladder of orders on each side of the middle, on a fixed grid, leaning against its position. The arithmetic is the
 * grid of hftbacktest's examples, in whole ticks. The page docs/reference/strategies/grid.md says more.
 */

import { defineStrategy, Side, Tif } from "@tidegate/strategy-sdk";
import { z } from "zod";

const Params = z.object({
  instrument: z.number().int().min(1).default(2).describe("The one instrument it trades"),
  qtyLots: z.number().int().min(1).default(10).describe("Size of each order, lots"),
  levels: z.number().int().min(1).max(32).default(10).describe("Orders a side"),
  halfSpreadPpm: z
    .number()
    .int()
    .min(0)
    .default(500)
    .describe("First order from the middle, millionths"),
  intervalPpm: z
    .number()
    .int()
    .min(0)
    .default(500)
    .describe("Between two orders, millionths of the price"),
  stepTicksMin: z.number().int().min(1).default(1).describe("Least distance of two orders, ticks"),
  skewPpm: z
    .number()
    .int()
    .min(0)
    .default(50)
    .describe("Shift per order's worth of position, millionths"),
  positionLotsMax: z
    .number()
    .int()
    .min(1)
    .default(100)
    .describe("A side that would add beyond is not quoted"),
  intentsMax: z
    .number()
    .int()
    .min(1)
    .max(16)
    .default(8)
    .describe("Orders and cancels of one event"),
  stepMs: z.number().int().min(1).default(100).describe("How often the grid is laid anew, ms"),
});
type Params = z.output<typeof Params>;

interface State {
  /** Resting orders by price, ticks. */
  readonly bids: Record<number, number>;
  readonly asks: Record<number, number>;
  nextNs: number;
}

/**
 * The prices wanted on each side, nearest first.
 *
 * Units   ticks; never through the touch, each a multiple of the grid's interval
 */
export function gridPrices(
  bidPx: number,
  askPx: number,
  position: number,
  params: Params,
): { readonly bids: readonly number[]; readonly asks: readonly number[] } {
  const mid = (bidPx + askPx) / 2;
  const held = position / params.qtyLots;
  const depth = (sign: number) => (params.halfSpreadPpm + sign * params.skewPpm * held) / 1e6;
  const interval = Math.max(Math.round((mid * params.intervalPpm) / 1e6), params.stepTicksMin);
  const firstBid = Math.floor(Math.min(mid * (1 - depth(1)), bidPx) / interval) * interval;
  const firstAsk = Math.ceil(Math.max(mid * (1 + depth(-1)), askPx) / interval) * interval;
  const ladder = (first: number, step: number, room: boolean): number[] =>
    room
      ? Array.from({ length: params.levels }, (_, at) => first + step * at).filter((px) => px > 0)
      : [];
  return {
    bids: ladder(firstBid, -interval, position < params.positionLotsMax),
    asks: ladder(firstAsk, interval, position > -params.positionLotsMax),
  };
}

export default defineStrategy<Params, State>({
  id: "grid",
  params: Params,
  fixedParams: ["instrument"],
  state: () => ({ bids: {}, asks: {}, nextNs: 0 }),
  onBookTop(ctx, top) {
    const { state, params } = ctx;
    if (top.instrument !== params.instrument) return;
    const usable = top.valid && top.bidQtyLots > 0 && top.askQtyLots > 0;
    if (usable && ctx.now() < state.nextNs) return;
    const none = { bids: [], asks: [] };
    const position = ctx.position(top.instrument);
    const want = usable ? gridPrices(top.bidPxTicks, top.askPxTicks, position, params) : none;
    let room = params.intentsMax;
    // What is in the wrong place goes first: it may be in the way of what is wanted.
    const sides = [
      [state.bids, want.bids, ctx.buy],
      [state.asks, want.asks, ctx.sell],
    ] as const;
    for (const [resting, prices] of sides) {
      for (const [px, ref] of Object.entries(resting)) {
        if (room === 0) break;
        if (prices.includes(Number(px))) continue;
        if (ctx.order(ref)?.cancelling !== true && ctx.cancel(ref)) room -= 1;
      }
    }
    for (const [resting, prices, send] of sides) {
      for (const px of prices) {
        if (room === 0 || resting[px] !== undefined) continue;
        const ref = send(top.instrument, px, params.qtyLots, { tif: Tif.POST_ONLY });
        room -= 1;
        if (ref !== 0) resting[px] = ref;
      }
    }
    // With everything laid, the next look is a step away; with work left, the next event goes on.
    if (room > 0) state.nextNs = ctx.now() + params.stepMs * 1e6;
  },
  onOrder({ state }, order) {
    if (!order.terminal) return;
    const resting = order.side === Side.BUY ? state.bids : state.asks;
    if (resting[order.pxTicks] === order.order) delete resting[order.pxTicks];
  },
  onRiskFeedback({ state }, feedback) {
    if (feedback.cancel) return;
    for (const resting of [state.bids, state.asks])
      for (const [px, ref] of Object.entries(resting))
        if (ref === feedback.order) delete resting[Number(px)];
  },
});
