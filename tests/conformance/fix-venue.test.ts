import { expect, it } from "vitest";
import { play } from "../../packages/cli/src/conformance/cards.ts";
import { fixVenueCards } from "../../packages/cli/src/conformance/fix-venue.ts";
import { venues } from "../../packages/cli/src/conformance/venues.ts";

const MS_MAX = 200_000;
const LANES = 4;

// The command has a card for each code; here two of them stand for the rest.
const EACH_CODE = /^refused: (103=(?!3 |99 )|BusinessMessageReject (?!4 ))/;

it(
  "the execution-router holds the cards of a FIX venue, its reports being the source of fills [B016] [B023] [B049]",
  async () => {
    const cards = fixVenueCards().filter(({ name }) => !EACH_CODE.test(name));
    expect(cards.length).toBeGreaterThanOrEqual(50);
    const played = await play(cards, LANES);
    expect(played.filter(({ fault }) => fault !== "")).toEqual([]);
  },
  MS_MAX,
);

it(
  "a router that tells wrong fills of a FIX venue is noticed",
  async () => {
    const { ok, checks } = await venues("venues", "fix", "wrong-fills");
    expect([ok, (checks[0]?.value as number) >= 1]).toEqual([false, true]);
  },
  MS_MAX,
);
