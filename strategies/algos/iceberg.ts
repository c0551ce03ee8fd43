/** Shows a part of a parent order at its limit price, and the next part when that is gone. */

import {
  defineStrategy,
  doneLots,
  killParent,
  newParent,
  type Parent,
  parentFeedback,
  parentOrder,
  SliceShape,
  Tif,
} from "@tidegate/strategy-sdk";
import { z } from "zod";

const Params = z.object({
  instrument: z.number().int().min(1).describe("What is traded"),
  side: z.enum(["buy", "sell"]).describe("Which way"),
  totalLots: z.number().int().min(1).describe("How much in all, lots"),
  peakLots: z.number().int().min(1).describe("How much is shown at once, lots"),
  pxTicks: z.number().int().min(1).describe("The limit price, ticks"),
  startPositionLots: SliceShape.startPositionLots,
});
type Params = z.output<typeof Params>;

export default defineStrategy<Params, { readonly parent: Parent }>({
  id: "iceberg",
  params: Params,
  fixedParams: ["instrument", "side"],
  timerMs: 100,
  state: () => ({ parent: newParent() }),
  onTimer(ctx) {
    const { params, state } = ctx;
    const { parent } = state;
    if (parent.end !== "" || parent.ref !== 0 || !ctx.ready()) return;
    const left = params.totalLots - doneLots(ctx, parent, params);
    if (left <= 0) {
      parent.end = "DONE";
      return;
    }
    const send = params.side === "buy" ? ctx.buy : ctx.sell;
    const lots = Math.min(params.peakLots, left);
    parent.ref = send(params.instrument, params.pxTicks, lots, { tif: Tif.POST_ONLY });
    parent.refLots = 0;
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
