/**
 * Trades a parent order along a curve of volume.
 */

import {
  defineStrategy,
  killParent,
  newParent,
  type Parent,
  parentFeedback,
  parentOrder,
  parentTop,
  SliceShape,
  vwapLots,
  work,
} from "@tidegate/strategy-sdk";
import { z } from "zod";

const Params = z.object({
  ...SliceShape,
  durationMs: z.number().int().min(100).describe("From its start to its end, ms"),
  weights: z
    .array(z.number().positive())
    .min(1)
    .max(1_440)
    .describe("Volume of equal stretches of the time, as a history has it"),
});
type Params = z.output<typeof Params>;
interface State {
  readonly parent: Parent;
}

export default defineStrategy<Params, State>({
  id: "vwap",
  params: Params,
  fixedParams: ["instrument", "side"],
  timerMs: 100,
  state: () => ({ parent: newParent() }),
  onBookTop({ state, params }, top) {
    if (top.instrument === params.instrument) parentTop(state.parent, top);
  },

  onTimer(ctx) {
    const { params, state } = ctx;
    work(ctx, state.parent, params, params.durationMs, (elapsedMs) =>
      vwapLots(params.totalLots, elapsedMs, params.durationMs, params.weights),
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
