/** The standard normal distribution, to the last digits of a double in both tails. */

const ROOT_TWO_PI = Math.sqrt(2 * Math.PI);
/** Beyond it the continued fraction converges fast, and the series loses the tail's own digits. */
const SERIES_MAX = 3;
const FRACTION_TERMS = 200;

export function normalDensity(x: number): number {
  return Math.exp((-x * x) / 2) / ROOT_TWO_PI;
}

/** P(Z > x) for x above `SERIES_MAX`: φ(x) / (x + 1/(x + 2/(x + 3/(x + …)))), from the far end. */
function upperTail(x: number): number {
  let fraction = x;
  for (let term = FRACTION_TERMS; term > 0; term -= 1) fraction = x + term / fraction;
  return normalDensity(x) / fraction;
}

/**
 * P(Z ≤ x).
 *
 * Source  G. Marsaglia, "Evaluating the normal distribution" (2004), in the middle; Laplace's continued fraction in the tails
 */
export function normalCdf(x: number): number {
  if (Number.isNaN(x)) return Number.NaN;
  if (x < -SERIES_MAX) return x === Number.NEGATIVE_INFINITY ? 0 : upperTail(-x);
  if (x > SERIES_MAX) return x === Number.POSITIVE_INFINITY ? 1 : 1 - upperTail(x);
  // ∫ = φ(x) · (x + x³/3 + x⁵/(3·5) + …)
  let term = x;
  let total = x;
  for (let odd = 3; Math.abs(term) > Math.abs(total) * 1e-17; odd += 2) {
    term *= (x * x) / odd;
    total += term;
  }
  return 0.5 + total * normalDensity(x);
}

/**
 * The x with P(Z ≤ x) = p: -∞ at 0, ∞ at 1, NaN outside.
 *
 * Source  M. Abramowitz, I. Stegun, 26.2.23, for a start that is right to 4.5e-4; then Halley's steps on the distribution itself
 */
export function normalQuantile(p: number): number {
  if (!(p >= 0 && p <= 1)) return Number.NaN;
  if (p === 0) return Number.NEGATIVE_INFINITY;
  if (p === 1) return Number.POSITIVE_INFINITY;
  // In the lower half only: there 1 - p loses no digits.
  if (p > 0.5) return -normalQuantile(1 - p);
  const t = Math.sqrt(-2 * Math.log(p));
  const over = 2.515517 + t * (0.802853 + t * 0.010328);
  const under = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308));
  let x = over / under - t;
  for (let step = 0; step < 4; step += 1) {
    const off = (normalCdf(x) - p) / normalDensity(x);
    if (!Number.isFinite(off)) break;
    x -= off / (1 + (x * off) / 2);
  }
  return x;
}
