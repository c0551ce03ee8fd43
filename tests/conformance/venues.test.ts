import { describe, expect, it } from "vitest";
import { AlpacaVenues } from "../../packages/cli/src/conformance/alpaca-orders.ts";
import { alpacaVenueCards } from "../../packages/cli/src/conformance/alpaca-venue.ts";
import { type Card, play } from "../../packages/cli/src/conformance/cards.ts";
import { shioajiVenueCards } from "../../packages/cli/src/conformance/shioaji-venue.ts";
import { CARDS_MIN, venues } from "../../packages/cli/src/conformance/venues.ts";

const MS_MAX = 400_000;
const LANES = 3;

describe("conformance venues", () => {
  async function sound(cards: readonly Card[]): Promise<void> {
    const played = await play(cards, LANES);
    expect(played.filter(({ fault }) => fault !== "")).toEqual([]);
    expect(played.length).toBeGreaterThanOrEqual(CARDS_MIN);
  }

  async function holds(venue: string): Promise<void> {
    const { ok, figures, checks } = await venues("venues", venue, null);
    const cards = figures[venue] as { name: string; fault: string }[];
    expect(cards.filter(({ fault }) => fault !== "")).toEqual([]);
    expect(checks.map(({ name }) => name)).toEqual([`failed.${venue}`, `failed.${venue}_of`]);
    expect(cards.length).toBeGreaterThanOrEqual(CARDS_MIN);
    expect(new Set(cards.map(({ name }) => name)).size).toBe(cards.length);
    expect(ok).toBe(true);
  }

  // The router's cards at the same two venues have tests of their own, beside this file.
  it(
    "our client of Alpaca holds every card",
    async () => {
      using all = new AlpacaVenues(false);
      await sound(alpacaVenueCards(() => all.open()));
    },
    MS_MAX,
  );

  it("our client of Shioaji holds every card", () => sound(shioajiVenueCards()), MS_MAX);

  // USD-M has the same cards, for the command: three quarters of a minute more.
  it(
    "the execution-router holds every card of binance-spot, also after a 429 and a 418 [B019]",
    () => holds("binance-spot"),
    MS_MAX,
  );

  it.each([
    ["a venue that tells everything twice", "alpaca", "double-events"],
    ["a router that tells wrong fills", "binance-spot", "wrong-fills"],
    ["a client that books wrong fills", "shioaji", "wrong-fills"],
  ])(
    "%s is noticed",
    async (_, venue, plant) => {
      const { ok, checks } = await venues("venues", venue, plant);
      expect(checks[0]?.value).toBeGreaterThanOrEqual(1);
      expect(ok).toBe(false);
    },
    MS_MAX,
  );

  it("an unknown venue or break is refused with those there are", async () => {
    await expect(venues("venues", "x", null)).rejects.toThrow("alpaca");
    await expect(venues("venues", null, "x")).rejects.toThrow("double-events");
    await expect(venues("venues", "alpaca", "wrong-fills")).rejects.toThrow("binance-spot");
  });
});
