/** `hft conformance venues`: our adapters against the simulated venues, card by card. */

import type { AlpacaOrders } from "@tidegate/venue-sim/alpaca";
import { type Check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";
import { AlpacaVenues } from "./alpaca-orders.ts";
import { alpacaVenueCards } from "./alpaca-venue.ts";
import { type Card, judged, play } from "./cards.ts";

/** Fewest cards of a venue that say anything. */
export const CARDS_MIN = 25;

interface VenueSet {
  readonly cards: () => Card[];
  readonly [Symbol.dispose]: () => void;
}

function ofAlpaca(wrong: boolean): VenueSet {
  const venues = new AlpacaVenues(false);
  const open = async (): Promise<AlpacaOrders> => {
    const venue = await venues.open();
    // The planted fault: a venue that tells everything twice.
    if (wrong) venue.inject({ switch: "duplicate", count: 1_000_000 });
    return venue;
  };
  return { cards: () => alpacaVenueCards(open), [Symbol.dispose]: () => venues[Symbol.dispose]() };
}

/** The venues whose adapter has its cards; a venue is added by a row. */
export const SETS: Readonly<Record<string, (wrong: boolean) => VenueSet>> = { alpaca: ofAlpaca };
export const BREAKS = ["double-events"] as const;

export async function venues(
  command: string,
  only: string | null,
  plant: string | null,
): Promise<Result> {
  if (only !== null && !Object.hasOwn(SETS, only)) {
    throw new UsageError(`--only ${only}: want ${Object.keys(SETS).join(", ")}`);
  }
  if (plant !== null && !(BREAKS as readonly string[]).includes(plant)) {
    throw new UsageError(`--break ${plant}: want ${BREAKS.join(", ")}`);
  }
  const checks: Check[] = [];
  const figures: Record<string, unknown> = {};
  for (const [name, make] of Object.entries(SETS)) {
    if (only !== null && name !== only) continue;
    using set = make(plant === "double-events");
    const played = await play(set.cards());
    checks.push(...judged(name, played, CARDS_MIN));
    figures[name] = played;
  }
  return result(command, checks, figures);
}
