/** How much of a parent order should be done by when. Pure; lots are whole, and a schedule only rises. */

/** Evenly over the time. */
export function twapLots(totalLots: number, elapsedMs: number, durationMs: number): number {
  if (elapsedMs >= durationMs) return totalLots;
  return Math.floor((totalLots * Math.max(0, elapsedMs)) / durationMs);
}

/**
 * Along a curve of volume: weights of equal stretches of the time, evenly inside each. Exact for whole weights while lots,
 * weights and milliseconds multiply to less than 2^53.
 */
export function vwapLots(
  totalLots: number,
  elapsedMs: number,
  durationMs: number,
  weights: readonly number[],
): number {
  if (elapsedMs >= durationMs) return totalLots;
  const all = weights.reduce((sum, each) => sum + each, 0);
  const at = Math.max(0, elapsedMs) * weights.length;
  const whole = Math.floor(at / durationMs);
  const before = weights.slice(0, whole).reduce((sum, each) => sum + each, 0);
  const part = (weights[whole] ?? 0) * (at - whole * durationMs);
  return Math.floor((totalLots * (before * durationMs + part)) / (all * durationMs));
}

/** A share of what has traded. */
export function povLots(totalLots: number, tradedLots: number, sharePpm: number): number {
  return Math.min(totalLots, Math.floor((tradedLots * sharePpm) / 1e6));
}
