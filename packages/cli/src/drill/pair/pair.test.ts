import { describe, expect, it } from "vitest";
import { firstSince } from "./venue-tail.ts";

describe("the order that ends an outage", () => {
  it("is the first after the takeover, not one that was on its way when the fault struck", () => {
    expect(firstSince([90, 99, 101, 103, 180, 185, 190], 150)).toBe(180);
  });

  it("is not a later one, however long a silence before that", () => {
    expect(firstSince([99, 130, 131, 400, 401], 130)).toBe(130);
  });

  it("is none where no order came", () => {
    expect(firstSince([90, 99], 100)).toBeUndefined();
    expect(firstSince([], 100)).toBeUndefined();
  });
});
