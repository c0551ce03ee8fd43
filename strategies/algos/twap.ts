/**
 * Trades a parent order evenly over a time.
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
  twapLots,
  work,
} from "@tidegate/strategy-sdk";
import { z } from "zod";

const Params = z.object({
  ...SliceShape,
  durationMs: z.number().int().min(100).describe("From its start to its end, ms"),
});
type Params = z.output<typeof Params>;
interface State {
  readonly parent: Parent;
}

export default defineStrategy<Params, State>({
  id: "twap",
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
      twapLots(params.totalLots, elapsedMs, params.durationMs),
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
