import { BookState, createHarness, Side } from "@tidegate/strategy-sdk";
import { describe, expect, it } from "vitest";
import mmHawkes from "./mm-hawkes.ts";

const top = (bid: number, ask = bid + 1) => ({ bidPxTicks: bid, askPxTicks: ask });
const quotes = (h: ReturnType<typeof createHarness>) =>
  h.open().map(({ side, pxTicks }) => [side, pxTicks]);

describe("mm-hawkes", () => {
  it("quotes one tick behind the touch while nothing trades", () => {
    const h = createHarness(mmHawkes).top(2, top(1_000));
    expect(quotes(h)).toEqual([
      [Side.BUY, 999],
      [Side.SELL, 1_002],
    ]);
  });

  it("steps back from the side that is sold into, by what is left of each trade", () => {
    // Three sells at 0 ms and one at 500 ms, half-life 500 ms: 3/2 + 1 = 2.5 against the bid, 2 ticks each: 5 steps.
    const h = createHarness(mmHawkes, { params: { edgeTicks: 0 } });
    for (let n = 0; n < 3; n += 1) h.trade(2, 1_000, 1, Side.SELL);
    h.advance(500).trade(2, 1_000, 1, Side.SELL).top(2, top(1_000));
    expect(quotes(h)).toEqual([
      [Side.BUY, 995],
      [Side.SELL, 1_001],
    ]);
    // The cancel is asked at once, the new price 700 ms after the last trade: 2.5 / 2^1.4 = 0.947 is left, one whole step.
    h.advance(500).top(2, top(1_000)).advance(200).top(2, top(1_000));
    expect(quotes(h)).toContainEqual([Side.BUY, 999]);
  });

  it("flow on both sides cancels out; flow of another instrument is none of its business", () => {
    const h = createHarness(mmHawkes, { params: { edgeTicks: 0 } });
    for (const side of [Side.BUY, Side.SELL]) h.trade(2, 1_000, 1, side);
    for (let n = 0; n < 5; n += 1) h.trade(1, 1_000, 1, Side.SELL);
    h.top(2, top(1_000));
    expect(quotes(h)).toEqual([
      [Side.BUY, 1_000],
      [Side.SELL, 1_001],
    ]);
  });

  it("does not quote a side that is overrun, and comes back when it has calmed", () => {
    const h = createHarness(mmHawkes, { params: { pullAt: 3, edgeTicks: 0 } });
    for (let n = 0; n < 3; n += 1) h.trade(2, 1_001, 1, Side.BUY);
    h.top(2, top(1_000));
    expect(quotes(h)).toEqual([[Side.BUY, 1_000]]);
    h.advance(5_000).top(2, top(1_000));
    expect(quotes(h)).toContainEqual([Side.SELL, 1_001]);
  });

  it("leans against its inventory, stops adding at the limit, and withdraws from a bad book", () => {
    const h = createHarness(mmHawkes, { params: { maxQuotes: 1, edgeTicks: 0 } });
    h.top(2, top(1_000));
    h.fill(h.open().find(({ side }) => side === Side.BUY)?.seq ?? 0);
    h.advance(1_000).top(2, top(1_000));
    expect(quotes(h)).toEqual([[Side.SELL, 1_001]]);
    h.top(2, { ...top(1_000), state: BookState.STALE });
    expect(quotes(h)).toEqual([]);
  });
});
