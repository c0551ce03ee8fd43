/**
 * Enters once, then leaves at a stop or at targets, whichever comes first: targets rest at the venue, the stop is watched
 * here, and it closes nothing before every target has ended, so that no more is closed than is held.
 */

import {
  beginExits,
  type Context,
  defineStrategy,
  type Exits,
  followExits,
  Side,
  type StandingStop,
  StopSpec,
  TargetSpec,
  Tif,
  targetLevels,
  tighten,
} from "@tidegate/strategy-sdk";
import { z } from "zod";

const Params = z.object({
  instrument: z.number().int().min(1).describe("What is traded"),
  side: z.enum(["buy", "sell"]).describe("Which way it enters"),
  lots: z.number().int().min(1).describe("Size of the entry, lots"),
  entryPxTicks: z
    .number()
    .int()
    .min(0)
    .default(0)
    .describe("Limit of the entry, ticks; 0: the touch"),
  stop: StopSpec.describe("Where it leaves at a loss"),
  targets: z
    .array(TargetSpec)
    .max(8)
    .default([])
    .describe("Where it leaves at a gain, nearest first"),
  breakEven: z
    .boolean()
    .default(true)
    .describe("After the first target the stop stands at the entry price"),
  tolerancePpm: z
    .number()
    .int()
    .min(0)
    .default(5_000)
    .describe("How far through the touch a closing order may go, millionths"),
});
type Params = z.output<typeof Params>;

interface State {
  phase: "IDLE" | "ENTERING" | "HELD" | "LEAVING" | "OVER";
  ref: number;
  /** Lots and price times lots the entry has come to. */
  lots: number;
  cost: number;
  exits: Exits | null;
  /** Resting targets by their order; 0 lots left is one that has ended. */
  targets: { ref: number; pxTicks: number; lots: number }[];
  targetsFilled: number;
  /** What the platform watches while this strategy is dead. */
  standing: StandingStop[];
}
type Ctx = Context<Params, State>;

const signOf = ({ side }: Params): 1 | -1 => (side === "buy" ? 1 : -1);

function enterOnce(ctx: Ctx, bidPx: number, askPx: number): void {
  const { params, state } = ctx;
  const buying = params.side === "buy";
  const px = params.entryPxTicks === 0 ? (buying ? askPx : bidPx) : params.entryPxTicks;
  const send = buying ? ctx.buy : ctx.sell;
  const tif = params.entryPxTicks === 0 ? Tif.IOC : Tif.GTC;
  state.ref = send(params.instrument, px, params.lots, { tif });
  if (state.ref !== 0) state.phase = "ENTERING";
}

/**
 * The entry has ended: what it came to is protected from here on. Lots whose fills are still on their way, or were told to a
 * process that is gone, count at `px`.
 */
function entered({ params, state }: Ctx, lots: number, px: number): void {
  const missing = Math.max(0, lots - state.lots);
  state.lots += missing;
  state.cost += missing * px;
  if (state.lots === 0) {
    state.phase = "OVER";
    return;
  }
  const entryPx = Math.round(state.cost / state.lots);
  state.exits = beginExits(signOf(params), entryPx, state.lots, params.stop);
  const { instrument, stop, tolerancePpm } = params;
  state.standing = [{ instrument, stop, exits: state.exits, tolerancePpm }];
  state.targets = targetLevels(state.exits, params.targets)
    .filter(({ lots }) => lots > 0)
    .map((level) => ({ ...level, ref: 0 }));
  state.phase = "HELD";
}

function restTargets(ctx: Ctx): void {
  const { params, state } = ctx;
  const send = params.side === "buy" ? ctx.sell : ctx.buy;
  for (const target of state.targets) {
    if (target.ref !== 0 || target.lots === 0) continue;
    target.ref = send(params.instrument, target.pxTicks, target.lots, { tif: Tif.GTC });
  }
}

