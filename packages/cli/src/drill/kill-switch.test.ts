import { describe, expect, it } from "vitest";
import { closed, judge } from "./kill-switch.ts";

const order = (id: string, stampMs: number, acceptedMs: number) => {
  return { id, stampMs, acceptedMs, endedMs: null };
};
const moments = { askedMs: 1_000, latchedMs: 1_005.5, closedMs: 1_010.5 };

describe("what the venue took around a latch", () => {
  it("an order that left before it is under way, however late a busy venue takes it", () => {
    const orders = [order("a", 1_005, 1_450), order("b", 1_010, 1_011), order("c", 990, 999)];
    const judged = judge(orders, new Map([["a", 1_003]]), moments);
    expect(judged).toEqual({
      afterLatch: 0,
      underWay: 2,
      lastSentMs: 4.5,
      lastOrderMs: 444.5,
    });
  });

  it("an order that left after the last hand has closed counts, and so does the intent after the latch", () => {
    const left = judge([order("a", 1_011, 1_012)], new Map(), moments);
    expect(left.afterLatch).toBe(1);
    const asked = judge([order("a", 1_008, 1_009)], new Map([["a", 1_006]]), moments);
    expect(asked.afterLatch).toBe(1);
  });

  it("the gateway's latch waits for the router's, no longer than a latch may take", () => {
    expect(closed("gateway", 1_000, 1_003)).toBe(1_003);
    expect(closed("gateway", 1_000, 1_200)).toBe(1_100);
    expect(closed("gateway", 1_000, null)).toBe(1_100);
    expect(closed("router", 1_000, 1_000)).toBe(1_000);
    expect(closed("monitor", 1_000, 1_300)).toBe(1_000);
  });
});
