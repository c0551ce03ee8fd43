import { describe, expect, it } from "vitest";
import { outageMs } from "./venue-tail.ts";

describe("the outage a fault makes", () => {
  it("ends with the longest silence, not with what was on its way", () => {
    expect(outageMs([90, 99, 101, 103, 180, 185, 190], 100, 1_000)).toBe(80);
  });

  it("is the distance to the next order where nothing was on its way", () => {
    expect(outageMs([90, 99, 170, 172], 100, 1_000)).toBe(70);
  });

  it("is no number where no order came", () => {
    expect(outageMs([90, 99], 100, 1_000)).toBeNaN();
    expect(outageMs([90, 2_000], 100, 1_000)).toBeNaN();
  });
});
