/** Splits of a history in time: what is fitted lies before what is tested, never the other way round. */

/** Half-open ranges of indices. */
export interface Split {
  readonly trainFrom: number;
  readonly trainTo: number;
  readonly testFrom: number;
  readonly testTo: number;
}

export interface WalkForward {
  /** Observations there are. */
  readonly length: number;
  /** Observations of a training range; with `anchored` of the first one. */
  readonly train: number;
  readonly test: number;
  /** How far each split lies behind the one before; the length of a test unless given, so that tests neither overlap nor leave holes. */
  readonly step?: number;
  /**
   * Observations left out between the two. At least as many as a label or a position reaches forward, or the training range knows
   * part of the test.
   */
  readonly gap?: number;
  /** Every training range begins at 0. */
  readonly anchored?: boolean;
}

/**
 * Walk-forward splits in order. Only whole tests: what remains at the end is left out.
 *
 * Errors  RangeError where a length is no whole number or not a single split fits
 */
export function walkForward(of: WalkForward): Split[] {
  const { length, train, test, step = test, gap = 0, anchored = false } = of;
  const wrong = Object.entries({ length, train, test, step }).find(
    ([, value]) => !(Number.isInteger(value) && value >= 1),
  );
  if (wrong !== undefined || !Number.isInteger(gap) || gap < 0) {
    const [name, value] = wrong ?? ["gap", gap];
    throw new RangeError(
      `${name} ${value}: want a whole number of at least ${name === "gap" ? 0 : 1}`,
    );
  }
  const splits: Split[] = [];
  for (let testFrom = train + gap; testFrom + test <= length; testFrom += step) {
    const trainTo = testFrom - gap;
    const trainFrom = anchored ? 0 : trainTo - train;
    splits.push({ trainFrom, trainTo, testFrom, testTo: testFrom + test });
  }
  if (splits.length === 0) {
    throw new RangeError(
      `${length} observations hold no ${train} to train on, ${gap} between and ${test} to test: want at least ${train + gap + test}`,
    );
  }
  return splits;
}
