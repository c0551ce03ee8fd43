/** A new strategy: a file that trades, and a test it passes. Pure. */

const strategy = (
  id: string,
): string => `/** Rests one buy behind the touch of one instrument, and moves it with the market. Say here what yours does. */

import { defineStrategy, dropQuote, newQuote, type Quote, requote, Side, withdraw } from "@tidegate/strategy-sdk";
import { z } from "zod";

const Params = z.object({
  instrument: z.number().int().min(1).default(2).describe("The one instrument it trades"),
  qtyLots: z.number().int().min(1).default(1).describe("Size of the order, lots"),
  behindTicks: z.number().int().min(0).default(1).describe("Distance behind the touch, ticks"),
  positionLotsMax: z.number().int().min(1).default(5).describe("It buys no more beyond this"),
});
type Params = z.output<typeof Params>;

export default defineStrategy<Params, { readonly quote: Quote }>({
  id: "${id}",
  params: Params,
  state: () => ({ quote: newQuote() }),
  onBookTop(ctx, top) {
    const { params, state } = ctx;
    if (top.instrument !== params.instrument) return;
    if (!top.valid || top.bidQtyLots === 0) {
      withdraw(ctx, [state.quote]);
      return;
    }
    const room = ctx.position(top.instrument) + params.qtyLots <= params.positionLotsMax;
    const px = room ? top.bidPxTicks - params.behindTicks : 0;
    requote(ctx, state.quote, top.instrument, Side.BUY, px, params.qtyLots, 200);
  },
  onOrder({ state }, order) {
    if (order.terminal) dropQuote([state.quote], order.order);
  },
  onRiskFeedback({ state }, feedback) {
    if (!feedback.cancel) dropQuote([state.quote], feedback.order);
  },
});
`;

const test = (
  id: string,
): string => `import { BookState, createHarness } from "@tidegate/strategy-sdk";
import { describe, expect, it } from "vitest";
import strategy from "./${id}.ts";

const top = (bidPxTicks: number) => ({ bidPxTicks, askPxTicks: bidPxTicks + 1 });

describe("${id}", () => {
  it("rests one tick behind the bid and moves with it", () => {
    const h = createHarness(strategy).top(2, top(1_000));
    expect(h.open().map(({ pxTicks }) => pxTicks)).toEqual([999]);
    h.advance(300).top(2, top(1_010)).advance(300).top(2, top(1_010));
    expect(h.open().map(({ pxTicks }) => pxTicks)).toEqual([1_009]);
  });
  it("buys no more than its limit, and leaves a broken book", () => {
    const h = createHarness(strategy, { params: { positionLotsMax: 1 } }).top(2, top(1_000));
    h.fill(1);
    h.advance(300).top(2, top(1_000));
    expect(h.open()).toEqual([]);
    const other = createHarness(strategy).top(2, top(1_000));
    other.top(2, { ...top(1_000), state: BookState.INVALID });
    expect(other.open()).toEqual([]);
  });
});
`;

/** The files of a new strategy by their names; the id is also the name of their folder. */
export function newStrategy(id: string): Readonly<Record<string, string>> {
  return { [`${id}.ts`]: strategy(id), [`${id}.test.ts`]: test(id) };
}
