import { expect, it } from "vitest";
import { play } from "../../packages/cli/src/conformance/cards.ts";
import { shioajiRouterCards } from "../../packages/cli/src/conformance/shioaji-router-cards.ts";

const MS_MAX = 300_000;
const LANES = 4;

it(
  "the execution-router holds the cards of Shioaji, its order events being the source of fills [B016] [B023] [B049]",
  async () => {
    const cards = shioajiRouterCards();
    expect(cards.length).toBeGreaterThanOrEqual(35);
    const played = await play(cards, LANES);
    expect(played.filter(({ fault }) => fault !== "")).toEqual([]);
  },
  MS_MAX,
);
