/**
 * Whose turn it is: which question is asked when. Pure: time and the room of a budget in, questions out.
 *
 * A list of orders that something gave rise to is what makes a difference a case within the second; so room for
 * `confirms` of them a minute is kept, and no planned question takes it. A further one waits for the planned list.
 */

import { ASKS, type Ask, type Periods, type Weights } from "./cadence.ts";

const MINUTE_MS = 60_000;

export class Turns {
  readonly #periods: Periods;
  readonly #weights: Weights;
  readonly #confirms: number;
  /** When each is due next, ms; 0 = at once. */
  readonly #due: Record<Ask, number> = { orders: 0, balances: 0, executions: 0, cash: 0 };
  /** What something gave rise to. */
  readonly #raised = new Set<Ask>();
  /** When the last confirming lists were asked for, ms: at most `confirms`, of the last minute. */
  #confirmed: number[] = [];
  /** Lists that something gave rise to and that found no room of their own. */
  waited = 0;

  constructor(periods: Periods, weights: Weights, confirms: number) {
    this.#periods = periods;
    this.#weights = weights;
    this.#confirms = confirms;
  }

  /** Everything is due: at the start, and when the venue may have said what was not heard. */
  all(): void {
    for (const what of ASKS) this.#due[what] = 0;
  }

  /** Something gives rise to a question. */
  raise(what: Ask): void {
    this.#raised.add(what);
  }

  /** A question that was not sent, or not answered in time, is due so much later. */
  later(what: Ask, dueMs: number): void {
    this.#due[what] = dueMs;
  }

  /** The question to ask now, with `room` weight left in the budget; null = none. `flying` = not answered yet. */
  next(nowMs: number, room: number, flying: ReadonlySet<Ask>): Ask | null {
    this.#confirmed = this.#confirmed.filter((atMs) => nowMs - atMs < MINUTE_MS);
    const free = ASKS.filter((what) => this.#weights[what] > 0 && !flying.has(what));
    if (this.#raised.has("orders") && free.includes("orders")) {
      if (this.#confirmed.length < this.#confirms && this.#weights.orders <= room) {
        this.#confirmed.push(nowMs);
        return this.#taken("orders", nowMs);
      }
    }
    const kept = (this.#confirms - this.#confirmed.length) * this.#weights.orders;
    const planned = free.find(
      (what) =>
        (nowMs >= this.#due[what] || (this.#raised.has(what) && what !== "orders")) &&
        this.#weights[what] + kept <= room,
    );
    if (planned === undefined) return null;
    if (planned === "orders" && this.#raised.has("orders")) this.waited += 1;
    return this.#taken(planned, nowMs);
  }

  #taken(what: Ask, nowMs: number): Ask {
    this.#raised.delete(what);
    this.#due[what] = nowMs + this.#periods[what];
    return what;
  }
}
