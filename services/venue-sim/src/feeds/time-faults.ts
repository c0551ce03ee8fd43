/** The faults of a venue's clock: each puts it somewhere for a while, then back. */

import type { VenueClock } from "./clock.ts";
import { SWITCHES, type Switchboard, type SwitchName } from "./switches.ts";

/** What `clock_skew` adds, ms: more than the second a venue's client may be off by. */
export const SKEW_MS = 2_000;
/** What `wall_leap` adds, ms. */
export const LEAP_MS = 3_600_000;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** UTC of a wall time of 2026 at the venue. */
const PLACES: Partial<Record<SwitchName, number>> = {
  // The first Sunday of November, 02:00 in New York: clocks go back. A trading day begins at a new hour of UTC after it.
  dst_change: Date.UTC(2026, 10, 1, 5, 59, 58),
  // The day after Thanksgiving closes at 13:00 in New York.
  early_close: Date.UTC(2026, 10, 27, 17, 59, 58),
  // Midnight in Taipei, in the night session of futures.
  night_session: Date.UTC(2026, 10, 25, 15, 59, 58),
};

const TIMED = ["clock_skew", "wall_leap", "dst_change", "early_close", "night_session"] as const;

/** Applies at most one clock fault at a time. */
export class TimeFaults {
  readonly #board: Switchboard;
  readonly #clock: VenueClock;
  #until: number | null = null;
  #current: SwitchName | null = null;

  constructor(board: Switchboard, clock: VenueClock) {
    this.#board = board;
    this.#clock = clock;
  }

  get current(): SwitchName | null {
    return this.#current;
  }

  tick(): void {
    const now = this.#clock.monoMs();
    if (this.#until !== null) {
      if (now < this.#until) return;
      this.#clock.restore();
      this.#until = null;
      this.#current = null;
    }
    for (const name of TIMED) {
      if (!(SWITCHES[name].venues as readonly string[]).includes(this.#board.venue)) continue;
      const args = this.#board.take(name);
      if (args === null) continue;
      const place = PLACES[name];
      if (place !== undefined) this.#clock.leapTo(place);
      else this.#clock.leapBy(name === "clock_skew" ? SKEW_MS : LEAP_MS);
      this.#until = now + this.#board.ms(name, args);
      this.#current = name;
      return;
    }
  }
}

/** Offset of New York from UTC at a time, ms: the rule of 2007, to the hour. */
export function newYorkOffsetMs(epochMs: number): number {
  const year = new Date(epochMs).getUTCFullYear();
  const sunday = (month: number, nth: number): number => {
    const first = new Date(Date.UTC(year, month, 1)).getUTCDay();
    return Date.UTC(year, month, 1 + ((7 - first) % 7) + (nth - 1) * 7);
  };
  const summer = sunday(2, 2) + 7 * HOUR_MS;
  const winter = sunday(10, 1) + 6 * HOUR_MS;
  return epochMs >= summer && epochMs < winter ? -4 * HOUR_MS : -5 * HOUR_MS;
}

/** Midnight in New York of the day a time falls in, as UTC ms. */
export function newYorkMidnightMs(epochMs: number): number {
  const local = epochMs + newYorkOffsetMs(epochMs);
  const midnight = Math.floor(local / DAY_MS) * DAY_MS;
  // Midnight has the offset of its own moment, which on two days a year is not that of the day's end.
  return midnight - newYorkOffsetMs(midnight + 5 * HOUR_MS);
}
