import type { Report } from "@tidegate/contracts";
import type { VenueTruth } from "@tidegate/venue-sim";
import { describe, expect, it } from "vitest";
import { difference } from "./router.ts";

const MARKET = { id: "spot", instrumentId: 1 } as const;

const report = (kind: Report["kind"], clientOrderId: string, over: object = {}): Report =>
  ({
    ...{ kind, clientOrderId, instrumentId: 1, execId: "1", side: "BUY", lastPxTicks: 100 },
    ...{ lastQtyLots: 5, feeE8: 7n, feeAsset: "BTC", maker: false, ...over },
  }) as unknown as Report;

function truth(status: string, over: Partial<VenueTruth> = {}): VenueTruth {
  const order = { market: "spot", clientOrderId: "a", count: 1, qtyLots: 5n, cumLots: 5n, status };
  const fill = {
    ...{ market: "spot", clientOrderId: "a", tradeId: 1, side: "BUY", pxTicks: 100n, qtyLots: 5n },
    ...{ notionalE8: 0n, feeE8: 7n, feeAsset: "BTC", maker: false, timeMs: 0 },
  };
  return {
    orders: new Map([["a", order]]),
    fills: [fill],
    duplicates: 0,
    inconsistencies: [],
    ...over,
  } as unknown as VenueTruth;
}

const FILL = report("FILL", "a");
const ACK = report("ACK", "a");

describe("the judge of the router's cards", () => {
  it("finds nothing where both books are alike", () => {
    expect(difference(truth("FILLED"), [ACK, FILL], MARKET)).toBeNull();
    expect(difference(truth("NEW", { fills: [] }), [ACK], MARKET)).toBeNull();
    const cancelled = [ACK, FILL, report("CANCELLED", "a")];
    expect(difference(truth("CANCELED"), cancelled, MARKET)).toBeNull();
    expect(difference(truth("FILLED"), [ACK, FILL, report("NEVER_SENT", "b")], MARKET)).toBeNull();
  });

  it.each([
    ["a fill that was not told", truth("FILLED"), [ACK], "fills"],
    ["a fill told twice", truth("FILLED"), [ACK, FILL, FILL], "fills"],
    ["another price", truth("FILLED"), [report("FILL", "a", { lastPxTicks: 101 })], "fills"],
    ["another fee", truth("FILLED"), [report("FILL", "a", { feeE8: 8n })], "fills"],
    ["an end that is none", truth("NEW"), [FILL, report("CANCELLED", "a")], "is NEW"],
    ["another end", truth("CANCELED"), [FILL, report("EXPIRED", "a")], "is CANCELED"],
    ["an end that was not told", truth("CANCELED"), [FILL], "is CANCELED"],
    ["dead although it is there", truth("NEW"), [FILL, report("DEAD", "a")], "is NEW"],
    [
      "two ends",
      truth("CANCELED"),
      [FILL, report("CANCELLED", "a"), report("CANCELLED", "a")],
      "CANCELLED and CANCELLED",
    ],
    ["what the venue never had", truth("FILLED"), [FILL, report("ACK", "b")], "never at the venue"],
    ["an order there twice", truth("FILLED", { duplicates: 1 }), [FILL], "twice"],
    ["a log that contradicts itself", truth("FILLED", { inconsistencies: ["x"] }), [FILL], "x"],
  ] as const)("notices %s", (_, venue, reports, want) => {
    expect(difference(venue, reports, MARKET)).toContain(want);
  });
});
