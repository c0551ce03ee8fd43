/** When a strategy that fails or dawdles is stopped. Pure. */

/** Exceptions in a row (successes between wipe them in halves) until HALTED; DEGRADED at half. */
export const EXCEPTIONS_MAX = 10;
/** Calls in a row over the budget until HALTED. */
export const OVERRUNS_MAX = 3;
/** Events in a row that asked for more intents than the budget or the link takes, until HALTED; DEGRADED at the first. */
export const FLOODS_MAX = 3;
/** A halted strategy is tried again, DEGRADED, after this long. */
export const HALT_NS = 60_000_000_000;

export type BreakerState = "NORMAL" | "DEGRADED" | "HALTED";

export class Breaker {
  #state: BreakerState = "NORMAL";
  #exceptions = 0;
  #successes = 0;
  #overruns = 0;
  #floods = 0;
  #haltedNs = 0;

  get state(): BreakerState {
    return this.#state;
  }

  /** Whether a handler may be called now. */
  allows(nowNs: number): boolean {
    if (this.#state !== "HALTED") return true;
    if (nowNs - this.#haltedNs < HALT_NS) return false;
    this.#state = "DEGRADED";
    this.#exceptions = EXCEPTIONS_MAX / 2;
    this.#successes = 0;
    this.#overruns = 0;
    this.#floods = 0;
    return true;
  }

  onSuccess(overrun: boolean, nowNs: number): void {
    this.#overruns = overrun ? this.#overruns + 1 : 0;
    if (this.#overruns >= OVERRUNS_MAX) {
      this.#halt(nowNs);
      return;
    }
    this.#successes += 1;
    if (this.#successes < EXCEPTIONS_MAX / 2) return;
    this.#exceptions = 0;
    if (this.#state === "DEGRADED") this.#state = "NORMAL";
  }

  onException(nowNs: number): void {
    this.#successes = 0;
    this.#exceptions += 1;
    if (this.#exceptions >= EXCEPTIONS_MAX) this.#halt(nowNs);
    else if (this.#exceptions >= EXCEPTIONS_MAX / 2) this.#state = "DEGRADED";
  }

  /**
   * What an event came to: it was refused intents for want of room, or it sent some and none was. An event that sent
   * nothing is not told: answers come between two floods.
   */
  onIntents(flooded: boolean, nowNs: number): void {
    if (!flooded) {
      this.#floods = 0;
      return;
    }
    if (this.#state === "HALTED") return;
    this.#floods += 1;
    this.#successes = 0;
    if (this.#floods >= FLOODS_MAX) this.#halt(nowNs);
    else this.#state = "DEGRADED";
  }

  #halt(nowNs: number): void {
    this.#state = "HALTED";
    this.#haltedNs = nowNs;
  }
}
