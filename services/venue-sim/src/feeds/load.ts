/** Bursts: so many messages a second above the market's own, evenly or all at once each second. */

import type { Switchboard } from "./switches.ts";

export const BURST_PER_SECOND = 1_000;

export class Load {
  readonly #board: Switchboard;
  readonly #monoMs: () => number;
  #until = 0;
  #from = 0;
  #given = 0;
  #perSecond = 0;
  #spikes = false;

  constructor(board: Switchboard, monoMs: () => number) {
    this.#board = board;
    this.#monoMs = monoMs;
  }

  /** Messages due now on top of the market's own. */
  due(): number {
    const now = this.#monoMs();
    if (now >= this.#until) {
      const args = this.#board.take("burst");
      if (args === null) return 0;
      this.#from = now;
      this.#until = now + this.#board.ms("burst", args);
      this.#given = 0;
      this.#perSecond = args.perSecond ?? BURST_PER_SECOND;
      this.#spikes = args.shape === "spikes";
    }
    const seconds = (now - this.#from) / 1_000;
    const whole = this.#spikes ? Math.floor(seconds) + 1 : seconds;
    const due = Math.floor(whole * this.#perSecond) - this.#given;
    this.#given += due;
    return due;
  }
}
