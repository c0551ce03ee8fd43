import { describe, expect, it } from "vitest";
import { check } from "../result.ts";
import {
  type Budget,
  judgeSession,
  judgeSoak,
  pnlMinusCashE8,
  type SessionFacts,
} from "./criteria.ts";

const fill = (side: "BUY" | "SELL", notionalE8: bigint): SessionFacts["fills"][number] => ({
  ...{ market: "spot", clientOrderId: "a", tradeId: 1, side, pxTicks: 1n, qtyLots: 1n },
  ...{ notionalE8, feeE8: 5n, feeAsset: "USDT", maker: true, timeMs: 0 },
});
const zero = (name: string) => check(name, 0, "=", 0);
const GOOD: SessionFacts = {
  name: "one",
  run: ["position_difference", "cash_difference", "fills_difference", "duplicates_at_venue"].map(
    zero,
  ),
  parity: [zero("live_vs_replay_unequal")],
  replies: { OK: 9, UNKNOWN_ORDER: 2 },
  orderStates: { FILLED: 3 },
  // Bought for 1,000, half of it sold for 600: 100 earned, 500 open.
  books: [{ instrumentId: 1, openCostE8: "500", realisedE8: "100" }],
  fills: [fill("BUY", 1_000n), fill("SELL", 600n)],
  instruments: { spot: 1, usdm: 2 },
  cases: [],
  tickToWireUsP99: 900,
};
const BUDGET: Budget = { tickToWireUsP99: 1_000, explained: [] };
const failing = (over: Partial<SessionFacts>, budget = BUDGET) =>
  judgeSession({ ...GOOD, ...over }, budget)
    .checks.filter(({ ok }) => !ok)
    .map(({ name }) => name);

describe("a session of a paper soak [B100]", () => {
  it("says GO where every criterion holds", () => {
    expect(judgeSession(GOOD, BUDGET)).toMatchObject({ verdict: "GO", why: [] });
  });

  it.each<[Partial<SessionFacts>, string]>([
    [
      { run: [...GOOD.run.slice(1), check("position_difference", 1, "=", 0)] },
      "reconciliation_breaks",
    ],
    // What was not compared is not agreed.
    [{ run: GOOD.run.slice(1) }, "reconciliation_breaks"],
    [{ run: [...GOOD.run, check("restarts_unasked", 1, "=", 0)] }, "invariants_violated"],
    [{ cases: ["binance-spot: POSITION"] }, "cases_unsigned"],
    [{ replies: { OK: 9, MALFORMED: 1 } }, "rejects_unexplained"],
    [{ orderStates: { UNKNOWN: 1 } }, "orders_unknown"],
    [{ tickToWireUsP99: 1_001 }, "tick_to_wire_us_p99"],
    [{ tickToWireUsP99: null }, "tick_to_wire_us_p99"],
    [{ books: [{ instrumentId: 1, openCostE8: "500", realisedE8: "101" }] }, "pnl_minus_cash"],
    [{ parity: [check("runs_unequal", 1, "=", 0)] }, "parity_unequal"],
    [{ parity: [] }, "parity_unequal"],
    [{ fills: [], books: [] }, "fills"],
  ])("%o: NO-GO by %s and by nothing else", (over, name) => {
    expect(failing(over)).toEqual([name]);
    const { verdict, why } = judgeSession({ ...GOOD, ...over }, BUDGET);
    expect(verdict).toBe("NO-GO");
    expect(why[0]).toContain(name);
  });

  it("a refusal that a person has explained is none any more", () => {
    const replies = { OK: 9, MALFORMED: 1 };
    expect(failing({ replies }, { ...BUDGET, explained: ["MALFORMED"] })).toEqual([]);
  });

  it("profit is cash in every instrument by itself: two errors do not make one right", () => {
    const books = [
      { instrumentId: 1, openCostE8: "500", realisedE8: "101" },
      { instrumentId: 2, openCostE8: "1", realisedE8: "0" },
    ];
    expect(pnlMinusCashE8({ ...GOOD, books })).toBe(2n);
  });
});

describe("a soak", () => {
  const session = judgeSession(GOOD, BUDGET);
  it("is GO with enough sessions of which each is", () => {
    expect(judgeSoak(Array(10).fill(session), 10).every(({ ok }) => ok)).toBe(true);
    expect(judgeSoak(Array(9).fill(session), 10).filter(({ ok }) => !ok)).toMatchObject([
      { name: "sessions", value: 9 },
    ]);
    expect(judgeSoak([], 10)[0]?.ok).toBe(false);
  });

  it("is NO-GO by one session of ten, and names its criterion", () => {
    const bad = judgeSession({ ...GOOD, cases: ["x"] }, BUDGET);
    const failed = judgeSoak([...Array(9).fill(session), bad], 10).filter(({ ok }) => !ok);
    expect(failed.map(({ name }) => name)).toEqual(["sessions_no_go", "cases_unsigned"]);
  });
});
