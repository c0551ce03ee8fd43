import {
  beginExits,
  createHarness,
  followExits,
  type Harness,
  type HarnessOptions,
  OrderState,
  Side,
  type StopSpec,
  Tif,
  targetLevels,
} from "@tidegate/strategy-sdk";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import bracket from "./bracket.ts";

/** Where a tape of touches triggers a stop: the first index, or -1. */
function firstTrigger(
  spec: StopSpec,
  sign: 1 | -1,
  entry: number,
  lots: number,
  tape: readonly number[],
): number {
  const exits = beginExits(sign, entry, lots, spec);
  return tape.findIndex((px) => followExits(exits, spec, px, sign * lots));
}

describe("stops over tapes of ticks [B027]", () => {
  const LONG = 1 as const;
  const SHORT = -1 as const;
  it.each([
    // 2 % of 10,000 is 200: a long one leaves at 9,800 and not at 9,801, a short one at 10,200 and not at 10,199.
    ["static, long", { kind: "static", ppm: 20_000 }, LONG, [9_900, 9_801, 9_800, 9_700], 2],
    ["static, short", { kind: "static", ppm: 20_000 }, SHORT, [10_100, 10_199, 10_200], 2],
    // A gap through the level triggers at the far side of it.
    ["static, gap", { kind: "static", ppm: 20_000 }, LONG, [9_900, 9_000], 1],
    // Best 10,300 is a gain of 3 %: from then on 1.5 % below the best, 10,145.5, up to 10,146.
    [
      "trailing, long",
      { kind: "trailing", ppm: 15_000, activatePpm: 20_000 },
      LONG,
      [10_300, 10_200, 10_147, 10_146],
      3,
    ],
    // Never up by 2 %: it stands 1.5 % under the entry, 9,850.
    [
      "trailing, not active",
      { kind: "trailing", ppm: 15_000, activatePpm: 20_000 },
      LONG,
      [10_199, 9_900, 9_851, 9_850],
      3,
    ],
    // Best 9,700, 1.5 % above it is 9,845.5, down to 9,845.
    [
      "trailing, short",
      { kind: "trailing", ppm: 15_000, activatePpm: 20_000 },
      SHORT,
      [9_700, 9_800, 9_844, 9_845],
      3,
    ],
    ["absolute, long", { kind: "absolute", pxTicks: 9_500 }, LONG, [9_501, 9_500], 1],
    ["absolute, short", { kind: "absolute", pxTicks: 10_400 }, SHORT, [10_399, 10_400], 1],
    // 1,000 tick-lots over 10 lots is 100 ticks.
    ["cash, long", { kind: "cash", lossTickLots: 1_000 }, LONG, [9_901, 9_900], 1],
    // 1,005 over 10 is 100.5: at 10,100 already, never at 10,101 only.
    ["cash, short", { kind: "cash", lossTickLots: 1_005 }, SHORT, [10_099, 10_100], 1],
    ["none of it", { kind: "static", ppm: 20_000 }, LONG, [9_999, 10_500, 9_801], -1],
  ] as const)("%s", (_, spec, sign, tape, at) => {
    expect(firstTrigger(spec, sign, 10_000, 10, tape)).toBe(at);
  });

  it("static and trailing agree with a plain model in exact integers, on any tape", () => {
    const px = fc.integer({ min: 5_000, max: 15_000 });
    const ppm = fc.integer({ min: 1, max: 300_000 });
    fc.assert(
      fc.property(
        px,
        ppm,
        ppm,
        fc.array(px),
        fc.constantFrom(LONG, SHORT),
        (entry, stop, activate, tape, sign) => {
          // A level is reached when (level - px) * sign >= 0, with the level a fraction of a whole price.
          const through = (from: number, at: number) =>
            BigInt(sign) *
              (BigInt(from) * BigInt(1_000_000 - sign * stop) - BigInt(at) * 1_000_000n) >=
            -999_999n;
          const exact = (from: number, at: number) => {
            const level = BigInt(from) * BigInt(1_000_000 - sign * stop);
            const whole = sign > 0 ? -(-level / 1_000_000n) : level / 1_000_000n;
            const up = sign > 0 && level % 1_000_000n !== 0n ? level / 1_000_000n + 1n : whole;
            return BigInt(sign) * (BigInt(at) - up) <= 0n;
          };
          const staticAt = tape.findIndex((at) => exact(entry, at));
          expect(firstTrigger({ kind: "static", ppm: stop }, sign, entry, 1, tape)).toBe(staticAt);
          if (staticAt >= 0) expect(through(entry, tape[staticAt] ?? 0)).toBe(true);
          const trailing = tape.findIndex((at, index) => {
            const seen = [entry, ...tape.slice(0, index + 1)];
            const best = sign > 0 ? Math.max(...seen) : Math.min(...seen);
            const active = sign * (best - entry) * 1e6 >= activate * entry;
            // It only comes nearer: the level of the entry stands as well.
            return exact(entry, at) || (active && exact(best, at));
          });
          const spec = { kind: "trailing", ppm: stop, activatePpm: activate } as const;
          expect(firstTrigger(spec, sign, entry, 1, tape)).toBe(trailing);
        },
      ),
    );
  });
});

