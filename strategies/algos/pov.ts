/**
 * Trades a parent order as a share of what the market trades, our own trades among it.
 */

import {
  defineStrategy,
  killParent,
  newParent,
  type Parent,
  parentFeedback,
  parentOrder,
  parentTop,
  povLots,
  SliceShape,
  sliceStartMs,
  work,
} from "@tidegate/strategy-sdk";
import { z } from "zod";

const Params = z.object({
  ...SliceShape,
  sharePpm: z.number().int().min(1).max(1_000_000).describe("Share of the volume, millionths"),
  durationMs: z.number().int().min(100).describe("When it ends whatever is left, ms"),
});
type Params = z.output<typeof Params>;
interface State {
  readonly parent: Parent;
  tradedLots: number;
  /** The volume at the start of the slice that runs, and which that is. */
  sampledLots: number;
  sampledMs: number;
}

export default defineStrategy<Params, State>({
  id: "pov",
  params: Params,
  fixedParams: ["instrument", "side"],
  timerMs: 100,
  state: () => ({ parent: newParent(), tradedLots: 0, sampledLots: 0, sampledMs: -1 }),
  onBookTop({ state, params }, top) {
    if (top.instrument === params.instrument) parentTop(state.parent, top);
  },
  onTrade({ state, params }, trade) {
    const begun = state.parent.startNs >= 0;
    if (begun && trade.instrument === params.instrument) state.tradedLots += trade.qtyLots;
  },
  onTimer(ctx) {
    const { params, state } = ctx;
    const { parent } = state;
    const startMs = parent.startNs < 0 ? 0 : sliceStartMs(ctx, parent, params);
    if (startMs !== state.sampledMs) {
      state.sampledMs = startMs;
      state.sampledLots = state.tradedLots;
    }
    // What comes next is not known: what has traded since the slice began may rest already.
    const volume = (elapsedMs: number) =>
      elapsedMs <= startMs ? state.sampledLots : state.tradedLots;
    work(ctx, parent, params, params.durationMs, (elapsedMs) =>
      povLots(params.totalLots, volume(elapsedMs), params.sharePpm),
    );
  },
  onOrder({ state }, order) {
    parentOrder(state.parent, order);
  },
  onRiskFeedback(ctx, feedback) {
    parentFeedback(ctx, ctx.state.parent, feedback);
  },
  onSession(ctx, session) {
    if (session.kind === "STOP") killParent(ctx, ctx.state.parent);
  },
});
