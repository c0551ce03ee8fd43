import { BookState, createHarness, Side } from "@tidegate/strategy-sdk";
import { describe, expect, it } from "vitest";
import grid, { gridPrices } from "./grid.ts";

type Rig = ReturnType<typeof createHarness>;
const resting = (h: Rig, side: number) =>
  h
    .open()
    .filter((order) => order.side === side)
    .map(({ pxTicks }) => pxTicks)
    .toSorted((a, b) => a - b);
const full = {
  ...{ instrument: 2, qtyLots: 10, levels: 3, halfSpreadPpm: 500, intervalPpm: 500 },
  ...{ stepTicksMin: 1, skewPpm: 50, positionLotsMax: 100, intentsMax: 8, stepMs: 100 },
};
const small = { levels: 3 };

describe("grid", () => {
  it("prices by hand: a middle of 600,000.5, 500 ppm out, 300 apart", () => {
    // interval 300.0; bid 600,000.5 x 0.9995 = 599,700.49975 -> 599,700; ask x 1.0005 = 600,300.50025 -> up to 600,600.
    expect(gridPrices(600_000, 600_001, 0, full)).toEqual({
      bids: [599_700, 599_400, 599_100],
      asks: [600_600, 600_900, 601_200],
    });
  });
  it("leans: long by two orders, both sides stand 100 ppm lower", () => {
    // bid x 0.9994 = 599,640.49970 -> 599,400; ask x 1.0004 = 600,240.5002 -> 600,300.
    expect(gridPrices(600_000, 600_001, 20, full)).toEqual({
      bids: [599_400, 599_100, 598_800],
      asks: [600_300, 600_600, 600_900],
    });
  });
  it("never through the touch, and not on a side that would add beyond the limit", () => {
    const tight = { ...full, halfSpreadPpm: 0, skewPpm: 500, intervalPpm: 1 };
    const { bids, asks } = gridPrices(600_000, 600_400, -40, tight);
    expect(bids[0]).toBeLessThanOrEqual(600_000);
    expect(asks[0]).toBeGreaterThanOrEqual(600_400);
    expect(gridPrices(600_000, 600_001, 100, full).bids).toEqual([]);
    expect(gridPrices(600_000, 600_001, -100, full).asks).toEqual([]);
  });
  it("lays its ladders, leaves them while the grid stays, and moves only what the move needs", () => {
    const h = createHarness(grid, { params: small });
    h.top(2, { bidPxTicks: 600_000, askPxTicks: 600_001 });
    expect(resting(h, Side.BUY)).toEqual([599_100, 599_400, 599_700]);
    expect(resting(h, Side.SELL)).toEqual([600_600, 600_900, 601_200]);
    h.advance(100).top(2, { bidPxTicks: 600_010, askPxTicks: 600_011 });
    expect(h.cancels).toEqual([]);
    // Up by 300: each ladder loses its lowest step and gains one above.
    for (let n = 0; n < 3; n += 1)
      h.advance(100).top(2, { bidPxTicks: 600_300, askPxTicks: 600_301 });
    expect(h.cancels).toHaveLength(2);
    expect(resting(h, Side.BUY)).toEqual([599_400, 599_700, 600_000]);
    expect(resting(h, Side.SELL)).toEqual([600_900, 601_200, 601_500]);
  });
  it("a step that filled is laid again; a broken book takes every order away within the bound of an event", () => {
    const h = createHarness(grid, { params: { levels: 10 } });
    for (let n = 0; n < 4; n += 1)
      h.advance(100).top(2, { bidPxTicks: 600_000, askPxTicks: 600_001 });
    expect(h.open()).toHaveLength(20);
    expect(h.host.stats.floods).toBe(0);
    const sentBefore = h.orders.length;
    h.fill(h.open().find(({ pxTicks }) => pxTicks === 599_700)?.seq ?? 0);
    h.advance(100).top(2, { bidPxTicks: 600_000, askPxTicks: 600_001 });
    expect(h.orders.length).toBeGreaterThan(sentBefore);
    for (let n = 0; n < 4; n += 1)
      h.top(2, { bidPxTicks: 600_000, askPxTicks: 600_001, state: BookState.INVALID });
    expect(h.open()).toEqual([]);
  });
});
