/** What a series of returns was worth. A figure that is not defined is `null`, never 0 or infinity. */

import { maxDrawdown } from "./drawdown.ts";
import { mean, moments, standardDeviation, sum } from "./moments.ts";

/**
 * Simple returns of an equity curve: each value over the one before, less 1.
 *
 * Shape   one value less than it was given
 * Errors  RangeError where a value is not a number or not above 0: a return on nothing is none; give capital to begin with
 */
export function returnsOf(equity: readonly number[]): number[] {
  const bad = equity.findIndex((value) => !(value > 0 && Number.isFinite(value)));
  if (bad >= 0) {
    throw new RangeError(
      `equity ${bad} is ${equity[bad]}: want amounts above 0; add the capital the strategy was given`,
    );
  }
  return equity.slice(1).map((value, at) => value / (equity[at] ?? Number.NaN) - 1);
}

/** The growth of 1 through a series of simple returns, the 1 first. */
export function equityOf(returns: readonly number[]): number[] {
  let value = 1;
  return [1, ...returns.map((each) => (value *= 1 + each))];
}

export interface Period {
  /** Periods of a year: 252 daily, 365 daily where the market never closes. 1 leaves a ratio in the series' own period. */
  readonly periodsPerYear: number;
  /** What doing nothing earns, or what is asked for, a period. 0 unless given. */
  readonly target?: number;
}

/**
 * Sharpe ratio: the mean excess return over its standard deviation (n - 1), times √periodsPerYear.
 *
 * Shape   `null` of fewer than two returns, or where none differs from another
 * Source  W. F. Sharpe, "The Sharpe ratio", Journal of Portfolio Management (1994)
 */
export function sharpe(returns: readonly number[], { periodsPerYear, target = 0 }: Period) {
  const deviation = standardDeviation(returns);
  const average = mean(returns);
  if (deviation === null || average === null) return null;
  return ((average - target) / deviation) * Math.sqrt(periodsPerYear);
}

/** Root of the mean square of what fell short of the target, over all returns, times √periodsPerYear. `null` of none. */
export function downsideDeviation(
  returns: readonly number[],
  { periodsPerYear, target = 0 }: Period,
): number | null {
  const square = mean(returns.map((each) => Math.min(each - target, 0) ** 2));
  return square === null ? null : Math.sqrt(square * periodsPerYear);
}

/**
 * Sortino ratio: the mean excess over the target, of a year, over the downside deviation of a year.
 *
 * Shape   `null` of no returns, or where none fell short
 * Source  F. Sortino, L. Price, "Performance measurement in a downside risk framework", Journal of Investing (1994)
 */
export function sortino(returns: readonly number[], period: Period): number | null {
  const average = mean(returns);
  const downside = downsideDeviation(returns, period);
  if (average === null || downside === null || downside === 0) return null;
  return ((average - (period.target ?? 0)) * period.periodsPerYear) / downside;
}

/** Standard deviation (n - 1) of a year. */
export function annualVolatility(
  returns: readonly number[],
  { periodsPerYear }: Period,
): number | null {
  const deviation = standardDeviation(returns);
  return deviation === null ? null : deviation * Math.sqrt(periodsPerYear);
}

/** The yearly rate that grows as the series did: (Π(1 + r))^(periodsPerYear / n) - 1. `null` of none, -1 from ruin on. */
export function annualReturn(
  returns: readonly number[],
  { periodsPerYear }: Period,
): number | null {
  if (returns.length === 0) return null;
  if (returns.some((each) => each <= -1)) return -1;
  const growth = sum(returns.map((each) => Math.log1p(each)));
  return Math.expm1((growth * periodsPerYear) / returns.length);
}

/**
 * Calmar ratio: the yearly return over the deepest drawdown of the whole series.
 *
 * Shape   `null` of no returns, or where the series never fell
 * Source  T. W. Young, "Calmar ratio: a smoother tool", Futures (1991), there over 36 months; here over what is given
 */
export function calmar(returns: readonly number[], period: Period): number | null {
  const yearly = annualReturn(returns, period);
  const deepest = maxDrawdown(equityOf(returns));
  return yearly === null || deepest === null || deepest.depth === 0 ? null : yearly / deepest.depth;
}

/** t statistic of the mean against 0. `null` where the Sharpe ratio is. */
export function tStatistic(returns: readonly number[]): number | null {
  const ratio = sharpe(returns, { periodsPerYear: 1 });
  const found = moments(returns);
  return ratio === null || found === null ? null : ratio * Math.sqrt(found.count);
}
