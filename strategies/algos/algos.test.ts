import { Policy, povLots, twapLots, vwapLots } from "@tidegate/strategy-sdk";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scheduleError, simulatedDay } from "./day.ts";
import iceberg from "./iceberg.ts";
import pov from "./pov.ts";
import twap from "./twap.ts";
import vwap from "./vwap.ts";

/** Six and a half hours in slices of a minute. */
const DAY_S = 23_400;
const SLICES = DAY_S / 60;
const TOTAL = 10_000;
const order = { side: "buy", totalLots: TOTAL, sliceMs: 60_000, durationMs: DAY_S * 1_000 };
/** A day as exchanges have it: much at both ends. */
const WEIGHTS = [12, 8, 7, 6, 5, 5, 4, 5, 6, 7, 9, 12, 14];
/** Exact, in integers, with the curve written out slice by slice. */
const twapDue = (slice: number) =>
  Number((BigInt(TOTAL) * BigInt(Math.min(slice, SLICES))) / BigInt(SLICES));
const curve = WEIGHTS.flatMap((weight) =>
  Array<bigint>(SLICES / WEIGHTS.length).fill(BigInt(weight)),
);
const whole = curve.reduce((sum, each) => sum + each, 0n);
const vwapDue = (slice: number) =>
  Number((BigInt(TOTAL) * curve.slice(0, slice).reduce((sum, each) => sum + each, 0n)) / whole);

