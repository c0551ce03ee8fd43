/** The windows of a walk forward: where parameters are chosen, and where what was chosen is tried. Pure. */

import { UsageError } from "../../sim/options.ts";

/** Folds of one walk; more than these are several walks. */
export const FOLDS_MAX = 1_000;

export interface WalkPlan {
  /** Rolling: each train window begins a step later. Anchored: all begin with the data, and grow. */
  readonly mode: "rolling" | "anchored";
  readonly trainNs: number;
  readonly testNs: number;
  /** From one fold to the next; not less than `testNs`, so that no time is tried twice. */
  readonly stepNs: number;
  /** Left out between a train window and its test. */
  readonly embargoNs: number;
}

/** Times since the first row, ns; each window from its begin up to, and without, its end. */
export interface Fold {
  readonly trainFrom: number;
  readonly trainTo: number;
  readonly testFrom: number;
  readonly testTo: number;
}

/**
 * The folds that lie whole within a span, in their order.
 *
 * Errors  UsageError: a window that is none, a step below a test, no fold at all, more than FOLDS_MAX
 */
export function foldsOf(plan: WalkPlan, spanNs: number): Fold[] {
  const { mode, trainNs, testNs, stepNs, embargoNs } = plan;
  if (!(trainNs > 0 && testNs > 0))
    throw new UsageError("walk: train and test want a time above 0");
  if (stepNs < testNs) {
    throw new UsageError("walk: a step shorter than test would try the same time twice");
  }
  const count = Math.floor((spanNs - trainNs - embargoNs - testNs) / stepNs) + 1;
  if (count < 1) {
    const need = ((trainNs + embargoNs + testNs) / 1e9).toFixed(3);
    throw new UsageError(
      `walk: the data span ${(spanNs / 1e9).toFixed(3)} s, one fold needs ${need} s`,
    );
  }
  if (count > FOLDS_MAX) throw new UsageError(`walk: ${count} folds, want at most ${FOLDS_MAX}`);
  return Array.from({ length: count }, (_, at) => {
    const trainTo = trainNs + at * stepNs;
    const testFrom = trainTo + embargoNs;
    const trainFrom = mode === "rolling" ? at * stepNs : 0;
    return { trainFrom, trainTo, testFrom, testTo: testFrom + testNs };
  });
}
