/** Into a position by an order that takes, out of it at a target, a stop or a time. One position per instrument. */

import { z } from "zod";
import { type BookTop, type Context, type FillEvent, type OrderRef, Side, Tif } from "./types.ts";

export interface RoundTrip {
  /** The order in flight, 0 for none. */
  ref: OrderRef;
  /** Price times lots of what is held. */
  cost: number;
  /** Since when something is held. */
  sinceNs: number;
  /** No new entry before. */
  restUntilNs: number;
}

export const newRoundTrip = (): RoundTrip => ({
  ref: 0,
  cost: 0,
  sinceNs: 0,
  restUntilNs: Number.NEGATIVE_INFINITY,
});

export interface ExitRules {
  readonly targetTicks: number;
  readonly stopTicks: number;
  readonly holdMs: number;
  /** Rest after an exit, ms. */
  readonly restMs: number;
}

/** What every strategy of round trips is told of its entries: fields of a zod object. */
export const entryParams = {
  instrument: z.number().int().min(1).default(2).describe("The one instrument it trades"),
  qtyLots: z.number().int().min(1).default(2).describe("Size of an entry, lots"),
};

/** And of its exits: the fields of `ExitRules`. */
export const exitParams = {
  targetTicks: z.number().int().min(1).default(20).describe("Gain at which it leaves, ticks"),
  stopTicks: z.number().int().min(1).default(20).describe("Loss at which it leaves, ticks"),
  holdMs: z.number().int().min(1).default(5_000).describe("Longest time in a position, ms"),
  restMs: z.number().int().min(0).default(1_000).describe("Rest after an exit, ms"),
};

export type ExitReason = "TARGET" | "STOP" | "TIME";
type Ctx = Pick<Context, "buy" | "now" | "position" | "sell">;

/** Whether a new entry may be thought of. */
export const mayEnter = (ctx: Ctx, trip: RoundTrip, instrument: number): boolean =>
  trip.ref === 0 && ctx.position(instrument) === 0 && ctx.now() >= trip.restUntilNs;

/** Takes up to the touch's price, and rests nothing. */
export function enter(
  ctx: Ctx,
  trip: RoundTrip,
  top: BookTop,
  side: number,
  qtyLots: number,
): void {
  trip.ref =
    side === Side.BUY
      ? ctx.buy(top.instrument, top.askPxTicks, qtyLots, { tif: Tif.IOC })
      : ctx.sell(top.instrument, top.bidPxTicks, qtyLots, { tif: Tif.IOC });
}

/** Why what is held should go now, judged by the price it would fetch; null to keep it. */
export function exitReason(
  ctx: Ctx,
  trip: RoundTrip,
  top: BookTop,
  rules: ExitRules,
): ExitReason | null {
  const position = ctx.position(top.instrument);
  if (position === 0) return null;
  const each = trip.cost / Math.abs(position);
  const gain = position > 0 ? top.bidPxTicks - each : each - top.askPxTicks;
  if (gain >= rules.targetTicks) return "TARGET";
  if (gain <= -rules.stopTicks) return "STOP";
  return ctx.now() - trip.sinceNs >= rules.holdMs * 1e6 ? "TIME" : null;
}

/** Leaves where the rules say so; whether something is held or in flight, so that nothing else is to be done. */
export function manage(ctx: Ctx, trip: RoundTrip, top: BookTop, rules: ExitRules): boolean {
  if (trip.ref !== 0) return true;
  const position = ctx.position(top.instrument);
  if (position === 0) return false;
  if (exitReason(ctx, trip, top, rules) === null) return true;
  enter(ctx, trip, top, position > 0 ? Side.SELL : Side.BUY, Math.abs(position));
  if (trip.ref !== 0) trip.restUntilNs = ctx.now() + rules.restMs * 1e6;
  return true;
}

/** Books a fill: what opens adds its cost, what closes takes its share of it. */
export function tripFill(trip: RoundTrip, fill: FillEvent): void {
  const after = fill.positionLots;
  const signed = fill.side === Side.BUY ? fill.qtyLots : -fill.qtyLots;
  const before = after - signed;
  if (before === 0 || Math.sign(before) !== Math.sign(after)) {
    trip.cost = Math.abs(after) * fill.pxTicks;
    trip.sinceNs = fill.nowNs;
  } else if (Math.abs(after) > Math.abs(before)) {
    trip.cost += fill.qtyLots * fill.pxTicks;
  } else {
    trip.cost = (trip.cost * Math.abs(after)) / Math.abs(before);
  }
}

/** The order in flight ended or was refused. */
export function tripOrderEnded(trip: RoundTrip, ref: OrderRef): void {
  if (trip.ref === ref) trip.ref = 0;
}