/** Closes what is held, once no target is open; again while something is left. */
function leave(ctx: Ctx, bidPx: number, askPx: number): void {
  const { params, state } = ctx;
  const open = state.targets.filter(({ ref }) => ref !== 0);
  if (open.length > 0) {
    for (const { ref } of open) if (ctx.order(ref)?.cancelling === false) ctx.cancel(ref);
    return;
  }
  if (state.ref !== 0) return;
  const position = ctx.position(params.instrument);
  const held = Math.abs(position);
  if (held === 0) {
    state.phase = "OVER";
    return;
  }
  const far = position > 0 ? bidPx : askPx;
  const room = Math.floor((far * params.tolerancePpm) / 1e6);
  const send = position > 0 ? ctx.sell : ctx.buy;
  const px = Math.max(1, position > 0 ? far - room : far + room);
  state.ref = send(params.instrument, px, held, { tif: Tif.IOC });
}

export default defineStrategy<Params, State>({
  id: "bracket",
  params: Params,
  fixedParams: ["instrument", "side"],
  stateVersion: 2,
  state: () => ({
    ...{ phase: "IDLE", ref: 0, lots: 0, cost: 0 },
    ...{ exits: null, targets: [], targetsFilled: 0, standing: [] },
  }),
  onBookTop(ctx, top) {
    const { params, state } = ctx;
    if (top.instrument !== params.instrument || !top.valid) return;
    if (top.bidQtyLots === 0 || top.askQtyLots === 0 || !ctx.ready()) return;
    const { bidPxTicks: bid, askPxTicks: ask } = top;
    const held = ctx.position(params.instrument) * signOf(params);
    const lost = state.ref === 0 && (state.phase === "IDLE" || state.phase === "ENTERING");
    if (lost && (held > 0 || state.phase === "ENTERING")) {
      entered(ctx, Math.max(0, held), params.entryPxTicks === 0 ? bid : params.entryPxTicks);
    } else if (state.phase === "IDLE") enterOnce(ctx, bid, ask);
    if (state.phase === "HELD" && state.exits !== null) {
      const position = ctx.position(params.instrument);
      const exitPx = state.exits.sign > 0 ? bid : ask;
      if (followExits(state.exits, params.stop, exitPx, position)) state.phase = "LEAVING";
      else if (position === 0) state.phase = "OVER";
      else restTargets(ctx);
    }
    if (state.phase === "LEAVING") leave(ctx, bid, ask);
  },
  onFill({ params, state }, fill) {
    const entering = fill.side === (params.side === "buy" ? Side.BUY : Side.SELL);
    if (fill.instrument !== params.instrument || !entering || state.phase === "OVER") return;
    if (state.phase !== "ENTERING" && state.phase !== "IDLE") return;
    state.lots += fill.qtyLots;
    state.cost += fill.qtyLots * fill.pxTicks;
  },
  onOrder(ctx, order) {
    const { params, state } = ctx;
    if (order.order === state.ref && order.terminal) {
      state.ref = 0;
      if (state.phase === "ENTERING") entered(ctx, order.cumQtyLots, order.pxTicks);
    }
    const target = state.targets.find(({ ref }) => ref === order.order);
    if (target === undefined || !order.terminal) return;
    target.ref = 0;
    target.lots = Math.max(0, order.qtyLots - order.cumQtyLots);
    if (target.lots > 0) return;
    state.targetsFilled += 1;
    if (params.breakEven && state.targetsFilled === 1 && state.exits !== null)
      tighten(state.exits, state.exits.entryPx);
  },
  onRiskFeedback({ state }, feedback) {
    if (feedback.cancel || feedback.order === 0) return;
    if (feedback.order === state.ref) {
      state.ref = 0;
      if (state.phase === "ENTERING") state.phase = state.lots === 0 ? "IDLE" : state.phase;
    }
    for (const target of state.targets) if (target.ref === feedback.order) target.ref = 0;
  },
  // Orders of an earlier session are cancelled before this one is ready: what is held stays, with its level.
  onSession({ state }, session) {
    if (session.kind !== "START") return;
    state.ref = 0;
    // The platform may have followed the stop since: its level is the one that counts.
    if (state.exits !== null) state.exits = state.standing[0]?.exits ?? state.exits;
    for (const target of state.targets) target.ref = 0;
  },
});
