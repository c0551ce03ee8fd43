/** When a strategy that does not come back is ended. Pure: it counts looks, not clock time, so that a machine that was stopped kills nobody. */

/** How often the flags are looked at. */
export const LOOK_MS = 25;

export class Watchdog {
  readonly #looksMax: number;
  #batch = 0;
  #looks = 0;

  /** `boundMs` is rounded up to whole looks. */
  constructor(boundMs: number) {
    this.#looksMax = Math.ceil(boundMs / LOOK_MS);
  }

  /** One look at the batch the strategy is in, 0 for none; true when it has been in it for the whole bound. */
  look(batch: number): boolean {
    if (batch === 0 || batch !== this.#batch) {
      this.#batch = batch;
      this.#looks = 0;
      return false;
    }
    this.#looks += 1;
    return this.#looks >= this.#looksMax;
  }
}
