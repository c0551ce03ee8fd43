/** Sums and moments of a series, in doubles. */

/** A sum whose error does not grow with the number of terms (Neumaier 1974). */
export function sum(values: Iterable<number>): number {
  let total = 0;
  let lost = 0;
  for (const value of values) {
    const next = total + value;
    lost += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total;
    total = next;
  }
  return total + lost;
}

/** The arithmetic mean, `null` of no values. */
export function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : sum(values) / values.length;
}

/** Central moments of a series about its own mean, each divided by the number of values. */
export interface Moments {
  readonly count: number;
  readonly mean: number;
  /** Second, third and fourth. */
  readonly m2: number;
  readonly m3: number;
  readonly m4: number;
}

/** The moments; `null` of no values. Two passes: the mean first, then powers of the distance from it. */
export function moments(values: readonly number[]): Moments | null {
  const center = mean(values);
  if (center === null) return null;
  const power = (n: number) => sum(values.map((value) => (value - center) ** n)) / values.length;
  return { count: values.length, mean: center, m2: power(2), m3: power(3), m4: power(4) };
}

/**
 * Whether a series has no spread that its digits could show. The same number added up and divided again differs from itself in
 * the last digits, and a ratio to such a spread is noise, not a figure.
 */
export function isConstant({ mean: center, m2 }: Pick<Moments, "mean" | "m2">): boolean {
  return m2 <= (Math.abs(center) * 1e-14) ** 2;
}

/** Standard deviation with n - 1, of at least two values that differ; else `null`. */
export function standardDeviation(values: readonly number[]): number | null {
  const found = moments(values);
  if (found === null || found.count < 2 || isConstant(found)) return null;
  return Math.sqrt((found.m2 * found.count) / (found.count - 1));
}

/** m3 / m2^(3/2): 0 for a symmetric series. `null` where nothing differs. */
export function skewness(values: readonly number[]): number | null {
  const found = moments(values);
  return found === null || isConstant(found) ? null : found.m3 / found.m2 ** 1.5;
}

/** m4 / m2^2, not the excess: 3 for the normal distribution. `null` where nothing differs. */
export function kurtosis(values: readonly number[]): number | null {
  const found = moments(values);
  return found === null || isConstant(found) ? null : found.m4 / found.m2 ** 2;
}

/**
 * The value below which a part of a sorted series lies, by a straight line between its neighbours.
 *
 * Shape   at least one value, ascending; `part` in [0, 1]
 * Source  R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages" (1996), type 7: the usual default
 */
export function quantile(sorted: ArrayLike<number>, part: number): number {
  const place = part * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below];
  if (low === undefined) throw new RangeError("a quantile of no values: want at least one");
  const high = sorted[below + 1] ?? low;
  return low + (high - low) * (place - below);
}
