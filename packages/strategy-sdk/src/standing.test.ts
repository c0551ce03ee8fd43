import { describe, expect, it } from "vitest";
import {
  STANDING_MAX,
  type StandingStop,
  standingLeft,
  standingStops,
  withStanding,
} from "./execution/standing.ts";
import { beginExits } from "./execution/stops.ts";

const stop = { kind: "trailing", ppm: 400, activatePpm: 0 } as const;
const one: StandingStop = {
  ...{ instrument: 2, stop, tolerancePpm: 5_000 },
  exits: beginExits(1, 10_000, 3, stop),
};

describe("stops that outlive their strategy [B027]", () => {
  it("are read out of a state, beside whatever else stands there", () => {
    const state = JSON.stringify({ phase: "HELD", standing: [one] });
    expect(standingStops(state)).toEqual([one]);
    const moved = { ...one, exits: { ...one.exits, stopPx: 9_999 } };
    expect(JSON.parse(withStanding(state, [moved]))).toEqual({ phase: "HELD", standing: [moved] });
  });

  it.each<[string, unknown]>([
    ["no state", null],
    ["no JSON", "{"],
    ["a state without any", "{}"],
    ["another form", JSON.stringify({ standing: [{ ...one, exits: { ...one.exits, sign: 2 } }] })],
    ["more than are watched", JSON.stringify({ standing: Array(STANDING_MAX + 1).fill(one) })],
  ])("%s is none", (_, state) => {
    expect(standingStops(state as string | null)).toEqual([]);
  });

  it("as many as are watched are", () => {
    const state = JSON.stringify({ standing: Array(STANDING_MAX).fill(one) });
    expect(standingStops(state)).toHaveLength(STANDING_MAX);
  });

  it("are over once nothing is held on their side: a position turned round is not theirs", () => {
    const at = (position: number) => standingLeft([one], () => position);
    expect([at(3), at(0), at(-3)]).toEqual([1, 0, 0]);
  });
});
