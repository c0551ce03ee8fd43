import { BookState, createHarness, imbalancePpm, Side, Tif } from "@tidegate/strategy-sdk";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import imbalance from "./order-book-imbalance.ts";

type Rig = ReturnType<typeof createHarness>;
const book = (h: Rig, bidQtyLots: number, askQtyLots: number, more: object = {}): Rig =>
  h.top(2, { bidPxTicks: 1_000, askPxTicks: 1_001, bidQtyLots, askQtyLots, ...more });
const sent = (h: Rig) => h.orders.map(({ side, pxTicks, tif }) => [side, pxTicks, tif]);
const rig = () => createHarness(imbalance, { params: { eventsMin: 3 } });
const times = (n: number, h: Rig, bid: number, ask: number): Rig => {
  for (let k = 0; k < n; k += 1) book(h, bid, ask);
  return h;
};

describe("order-book-imbalance", () => {
  it("buys at the third event in a row with 85 bid against 15 asked: 700,000 ppm", () => {
    const h = times(2, rig(), 85, 15);
    expect(sent(h)).toEqual([]);
    expect(sent(book(h, 85, 15))).toEqual([[Side.BUY, 1_001, Tif.IOC]]);
  });
  it("sells into a heavy ask", () => {
    expect(sent(times(3, rig(), 15, 85))).toEqual([[Side.SELL, 1_000, Tif.IOC]]);
  });
  it("an event that does not show it, of the other side, or of a broken book begins anew", () => {
    for (const [bid, ask] of [
      [84, 15],
      [15, 85],
    ] as const)
      expect(sent(times(2, book(times(2, rig(), 85, 15), bid, ask), 85, 15))).toEqual([]);
    const broken = book(times(2, rig(), 85, 15), 85, 15, { state: BookState.STALE });
    expect(sent(times(2, broken, 85, 15))).toEqual([]);
  });
  it("does not pay a wide spread", () => {
    const h = rig();
    for (let n = 0; n < 5; n += 1) book(h, 85, 15, { askPxTicks: 1_003 });
    expect(sent(h)).toEqual([]);
    expect(sent(book(h, 85, 15, { askPxTicks: 1_002 }))).toHaveLength(1);
  });
  it("the imbalance is odd in its sides and within a million", () => {
    fc.assert(
      fc.property(fc.nat(1e9), fc.nat(1e9), (a, b) => {
        expect(imbalancePpm(a, b) + imbalancePpm(b, a)).toBeCloseTo(0, -1);
        expect(Math.abs(imbalancePpm(a, b))).toBeLessThanOrEqual(1_000_000);
      }),
    );
    expect([imbalancePpm(3, 1), imbalancePpm(0, 0), imbalancePpm(0, 5)]).toEqual([
      500_000, 0, -1_000_000,
    ]);
  });
});
