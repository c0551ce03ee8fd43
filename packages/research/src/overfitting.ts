/**
 * Probability of backtest overfitting by combinatorially symmetric cross-validation.
 *
 * Source  D. H. Bailey, J. Borwein, M. López de Prado, Q. J. Zhu, "The probability of backtest overfitting", Journal of
 *         Computational Finance 20 (2017), section 2
 */

import { isConstant, sum } from "./moments.ts";

/** Blocks a history may be cut into: 20 give 184,756 ways to split them. */
export const BLOCKS_MAX = 20;

export interface Overfitting {
  /** Part of the splits in which the best of one half was in the lower half of the others in the other one. */
  readonly pbo: number;
  /** ln(ω / (1 - ω)) of each split, ω the rank outside over N + 1. In the order of the splits. */
  readonly logits: readonly number[];
  /** Part of the splits in which the best of one half lost in the other one. */
  readonly lossProbability: number;
  /** Ratio outside = intercept + slope × ratio inside, by least squares over the splits; slope `null` where none differs. */
  readonly degradation: { readonly slope: number | null; readonly intercept: number };
  readonly splits: number;
  /** Rows at the beginning that were left out so that the blocks are of one length. */
  readonly leftOut: number;
}

/** Count, mean and sum of squared distances from it: what two parts of a series can be put together from. */
interface Part {
  readonly count: number;
  readonly mean: number;
  readonly squares: number;
}

function partOf(values: readonly number[]): Part {
  const center = sum(values) / values.length;
  return {
    count: values.length,
    mean: center,
    squares: sum(values.map((value) => (value - center) ** 2)),
  };
}

/** T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979). */
function join(a: Part, b: Part): Part {
  const count = a.count + b.count;
  const off = b.mean - a.mean;
  return {
    count,
    mean: a.mean + (off * b.count) / count,
    squares: a.squares + b.squares + (off * off * a.count * b.count) / count,
  };
}

/** Sharpe ratio of one period. A strategy that did nothing has 0; one that earned the same each time has no spread and counts as 0. */
function ratioOf(parts: readonly Part[]): number {
  const [first, ...rest] = parts;
  if (first === undefined) return 0;
  const all = rest.reduce(join, first);
  if (all.count < 2 || isConstant({ mean: all.mean, m2: all.squares / all.count })) return 0;
  return all.mean / Math.sqrt(all.squares / (all.count - 1));
}

/** Every choice of `take` out of `of` numbers, in lexicographic order. */
function* choices(of: number, take: number): Generator<readonly number[]> {
  const chosen = Array.from({ length: take }, (_, at) => at);
  for (;;) {
    yield chosen;
    let at = take - 1;
    while (at >= 0 && chosen[at] === of - take + at) at -= 1;
    if (at < 0) return;
    let next = (chosen[at] ?? 0) + 1;
    for (; at < take; at += 1) {
      chosen[at] = next;
      next += 1;
    }
  }
}

/** 1 for the lowest; equal values share the mean of their ranks. */
function rank(values: readonly number[], at: number): number {
  const own = values[at] ?? Number.NaN;
  const below = values.filter((value) => value < own).length;
  const equal = values.filter((value) => value === own).length;
  return below + (equal + 1) / 2;
}

function line(x: readonly number[], y: readonly number[]): Overfitting["degradation"] {
  const [mx, my] = [sum(x) / x.length, sum(y) / y.length];
  const xx = sum(x.map((value) => (value - mx) ** 2));
  const xy = sum(x.map((value, at) => (value - mx) * ((y[at] ?? 0) - my)));
  if (isConstant({ mean: mx, m2: xx / x.length })) return { slope: null, intercept: my };
  return { slope: xy / xx, intercept: my - (xy / xx) * mx };
}

/**
 * CSCV over returns of N strategies in the same T periods. The figure a strategy is chosen by is its Sharpe ratio.
 *
 * Shape   `returns[strategy][period]`, at least 2 strategies of one length, at least 2 periods a block; `blocks` even, 2 to `BLOCKS_MAX`.
 *         Of several best the first counts. The first T mod `blocks` periods are left out.
 * Errors  RangeError naming what is wrong and what is wanted
 */
export function backtestOverfitting(
  returns: readonly (readonly number[])[],
  blocks = 16,
): Overfitting {
  const periods = returns[0]?.length ?? 0;
  if (returns.length < 2) {
    throw new RangeError(`${returns.length} strategies: want at least 2, or nothing is selected`);
  }
  if (returns.some((each) => each.length !== periods || !each.every(Number.isFinite))) {
    throw new RangeError("want numbers, as many of each strategy: the same periods");
  }
  if (!Number.isInteger(blocks) || blocks % 2 !== 0 || blocks < 2 || blocks > BLOCKS_MAX) {
    throw new RangeError(`${blocks} blocks: want an even number from 2 to ${BLOCKS_MAX}`);
  }
  const size = Math.floor(periods / blocks);
  if (size < 2) {
    throw new RangeError(`${periods} periods in ${blocks} blocks: want at least 2 periods a block`);
  }
  const leftOut = periods - size * blocks;
  const numbers = Array.from({ length: blocks }, (_, at) => at);
  const parts = returns.map((each) =>
    numbers.map((at) => partOf(each.slice(leftOut + at * size, leftOut + (at + 1) * size))),
  );
  const ratios = (chosen: ReadonlySet<number>, inside: boolean) =>
    parts.map((own) => ratioOf(own.filter((_, at) => chosen.has(at) === inside)));
  const [logits, within, without]: [number[], number[], number[]] = [[], [], []];
  for (const choice of choices(blocks, blocks / 2)) {
    const chosen = new Set(choice);
    const inside = ratios(chosen, true);
    const outside = ratios(chosen, false);
    const best = inside.indexOf(Math.max(...inside));
    const share = rank(outside, best) / (returns.length + 1);
    logits.push(Math.log(share / (1 - share)));
    within.push(inside[best] ?? 0);
    without.push(outside[best] ?? 0);
  }
  const splits = logits.length;
  return {
    pbo: logits.filter((each) => each <= 0).length / splits,
    logits,
    lossProbability: without.filter((each) => each < 0).length / splits,
    degradation: line(within, without),
    splits,
    leftOut,
  };
}
