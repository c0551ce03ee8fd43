/**
 * Where a position is left: at a loss (static, trailing, absolute, cash) or in parts at targets. Pure; levels are whole
 * ticks, rounded so that a stop is never later and a target never earlier than the exact level.
 */

import { z } from "zod";

const ppm = z.number().int().min(1).max(999_999);
/** A stop: a share of the entry, a share of the best price since, a price, or a sum of money. */
export const StopSpec = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("static"), ppm: ppm.default(20_000) }),
  z.object({
    kind: z.literal("trailing"),
    ppm: ppm.default(15_000),
    /** It stands still, as a static one, until the gain has once been this. */
    activatePpm: z.number().int().min(0).default(20_000),
  }),
  z.object({ kind: z.literal("absolute"), pxTicks: z.number().int().min(1) }),
  /** In ticks times lots: what one lot loses by one tick is one. */
  z.object({ kind: z.literal("cash"), lossTickLots: z.number().int().min(1) }),
]);
export type StopSpec = z.output<typeof StopSpec>;

/** Leaves `sharePpm` of the entered position at a gain of `gainPpm`. */
export const TargetSpec = z.object({
  gainPpm: z.number().int().min(1),
  sharePpm: z.number().int().min(1).max(1_000_000),
});
export type TargetSpec = z.output<typeof TargetSpec>;

/** A position on its way out. `sign` is 1 when long, -1 when short. */
export interface Exits {
  sign: 1 | -1;
  entryPx: number;
  enteredLots: number;
  /** The best price it could have been left at so far. */
  bestPx: number;
  /** The stop's level; it only ever comes nearer. */
  stopPx: number;
  triggered: boolean;
}

/** Rounds against the holder's patience: up for a long stop, down for a short one. */
const nearer = (sign: number, px: number): number => (sign > 0 ? Math.ceil(px) : Math.floor(px));

/** The level a stop has by its words alone. */
export function stopLevel(
  spec: StopSpec,
  exits: Pick<Exits, "sign" | "entryPx" | "bestPx">,
  positionLots: number,
): number {
  const { sign, entryPx, bestPx } = exits;
  switch (spec.kind) {
    case "static":
      return nearer(sign, (entryPx * (1_000_000 - sign * spec.ppm)) / 1e6);
    case "trailing": {
      const active = sign * (bestPx - entryPx) * 1e6 >= spec.activatePpm * entryPx;
      const from = active ? bestPx : entryPx;
      return nearer(sign, (from * (1_000_000 - sign * spec.ppm)) / 1e6);
    }
    case "absolute":
      return spec.pxTicks;
    case "cash":
      return nearer(
        sign,
        entryPx - (sign * spec.lossTickLots) / Math.max(1, Math.abs(positionLots)),
      );
  }
}

export function beginExits(
  sign: 1 | -1,
  entryPx: number,
  enteredLots: number,
  spec: StopSpec,
): Exits {
  const exits = { sign, entryPx, enteredLots, bestPx: entryPx, stopPx: 0, triggered: false };
  exits.stopPx = stopLevel(spec, exits, enteredLots);
  return exits;
}

/** A stop brought nearer; one that is farther away is not taken. */
export function tighten(exits: Exits, px: number): void {
  if (exits.sign * (px - exits.stopPx) > 0) exits.stopPx = px;
}

/**
 * Follows a touch.
 *
 * Shape   whether the stop has triggered, now or before: it does so once, at whatever price the market has come to
 * Units   `exitPx` is what leaving would fetch: the bid of a long position, the ask of a short one
 */
export function followExits(
  exits: Exits,
  spec: StopSpec,
  exitPx: number,
  positionLots: number,
): boolean {
  if (exits.sign * (exitPx - exits.bestPx) > 0) exits.bestPx = exitPx;
  if (spec.kind === "trailing") tighten(exits, stopLevel(spec, exits, positionLots));
  if (exits.sign * (exitPx - exits.stopPx) <= 0) exits.triggered = true;
  return exits.triggered;
}

/** A target's price, and how many lots leave there; the last one leaves whatever the others' rounding kept. */
export function targetLevels(
  exits: Pick<Exits, "sign" | "entryPx" | "enteredLots">,
  targets: readonly TargetSpec[],
): readonly { readonly pxTicks: number; readonly lots: number }[] {
  const { sign, entryPx, enteredLots } = exits;
  const all = targets.reduce((sum, { sharePpm }) => sum + sharePpm, 0);
  let left = enteredLots;
  return targets.map(({ gainPpm, sharePpm }, at) => {
    const px = (entryPx * (1_000_000 + sign * gainPpm)) / 1e6;
    const last = at === targets.length - 1 && all >= 1_000_000;
    const lots = last ? left : Math.min(left, Math.floor((enteredLots * sharePpm) / 1e6));
    left -= lots;
    return { pxTicks: sign > 0 ? Math.ceil(px) : Math.floor(px), lots };
  });
}
