import { BookState, createHarness, Side, Tif } from "@tidegate/strategy-sdk";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import simpleMm, { target } from "./simple-mm.ts";

const top = (bid: number, ask = bid + 1) => ({ bidPxTicks: bid, askPxTicks: ask });
const quotes = (h: ReturnType<typeof createHarness>) =>
  h.open().map(({ side, pxTicks }) => [side, pxTicks]);

describe("simple-mm", () => {
  it("quotes both sides at the touch, post-only, on each instrument", () => {
    const h = createHarness(simpleMm);
    h.top(1, top(6_180_000)).top(2, top(618_000));
    expect(
      h.orders.map(({ instrument, side, pxTicks, qtyLots, tif }) => [
        instrument,
        side,
        pxTicks,
        qtyLots,
        tif,
      ]),
    ).toEqual([
      [1, Side.BUY, 6_180_000, 50, Tif.POST_ONLY],
      [1, Side.SELL, 6_180_001, 50, Tif.POST_ONLY],
      [2, Side.BUY, 618_000, 2, Tif.POST_ONLY],
      [2, Side.SELL, 618_001, 2, Tif.POST_ONLY],
    ]);
  });

  it("moves a quote when the touch moves, not before the interval and not when it stays", () => {
    const h = createHarness(simpleMm);
    h.top(2, top(100)).top(2, top(100)).top(2, top(105));
    expect(h.intents).toHaveLength(2);
    h.advance(400).top(2, top(105));
    expect(h.cancels).toHaveLength(2);
    h.advance(400).top(2, top(105));
    expect(quotes(h)).toEqual([
      [Side.BUY, 105],
      [Side.SELL, 106],
    ]);
  });

  it("leans against its inventory and stops adding at the limit", () => {
    const h = createHarness(simpleMm, { params: { maxQuotes: 2, skewTicks: 3, perpQtyLots: 2 } });
    let bid = 1_000;
    for (let fills = 0; fills < 2; fills += 1) {
      h.top(2, top(bid));
      const buy = h.open().find(({ side }) => side === Side.BUY);
      expect(buy?.pxTicks).toBe(bid - 3 * fills);
      h.fill(buy?.seq ?? 0);
      bid -= 10;
      h.advance(400).top(2, top(bid)).advance(400);
    }
    h.top(2, top(bid));
    expect(h.host.position(2)).toBe(4);
    expect(quotes(h)).toEqual([[Side.SELL, bid + 1]]);
  });

  it("withdraws at once from a book that cannot be priced from", () => {
    const h = createHarness(simpleMm);
    h.top(2, top(100)).top(2, { ...top(100), state: BookState.INVALID });
    expect(quotes(h)).toEqual([]);
    h.top(2, { ...top(100), state: BookState.STALE });
    expect(h.cancels).toHaveLength(2);
  });

  it("a refused quote is tried again after the interval", () => {
    const h = createHarness(simpleMm, { autoAck: false });
    h.top(2, top(100)).refuse(1, 66).top(2, top(100));
    expect(h.orders).toHaveLength(2);
    h.advance(400).top(2, top(100));
    expect(h.orders).toHaveLength(3);
  });

  it("target() never crosses the touch, never adds beyond the limit, and is symmetric", () => {
    const params = fc.record({
      edgeTicks: fc.nat(5),
      maxQuotes: fc.integer({ min: 1, max: 6 }),
      skewTicks: fc.nat(4),
    });
    fc.assert(
      fc.property(
        params,
        fc.integer({ min: -30, max: 30 }),
        fc.integer({ min: 1, max: 5 }),
        (p, position, qty) => {
          const bid = target(Side.BUY, 1_000, 1_002, position, qty, p);
          const ask = target(Side.SELL, 1_000, 1_002, position, qty, p);
          expect(bid <= 1_000).toBe(true);
          expect(ask === 0 || ask >= 1_002).toBe(true);
          if (bid > 0) expect(position + qty <= p.maxQuotes * qty).toBe(true);
          const mirror = target(Side.SELL, 1_000, 1_002, -position, qty, p);
          expect(mirror === 0 ? 0 : mirror - 1_002).toBe(bid === 0 ? 0 : 1_000 - bid);
        },
      ),
    );
  });
});
