/** Falls of an equity curve from its highest value so far. */

export interface Drawdown {
  /** Index of the last value at the high before the fall. */
  readonly peak: number;
  /** Index of the lowest value, the first of several. */
  readonly trough: number;
  /** Index of the first value back at the high or above; `null` where the series ends before. */
  readonly recovery: number | null;
  /** Part of the high that was lost at the trough, 0.25 for a quarter; in the curve's own unit where asked for. */
  readonly depth: number;
  /** Steps from the peak to the recovery, or to the end of the series. */
  readonly length: number;
}

export interface DrawdownOptions {
  /**
   * What a depth is: `part` of the high, which must be above 0, or an `amount`, for profit that starts at 0. `part` unless given.
   */
  readonly as?: "part" | "amount";
}

/**
 * Every fall below an earlier high, in order of time.
 *
 * Errors  RangeError where a part is asked for and a value is not above 0, or a value is no number
 */
export function drawdowns(
  equity: readonly number[],
  { as = "part" }: DrawdownOptions = {},
): Drawdown[] {
  const found: Drawdown[] = [];
  let peak = 0;
  let trough = -1;
  const at = (index: number) => equity[index] ?? Number.NaN;
  const close = (recovery: number | null, end: number) => {
    const lost = at(peak) - at(trough);
    const depth = as === "part" ? lost / at(peak) : lost;
    found.push({ peak, trough, recovery, depth, length: end - peak });
    trough = -1;
  };
  for (const [index, value] of equity.entries()) {
    if (!Number.isFinite(value) || (as === "part" && value <= 0)) {
      throw new RangeError(
        `equity ${index} is ${value}: want ${as === "part" ? "amounts above 0, or depths as amounts" : "numbers"}`,
      );
    }
    if (value >= at(peak)) {
      if (trough >= 0) close(index, index);
      peak = index;
    } else if (trough < 0 || value < at(trough)) trough = index;
  }
  if (trough >= 0) close(null, equity.length - 1);
  return found;
}

/** The deepest fall, the first of several; depth 0 where there is none. `null` of no values. */
export function maxDrawdown(
  equity: readonly number[],
  options: DrawdownOptions = {},
): Drawdown | null {
  if (equity.length === 0) return null;
  const none: Drawdown = { peak: 0, trough: 0, recovery: 0, depth: 0, length: 0 };
  return drawdowns(equity, options).reduce(
    (deep, each) => (each.depth > deep.depth ? each : deep),
    none,
  );
}

/** How far each value lies below the highest so far, 0 at a high; as `drawdowns` measures depth. */
export function underwater(
  equity: readonly number[],
  { as = "part" }: DrawdownOptions = {},
): number[] {
  let high = Number.NEGATIVE_INFINITY;
  return equity.map((value) => {
    high = Math.max(high, value);
    return as === "part" ? 1 - value / high : high - value;
  });
}