const base = { instrument: 2, side: "buy", lots: 100, stop: { kind: "static", ppm: 20_000 } };
const rig = (params: object = {}, options: HarnessOptions = {}): Harness =>
  createHarness(bracket, { params: { ...base, ...params }, ...options });
const at = (h: Harness, bid: number): Harness => h.top(2, { bidPxTicks: bid, askPxTicks: bid + 1 });
const sent = (h: Harness, from = 0) =>
  h.orders.slice(from).map(({ side, pxTicks, qtyLots, tif }) => [side, pxTicks, qtyLots, tif]);
/** Bought 100 at 10,000. */
const held = (params: object = {}): Harness => {
  const h = at(rig(params), 9_999);
  h.fill(1);
  return at(h, 9_999);
};

describe("the close order of a stop [B027]", () => {
  it("sells all that is held, up to 0.5 % through the touch, once", () => {
    const h = held();
    at(h, 9_801);
    expect(h.orders).toHaveLength(1);
    at(h, 9_800); // 0.5 % of 9,800 is 49
    expect(sent(h, 1)).toEqual([[Side.SELL, 9_751, 100, Tif.IOC]]);
    at(h, 9_700);
    expect(h.orders).toHaveLength(2);
    h.fill(2);
    at(at(h, 9_000), 10_000);
    expect([h.orders.length, h.host.position(2)]).toEqual([2, 0]);
  });
  it("a short one buys back", () => {
    const h = at(rig({ side: "sell" }), 10_000);
    h.fill(1);
    at(at(h, 10_000), 10_199); // ask 10,200
    expect(sent(h, 1)).toEqual([[Side.BUY, 10_251, 100, Tif.IOC]]);
  });
  it("a part that was not taken is sent again until nothing is held, at any price", () => {
    const h = at(held(), 9_000);
    h.fill(2, 30);
    h.cancelled(2);
    at(h, 9_900); // the stop has triggered: a recovery does not take that back
    expect(sent(h, 2)).toEqual([[Side.SELL, 9_851, 70, Tif.IOC]]);
    h.fill(3);
    expect(h.host.position(2)).toBe(0);
  });
  it.each([
    ["absolute", { kind: "absolute", pxTicks: 9_500 }, 9_500],
    ["cash", { kind: "cash", lossTickLots: 10_000 }, 9_900],
    ["trailing, not yet active", { kind: "trailing" }, 9_850],
  ])("%s: the close order comes at its level and not one tick before", (_, stop, level) => {
    const h = held({ stop });
    at(h, level + 1);
    expect(h.orders).toHaveLength(1);
    at(h, level);
    expect(sent(h, 1)).toHaveLength(1);
  });
  it("a trail's level outlives the process; without what was written down it would be lost", () => {
    const stop = { kind: "trailing", ppm: 15_000, activatePpm: 20_000 };
    const h = held({ stop });
    at(at(h, 10_300), 10_200);
    const restored = h.host.snapshot() ?? "";
    const positions = { 2: 100 };
    const again = rig({ stop }, { restored, positions });
    at(again, 10_147);
    expect(again.orders).toEqual([]);
    at(again, 10_146); // 1.5 % under 10,300, as before the restart
    expect(sent(again)).toEqual([[Side.SELL, 10_146 - 50, 100, Tif.IOC]]);
    const forgot = at(rig({ stop }, { positions }), 10_146);
    expect(forgot.orders).toEqual([]);
  });
  it("a position whose entry was lost with the process is protected, not entered again", () => {
    const h = at(rig({}, { positions: { 2: 60 } }), 10_000);
    expect(h.orders).toEqual([]);
    at(h, 9_800);
    expect(sent(h)).toEqual([[Side.SELL, 9_751, 60, Tif.IOC]]);
  });
  it("an entry that is not taken is no position", () => {
    const h = at(rig(), 9_999);
    h.cancelled(1);
    at(at(h, 9_000), 12_000);
    expect(h.orders).toHaveLength(1);
  });
});

