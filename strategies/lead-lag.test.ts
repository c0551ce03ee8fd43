import { BookState, createHarness, Side, Tif } from "@tidegate/strategy-sdk";
import { describe, expect, it } from "vitest";
import leadLag from "./lead-lag.ts";

type Rig = ReturnType<typeof createHarness>;
const at = (h: Rig, instrument: number, bid: number, more: object = {}): Rig =>
  h.top(instrument, { bidPxTicks: bid, askPxTicks: bid + 2, ...more });
const sent = (h: Rig) =>
  h.orders.map(({ instrument, side, pxTicks, tif }) => [instrument, side, pxTicks, tif]);
/** Leader at 999,999 and 1,000,001 (middle 1,000,000), lagger at 99,999 and 100,001 (middle 100,000). */
const rig = () => at(at(createHarness(leadLag), 1, 999_999), 2, 99_999).advance(100);

describe("lead-lag", () => {
  it("takes the lagger when the leader is 300 ppm up and the lagger 200 behind", () => {
    // Middle 1,000,300: exactly 300 ppm; the lagger up by 10 of 100,000 is 100 ppm, 200 behind.
    const h = at(at(rig(), 1, 1_000_299), 2, 100_009);
    expect(sent(h)).toEqual([[2, Side.BUY, 100_011, Tif.IOC]]);
  });
  it.each([
    ["the leader has moved less", 1_000_298, 99_999],
    ["the lagger has followed", 1_000_299, 100_010],
  ])("%s: nothing", (_, leader, lagger) => {
    expect(sent(at(at(rig(), 1, leader), 2, lagger))).toEqual([]);
  });
  it("sells when the leader falls; a lagger that went the other way is further behind", () => {
    expect(sent(at(at(rig(), 1, 999_699), 2, 100_009))).toEqual([[2, Side.SELL, 100_009, Tif.IOC]]);
  });
  it("a move older than the window has passed, and a broken book of the leader says nothing", () => {
    const old = at(rig(), 1, 1_000_299).advance(1_000);
    at(old, 1, 1_000_299);
    expect(sent(at(old, 2, 99_999))).toEqual([]);
    const broken = at(at(rig(), 1, 1_000_299), 1, 1_000_299, { state: BookState.INVALID });
    expect(sent(at(broken, 2, 99_999))).toEqual([]);
  });
  it("leaves when the lagger has come up, and rests before it enters again", () => {
    const h = at(at(rig(), 1, 1_000_299), 2, 99_999);
    h.fill(1); // at 100,001
    at(h, 2, 100_021);
    expect(sent(h)[1]).toEqual([2, Side.SELL, 100_021, Tif.IOC]);
    h.fill(2);
    at(h, 2, 99_999);
    expect(h.orders).toHaveLength(2);
  });
});
