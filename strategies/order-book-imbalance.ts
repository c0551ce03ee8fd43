/**
 * Takes the thin side of the touch when the other has been much heavier for some events in a row. The page
 * docs/reference/strategies/order-book-imbalance.md says more.
 */

import {
  defineStrategy,
  type ExitRules,
  enter,
  entryParams,
  exitParams,
  imbalancePpm,
  manage,
  mayEnter,
  newRoundTrip,
  type RoundTrip,
  Side,
  tripFill,
  tripOrderEnded,
} from "@tidegate/strategy-sdk";
import { z } from "zod";

const Params = z.object({
  ...entryParams,
  enterPpm: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(700_000)
    .describe("Imbalance, millionths"),
  eventsMin: z.number().int().min(1).default(5).describe("Events in a row that must show it"),
  spreadTicksMax: z.number().int().min(1).default(2).describe("Widest spread it pays, ticks"),
  ...exitParams,
}) satisfies z.ZodType<ExitRules>;
type Params = z.output<typeof Params>;
interface State {
  readonly trip: RoundTrip;
  /** Events in a row that showed the imbalance: above 0 for a heavy bid, below for a heavy ask. */
  streak: number;
}

/** The streak after one more event. */
export function nextStreak(streak: number, ppm: number, enterPpm: number): number {
  if (ppm >= enterPpm) return Math.max(0, streak) + 1;
  if (ppm <= -enterPpm) return Math.min(0, streak) - 1;
  return 0;
}

export default defineStrategy<Params, State>({
  id: "order-book-imbalance",
  params: Params,
  fixedParams: ["instrument"],
  state: () => ({ trip: newRoundTrip(), streak: 0 }),
  onBookTop(ctx, top) {
    const { state, params } = ctx;
    if (top.instrument !== params.instrument) return;
    if (!top.valid || top.bidQtyLots === 0 || top.askQtyLots === 0) {
      state.streak = 0;
      return;
    }
    state.streak = nextStreak(
      state.streak,
      imbalancePpm(top.bidQtyLots, top.askQtyLots),
      params.enterPpm,
    );
    if (manage(ctx, state.trip, top, params)) return;
    if (Math.abs(state.streak) < params.eventsMin) return;
    if (top.askPxTicks - top.bidPxTicks > params.spreadTicksMax) return;
    if (!mayEnter(ctx, state.trip, top.instrument)) return;
    enter(ctx, state.trip, top, state.streak > 0 ? Side.BUY : Side.SELL, params.qtyLots);
    state.streak = 0;
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