describe("a parent order over a simulated day [B025]", () => {
  it.each(["buy", "sell"] as const)(
    "TWAP, %s: on its schedule at the end of every slice, nothing left",
    (side) => {
      const { samples, parent, crossings, h } = simulatedDay(twap, {
        ...{ params: { ...order, side }, seconds: DAY_S + 30 },
      });
      expect(scheduleError(samples, 60, twapDue)).toEqual({ behind: 0, ahead: 0 });
      expect([samples.at(-1)?.doneLots, parent.end, h.open().length]).toEqual([TOTAL, "DONE", 0]);
      expect(crossings).toBe(0);
      expect(h.host.position(2)).toBe(side === "buy" ? TOTAL : -TOTAL);
    },
  );
  it("TWAP that rests first is at most one slice ahead, never behind, and takes less", () => {
    const resting = simulatedDay(twap, {
      params: { ...order, style: "rest" },
      seconds: DAY_S + 30,
    });
    const { behind, ahead } = scheduleError(resting.samples, 60, twapDue);
    expect(behind).toBe(0);
    expect(ahead).toBeLessThanOrEqual(Math.ceil(TOTAL / SLICES));
    expect(resting.samples.at(-1)?.doneLots).toBe(TOTAL);
    expect(resting.h.orders.some(({ tif }) => tif === 4)).toBe(true);
  });
  it("VWAP: along its curve, nothing left", () => {
    const { samples, parent } = simulatedDay(vwap, {
      ...{ params: { ...order, weights: WEIGHTS }, seconds: DAY_S + 30 },
    });
    expect(scheduleError(samples, 60, vwapDue)).toEqual({ behind: 0, ahead: 0 });
    expect([samples.at(-1)?.doneLots, parent.end]).toEqual([TOTAL, "DONE"]);
  });
  it("POV: never above its share of the volume, behind by no more than a slice of it", () => {
    const { samples, parent, h } = simulatedDay(pov, {
      params: { ...order, totalLots: 1_000_000, sharePpm: 50_000 },
      seconds: DAY_S,
    });
    for (const { doneLots, tradedLots } of samples)
      expect(doneLots).toBeLessThanOrEqual(Math.floor(tradedLots / 20));
    const last = samples.at(-1);
    // 60 s of at most 199 lots, a twentieth of them.
    expect(Math.floor((last?.tradedLots ?? 0) / 20) - (last?.doneLots ?? 0)).toBeLessThanOrEqual(
      597,
    );
    expect(parent.end).toBe("");
    expect(h.host.stats.floods).toBe(0);
  });
  it("a limit price the market stays beyond leaves a residual, told as such", () => {
    const params = { ...order, durationMs: 600_000, limitPxTicks: 500_000 };
    const { parent, h } = simulatedDay(twap, { params, seconds: 700 });
    expect([parent.end, h.orders.length]).toEqual(["RESIDUAL", 0]);
  });
  it.each([
    ["the gateway's kill", Policy.KILLED],
    ["the gateway's halt", Policy.HALT],
  ])("%s: what rests is cancelled and nothing more is sent", (_, policy) => {
    let sentAtKill = 0;
    const { h, parent } = simulatedDay(twap, {
      params: { ...order, style: "rest" },
      seconds: 2_000,
      before(rig, second) {
        if (second !== 1_001) return;
        rig.policy(policy);
        sentAtKill = rig.orders.length;
      },
    });
    expect(sentAtKill).toBeGreaterThan(10);
    expect([parent.end, h.orders.length, h.open().length]).toEqual(["KILLED", sentAtKill, 0]);
  });
  it("after a restart only what is not in the position yet is traded", () => {
    const first = simulatedDay(twap, { params: order, seconds: DAY_S / 2 });
    const done = first.h.host.position(2);
    expect(done).toBe(twapDue(SLICES / 2 - 1));
    const params = { ...order, durationMs: 600_000 };
    const again = simulatedDay(twap, { params, seconds: 700, positions: { 2: done } });
    expect([again.parent.end, again.h.host.position(2)]).toEqual(["DONE", TOTAL]);
    const largest = again.h.orders.reduce((sum, { qtyLots }) => Math.max(sum, qtyLots), 0);
    expect(largest).toBeLessThanOrEqual(TOTAL - done);
  });
  it("iceberg: never more than its peak in the market, all of it done, one price", () => {
    let most = 0;
    const { h, parent } = simulatedDay(iceberg, {
      params: { side: "sell", totalLots: 1_000, peakLots: 70, pxTicks: 600_050 },
      seconds: 2_000,
      before(rig) {
        most = Math.max(
          most,
          rig.open().reduce((sum, { qtyLots }) => sum + qtyLots, 0),
        );
      },
    });
    expect([most, parent.end, h.host.position(2)]).toEqual([70, "DONE", -1_000]);
    expect(new Set(h.orders.map(({ pxTicks }) => pxTicks))).toEqual(new Set([600_050]));
    expect(h.orders.at(-1)?.qtyLots).toBe(1_000 - 14 * 70);
  });

  it("the judge of schedules finds one that runs ahead and one that stays behind", () => {
    const at = (done: (second: number) => number) =>
      scheduleError(
        Array.from({ length: DAY_S }, (_, second) => ({
          second,
          doneLots: done(second),
          tradedLots: 0,
        })),
        60,
        twapDue,
      );
    expect(at((second) => twapDue(Math.floor(second / 60) + 1)).ahead).toBe(26);
    expect(at((second) => twapDue(Math.max(0, Math.floor(second / 60) - 1))).behind).toBe(26);
  });
  it("every schedule only rises and ends at the whole", () => {
    const total = fc.integer({ min: 1, max: 1e9 });
    fc.assert(
      fc.property(
        total,
        fc.array(fc.integer({ min: 1, max: 99 }), { minLength: 1 }),
        fc.nat(1_000),
        (t, w, ms) => {
          for (const of of [
            (at: number) => twapLots(t, at, 1_000),
            (at: number) => vwapLots(t, at, 1_000, w),
            (at: number) => povLots(t, at * t, 1_000),
          ]) {
            expect(of(ms)).toBeLessThanOrEqual(of(ms + 1));
            expect(of(ms)).toBeLessThanOrEqual(t);
          }
          expect([twapLots(t, 1_000, 1_000), vwapLots(t, 1_000, 1_000, w)]).toEqual([t, t]);
          // One weight is no curve: VWAP is TWAP.
          expect(vwapLots(t, ms, 1_000, [1])).toBe(twapLots(t, ms, 1_000));
        },
      ),
    );
  });
});
