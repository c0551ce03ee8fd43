import { describe, expect, it } from "vitest";
import { expectedShortfall, omega, profitFactor, tailRatio, valueAtRisk } from "./index.ts";

describe("tails of returns", () => {
  // -0.10, -0.09, … 0.10: quantiles by hand, 21 values, the 5th percentile is the 2nd lowest.
  const ladder = Array.from({ length: 21 }, (_, n) => (n - 10) / 100);

  it("give what a hand works out on a ladder", () => {
    expect(valueAtRisk(ladder)).toBeCloseTo(0.09, 12);
    expect(expectedShortfall(ladder)).toBeCloseTo(0.095, 12);
    expect(tailRatio(ladder)).toBeCloseTo(1, 12);
    expect(omega(ladder)).toBeCloseTo(1, 12);
    // 0.01 … 0.10 lie above by 0.55 in sum; of a target of 0.05: 0.15 above, 1.20 below.
    expect(omega(ladder, 0.05)).toBeCloseTo(0.15 / 1.2, 12);
  });

  it("are null where they are not defined", () => {
    expect([valueAtRisk([]), expectedShortfall([]), tailRatio([])]).toEqual([null, null, null]);
    expect([omega([0.1]), profitFactor([1, 2]), tailRatio([0, 0])]).toEqual([null, null, null]);
  });

  it("profit factor is gains over losses", () => {
    expect(profitFactor([3, -1, 2, -1])).toBe(2.5);
  });
});
