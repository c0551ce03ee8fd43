import { expect, it } from "vitest";
import { alpacaRouterCards } from "../../packages/cli/src/conformance/alpaca-router-cards.ts";
import { play } from "../../packages/cli/src/conformance/cards.ts";
import { venues } from "../../packages/cli/src/conformance/venues.ts";

const MS_MAX = 300_000;
const LANES = 4;

it(
  "the execution-router holds the cards of Alpaca, the stream of trade updates being the source of fills [B016] [B018] [B023] [B049]",
  async () => {
    const cards = alpacaRouterCards();
    expect(cards.length).toBeGreaterThanOrEqual(40);
    const played = await play(cards, LANES);
    expect(played.filter(({ fault }) => fault !== "")).toEqual([]);
  },
  MS_MAX,
);

it.each(["alpaca", "shioaji"])(
  "a router that tells wrong fills of %s is noticed",
  async (venue) => {
    const { ok, checks } = await venues("venues", venue, "dearer-fills");
    expect([ok, (checks[0]?.value as number) >= 1]).toEqual([false, true]);
  },
  MS_MAX,
);
