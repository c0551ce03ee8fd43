/** Worked examples that were published, to the digits they are printed with. */

import type * as Research from "@tidegate/research";
import type { Comparisons } from "./compare.ts";

type Subject = typeof Research;

/**
 * D. H. Bailey, M. López de Prado, "The deflated Sharpe ratio" (2014), numerical example: 1,250 daily returns, annualised ratio 2.5,
 * skewness -3, kurtosis 10, ratios of the tries with annualised variance 1/2, years of 250 days.
 */
function deflated(subject: Subject, to: Comparisons): void {
  const variance = 0.5 / 250;
  const record = { sharpe: 2.5 / Math.sqrt(250), count: 1_250, skewness: -3, kurtosis: 10 };
  const normal = { ...record, skewness: 0, kurtosis: 3 };
  to.group("published: deflated Sharpe ratio");
  to.printed("SR0 of 100 tries", subject.expectedMaxSharpe(variance, 100), "0.1132");
  to.printed("DSR of 100", subject.deflatedSharpe(record, { variance, trials: 100 }), "0.9004");
  to.printed("DSR of 46", subject.deflatedSharpe(record, { variance, trials: 46 }), "0.9505");
  to.printed("normal, of 88", subject.deflatedSharpe(normal, { variance, trials: 88 }), "0.9505");
}

/**
 * D. H. Bailey, M. López de Prado, "The Sharpe ratio efficient frontier" (2012): two years of monthly returns with ratio 0.458, and the
 * years needed to be sure that an annualised ratio of 2 is above 1.
 */
function probabilistic(subject: Subject, to: Comparisons): void {
  const record = { sharpe: 0.458, count: 24, skewness: -2.448, kurtosis: 10.164 };
  const normal = { ...record, skewness: 0, kurtosis: 3 };
  to.group("published: probabilistic Sharpe ratio");
  to.printed("normal", subject.probabilisticSharpe(normal), "0.982");
  to.printed("as it was", subject.probabilisticSharpe(record), "0.913");
  const monthly = (skewness: number, kurtosis: number) =>
    (subject.minTrackRecord(
      { sharpe: 2 / Math.sqrt(12), count: 24, skewness, kurtosis },
      { benchmark: 1 / Math.sqrt(12) },
    ) ?? Number.NaN) / 12;
  to.printed("years, normal", monthly(0, 3), "3.24");
  to.printed("years, hedge fund index", monthly(-0.72, 5.78), "4.99");
}

/** T. N. Rollinger, S. T. Hoffman, "Sortino: a 'sharper' ratio" (Red Rock Capital, 2013): eight annual returns, target 0. */
function downside(subject: Subject, to: Comparisons): void {
  const returns = [0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04];
  const yearly = { periodsPerYear: 1 };
  to.group("published: Sortino ratio");
  to.printed("downside deviation", subject.downsideDeviation(returns, yearly), "2.264e-2");
  to.printed("ratio", subject.sortino(returns, yearly), "4.417");
}

/** NIST Statistical Reference Datasets, univariate: NumAcc1 to 4, certified to fifteen digits where the data themselves are exact. */
function accuracy(subject: Subject, to: Comparisons): void {
  const alternating = (first: number, low: number, high: number) => [
    first,
    ...Array.from({ length: 1_000 }, (_, at) => (at % 2 === 0 ? low : high)),
  ];
  const sets: readonly (readonly [string, readonly number[], number, number])[] = [
    ["NumAcc1", [10_000_001, 10_000_003, 10_000_002], 10_000_002, 1],
    ["NumAcc2", alternating(1.2, 1.1, 1.3), 1.2, 0.1],
    ["NumAcc3", alternating(1_000_000.2, 1_000_000.1, 1_000_000.3), 1_000_000.2, 0.1],
    ["NumAcc4", alternating(10_000_000.2, 10_000_000.1, 10_000_000.3), 10_000_000.2, 0.1],
  ];
  to.group("published: NIST reference data");
  for (const [name, values, mean, deviation] of sets) {
    to.same(`${name} mean`, subject.mean(values), mean, 1e-15);
    // Of NumAcc3 and 4 a double holds nine and eight digits of the spread.
    to.same(`${name} deviation`, subject.standardDeviation(values), deviation, 1e-8);
  }
}

/** M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution" (1988), its three test values. */
function points(subject: Subject, to: Comparisons): void {
  to.group("published: normal distribution");
  to.same("0.25", subject.normalQuantile(0.25), -0.674_489_750_196_081_7, 1e-14);
  to.same("0.001", subject.normalQuantile(0.001), -3.090_232_306_167_814, 1e-14);
  to.same("1e-20", subject.normalQuantile(1e-20), -9.262_340_089_798_41, 1e-14);
}

/** Every published example. */
export function published(subject: Subject, to: Comparisons): void {
  deflated(subject, to);
  probabilistic(subject, to);
  downside(subject, to);
  accuracy(subject, to);
  points(subject, to);
}
