import { describe, expect, it } from "vitest";
import { sharesOf } from "./recon.ts";
import { type Break, type CaseLine, detected, judge, KINDS, type Kind } from "./recon-judge.ts";
import { together } from "./recon-lane.ts";

const line = (atMs: number, kind: string, over: object = {}): CaseLine => ({
  atMs,
  case: { id: 1, kind, state: "OPEN", evidence: [{ ours: null, theirs: "x" }], ...over },
});
const bounds = { ordersMs: 2_000, positionsMs: 5_000, cashMs: 5_000 };
const found = (kind: Kind, tookMs: number | null, over: Partial<Break> = {}): Break => ({
  ...{ kind, venue: "spot", atMs: 1_000, detectedMs: tookMs === null ? null : 1_000 + tookMs },
  ...{ frozen: true, silently: false },
  ...over,
});
const judged = (breaks: readonly Break[], share = 0.05) => {
  const { checks } = judge([{ venue: "spot", breaks, kinds: KINDS, each: 1, bounds }], share);
  return Object.fromEntries(checks.map(({ name, value, ok }) => [name, [value, ok]]));
};
const all = (over: Partial<Record<Kind, Break>> = {}) =>
  KINDS.map((kind) => over[kind] ?? found(kind, 400));

describe("the judge of the reconciliation drill [B053]", () => {
  it("a case tells of a break after it, of its kind, that names two different sides", () => {
    const lines = [
      line(900, "POSITION"),
      line(1_100, "CASH"),
      line(1_200, "POSITION", { evidence: [{ ours: "5", theirs: "5" }] }),
      line(1_300, "POSITION", { state: "AGREED" }),
      { atMs: 1_350 },
      line(1_400, "POSITION"),
    ];
    expect(detected(lines, "position_drift", 1_000)).toBe(1_400);
    expect(detected(lines, "cash_drift", 1_000)).toBe(1_100);
    expect(detected(lines, "order_gone", 1_000)).toBeNull();
    expect(detected(lines, "fill_missing", 1_000), "seen in what it moved").toBe(1_100);
  });

  it("holds where every break is found in time and frozen, and only then", () => {
    expect(Object.values(judged(all())).every(([, ok]) => ok)).toBe(true);
    const late = judged(all({ order_gone: found("order_gone", 1_001) }));
    expect(late["detect_orders_ms_max"]).toEqual([1_001, false]);
    expect(late["detect_ms_over_venue_bound"]).toEqual([0, true]);
    const never = judged(all({ cash_drift: found("cash_drift", null) }));
    expect(never["detect_positions_ms_max"]?.[1]).toBe(false);
    expect(never["detect_ms_over_venue_bound"]).toEqual([1, false]);
    const loose = found("order_unknown", 10, { frozen: false, silently: true });
    const worse = judged(all({ order_unknown: loose }));
    expect(worse["not_frozen"]).toEqual([1, false]);
    expect(worse["silently_overwritten"]).toEqual([1, false]);
    expect(judged(all(), 0.1001)["recon_budget_share_max"]?.[1]).toBe(false);
  });

  it("a kind that was never made is no proof", () => {
    expect(judged(all().slice(1))["breaks_of_each_kind"]).toEqual([0, false]);
  });

  it("Alpaca has its own bounds: six seconds for orders, what its monitor prints for the rest", () => {
    const kinds = ["order_unknown", "position_drift", "cash_drift"] as const;
    const printed = { ordersMs: 5_700, positionsMs: 13_000, cashMs: 60_600 };
    const of = (orders: number, position: number, cash: number) => {
      const breaks = [
        found("order_unknown", orders, { venue: "alpaca" }),
        found("position_drift", position, { venue: "alpaca" }),
        found("cash_drift", cash, { venue: "alpaca" }),
      ];
      const made = { venue: "alpaca", breaks, kinds, each: 1, bounds: printed } as const;
      return judge([made], 0.05)
        .checks.filter(({ ok }) => !ok)
        .map(({ name }) => name);
    };
    expect(of(5_600, 12_000, 60_000)).toEqual([]);
    expect(of(6_001, 12_000, 60_000)).toContain("detect_orders_ms_max.alpaca");
    expect(of(5_000, 13_001, 60_000)).toContain("detect_positions_ms_max.alpaca");
    expect(of(5_000, 12_000, 60_601)).toContain("detect_cash_ms_max.alpaca");
  });

  it("makes at once what cannot be taken for each other", () => {
    expect(together(KINDS)).toEqual([
      ["order_unknown", "order_gone"],
      ["fill_missing"],
      ["external_trade"],
      ["position_drift", "cash_drift"],
    ]);
    expect(together(["order_gone"])).toEqual([["order_gone"]]);
  });

  it("shares the breaks out: all of spot's are made, a fourth of them at USD-M and a tenth at Alpaca", () => {
    for (const breaks of [1, 19, 20, 101]) {
      const shares = sharesOf(breaks, ["spot", "usdm", "alpaca"]);
      const of = (venue: string) =>
        shares.reduce((sum, each) => sum + (each.venue === venue ? each.rounds : 0), 0);
      expect([of("spot"), of("usdm"), of("alpaca")]).toEqual([
        breaks,
        Math.ceil(breaks / 4),
        Math.ceil(breaks / 10),
      ]);
    }
    expect(sharesOf(5, ["alpaca"])).toEqual([{ venue: "alpaca", rounds: 1 }]);
  });
});
