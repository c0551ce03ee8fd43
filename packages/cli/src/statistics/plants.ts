/** Faults that `verify statistics` must notice, each of a kind that has been published by mistake. */

import * as research from "@tidegate/research";

type Subject = typeof research;

const PLANTS: Readonly<Record<string, Partial<Subject>>> = {
  /** Divides by n where it is n - 1. */
  "population-deviation": {
    sharpe: (returns, period) => {
      const ratio = research.sharpe(returns, period);
      return ratio === null ? null : ratio * Math.sqrt(returns.length / (returns.length - 1));
    },
  },
  /** Takes the deviation of the losing days alone, by their own number. */
  "losing-days": {
    downsideDeviation: (returns, { periodsPerYear, target = 0 }) => {
      const lost = returns.map((each) => each - target).filter((each) => each < 0);
      const square = research.mean(lost.map((each) => each ** 2));
      return square === null ? null : Math.sqrt(square * periodsPerYear);
    },
  },
  /** Hands in the excess kurtosis. */
  "excess-kurtosis": { kurtosis: (values) => (research.kurtosis(values) ?? 0) - 3 },
  /** Counts the tries once too little. */
  "forgotten-try": {
    expectedMaxSharpe: (variance, trials) =>
      research.expectedMaxSharpe(variance, Math.max(1, trials - 1)),
  },
  /** Calls a drawdown over at its lowest point. */
  "short-drawdown": {
    maxDrawdown: (equity, options) => {
      const found = research.maxDrawdown(equity, options);
      return found && { ...found, length: found.trough - found.peak };
    },
  },
  /** Looks at the wrong end of the ranks. */
  "upper-half": {
    backtestOverfitting: (returns, blocks) => {
      const found = research.backtestOverfitting(returns, blocks);
      return { ...found, pbo: 1 - found.pbo };
    },
  },
  /** Draws single days and loses what one day says of the next. */
  "single-draws": {
    bootstrapInterval: (values, figure, options) =>
      research.bootstrapInterval(values, figure, { ...options, blockLength: 1 }),
  },
  /** Trains up to the test although a gap was asked for. */
  "no-gap": {
    walkForward: (of) =>
      research.walkForward(of).map((each) => ({ ...each, trainTo: each.testFrom })),
  },
};

export const PLANT_NAMES = Object.keys(PLANTS);

/** The statistics, or with one of them wrong. `undefined` for a name that is no plant. */
export function subjectOf(plant: string | undefined): Subject | undefined {
  if (plant === undefined) return research;
  const fault = PLANTS[plant];
  return fault === undefined ? undefined : { ...research, ...fault };
}
