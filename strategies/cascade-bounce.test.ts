import { createHarness, Side, Tif } from "@tidegate/strategy-sdk";
import { describe, expect, it } from "vitest";
import cascadeBounce from "./cascade-bounce.ts";

type Rig = ReturnType<typeof createHarness>;
const params = { tradesMin: 3, lotsMin: 30, pushTicks: 20 };
const rig = (over: object = {}) => createHarness(cascadeBounce, { params: { ...params, ...over } });
/** Sells of 10 lots at each price, 100 ms apart. */
const sells = (h: Rig, ...prices: readonly number[]): Rig => {
  for (const px of prices) h.advance(100).trade(2, px, 10, Side.SELL);
  return h;
};
const look = (h: Rig, ms: number) => h.advance(ms).top(2, { bidPxTicks: 979, askPxTicks: 980 });
const sent = (h: Rig) => h.orders.map(({ side, pxTicks, tif }) => [side, pxTicks, tif]);

describe("cascade-bounce", () => {
  it("buys once a run of sells that pushed the price is over, not while it goes on", () => {
    const h = look(sells(rig(), 1_000, 990, 980), 399);
    expect(sent(h)).toEqual([]);
    look(h, 1);
    expect(sent(h)).toEqual([[Side.BUY, 980, Tif.IOC]]);
    h.cancelled(1);
    expect(look(h, 100).orders).toHaveLength(1);
  });
  it("sells after a run of buys", () => {
    const h = rig();
    for (const px of [960, 970, 980]) h.advance(100).trade(2, px, 10, Side.BUY);
    expect(sent(look(h, 400))).toEqual([[Side.SELL, 979, Tif.IOC]]);
  });
  it.each([
    ["too few trades", () => sells(rig(), 1_000, 980)],
    ["too few lots", () => sells(rig({ lotsMin: 31 }), 1_000, 990, 980)],
    ["too small a push", () => sells(rig(), 1_000, 990, 981)],
    ["a pause inside", () => sells(sells(rig(), 1_000, 990).advance(201), 980)],
    [
      "a trade of the other side inside",
      () => sells(sells(rig(), 1_000, 990).trade(2, 990, 1, Side.BUY), 980),
    ],
    ["a run that is long over", () => sells(rig(), 1_000, 990, 980).advance(1_700)],
  ])("%s: no cascade", (_, made) => {
    expect(sent(look(made(), 400))).toEqual([]);
  });
  it("a trade the other way ends it and does not undo it; one of its own side puts it off", () => {
    const turned = sells(rig(), 1_000, 990, 980).trade(2, 981, 1, Side.BUY);
    expect(sent(look(turned, 400))).toEqual([[Side.BUY, 980, Tif.IOC]]);
    const again = sells(rig(), 1_000, 990, 980).trade(2, 981, 1, Side.BUY).advance(300);
    again.trade(2, 979, 1, Side.SELL);
    expect(sent(look(again, 399))).toEqual([]);
    expect(sent(look(again, 1))).toHaveLength(1);
  });
  it("leaves at its target", () => {
    const h = look(sells(rig(), 1_000, 990, 980), 400);
    h.fill(1);
    h.top(2, { bidPxTicks: 999, askPxTicks: 1_000 });
    expect(h.orders).toHaveLength(1);
    h.top(2, { bidPxTicks: 1_000, askPxTicks: 1_001 });
    expect(sent(h)[1]).toEqual([Side.SELL, 1_000, Tif.IOC]);
  });
});
