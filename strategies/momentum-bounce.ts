/**
 * Waits for a fast move and takes the first step back from its end: the move is in the window, and the price has come away
 * from the window's extreme. The page docs/reference/strategies/momentum-bounce.md says more.
 */

import {
  clearPx,
  defineStrategy,
  type ExitRules,
  enter,
  entryParams,
  exitParams,
  highPx,
  lowPx,
  manage,
  mayEnter,
  midHalfTicks,
  newRoundTrip,
  oldestPx,
  type PxWindow,
  pushPx,
  pxWindow,
  type RoundTrip,
  Side,
  tripFill,
  tripOrderEnded,
} from "@tidegate/strategy-sdk";
import { z } from "zod";

const Params = z.object({
  ...entryParams,
  windowMs: z.number().int().min(1).default(2_000).describe("The move must fit into this, ms"),
  moveTicks: z.number().int().min(1).default(50).describe("Move that is looked for, ticks"),
  backTicks: z.number().int().min(1).default(10).describe("Step back from the extreme, ticks"),
  ...exitParams,
}) satisfies z.ZodType<ExitRules>;
type Params = z.output<typeof Params>;
interface State {
  readonly trip: RoundTrip;
  /** Middles in half ticks. */
  readonly mids: PxWindow;
}

/** The side to take, 0 for none: up after a fall that has turned, down after a rise that has. */
export function bounceSide(
  mids: PxWindow,
  mid: number,
  params: Pick<Params, "moveTicks" | "backTicks">,
): number {
  const start = oldestPx(mids) ?? mid;
  const [move, back] = [2 * params.moveTicks, 2 * params.backTicks];
  const [low, high] = [lowPx(mids), highPx(mids)];
  if (start - low >= move && mid - low >= back) return Side.BUY;
  if (high - start >= move && high - mid >= back) return Side.SELL;
  return 0;
}

export default defineStrategy<Params, State>({
  id: "momentum-bounce",
  params: Params,
  fixedParams: ["instrument"],
  state: () => ({ trip: newRoundTrip(), mids: pxWindow() }),
  onBookTop(ctx, top) {
    const { state, params } = ctx;
    if (top.instrument !== params.instrument) return;
    if (!top.valid || top.bidQtyLots === 0 || top.askQtyLots === 0) {
      clearPx(state.mids);
      return;
    }
    const mid = midHalfTicks(top.bidPxTicks, top.askPxTicks);
    pushPx(state.mids, mid, ctx.now(), params.windowMs);
    if (manage(ctx, state.trip, top, params)) return;
    const side = bounceSide(state.mids, mid, params);
    if (side === 0 || !mayEnter(ctx, state.trip, top.instrument)) return;
    enter(ctx, state.trip, top, side, params.qtyLots);
    clearPx(state.mids);
  },
  onFill({ state, params }, fill) {
    if (fill.instrument === params.instrument) tripFill(state.trip, fill);
  },
  onOrder({ state }, order) {
    if (order.terminal) tripOrderEnded(state.trip, order.order);
  },
  onRiskFeedback({ state }, feedback) {
    if (!feedback.cancel) tripOrderEnded(state.trip, feedback.order);
  },
});
