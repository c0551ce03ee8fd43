import type { Report } from "@tidegate/contracts";
import type { VenueTruth } from "@tidegate/venue-sim";
import { ORDER_SWITCHES, type OrderSwitch } from "@tidegate/venue-sim/switches";
import { describe, expect, it } from "vitest";
import { ALPACA } from "../conformance/alpaca-router.ts";
import { FIX, SPOT, USDM } from "../conformance/router.ts";
import { SHIOAJI } from "../conformance/shioaji-router.ts";
import { faultsOf, NOT_THROWN } from "./venue-faults.ts";
import { ours, released, sums } from "./venue-faults-judge.ts";

const report = (kind: string, over: object = {}) =>
  ({ kind, clientOrderId: "a", instrumentId: 1, ...over }) as unknown as Report;
const fill = report("FILL", {
  ...{
    side: "BUY",
    lastPxTicks: 6_000_000,
    lastQtyLots: 10,
    feeE8: 5n,
    feeAsset: "BTC",
    execId: "1",
  },
});
const truth = (status: string | null, over: object = {}): VenueTruth =>
  ({
    orders: new Map(status === null ? [] : [["a", { clientOrderId: "a", status }]]),
    ...{ duplicates: 0, fills: [], positionLots: { spot: 10n }, inconsistencies: [] },
    cashE8: { spot: { BTC: 9_995n, USDT: -600_000_000n } },
    ...over,
  }) as unknown as VenueTruth;
const unknown = (status: string | null, ...kinds: string[]) => {
  const told = ["UNKNOWN", ...kinds].map((kind) => report(kind));
  const found = sums(truth(status), told, "spot");
  return [found.unknown, found.unknownUnresolved, found.unknownResolvedWrongly];
};

describe("the judge of the venue-fault drill [B022]", () => {
  it("fills come to the venue's position and cash, in the assets they move", () => {
    expect(ours([fill], "spot")).toEqual({
      lots: 10n,
      cashE8: new Map([
        ["BTC", 9_995n],
        ["USDT", -600_000_000n],
      ]),
    });
    expect(sums(truth("FILLED"), [fill], "spot")).toMatchObject({
      ...{ positionDifference: 0n, cashDifference: 0n },
    });
    const dearer = { ...fill, lastPxTicks: 6_000_001 } as unknown as Report;
    expect(sums(truth("FILLED"), [dearer], "spot").cashDifference).toBe(100n);
    expect(sums(truth("FILLED"), [], "spot").positionDifference).toBe(10n);
    const taken = report("BUST", { execId: "1/2" });
    expect(sums(truth("FILLED"), [fill, taken], "spot").positionDifference, "undone").toBe(10n);
    expect(ours([fill, taken], "fix:BTC/USD")).toEqual({ lots: 0n, cashE8: new Map() });
    expect(ours([{ ...fill, feeAsset: "USDT" } as Report], "usdm").cashE8.get("USDT")).toBe(
      -600_000_000_005n,
    );
  });

  it("an unknown outcome is resolved by what the venue really has", () => {
    expect(unknown("NEW")).toEqual([1, 1, 0]);
    expect(unknown("NEW", "ACK")).toEqual([1, 0, 0]);
    expect(unknown(null, "DEAD")).toEqual([1, 0, 0]);
    expect(unknown("NEW", "DEAD"), "let go, and it is there").toEqual([1, 0, 1]);
    expect(unknown(null, "ACK"), "taken, and it is not there").toEqual([1, 0, 1]);
    expect(unknown("CANCELED", "ACK", "CANCELLED")).toEqual([1, 0, 0]);
    expect(unknown("FILLED", "CANCELLED")).toEqual([1, 0, 1]);
    const dead = sums(truth("NEW"), [report("DEAD")], "spot");
    expect(dead.unknownResolvedWrongly, "called dead without a word before").toBe(1);
  });

  it("what left for a silent venue and was let go counts, what never left does not", () => {
    const of = (id: string, ...kinds: string[]) =>
      kinds.map((kind) => report(kind, { clientOrderId: id }));
    const told = [
      ...of("a", "SENT", "UNKNOWN"),
      ...of("b", "SENT", "DEAD"),
      ...of("c", "NEVER_SENT"),
    ];
    expect(released(told)).toEqual({ sent: 2, released: 1 });
  });

  it("every switch that a venue's orders have is thrown", () => {
    for (const [market, venue] of [
      [SPOT, "BINANCE_SPOT"],
      [USDM, "BINANCE_USDM"],
      [FIX, "FIX"],
      [ALPACA, "ALPACA"],
      [SHIOAJI, "SHIOAJI"],
    ] as const) {
      const all = (Object.keys(ORDER_SWITCHES) as OrderSwitch[]).filter(
        (name) =>
          (ORDER_SWITCHES[name].venues as readonly string[]).includes(venue) &&
          !NOT_THROWN.includes(name),
      );
      const thrown = faultsOf(market).map(({ name }) => name);
      expect(thrown.toSorted()).toEqual(all.toSorted());
    }
  });
});
