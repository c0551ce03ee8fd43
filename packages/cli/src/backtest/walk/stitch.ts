/** What a walk forward came to: the tests one after the other as one curve. Pure. */

import {
  deflatedSharpe,
  kurtosis,
  maxDrawdown,
  mean,
  returnsOf,
  sharpe,
  skewness,
} from "@tidegate/research";
import type { JobResult } from "../sweep/results.ts";
import type { Fold } from "./windows.ts";

export const CHOICES = ["sharpe", "profit"] as const;
export type Choice = (typeof CHOICES)[number];

/** What a run is chosen by; none where it says nothing, as one without a trade does. */
export function scoreOf(result: JobResult, by: Choice): number | null {
  const { metrics } = result;
  if (metrics.fills === 0) return null;
  return by === "profit" ? metrics.profit : metrics.perSample.sharpe;
}

/** The place of the best in-sample run; of equal ones the first; none where none says anything. */
export function bestOf(results: readonly JobResult[], by: Choice): number | null {
  let best: { readonly at: number; readonly score: number } | null = null;
  for (const [at, each] of results.entries()) {
    const score = scoreOf(each, by);
    if (score !== null && (best === null || score > best.score)) best = { at, score };
  }
  return best?.at ?? null;
}

/** One fold with its results. A fold in which nothing was chosen stood aside. */
export interface FoldOutcome {
  readonly fold: Fold;
  readonly train: JobResult | null;
  readonly test: JobResult | null;
}

/** Profit of the account from sample to sample over all tests; between two tests it stands still. */
export function stitched(outcomes: readonly FoldOutcome[]): number[] {
  const curve = [0];
  for (const { test } of outcomes) {
    const before = curve.at(-1) ?? 0;
    // A run's curve begins where it stands: at nothing.
    for (const row of test?.equity ?? []) curve.push(before + (row[1] ?? 0));
  }
  return curve;
}

/**
 * Walk-forward efficiency: profit by time of the tests over that of the train runs that were chosen. One half says that half of what was
 * found was there afterwards.
 *
 * Shape   `null` where the train runs made no profit: there was nothing to keep
 * Source  R. Pardo, "The Evaluation and Optimization of Trading Strategies", 2nd ed., chapter 11
 */
export function efficiency(outcomes: readonly FoldOutcome[]): number | null {
  let [inside, insideNs, outside, outsideNs] = [0, 0, 0, 0];
  for (const { fold, train, test } of outcomes) {
    if (train === null || test === null) continue;
    inside += train.metrics.profit;
    insideNs += fold.trainTo - fold.trainFrom;
    outside += test.metrics.profit;
    outsideNs += fold.testTo - fold.testFrom;
  }
  return inside > 0 ? outside / outsideNs / (inside / insideNs) : null;
}

/**
 * Figures of the stitched curve. Every combination counts as a try of the deflated ratio, with the variance of their mean in-sample
 * ratios: strict, as the tests themselves chose nothing.
 */
export function figuresOf(
  outcomes: readonly FoldOutcome[],
  trials: readonly (readonly JobResult[])[],
  capital: number,
) {
  const curve = stitched(outcomes);
  const equity = curve.map((profit) => capital + profit);
  const returns = equity.some((value) => value <= 0) ? [] : returnsOf(equity);
  const ratio = sharpe(returns, { periodsPerYear: 1 });
  const [skew, kurt] = [skewness(returns), kurtosis(returns)];
  const ratios = trials.flatMap((each) => {
    const known = each.flatMap(({ metrics }) => metrics.perSample.sharpe ?? []);
    return known.length === 0 ? [] : [mean(known) ?? 0];
  });
  const average = mean(ratios) ?? 0;
  const variance =
    ratios.reduce((sum, each) => sum + (each - average) ** 2, 0) / Math.max(1, ratios.length - 1);
  const record =
    ratio === null || skew === null || kurt === null
      ? null
      : { sharpe: ratio, count: returns.length, skewness: skew, kurtosis: kurt };
  return {
    profit: curve.at(-1) ?? 0,
    maxDrawdown: maxDrawdown(curve, { as: "amount" })?.depth ?? 0,
    samples: returns.length,
    sharpePerSample: ratio,
    efficiency: efficiency(outcomes),
    trials: trials.length,
    deflatedSharpe:
      record === null
        ? null
        : deflatedSharpe(record, { variance, trials: Math.max(1, trials.length) }),
    foldsInProfit: outcomes.filter(({ test }) => (test?.metrics.profit ?? 0) > 0).length,
    foldsAside: outcomes.filter(({ test }) => test === null).length,
  };
}
