import { describe, expect, it } from "vitest";
import { CARDS_MIN, venues } from "../../packages/cli/src/conformance/venues.ts";

const MS_MAX = 400_000;

describe("conformance venues", () => {
  it(
    "our adapter of Alpaca holds every card",
    async () => {
      const { ok, figures, checks } = await venues("venues", "alpaca", null);
      const cards = figures["alpaca"] as { name: string; fault: string }[];
      expect(cards.filter(({ fault }) => fault !== "")).toEqual([]);
      expect(checks.map(({ name }) => name)).toEqual(["failed.alpaca", "failed.alpaca_of"]);
      expect(cards.length).toBeGreaterThanOrEqual(CARDS_MIN);
      expect(ok).toBe(true);
    },
    MS_MAX,
  );

  it(
    "a venue that tells everything twice is noticed",
    async () => {
      const { ok, checks } = await venues("venues", null, "double-events");
      expect(checks[0]?.value).toBeGreaterThanOrEqual(1);
      expect(ok).toBe(false);
    },
    MS_MAX,
  );

  it("an unknown venue or break is refused with those there are", async () => {
    await expect(venues("venues", "x", null)).rejects.toThrow("alpaca");
    await expect(venues("venues", null, "x")).rejects.toThrow("double-events");
  });
});
