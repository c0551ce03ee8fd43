/** So many of something at a time; whoever comes later waits for its turn. Pure but for its promises. */

export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** Errors  fewer than one slot: nothing would ever begin */
  constructor(slots: number) {
    if (!(slots >= 1)) throw new RangeError(`cannot make ${slots} slots: want at least one`);
    this.#free = slots;
  }

  /** Runs `work` in a slot of its own; the slot is free again however it ends. */
  async in<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
