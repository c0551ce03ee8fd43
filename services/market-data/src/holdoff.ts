/** When a venue may be asked for a snapshot: pure. */

/** Milliseconds to stay away after a status that asks for it without saying how long. */
export const WAIT_MS: Readonly<Record<number, number>> = { 418: 120_000, 429: 10_000 };

/** The venues that asked to be left alone, and until when. */
export class HoldOff {
  readonly #until = new Map<string, number>();
  #refused = 0;

  /** Whether the venue may be asked at `nowMs`; a refusal is counted. */
  allows(venue: string, nowMs: number): boolean {
    const until = this.#until.get(venue) ?? 0;
    if (nowMs >= until) return true;
    this.#refused += 1;
    return false;
  }

  /** Notes an answer; `retryAfterS` is the venue's own word and counts where it is longer. */
  answered(venue: string, status: number, retryAfterS: number | null, nowMs: number): void {
    const own = WAIT_MS[status];
    if (own === undefined) return;
    const until = nowMs + Math.max(own, (retryAfterS ?? 0) * 1_000);
    this.#until.set(venue, Math.max(until, this.#until.get(venue) ?? 0));
  }

  /** Times a snapshot was not asked for because the venue wants to be left alone. */
  get refused(): number {
    return this.#refused;
  }
}
