/**
 * Waits for a run of forced trades of one side that pushes the price, and takes the other side once the run is over. The
 * page docs/reference/strategies/cascade-bounce.md says more.
 */

import {
  defineStrategy,
  type ExitRules,
  enter,
  entryParams,
  exitParams,
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
  tradesMin: z.number().int().min(2).default(8).describe("Trades of one side in a row"),
  lotsMin: z.number().int().min(1).default(200).describe("Lots they make together"),
  pushTicks: z.number().int().min(1).default(30).describe("How far they push the price, ticks"),
  gapMs: z.number().int().min(1).default(300).describe("Longest pause inside a run, ms"),
  quietMs: z.number().int().min(1).default(400).describe("Pause after which a run is over, ms"),
  freshMs: z
    .number()
    .int()
    .min(1)
    .default(2_000)
    .describe("A run older than this is forgotten, ms"),
  ...exitParams,
}) satisfies z.ZodType<ExitRules>;
type Params = z.output<typeof Params>;
interface State {
  readonly trip: RoundTrip;
  readonly run: Run;
}

/** Trades of one side, each close after the one before, and the last cascade that ended. */
interface Run {
  side: number;
  trades: number;
  lots: number;
  firstPx: number;
  lastPx: number;
  lastNs: number;
  /** Its side, 0 for none, and its side's last trade. */
  endedSide: number;
  endedNs: number;
}
type CascadeParams = Pick<
  Params,
  "tradesMin" | "lotsMin" | "pushTicks" | "gapMs" | "quietMs" | "freshMs"
>;

export const newRun = (): Run => ({
  ...{ side: 0, trades: 0, lots: 0 },
  ...{ firstPx: 0, lastPx: 0, lastNs: Number.NEGATIVE_INFINITY },
  ...{ endedSide: 0, endedNs: Number.NEGATIVE_INFINITY },
});

function isCascade(run: Run, params: CascadeParams): boolean {
  const push = run.side === Side.BUY ? run.lastPx - run.firstPx : run.firstPx - run.lastPx;
  const { tradesMin, lotsMin, pushTicks } = params;
  return run.trades >= tradesMin && run.lots >= lotsMin && push >= pushTicks;
}

export function addToRun(
  run: Run,
  side: number,
  px: number,
  lots: number,
  nowNs: number,
  params: CascadeParams,
): void {
  if (side !== run.side || nowNs - run.lastNs > params.gapMs * 1e6) {
    // The first trade the other way ends a cascade; it does not undo it.
    if (isCascade(run, params)) Object.assign(run, { endedSide: run.side, endedNs: run.lastNs });
    Object.assign(run, { side, trades: 0, lots: 0, firstPx: px });
  }
  run.trades += 1;
  run.lots += lots;
  run.lastPx = px;
  run.lastNs = nowNs;
  // Its own side trades again: it is not over yet.
  if (side === run.endedSide) run.endedNs = nowNs;
}

/** The side to take after a cascade that is over, 0 for none. */
export function afterCascade(run: Run, nowNs: number, params: CascadeParams): number {
  const running = isCascade(run, params);
  const [side, lastNs] = running ? [run.side, run.lastNs] : [run.endedSide, run.endedNs];
  const quietNs = nowNs - lastNs;
  if (side === 0 || quietNs < params.quietMs * 1e6 || quietNs > params.freshMs * 1e6) return 0;
  return side === Side.BUY ? Side.SELL : Side.BUY;
}

export default defineStrategy<Params, State>({
  id: "cascade-bounce",
  params: Params,
  fixedParams: ["instrument"],
  state: () => ({ trip: newRoundTrip(), run: newRun() }),
  onTrade({ state, params }, trade) {
    if (trade.instrument === params.instrument)
      addToRun(state.run, trade.aggressor, trade.pxTicks, trade.qtyLots, trade.nowNs, params);
  },
  onBookTop(ctx, top) {
    const { state, params } = ctx;
    if (top.instrument !== params.instrument || !top.valid) return;
    if (top.bidQtyLots === 0 || top.askQtyLots === 0) return;
    if (manage(ctx, state.trip, top, params)) return;
    const side = afterCascade(state.run, ctx.now(), params);
    if (side === 0 || !mayEnter(ctx, state.trip, top.instrument)) return;
    enter(ctx, state.trip, top, side, params.qtyLots);
    Object.assign(state.run, newRun());
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
