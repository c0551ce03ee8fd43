import { BookState, createHarness, Side } from "@tidegate/strategy-sdk";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import opportunisticMm, { opportunisticTarget } from "./opportunistic-mm.ts";

const quotes = (h: ReturnType<typeof createHarness>) =>
  h.open().map(({ side, pxTicks }) => [side, pxTicks]);
const top = (bidPxTicks: number, askPxTicks: number) => ({ bidPxTicks, askPxTicks });

describe("opportunistic-mm", () => {
  it("quotes one tick inside a spread of four, and nothing in one of three", () => {
    const h = createHarness(opportunisticMm);
    h.top(2, top(1_000, 1_003));
    expect(quotes(h)).toEqual([]);
    h.top(2, top(1_000, 1_004));
    expect(quotes(h)).toEqual([
      [Side.BUY, 1_001],
      [Side.SELL, 1_003],
    ]);
  });

  it("its own quotes at the touch do not make it think that the spread has closed", () => {
    const h = createHarness(opportunisticMm).top(2, top(1_000, 1_004)).advance(300);
    h.top(2, { ...top(1_001, 1_003), bidQtyLots: 2, askQtyLots: 2 });
    expect(h.cancels).toEqual([]);
    // Somebody else there as well: the spread is the market's.
    h.top(2, { ...top(1_001, 1_003), bidQtyLots: 9, askQtyLots: 9 });
    expect(h.cancels).toHaveLength(2);
  });

  it("in a narrow spread it only brings its position back, at the touch", () => {
    const h = createHarness(opportunisticMm).top(2, top(1_000, 1_004));
    h.fill(h.open().find(({ side }) => side === Side.BUY)?.seq ?? 0);
    for (let n = 0; n < 3; n += 1) h.advance(300).top(2, top(1_000, 1_001));
    expect(quotes(h)).toEqual([[Side.SELL, 1_001]]);
    h.top(2, { ...top(1_000, 1_001), state: BookState.INVALID });
    expect(quotes(h)).toEqual([]);
  });

  it("its two quotes never meet, never cross the touch, and mirror each other", () => {
    const params = fc.record({
      ...{ instrument: fc.constant(2), qtyLots: fc.integer({ min: 1, max: 4 }) },
      ...{ spreadTicksMin: fc.integer({ min: 2, max: 9 }), improveTicks: fc.nat(6) },
      ...{ maxQuotes: fc.integer({ min: 1, max: 4 }), skewTicks: fc.nat(3) },
      requoteMs: fc.constant(1),
    });
    const position = fc.integer({ min: -20, max: 20 });
    fc.assert(
      fc.property(params, position, fc.integer({ min: 1, max: 15 }), (p, held, spread) => {
        const [bid, ask] = [1_000, 1_000 + spread];
        const buy = opportunisticTarget(Side.BUY, bid, ask, held, p);
        const sell = opportunisticTarget(Side.SELL, bid, ask, held, p);
        if (buy > 0 && sell > 0) expect(buy).toBeLessThan(sell);
        if (buy > 0) expect(buy).toBeLessThan(ask);
        if (sell > 0) expect(sell).toBeGreaterThan(bid);
        const mirror = opportunisticTarget(Side.SELL, bid, ask, -held, p);
        expect(mirror === 0 ? 0 : ask - mirror).toBe(buy === 0 ? 0 : buy - bid);
      }),
    );
  });
});
