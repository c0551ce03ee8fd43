/**
 * Confidence intervals of figures whose observations depend on their neighbours: whole stretches of the series are drawn.
 *
 * Sources
 * - D. N. Politis, J. P. Romano, "The stationary bootstrap", JASA 89 (1994)
 * - D. N. Politis, J. P. Romano, "A circular block-resampling procedure for stationary data" (1992)
 * - D. N. Politis, H. White, "Automatic block-length selection for the dependent bootstrap", Econometric Reviews 23 (2004), with
 *   the correction of A. Patton, D. N. Politis, H. White, Econometric Reviews 28 (2009)
 */

import { seededRandom } from "@tidegate/strategy-sdk";
import { mean, quantile, sum } from "./moments.ts";

export type Blocks = "stationary" | "circular";

/** Draws of one interval at most. */
export const DRAWS_MAX = 1_000_000;

/**
 * Fills `out` with indices of one resample of a series of `length` values, joined end to start.
 *
 * Shape   `stationary`: block lengths are geometric with mean `blockLength` ≥ 1; `circular`: each is `blockLength`, a whole number
 */
export function resample(
  kind: Blocks,
  length: number,
  blockLength: number,
  random: () => number,
  out: Uint32Array,
): void {
  let at = 0;
  for (let place = 0; place < out.length; place += 1) {
    const fresh =
      place === 0 ||
      (kind === "stationary" ? random() < 1 / blockLength : place % blockLength === 0);
    at = fresh ? Math.floor(random() * length) : (at + 1) % length;
    out[place] = at;
  }
}

/**
 * Block lengths that make the bootstrapped variance of the mean most exact.
 *
 * Shape   each at least 1 and at most min(3√n, n/3); the circular one is to be rounded up. Of fewer than 8 values or of a constant: 1
 * Source  as above; the lags searched and the window as in the authors' own program of December 2007
 */
export function optimalBlockLength(values: readonly number[]): Record<Blocks, number> {
  const count = values.length;
  const center = mean(values) ?? 0;
  const off = values.map((value) => value - center);
  const covariance = (lag: number) =>
    sum(off.slice(lag).map((value, at) => value * (off[at] ?? 0))) / count;
  const variance = covariance(0);
  if (count < 8 || variance <= (Math.abs(center) * 1e-14) ** 2)
    return { stationary: 1, circular: 1 };
  const quiet = Math.max(5, Math.floor(Math.log10(count)));
  const lagMax = Math.min(Math.ceil(Math.sqrt(count)) + quiet, count - 1);
  const longest = Math.ceil(Math.min(3 * Math.sqrt(count), count / 3));
  const covariances = Array.from({ length: lagMax + 1 }, (_, lag) => covariance(lag));
  const critical = 2 * Math.sqrt(Math.log10(count) / count);
  const silent = covariances.map((each) => Math.abs(each / variance) < critical);
  // The first lag from which so many autocorrelations in a row are insignificant.
  let first: number | null = null;
  for (let lag = 1; lag + quiet <= lagMax && first === null; lag += 1) {
    if (silent.slice(lag, lag + quiet).every(Boolean)) first = lag;
  }
  const window = first === null ? lagMax : Math.min(2 * first, lagMax);
  let slope = 0;
  let longRun = variance;
  for (let lag = 1; lag <= window; lag += 1) {
    const weight = lag / window <= 0.5 ? 1 : 2 * (1 - lag / window);
    const each = covariances[lag] ?? 0;
    slope += 2 * weight * lag * each;
    longRun += 2 * weight * each;
  }
  const length = (factor: number) =>
    Math.min(
      longest,
      Math.max(1, Math.cbrt((2 * slope ** 2) / (factor * longRun ** 2)) * Math.cbrt(count)),
    );
  return { stationary: length(2), circular: length(4 / 3) };
}

export interface BootstrapOptions {
  readonly kind?: Blocks;
  /** Mean length of a stationary block, length of a circular one; the optimal one where absent. */
  readonly blockLength?: number;
  readonly draws?: number;
  /** 0.95 unless given. */
  readonly confidence?: number;
  readonly seed: number;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
  /** Standard deviation over the draws. */
  readonly standardError: number;
  readonly blockLength: number;
  readonly draws: number;
  /** Draws whose figure was not defined and that are left out. */
  readonly undefinedDraws: number;
}

/**
 * The percentile interval of a figure of a series. The same seed gives the same interval.
 *
 * Shape   `null` of no values, or where no draw gave a figure
 * Errors  RangeError: draws, confidence or block length out of range
 */
export function bootstrapInterval(
  values: readonly number[],
  figure: (drawn: number[]) => number | null,
  options: BootstrapOptions,
): Interval | null {
  const { kind = "stationary", draws = 2_000, confidence = 0.95, seed } = options;
  const found = options.blockLength ?? optimalBlockLength(values)[kind];
  const blockLength = kind === "circular" ? Math.ceil(found) : found;
  if (!Number.isInteger(draws) || draws < 1 || draws > DRAWS_MAX) {
    throw new RangeError(`${draws} draws: want a whole number from 1 to ${DRAWS_MAX}`);
  }
  if (!(confidence > 0 && confidence < 1)) {
    throw new RangeError(`confidence ${confidence}: want it between 0 and 1, 0.95 is usual`);
  }
  if (!(blockLength >= 1)) throw new RangeError(`blocks of ${blockLength}: want at least 1`);
  if (values.length === 0) return null;
  const random = seededRandom(seed);
  const indices = new Uint32Array(values.length);
  const figures: number[] = [];
  for (let draw = 0; draw < draws; draw += 1) {
    resample(kind, values.length, blockLength, random, indices);
    const each = figure(Array.from(indices, (at) => values[at] ?? Number.NaN));
    if (each !== null && Number.isFinite(each)) figures.push(each);
  }
  const average = mean(figures);
  if (average === null) return null;
  const sorted = Float64Array.from(figures).sort();
  const tail = (1 - confidence) / 2;
  return {
    low: quantile(sorted, tail),
    high: quantile(sorted, 1 - tail),
    standardError: Math.sqrt(
      sum(figures.map((each) => (each - average) ** 2)) / Math.max(1, figures.length - 1),
    ),
    blockLength,
    draws,
    undefinedDraws: draws - figures.length,
  };
}
