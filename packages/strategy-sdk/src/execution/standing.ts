/**
 * Stops that outlive their strategy's process. What a strategy keeps in its state under `standing` the platform watches while the
 * strategy is dead: under the same id, so that what it closes is what the strategy holds and nothing beyond. No line of the
 * strategy's own code runs for it.
 */

import { z } from "zod";
import { defineStrategy } from "../define.ts";
import { type Context, Tif } from "../types.ts";
import { type Exits, followExits, StopSpec } from "./stops.ts";

/** Standing stops of one strategy. */
export const STANDING_MAX = 64;

const ticks = z.number().int();
export const StandingStop = z.object({
  instrument: z.number().int().min(1),
  stop: StopSpec,
  exits: z.object({
    sign: z.union([z.literal(1), z.literal(-1)]),
    entryPx: ticks,
    enteredLots: z.number().int().min(1),
    bestPx: ticks,
    stopPx: ticks,
    triggered: z.boolean(),
  }),
  /** How far through the touch a closing order may go, millionths. */
  tolerancePpm: z.number().int().min(0).max(999_999),
});
export interface StandingStop {
  instrument: number;
  stop: StopSpec;
  exits: Exits;
  tolerancePpm: number;
}

const Kept = z.looseObject({ standing: z.array(StandingStop).max(STANDING_MAX) });

/** The standing stops in a state that was written down; none where it keeps none, or what stands there has another form. */
export function standingStops(state: string | null): StandingStop[] {
  if (state === null) return [];
  try {
    const read = Kept.safeParse(JSON.parse(state));
    return read.success ? read.data.standing : [];
  } catch {
    return [];
  }
}

/** The same state with the levels as they have become since. */
export function withStanding(state: string, standing: readonly StandingStop[]): string {
  return JSON.stringify({ ...(JSON.parse(state) as object), standing });
}

interface GuardState {
  standing: StandingStop[];
  /** The closing order in flight of each stop, 0 for none. */
  refs: number[];
}
type Ctx = Pick<Context<unknown, GuardState>, "buy" | "position" | "sell" | "state">;

/** Whether something is held that the stop is for. */
const held = ({ instrument, exits }: StandingStop, position: (instrument: number) => number) =>
  position(instrument) * exits.sign > 0;

/** What of `standing` still has something to close. */
export const standingLeft = (
  standing: readonly StandingStop[],
  position: (instrument: number) => number,
): number => standing.filter((each) => held(each, position)).length;

function close(ctx: Ctx, at: number, bidPx: number, askPx: number): void {
  const stop = ctx.state.standing[at];
  if (stop === undefined || ctx.state.refs[at] !== 0) return;
  const { instrument, tolerancePpm, exits } = stop;
  const far = exits.sign > 0 ? bidPx : askPx;
  const room = Math.floor((far * tolerancePpm) / 1e6);
  const send = exits.sign > 0 ? ctx.sell : ctx.buy;
  const px = Math.max(1, exits.sign > 0 ? far - room : far + room);
  const lots = Math.abs(ctx.position(instrument));
  ctx.state.refs[at] = send(instrument, px, lots, { tif: Tif.IOC });
}

/** Follows the stops of a dead strategy and closes what it holds once one has triggered, again until nothing is held. */
export const stopGuard = (standing: readonly StandingStop[]) =>
  defineStrategy<Record<string, never>, GuardState>({
    id: "stop-guard",
    params: z.object({}) as unknown as z.ZodType<Record<string, never>>,
    stateVersion: 1,
    state: () => ({
      standing: structuredClone([...standing]),
      refs: standing.map(() => 0),
    }),
    onBookTop(ctx, top) {
      if (!top.valid || top.bidQtyLots === 0 || top.askQtyLots === 0 || !ctx.ready()) return;
      for (const [at, each] of ctx.state.standing.entries()) {
        if (each.instrument !== top.instrument || !held(each, ctx.position)) continue;
        const exitPx = each.exits.sign > 0 ? top.bidPxTicks : top.askPxTicks;
        if (followExits(each.exits, each.stop, exitPx, ctx.position(each.instrument)))
          close(ctx, at, top.bidPxTicks, top.askPxTicks);
      }
    },
    onOrder({ state }, order) {
      if (order.terminal) state.refs = state.refs.map((ref) => (ref === order.order ? 0 : ref));
    },
    onRiskFeedback({ state }, { order }) {
      state.refs = state.refs.map((ref) => (ref === order ? 0 : ref));
    },
    onSession() {},
  });
