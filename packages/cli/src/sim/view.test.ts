import { describe, expect, it } from "vitest";
import { decimal, tradingView } from "./view.ts";

describe("what the screen says", () => {
  it.each([
    [0n, 3, "0"],
    [5n, 3, "0.005"],
    [-1_200n, 3, "-1.2"],
    [100_000n, 5, "1"],
    [-41n, 2, "-0.41"],
  ])("%d at scale %d is %s", (value, scale, text) => {
    expect(decimal(value, scale)).toBe(text);
  });

  it("a gateway that is away is said to be so", () => {
    expect(tradingView(3, 60, null).policy).toBe("gateway away");
  });
});
