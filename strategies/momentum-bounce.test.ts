import { BookState, createHarness, Side, Tif } from "@tidegate/strategy-sdk";
import { describe, expect, it } from "vitest";
import momentumBounce from "./momentum-bounce.ts";

type Rig = ReturnType<typeof createHarness>;
/** A book one tick wide at each price, 100 ms apart. */
const walk = (h: Rig, ...bids: readonly number[]): Rig => {
  for (const bid of bids) h.advance(100).top(2, { bidPxTicks: bid, askPxTicks: bid + 1 });
  return h;
};
const sent = (h: Rig) =>
  h.orders.map(({ side, pxTicks, qtyLots, tif }) => [side, pxTicks, qtyLots, tif]);
const rig = (params: object = {}) => createHarness(momentumBounce, { params });

describe("momentum-bounce", () => {
  it("after a fall of 50 ticks that has come back by 10 it buys at the ask, at once or not at all", () => {
    const h = walk(rig(), 1_000, 970, 950, 959);
    expect(sent(h)).toEqual([]);
    walk(h, 960);
    expect(sent(h)).toEqual([[Side.BUY, 961, 2, Tif.IOC]]);
  });
  it("after a rise it sells at the bid; a smaller move or a slower one is none", () => {
    expect(sent(walk(rig(), 1_000, 1_050, 1_040))).toEqual([[Side.SELL, 1_040, 2, Tif.IOC]]);
    expect(sent(walk(rig(), 1_000, 1_049, 1_039))).toEqual([]);
    // The same fall, half of it before the window of two seconds: 975 stood when that began.
    const slow = walk(rig(), 1_000).advance(1_500);
    walk(slow, 975).advance(1_900);
    expect(sent(walk(slow, 950, 960))).toEqual([]);
  });
  it.each([
    ["target", 981, 0, 981],
    ["stop", 941, 0, 941],
    ["time", 962, 5_000, 962],
  ])("leaves at its %s, judged by what it would fetch", (_, bid, waitMs, px) => {
    const h = walk(rig(), 1_000, 950, 960);
    h.fill(1); // 2 lots at 961
    // One tick short of either bound, and of the time, it stays.
    walk(h, 980, 942);
    expect(h.orders).toHaveLength(1);
    h.advance(waitMs);
    walk(h, bid);
    expect(sent(h).slice(1)).toEqual([[Side.SELL, px, 2, Tif.IOC]]);
    h.fill(2);
    expect(h.host.position(2)).toBe(0);
  });
  it("forgets what it saw when the book breaks, and enters once for one move", () => {
    const h = walk(rig(), 1_000, 950);
    h.top(2, { bidPxTicks: 950, askPxTicks: 951, state: BookState.INVALID });
    expect(sent(walk(h, 960))).toEqual([]);
    const once = walk(rig(), 1_000, 950, 960);
    once.cancelled(1);
    expect(sent(walk(once, 961, 962))).toHaveLength(1);
  });
});
