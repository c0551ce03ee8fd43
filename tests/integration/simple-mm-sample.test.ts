import { describe, expect, it } from "vitest";
import simpleMm from "../../strategies/simple-mm.ts";
import { minute } from "./fixtures/sample-minute.ts";

describe("simple-mm over the shipped sample", () => {
  it("[A11] trades: more than 50 intents and some fills a minute on real data, only as maker, within its limits", () => {
    const { host, position, makers, spot, usdm } = minute(simpleMm);
    const { intents, cancels, fills, exceptions } = host.stats;
    expect(intents + cancels).toBeGreaterThan(50);
    expect(fills).toBeGreaterThan(2);
    expect(exceptions).toBe(0);
    expect(makers).toBe(fills);
    expect(Number(spot["fills"]) + Number(usdm["fills"])).toBe(fills);
    expect(Math.abs(position.spot)).toBeLessThanOrEqual(5 * 50);
    expect(Math.abs(position.usdm)).toBeLessThanOrEqual(5 * 2);
    expect([host.position(1), host.position(2)]).toEqual([position.spot, position.usdm]);
    expect([spot["gaps"], usdm["gaps"], spot["refused"], usdm["refused"]]).toEqual([0, 0, {}, {}]);
    expect(
      Number(spot["sameLiquidityFilledTwice"]) + Number(usdm["sameLiquidityFilledTwice"]),
    ).toBe(0);
  });

  it("[A11] two runs give the same intents and fills", () => {
    const [a, b] = [minute(simpleMm), minute(simpleMm)];
    expect(a.host.stats).toEqual(b.host.stats);
    expect(a.position).toEqual(b.position);
  });
});
