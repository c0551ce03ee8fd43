/**
 * Whether a Sharpe ratio is more than luck and many tries.
 *
 * All ratios here are of the series' own period, never annualised; kurtosis is 3 for the normal distribution.
 *
 * Sources
 * - D. H. Bailey, M. López de Prado, "The Sharpe ratio efficient frontier", Journal of Risk 15 (2012): PSR, MinTRL
 * - D. H. Bailey, M. López de Prado, "The deflated Sharpe ratio", Journal of Portfolio Management 40 (2014): SR0, DSR
 */

import { normalCdf, normalQuantile } from "./normal.ts";

const EULER_MASCHERONI = 0.577_215_664_901_532_9;

/** What is known of a track record. */
export interface TrackRecord {
  /** Sharpe ratio of one period. */
  readonly sharpe: number;
  /** Returns it was computed from, at least 2. */
  readonly count: number;
  readonly skewness: number;
  readonly kurtosis: number;
}

/** n - 1 times the variance of the estimated ratio, above 0; `null` where the moments contradict each other. */
function spread({ sharpe, skewness, kurtosis }: TrackRecord): number | null {
  const value = 1 - skewness * sharpe + ((kurtosis - 1) / 4) * sharpe ** 2;
  return value > 0 ? value : null;
}

/**
 * Probabilistic Sharpe ratio: the probability that the true ratio is above a benchmark's.
 *
 * Shape   in [0, 1]; `null` of fewer than two returns, or of moments no series has
 */
export function probabilisticSharpe(record: TrackRecord, benchmark = 0): number | null {
  const wide = spread(record);
  if (wide === null || record.count < 2) return null;
  return normalCdf(((record.sharpe - benchmark) * Math.sqrt(record.count - 1)) / Math.sqrt(wide));
}

/**
 * SR0: the highest ratio to be expected of so many independent tries none of which has any skill.
 *
 * Shape   0 of one try: nothing was selected
 * Units   `variance` of the tries' ratios, of one period
 * Errors  RangeError: fewer than one try, or a variance below 0
 */
export function expectedMaxSharpe(variance: number, trials: number): number {
  if (!(trials >= 1) || !(variance >= 0)) {
    throw new RangeError(
      `${trials} tries of variance ${variance}: want at least 1 and a variance of at least 0`,
    );
  }
  if (trials === 1) return 0;
  const first = normalQuantile(1 - 1 / trials);
  const second = normalQuantile(1 - 1 / (trials * Math.E));
  return Math.sqrt(variance) * ((1 - EULER_MASCHERONI) * first + EULER_MASCHERONI * second);
}

/** Deflated Sharpe ratio: `probabilisticSharpe` against `expectedMaxSharpe` of all tries it was selected from. */
export function deflatedSharpe(
  record: TrackRecord,
  tries: { readonly variance: number; readonly trials: number },
): number | null {
  return probabilisticSharpe(record, expectedMaxSharpe(tries.variance, tries.trials));
}

/**
 * Minimum track record length: returns needed to be so sure that the true ratio is above a benchmark's.
 *
 * Shape   `null` where the ratio is not above the benchmark: no length is enough
 */
export function minTrackRecord(
  record: TrackRecord,
  { benchmark = 0, confidence = 0.95 } = {},
): number | null {
  const wide = spread(record);
  if (wide === null || record.sharpe <= benchmark) return null;
  return 1 + wide * (normalQuantile(confidence) / (record.sharpe - benchmark)) ** 2;
}

/** Independent tries that so many correlated ones amount to, between 1 and all: ρ̄ + (1 - ρ̄) M (2014, appendix 3). */
export function independentTrials(trials: number, averageCorrelation: number): number {
  const share = Math.min(1, Math.max(0, averageCorrelation));
  return share + (1 - share) * trials;
}
