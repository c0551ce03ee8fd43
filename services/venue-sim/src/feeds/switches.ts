/** What can be made to go wrong at a venue: names, where each applies, what is armed, and how often each really happened. */

import { SWITCH_COUNT_MAX, SWITCH_MS_MAX } from "./limits.ts";

export const VENUES = [
  "BINANCE_SPOT",
  "BINANCE_USDM",
  "BINANCE_COINM",
  "ALPACA",
  "ALPACA_CRYPTO",
  "SHIOAJI",
] as const;
export type FeedVenue = (typeof VENUES)[number];

const BINANCE = ["BINANCE_SPOT", "BINANCE_USDM", "BINANCE_COINM"] as const;
const FUTURES = ["BINANCE_USDM", "BINANCE_COINM"] as const;
const ALPACAS = ["ALPACA", "ALPACA_CRYPTO"] as const;

interface SwitchRow {
  /** Part of the list of switches a venue simulator needs: 1 session, 2 sequence, 5 time, 6 load. */
  readonly part: 1 | 2 | 5 | 6;
  readonly venues: readonly FeedVenue[];
  /** `count`: each use is one injection. `ms`: one injection, in force for so long. */
  readonly unit: "count" | "ms";
  /** Default count or ms. */
  readonly size: number;
}

export const SWITCHES = {
  slow_accept: { part: 1, venues: VENUES, unit: "count", size: 1 },
  auth_timeout: { part: 1, venues: ALPACAS, unit: "count", size: 1 },
  second_connection: { part: 1, venues: ALPACAS, unit: "count", size: 1 },
  shutdown_notice: { part: 1, venues: BINANCE, unit: "count", size: 1 },
  roll_24h: { part: 1, venues: VENUES, unit: "count", size: 1 },
  pong_lost: { part: 1, venues: BINANCE, unit: "count", size: 1 },
  half_open: { part: 1, venues: VENUES, unit: "count", size: 1 },
  tls: { part: 1, venues: VENUES, unit: "count", size: 1 },
  gap: { part: 2, venues: VENUES, unit: "count", size: 1 },
  duplicate: { part: 2, venues: VENUES, unit: "count", size: 1 },
  reorder_symbols: { part: 2, venues: VENUES, unit: "count", size: 1 },
  snapshot_old: { part: 2, venues: BINANCE, unit: "count", size: 1 },
  snapshot_new: { part: 2, venues: BINANCE, unit: "count", size: 1 },
  pu_mismatch: { part: 2, venues: FUTURES, unit: "count", size: 1 },
  crossed: { part: 2, venues: VENUES, unit: "count", size: 1 },
  heartbeat_only: { part: 2, venues: VENUES, unit: "ms", size: 8_000 },
  clock_skew: { part: 5, venues: VENUES, unit: "ms", size: 3_000 },
  dst_change: { part: 5, venues: ["ALPACA"], unit: "ms", size: 3_000 },
  night_session: { part: 5, venues: ["SHIOAJI"], unit: "ms", size: 4_000 },
  early_close: { part: 5, venues: ["ALPACA"], unit: "ms", size: 4_000 },
  wall_leap: { part: 5, venues: VENUES, unit: "ms", size: 2_000 },
  burst: { part: 6, venues: VENUES, unit: "ms", size: 2_000 },
  slow_client: { part: 6, venues: VENUES, unit: "count", size: 1 },
} as const satisfies Record<string, SwitchRow>;
export type SwitchName = keyof typeof SWITCHES;
export const SWITCH_NAMES = Object.keys(SWITCHES) as SwitchName[];

export function applies(name: SwitchName, venue: FeedVenue): boolean {
  return (SWITCHES[name].venues as readonly FeedVenue[]).includes(venue);
}

/** What one use of a switch may be told. */
export interface SwitchArgs {
  readonly count?: number | undefined;
  readonly ms?: number | undefined;
  /** Messages a second of a burst, over all symbols. */
  readonly perSecond?: number | undefined;
  /** A burst all at once each second, or evenly. */
  readonly shape?: "spikes" | "even" | undefined;
  /** A fault of the simulator itself, for a drill's own control: a gap whose ids are stitched over. */
  readonly hidden?: boolean | undefined;
}

/** A switch that cannot be armed: what was asked and what can be. */
export class SwitchError extends Error {}

/** The switches of one venue. */
export class Switchboard {
  readonly venue: FeedVenue;
  readonly #armed = new Map<SwitchName, { left: number; args: SwitchArgs }>();
  readonly #injected = new Map<SwitchName, number>();

  constructor(venue: FeedVenue) {
    this.venue = venue;
  }

  /** Arms `name`; what is left of an earlier use is added to. */
  arm(name: SwitchName, args: SwitchArgs): void {
    if (!applies(name, this.venue)) {
      throw new SwitchError(
        `${name} does not apply to ${this.venue}; it does to ${SWITCHES[name].venues.join(", ")}`,
      );
    }
    const { unit, size } = SWITCHES[name];
    const count = args.count ?? (unit === "count" ? size : 1);
    if (!Number.isSafeInteger(count) || count < 1 || count > SWITCH_COUNT_MAX) {
      throw new SwitchError(`count ${count} of ${name}: want 1 to ${SWITCH_COUNT_MAX}`);
    }
    const ms = this.ms(name, args);
    if (!Number.isFinite(ms) || Math.abs(ms) > SWITCH_MS_MAX) {
      throw new SwitchError(`ms ${ms} of ${name}: want at most ${SWITCH_MS_MAX}`);
    }
    const left = this.#armed.get(name)?.left ?? 0;
    this.#armed.set(name, { left: Math.min(left + count, SWITCH_COUNT_MAX), args });
  }

  ms(name: SwitchName, args: SwitchArgs): number {
    const { unit, size } = SWITCHES[name];
    return args.ms ?? (unit === "ms" ? size : 3_000);
  }

  /** Uses the switch once if it is armed; the caller then does the deed. */
  take(name: SwitchName): SwitchArgs | null {
    const armed = this.#armed.get(name);
    if (armed === undefined) return null;
    armed.left -= 1;
    if (armed.left === 0) this.#armed.delete(name);
    this.note(name);
    return armed.args;
  }

  isArmed(name: SwitchName): boolean {
    return this.#armed.has(name);
  }

  /** How it was armed, without using it. */
  armed(name: SwitchName): SwitchArgs | null {
    return this.#armed.get(name)?.args ?? null;
  }

  /** Counts a deed done without `take`. */
  note(name: SwitchName): void {
    this.#injected.set(name, (this.#injected.get(name) ?? 0) + 1);
  }

  /** How often each switch that applies here really happened. */
  injected(): Record<string, number> {
    const row: Record<string, number> = {};
    for (const name of SWITCH_NAMES) {
      if (applies(name, this.venue)) row[name] = this.#injected.get(name) ?? 0;
    }
    return row;
  }
}
