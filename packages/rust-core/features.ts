import { native } from "./native.ts";

/** One feature set of the registry. */
export interface FeatureSetInfo {
  readonly name: string;
  /** Of its definition: name, features in order, formulas, units, warm-ups. Never 0. */
  readonly hash: number;
  /** What one output follows: an update of the book or a closed bar. */
  readonly on: "book" | "bar";
  readonly features: readonly string[];
}

/** A kernel's profile: a set, the levels a side it is shown (1 to 5), and the pause after which an input is stale. */
export interface FeatureProfileSpec {
  readonly set: string;
  readonly levels: number;
  readonly staleAfterMs: number;
}

/** The best levels after one update of the book as [px ticks, qty lots], best first, or one print. Times in ns as texts. */
export type FeatureEvent =
  | {
      readonly bids: readonly (readonly [number, number])[];
      readonly asks: readonly (readonly [number, number])[];
      readonly tsNs: string;
    }
  | {
      readonly px: number;
      readonly qty: number;
      readonly side: "BUY" | "SELL";
      /** How sure the side is, in thousandths. */
      readonly confidence: number;
      readonly tsNs: string;
    };

/** The output of one update: whole numbers in the order of the set; `warm` and `changed` have bit n for value n. */
export interface FeatureRow {
  readonly values: readonly number[];
  readonly flags: number;
  readonly warm: number;
  readonly changed: number;
}

const sets = native<() => string>("featureSets");
const rows = native<(profile: string, events: string) => string>("featureRows");

/** Every feature set there is. */
export function featureSets(): readonly FeatureSetInfo[] {
  return JSON.parse(sets()()) as readonly FeatureSetInfo[];
}

/** Events of one call of `featureRows` at most. */
export const FEATURE_EVENTS_MAX = 100_000;

/**
 * Runs a fresh kernel, the one that runs live, over events; one row for each update of the book.
 *
 * Errors  a profile that cannot run, an event that is neither, too many events
 */
export function featureRows(
  profile: FeatureProfileSpec,
  events: readonly FeatureEvent[],
): readonly FeatureRow[] {
  return JSON.parse(rows()(JSON.stringify(profile), JSON.stringify(events))) as FeatureRow[];
}
