/**
 * One instrument moves first: when the leader has moved and the lagger has not followed, takes the lagger in the leader's
 * direction. The page docs/reference/strategies/lead-lag.md says more.
 */

import {
  clearPx,
  defineStrategy,
  type ExitRules,
  enter,
  entryParams,
  exitParams,
  manage,
  mayEnter,
  midHalfTicks,
  movePpm,
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
  leader: z.number().int().min(1).default(1).describe("The instrument that moves first"),
  windowMs: z.number().int().min(1).default(1_000).describe("Moves are taken over this, ms"),
  leadPpm: z.number().int().min(1).default(300).describe("Move of the leader, millionths"),
  gapPpm: z
    .number()
    .int()
    .min(1)
    .default(200)
    .describe("What the lagger must be behind, millionths"),
  ...exitParams,
}) satisfies z.ZodType<ExitRules>;
type Params = z.output<typeof Params>;
interface State {
  readonly trip: RoundTrip;
  /** Middles in half ticks. */
  readonly leads: PxWindow;
  readonly lags: PxWindow;
}

/** The move over a window, millionths; undefined while it is empty. */
function windowMove(mids: PxWindow): number | undefined {
  const [first, last] = [oldestPx(mids), mids.px.at(-1)];
  return first === undefined || last === undefined ? undefined : movePpm(first, last);
}

/** The side of the lagger to take, 0 for none. */
export function followSide(
  lead: number | undefined,
  lag: number | undefined,
  params: Pick<Params, "leadPpm" | "gapPpm">,
): number {
  if (lead === undefined || lag === undefined || Math.abs(lead) < params.leadPpm) return 0;
  const behind = lead > 0 ? lead - lag : lag - lead;
  if (behind < params.gapPpm) return 0;
  return lead > 0 ? Side.BUY : Side.SELL;
}

export default defineStrategy<Params, State>({
  id: "lead-lag",
  params: Params,
  fixedParams: ["leader", "instrument"],
  state: () => ({ trip: newRoundTrip(), leads: pxWindow(), lags: pxWindow() }),
  onBookTop(ctx, top) {
    const { state, params } = ctx;
    const { leader, instrument } = params;
    if (top.instrument !== leader && top.instrument !== instrument) return;
    const mids = top.instrument === leader ? state.leads : state.lags;
    if (!top.valid || top.bidQtyLots === 0 || top.askQtyLots === 0) {
      clearPx(mids);
      return;
    }
    pushPx(mids, midHalfTicks(top.bidPxTicks, top.askPxTicks), ctx.now(), params.windowMs);
    // Only a book of the lagger can be taken: its price is at hand.
    if (top.instrument !== instrument || manage(ctx, state.trip, top, params)) return;
    const side = followSide(windowMove(state.leads), windowMove(state.lags), params);
    if (side === 0 || !mayEnter(ctx, state.trip, instrument)) return;
    enter(ctx, state.trip, top, side, params.qtyLots);
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
