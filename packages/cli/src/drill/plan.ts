/** What the feed drill throws at each venue, in which order, and what each throw needs around it. Pure. */

import {
  applies,
  type FeedVenue,
  SWITCH_NAMES,
  type SwitchName,
} from "@tidegate/venue-sim/feeds/switches";

/** Long ones first, so that even a short run ends with them behind it. */
const FIRST: readonly SwitchName[] = ["half_open", "pong_lost"];

/** Switches a new connection meets: the old one is ended once they are armed. */
const KICKED: readonly SwitchName[] = ["slow_accept", "auth_timeout"];

/** Switches a snapshot meets: a gap makes the client fetch one. */
const SNAPSHOT: readonly SwitchName[] = ["snapshot_old", "snapshot_new"];

export interface Throw {
  readonly venue: FeedVenue;
  readonly name: SwitchName;
  readonly kick: boolean;
  readonly withGap: boolean;
}

export function throwsOf(venue: FeedVenue, only: readonly SwitchName[] | null): Throw[] {
  const names = SWITCH_NAMES.filter(
    (name) => applies(name, venue) && (only === null || only.includes(name)),
  );
  const ordered = [
    ...FIRST.filter((name) => names.includes(name)),
    ...names.filter((name) => !FIRST.includes(name)),
  ];
  return ordered.map((name) => ({
    venue,
    name,
    kick: KICKED.includes(name),
    withGap: SNAPSHOT.includes(name),
  }));
}
