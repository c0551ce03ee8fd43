/** What the ends of a series of returns look like. A figure that is not defined is `null`, never 0 or infinity. */

import { mean, quantile, sum } from "./moments.ts";

const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b);

/**
 * Value at risk: what is lost in the worst `part` of periods at least, as a number above 0 for a loss.
 *
 * Shape   the empirical quantile, interpolated; `null` of no returns
 * Source  P. Jorion, "Value at Risk" (2006), historical simulation
 */
export function valueAtRisk(returns: readonly number[], part = 0.05): number | null {
  return returns.length === 0 ? null : -quantile(sorted(returns), part);
}

/** Expected shortfall: the mean loss of the periods no better than the value at risk. `null` of no returns. */
export function expectedShortfall(returns: readonly number[], part = 0.05): number | null {
  const at = valueAtRisk(returns, part);
  const worst = at === null ? [] : returns.filter((each) => each <= -at);
  const average = mean(worst);
  return average === null ? null : -average;
}

/**
 * Omega ratio: what lies above the target over what lies below it.
 *
 * Shape   `null` where nothing lies below
 * Source  C. Keating, W. Shadwick, "A universal performance measure" (2002)
 */
export function omega(returns: readonly number[], target = 0): number | null {
  const above = sum(returns.map((each) => Math.max(each - target, 0)));
  const below = sum(returns.map((each) => Math.max(target - each, 0)));
  return below === 0 ? null : above / below;
}

/** The 95th percentile over the 5th without its sign. `null` of no returns, or where the 5th is 0. */
export function tailRatio(returns: readonly number[]): number | null {
  if (returns.length === 0) return null;
  const ordered = sorted(returns);
  const low = Math.abs(quantile(ordered, 0.05));
  return low === 0 ? null : Math.abs(quantile(ordered, 0.95)) / low;
}

/** All gains over all losses. `null` where nothing was lost. */
export function profitFactor(profits: readonly number[]): number | null {
  return omega(profits);
}