describe("taking profit in parts [B028]", () => {
  const targets = [
    { gainPpm: 30_000, sharePpm: 500_000 },
    { gainPpm: 50_000, sharePpm: 500_000 },
  ];
  it("half at the first target, then the stop stands at the entry price and takes the rest", () => {
    const h = held({ targets });
    expect(sent(h, 1)).toEqual([
      [Side.SELL, 10_300, 50, Tif.GTC],
      [Side.SELL, 10_500, 50, Tif.GTC],
    ]);
    h.fill(2);
    at(h, 10_001);
    expect(h.host.position(2)).toBe(50);
    expect(h.cancels).toEqual([]);
    at(h, 10_000); // the entry price: the other target makes way, then the rest is closed
    expect(h.cancels.map(({ targetSeq }) => targetSeq)).toEqual([3]);
    at(h, 10_000);
    expect(sent(h, 3)).toEqual([[Side.SELL, 9_950, 50, Tif.IOC]]);
    h.fill(h.orders.at(-1)?.seq ?? 0);
    expect([h.host.position(2), h.open().length]).toEqual([0, 0]);
  });
  it("without it the stop stays where it was: the control", () => {
    const h = held({ targets, breakEven: false });
    h.fill(2);
    at(h, 10_000);
    expect(h.cancels).toEqual([]);
    at(h, 9_800);
    expect(h.cancels).toHaveLength(1);
  });
  it("both targets: all is sold, nothing is left in the market", () => {
    const h = held({ targets });
    h.fill(2);
    h.fill(3);
    at(at(h, 10_600), 9_000);
    expect([h.host.position(2), h.open().length, h.orders.length]).toEqual([0, 0, 3]);
  });
  it("one cancels the other: the stop closes nothing before the venue has said that the targets are gone", () => {
    const h = at(rig({ targets }, { autoAck: false }), 9_999);
    h.ack(1);
    h.fill(1);
    at(h, 9_999);
    h.ack(2).ack(3);
    at(h, 9_700);
    at(h, 9_600);
    expect([h.cancels.length, h.orders.length]).toEqual([2, 3]);
    // The first target fills while its cancel is on its way: 50 are left, and only 50 are closed.
    h.fill(2);
    h.cancelled(3);
    at(h, 9_600);
    expect(sent(h, 3)).toEqual([[Side.SELL, 9_552, 50, Tif.IOC]]);
  });
  it("the shares of a lot size that does not divide leave nothing over", () => {
    const levels = targetLevels({ sign: 1, entryPx: 10_000, enteredLots: 7 }, targets);
    expect(levels).toEqual([
      { pxTicks: 10_300, lots: 3 },
      { pxTicks: 10_500, lots: 4 },
    ]);
    const part = targetLevels({ sign: -1, entryPx: 9_999, enteredLots: 10 }, [
      { gainPpm: 30_000, sharePpm: 500_000 },
    ]);
    expect(part).toEqual([{ pxTicks: 9_699, lots: 5 }]);
  });
  it("a stop never goes farther away", () => {
    const h = held({ targets, stop: { kind: "absolute", pxTicks: 10_100 } });
    expect(h.cancels.length + h.orders.length).toBeGreaterThan(1);
    expect(OrderState.LIVE).toBe(2);
  });
});
