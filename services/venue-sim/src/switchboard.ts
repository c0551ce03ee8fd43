/**
 * What can be made to go wrong at one venue: what is armed, and how often each thing really happened. Which switches there
 * are, and at which venues, is the table's.
 */

/** Longest an armed switch may act, ms. */
export const SWITCH_MS_MAX = 600_000;
/** Uses an armed switch may have. */
export const SWITCH_COUNT_MAX = 1_000_000;

export interface SwitchRow {
  /** Part of the list of switches a venue simulator needs: 1 session, 2 sequence, 3 orders, 4 limits, 5 time, 6 load. */
  readonly part: 1 | 2 | 3 | 4 | 5 | 6;
  readonly venues: readonly string[];
  /** `count`: each use is one injection. `ms`: one injection, in force for so long. */
  readonly unit: "count" | "ms";
  /** Default count or ms. */
  readonly size: number;
}

/** What one use of a switch may be told. */
export interface SwitchArgs {
  readonly count?: number | undefined;
  readonly ms?: number | undefined;
  /** The venue's own code of a refusal. */
  readonly code?: number | undefined;
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
export class Board<Venue extends string, Name extends string> {
  readonly venue: Venue;
  readonly #table: Readonly<Record<Name, SwitchRow>>;
  readonly #armed = new Map<Name, { left: number; args: SwitchArgs }>();
  readonly #injected = new Map<Name, number>();

  constructor(venue: Venue, table: Readonly<Record<Name, SwitchRow>>) {
    this.venue = venue;
    this.#table = table;
  }

  /** Arms `name`; what is left of an earlier use is added to. */
  arm(name: Name, args: SwitchArgs): void {
    if (!this.#table[name].venues.includes(this.venue)) {
      throw new SwitchError(
        `${name} does not apply to ${this.venue}; it does to ${this.#table[name].venues.join(", ")}`,
      );
    }
    const { unit, size } = this.#table[name];
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

  ms(name: Name, args: SwitchArgs): number {
    const { unit, size } = this.#table[name];
    return args.ms ?? (unit === "ms" ? size : 3_000);
  }

  /** Uses the switch once if it is armed; the caller then does the deed. */
  take(name: Name): SwitchArgs | null {
    const armed = this.#armed.get(name);
    if (armed === undefined) return null;
    armed.left -= 1;
    if (armed.left === 0) this.#armed.delete(name);
    this.note(name);
    return armed.args;
  }

  isArmed(name: Name): boolean {
    return this.#armed.has(name);
  }

  /** How it was armed, without using it. */
  armed(name: Name): SwitchArgs | null {
    return this.#armed.get(name)?.args ?? null;
  }

  /** Counts a deed done without `take`. */
  note(name: Name): void {
    this.#injected.set(name, (this.#injected.get(name) ?? 0) + 1);
  }

  /** How often each switch that applies here really happened. */
  injected(): Record<string, number> {
    const row: Record<string, number> = {};
    for (const name of Object.keys(this.#table) as Name[]) {
      if (this.#table[name].venues.includes(this.venue)) row[name] = this.#injected.get(name) ?? 0;
    }
    return row;
  }
}
