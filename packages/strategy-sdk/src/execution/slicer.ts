/** Works a parent order off along a schedule: what is due is taken, what comes next may rest at the touch. */

import { z } from "zod";
import { type Context, type OrderEvent, type OrderRef, Policy, Tif } from "../types.ts";

/** Parameters every sliced order has. */
export const SliceShape = {
  instrument: z.number().int().min(1).describe("What is traded"),
  side: z.enum(["buy", "sell"]).describe("Which way"),
  totalLots: z.number().int().min(1).describe("How much in all, lots"),
  limitPxTicks: z
    .number()
    .int()
    .min(0)
    .default(0)
    .describe("Never worse than this, ticks; 0: no limit"),
  sliceMs: z.number().int().min(100).default(60_000).describe("Length of a slice, ms"),
  style: z
    .enum(["take", "rest"])
    .default("take")
    .describe("rest: the coming slice rests at the touch first, and what is left of it is taken"),
  startPositionLots: z
    .number()
    .int()
    .default(0)
    .describe(
      "Position of this strategy before the order: what is beyond it is done, after a restart too",
    ),
  graceMs: z
    .number()
    .int()
    .min(0)
    .default(60_000)
    .describe("After the end, how long what is left is tried"),
} as const;
export interface SliceParams {
  readonly instrument: number;
  readonly side: "buy" | "sell";
  readonly totalLots: number;
  readonly limitPxTicks: number;
  readonly sliceMs: number;
  readonly style: "take" | "rest";
  readonly startPositionLots: number;
  readonly graceMs: number;
}

/** RESIDUAL: the time is over and something is left. KILLED: the gateway halted or killed, or the session ended. */
export type ParentEnd = "" | "DONE" | "RESIDUAL" | "KILLED";

export interface Parent {
  /** When it began, -1 before. */
  startNs: number;
  /** Lots the venue's reports of our orders add up to, and of the order now in flight. */
  reportedLots: number;
  refLots: number;
  ref: OrderRef;
  /** The slice whose rest has been sent. */
  restedSlice: number;
  bidPx: number;
  askPx: number;
  end: ParentEnd;
}

export const newParent = (): Parent => ({
  ...{ startNs: -1, reportedLots: 0, refLots: 0, ref: 0, restedSlice: -1 },
  ...{ bidPx: 0, askPx: 0, end: "" },
});

type Ctx = Pick<Context, "buy" | "cancel" | "now" | "order" | "position" | "ready" | "sell">;

/** Lots done: by our orders' reports, or by the position where that knows of more, as of a fill that came late. */
export function doneLots(
  ctx: Pick<Ctx, "position">,
  parent: Parent,
  params: Pick<SliceParams, "instrument" | "side" | "startPositionLots">,
): number {
  const moved = ctx.position(params.instrument) - params.startPositionLots;
  return Math.max(parent.reportedLots, params.side === "buy" ? moved : -moved);
}

/** The start of the slice that runs now, ms since the parent began; the schedule is followed at these. */
export const sliceStartMs = (ctx: Pick<Ctx, "now">, parent: Parent, params: SliceParams): number =>
  Math.floor((ctx.now() - parent.startNs) / 1e6 / params.sliceMs) * params.sliceMs;

/**
 * One look: takes what is due, lets the next slice rest, ends what is over. `target` gives the schedule at a time in ms since
 * the start; `durationMs` is infinite for one that only the market's volume ends.
 */
export function work(
  ctx: Ctx,
  parent: Parent,
  params: SliceParams,
  durationMs: number,
  target: (elapsedMs: number) => number,
): void {
  if (parent.end !== "" || !ctx.ready() || parent.bidPx === 0 || parent.askPx === 0) return;
  if (parent.startNs < 0) parent.startNs = ctx.now();
  const done = doneLots(ctx, parent, params);
  const startMs = sliceStartMs(ctx, parent, params);
  const over = (ctx.now() - parent.startNs) / 1e6 >= durationMs + params.graceMs;
  const due = Math.min(params.totalLots, target(startMs)) - done;
  if (parent.ref !== 0) {
    const order = ctx.order(parent.ref);
    if (order === undefined) parent.ref = 0;
    else {
      // What rests from an earlier slice makes way for what takes.
      if ((over || due > 0 || done >= params.totalLots) && !order.cancelling)
        ctx.cancel(parent.ref);
      return;
    }
  }
  if (done >= params.totalLots) parent.end = "DONE";
  else if (over) parent.end = "RESIDUAL";
  else if (due > 0) send(ctx, parent, params, due, Tif.IOC);
  else if (params.style === "rest")
    rest(ctx, parent, params, startMs, target(startMs + params.sliceMs) - done);
}

function rest(ctx: Ctx, parent: Parent, params: SliceParams, startMs: number, lots: number): void {
  const slice = startMs / params.sliceMs;
  if (lots <= 0 || parent.restedSlice === slice) return;
  parent.restedSlice = slice;
  send(ctx, parent, params, lots, Tif.POST_ONLY);
}

function send(ctx: Ctx, parent: Parent, params: SliceParams, lots: number, tif: Tif): void {
  const buying = params.side === "buy";
  const taking = tif === Tif.IOC;
  const touch = buying === taking ? parent.askPx : parent.bidPx;
  const { limitPxTicks: limit } = params;
  if (limit > 0 && (buying ? touch > limit : touch < limit)) return;
  const order = buying ? ctx.buy : ctx.sell;
  parent.ref = order(params.instrument, touch, lots, { tif });
  parent.refLots = 0;
}

export function parentTop(
  parent: Parent,
  top: {
    readonly valid: boolean;
    readonly bidPxTicks: number;
    readonly askPxTicks: number;
    readonly bidQtyLots: number;
    readonly askQtyLots: number;
  },
): void {
  const usable = top.valid && top.bidQtyLots > 0 && top.askQtyLots > 0;
  parent.bidPx = usable ? top.bidPxTicks : 0;
  parent.askPx = usable ? top.askPxTicks : 0;
}

export function parentOrder(parent: Parent, order: OrderEvent): void {
  if (order.order !== parent.ref) return;
  parent.reportedLots += Math.max(0, order.cumQtyLots - parent.refLots);
  parent.refLots = Math.max(parent.refLots, order.cumQtyLots);
  if (order.terminal) parent.ref = 0;
}

/** A refusal, or a policy under which nothing more may be sent: the parent ends there and what rests is cancelled. */
export function parentFeedback(
  ctx: Pick<Ctx, "cancel">,
  parent: Parent,
  feedback: { readonly order: OrderRef; readonly cancel: boolean; readonly policy: number },
): void {
  if (feedback.order === parent.ref && !feedback.cancel && feedback.order !== 0) parent.ref = 0;
  if (feedback.policy === Policy.HALT || feedback.policy === Policy.KILLED) killParent(ctx, parent);
}

export function killParent(ctx: Pick<Ctx, "cancel">, parent: Parent): void {
  if (parent.end !== "") return;
  parent.end = "KILLED";
  if (parent.ref !== 0) ctx.cancel(parent.ref);
}
