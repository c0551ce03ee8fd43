/** Names given on the command line. */

import {
  type FeedVenue,
  SWITCH_NAMES,
  type SwitchName,
  VENUES,
} from "@tidegate/venue-sim/feeds/switches";
import { UsageError } from "../sim/options.ts";

function parse<T extends string>(
  flag: string,
  all: readonly T[],
  given: readonly string[] | undefined,
): T[] | null {
  if (given === undefined) return null;
  return given.map((name) => {
    const found = all.find((each) => each === name);
    if (found === undefined) throw new UsageError(`${flag} ${name}: want ${all.join(", ")}`);
    return found;
  });
}

export const parseVenues = (given: readonly string[] | undefined): FeedVenue[] | null =>
  parse("--venues", VENUES, given);
export const parseSwitches = (given: readonly string[] | undefined): SwitchName[] | null =>
  parse("--switches", SWITCH_NAMES, given);
export const KILL_PATHS = ["gateway", "router", "monitor"] as const;
export const parsePaths = (
  given: readonly string[] | undefined,
): (typeof KILL_PATHS)[number][] | null => parse("--paths", KILL_PATHS, given);
