/**
 * One account, several processes: each has a fixed slice of what the venue allows, and keeps within it by itself.
 *
 * The rule is the order path's own (`crates/router/src/rate.rs`): a request counts from before its bytes leave until a whole
 * window after its answer, since the venue counts it somewhere between the two. Slices of one account add up to 100 %, so
 * that nobody has to ask anybody.
 */

/** Percent of the account's limits. The router's 90 % are its order session's and its REST errands'. */
export const ACCOUNT_SLICES = {
  orders: { router: 90, monitor: 10 },
  weight: { routerSession: 70, routerRest: 20, monitor: 10 },
} as const;

/** How long nothing is sent after a 429, and after a ban, that do not say until when. */
export const BLOCK_MS = 60_000;
export const BAN_MS = 120_000;
const MINUTE_MS = 60_000;

/** What was not sent, and how long it would have to wait. */
export class BudgetSpent extends Error {
  readonly waitMs: number;
  constructor(what: string, waitMs: number) {
    super(`${what}: not sent, the request budget is spent for ${Math.ceil(waitMs)} ms`);
    this.waitMs = waitMs;
  }
}

/** Request weight of one process at one venue: at most `max` in any minute of the venue's. */
export class WeightBudget {
  readonly #max: number;
  readonly #nowMs: () => number;
  #flying = 0;
  #settled: { readonly atMs: number; readonly weight: number }[] = [];
  #blockedUntilMs = 0;

  /** `percent` of the venue's weight a minute. `nowMs` must not step: a monotonic clock. */
  constructor(
    weightPerMinute: number,
    percent: number,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#max = Math.max(1, Math.floor((weightPerMinute * percent) / 100));
    this.#nowMs = nowMs;
  }

  /** What may be in one window. */
  get max(): number {
    return this.#max;
  }

  /** What may leave now; 0 while the venue wants silence. */
  get room(): number {
    const now = this.#nowMs();
    if (now < this.#blockedUntilMs) return 0;
    this.#settled = this.#settled.filter(({ atMs }) => now - atMs < MINUTE_MS);
    return this.#max - this.#settled.reduce((sum, each) => sum + each.weight, this.#flying);
  }

  /** Counts a request that is about to leave. Throws `BudgetSpent` where there is no room, or the venue wants silence. */
  take(what: string, weight: number): void {
    const now = this.#nowMs();
    if (now < this.#blockedUntilMs) throw new BudgetSpent(what, this.#blockedUntilMs - now);
    if (weight > this.room) {
      const first = this.#settled[0]?.atMs ?? now;
      throw new BudgetSpent(what, first + MINUTE_MS - now);
    }
    this.#flying += weight;
  }

  /** The answer is there, or will not come: a whole window from now. */
  settle(weight: number): void {
    this.#flying -= weight;
    this.#settled.push({ atMs: this.#nowMs(), weight });
  }

  /** The venue wants to hear nothing for so long. */
  block(ms: number): void {
    this.#blockedUntilMs = Math.max(this.#blockedUntilMs, this.#nowMs() + ms);
  }

  /** How long the venue is still not to be asked, ms. */
  get blockedMs(): number {
    return Math.max(0, this.#blockedUntilMs - this.#nowMs());
  }
}

/** For how long an answer wants silence, ms; null where it does not. `retryAfterS` as its header has it. */
export function silenceMs(status: number, retryAfterS: number | null): number | null {
  if (status !== 429 && status !== 418) return null;
  // The venue's seconds are cut off: one more, so that the reset has passed.
  if (retryAfterS !== null) return (retryAfterS + 1) * 1_000;
  return status === 418 ? BAN_MS : BLOCK_MS;
}
