import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Envelope, Money, PxTicks, QtyLots } from "@tidegate/contracts";
import type { RestAnswer, RestClient } from "@tidegate/venues";
import { WeightBudget } from "@tidegate/venues";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { OurBook } from "./book.ts";
import { boundsOf, periodsOf, WANTED } from "./cadence.ts";
import { CaseFile } from "./cases.ts";
import { Recon } from "./core.ts";
import { ReconDesk } from "./desk.ts";
import { takeRecord } from "./ours.ts";
import { SpotSide, spotWeights } from "./spot.ts";

const BOOK = {
  ...{ baseAsset: "BTC", quoteAsset: "USDT", baseE8PerLot: 1_000n, quoteE8PerTickLot: 10n },
};
const SPOT = { weights: spotWeights(), wanted: WANTED, tellsHeld: true };
const PLACE = { venueId: 1, instrumentId: 1 };
const TOTALS = { BTC: 1_000_000_000n, USDT: 100_000_000_000n };
const record = (kind: string, value: object): Envelope =>
  ({ payload: { kind, value: { venueId: 1, instrumentId: 1, ...value } } }) as unknown as Envelope;
const command = (value: object = {}) =>
  record("command", {
    ...{ kind: "NEW", clientOrderId: "a", side: "BUY", pxTicks: 6_000_000, qtyLots: 10 },
    ...value,
  });
const report = (kind: string, value: object = {}) =>
  record("report", { kind, clientOrderId: "a", ...value });
const fill = {
  ...{ execId: "5", venueOrderId: "7", side: "BUY", lastPxTicks: 6_000_000, lastQtyLots: 4 },
  ...{ feeE8: 3n, feeAsset: "BTC", tsVenueNs: 5_000_000n },
};

describe("our side, out of the gateway's journal [A28]", () => {
  let book: OurBook;
  beforeEach(() => {
    book = new OurBook(BOOK, TOTALS);
  });
  const take = (...records: readonly Envelope[]) => {
    for (const each of records) takeRecord(book, PLACE, each);
  };

  it("an order from its command to its end, with its fills booked once", () => {
    take(command(), report("ACK"), report("FILL", fill), report("FILL", fill));
    expect(book.orders.get("a")).toMatchObject({ qtyLots: 10, cumLots: 4 });
    expect(book.balances.get("BTC")?.total).toBe(TOTALS.BTC + 4_000n - 3n);
    expect(book.balances.get("USDT")?.total).toBe(TOTALS.USDT - 240_000_000n);
    take(report("REPLACED", { lastPxTicks: 5_900_000, cumQtyLots: 4, leavesQtyLots: 2 }));
    expect(book.orders.get("a")).toMatchObject({ pxTicks: 5_900_000, qtyLots: 6, cumLots: 4 });
    take(report("CANCELLED"));
    expect(book.orders.size).toBe(0);
  });

  it.each(["EXPIRED", "REJECT", "NEVER_SENT", "DEAD"])("%s ends it", (kind) => {
    take(command(), report(kind));
    expect(book.orders.size).toBe(0);
  });

  it("an outcome that is not known keeps it, and another venue's or instrument's word is none", () => {
    take(command(), report("UNKNOWN"), report("CANCELLED", { venueId: 2 }));
    take(report("CANCELLED", { instrumentId: 2 }), command({ clientOrderId: "b", venueId: 2 }));
    expect([...book.orders.keys()]).toEqual(["a"]);
  });

  it("an execution the venue took back moves everything back, once", () => {
    take(report("FILL", fill));
    expect([book.undone("5"), book.undone("5")]).toEqual([true, false]);
    expect(book.balances.get("BTC")?.total).toBe(TOTALS.BTC);
    expect(book.recent(10)).toBeNull();
  });
});

describe("how often a venue is asked [B053]", () => {
  const weights = spotWeights();
  const perMinute = (slice: number) => {
    const periods = periodsOf(slice, SPOT);
    const of = (what: keyof typeof weights) => (60_000 / periods[what]) * weights[what];
    return { periods, weight: of("orders") + of("balances") + of("executions") };
  };

  it("within nine percent of spot's budget, and positions within five seconds", () => {
    expect(weights).toEqual({ orders: 6, balances: 20, executions: 20, cash: 0 });
    const { periods, weight } = perMinute(540);
    expect(weight).toBeLessThanOrEqual(540 - 18 * weights.orders);
    const bounds = boundsOf(periods, 250, weights);
    expect(bounds.positionsMs).toBeLessThanOrEqual(5_000);
    expect(bounds.cashMs).toBe(bounds.positionsMs);
    expect(bounds.ordersMs).toBeLessThanOrEqual(4_000);
  });

  it.each([5_400, 540, 200, 100, 60])("a slice of %i is never planned beyond", (slice) => {
    const { periods, weight } = perMinute(slice);
    expect(weight).toBeLessThanOrEqual(slice);
    expect(periods.orders).toBeGreaterThanOrEqual(1_000);
  });
});

describe("the running desk [A28]", () => {
  let dir: string;
  let desk: ReconDesk | null;
  let now = 0;
  const calls: string[] = [];
  const answers: Record<string, string> = {};
  let takes = true;
  let whole = true;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "tidegate-recon-"));
    vi.useFakeTimers();
    [now, takes, whole] = [1_000, true, true];
    calls.length = 0;
    Object.assign(answers, {
      ...{ "/api/v3/openOrders": "[]", "/api/v3/myTrades": "[]" },
      "/api/v3/account":
        '{"balances":[{"asset":"BTC","free":"10.00000000","locked":"0.00000000"},{"asset":"USDT","free":"1000.00000000","locked":"0.00000000"}]}',
    });
    vi.spyOn(performance, "now").mockImplementation(() => now);
  });
  afterEach(() => {
    desk?.stop();
    vi.restoreAllMocks();
    vi.useRealTimers();
    rmSync(dir, { recursive: true, force: true });
  });

  function made(percent = 9): { desk: ReconDesk; book: OurBook } {
    const book = new OurBook(BOOK, TOTALS, () => now);
    const rules = {
      ...{ instrumentId: 1, baseAsset: "BTC", quoteAsset: "USDT", settleMs: 100 },
      ...{ cashTolerance: 0n as Money, graveCases: 10 },
    };
    const budget = new WeightBudget(6_000, percent, () => now);
    const rest = {
      ask: async (_: string, path: string): Promise<RestAnswer> => {
        calls.push(path);
        const text = answers[path];
        const status = text === undefined ? 503 : 200;
        return { status, body: Buffer.from(text ?? "") } as unknown as RestAnswer;
      },
    } as unknown as RestClient;
    desk = new ReconDesk({
      ...{ place: PLACE, book, budget, settleMs: 100 },
      recon: new Recon(rules, book),
      venue: new SpotSide(rest, {
        symbol: "BTCUSDT",
        px: { pxScale: 2, tickUnits: 1n },
        qty: { qtyScale: 5, lotUnits: 1n },
      }),
      file: new CaseFile(join(dir, "cases.ndjson")),
      periods: periodsOf(budget.max, SPOT),
      log: { info: () => {}, warn: () => {}, error: () => {} } as never,
      freeze: async (instrument) => {
        calls.push(`freeze ${instrument}`);
        return takes;
      },
      halt: async () => {
        calls.push("halt");
        return takes;
      },
      lookAgain: async (venue) => {
        calls.push(`look again ${venue}`);
        return true;
      },
      whole: () => whole,
      heardMs: () => performance.now(),
    });
    return { desk, book };
  }
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 20) {
      now += 20;
      await vi.advanceTimersByTimeAsync(20);
    }
  };
  const count = (what: string) => calls.filter((each) => each === what).length;
  const ours = { side: "BUY", pxTicks: 6_000_000 as PxTicks, qtyLots: 10 as QtyLots } as const;

  it("asks everything at its start, then each in its period, and nothing while our side is not whole [B053]", async () => {
    whole = false;
    made();
    await pass(1_000);
    expect(calls).toEqual([]);
    whole = true;
    await pass(40);
    expect(new Set(calls)).toEqual(new Set(Object.keys(answers)));
    calls.length = 0;
    await pass(60_000);
    expect(count("/api/v3/openOrders")).toBeGreaterThan(16);
    expect(count("/api/v3/account")).toBeGreaterThan(12);
    expect(count("/api/v3/myTrades")).toBe(1);
    expect(calls.filter((each) => each.startsWith("freeze"))).toEqual([]);
  });

  it("a difference freezes at the gateway until it has taken it, and the router looks again", async () => {
    takes = false;
    const { book } = made();
    book.sent({ clientOrderId: "a", ...ours, cumLots: 0 as QtyLots });
    now += 1_000;
    await pass(2_000);
    expect(count("freeze 1"), "asked again and again").toBeGreaterThan(2);
    takes = true;
    await pass(1_000);
    const after = count("freeze 1");
    await pass(2_000);
    expect(count("freeze 1")).toBe(after);
    expect(count("look again 1")).toBe(1);
    expect(desk?.cases().open).toMatchObject([{ kind: "ORDER_GONE_THERE", subject: "a" }]);
    expect(book.orders.size, "our side is as it was").toBe(1);
  });

  it("cases outlive the process, are signed there, and freeze again at its start [B054]", async () => {
    const { book } = made();
    book.sent({ clientOrderId: "a", ...ours, cumLots: 0 as QtyLots });
    now += 1_000;
    await pass(1_000);
    const [before] = desk?.cases().open ?? [];
    desk?.stop();
    // The process died while it wrote.
    appendFileSync(join(dir, "cases.ndjson"), '{"atMs":5,"ca');
    calls.length = 0;
    const again = made();
    again.book.sent({ clientOrderId: "a", ...ours, cumLots: 0 as QtyLots });
    await pass(100);
    expect(again.desk.cases().open).toEqual([before]);
    expect(count("freeze 1")).toBe(1);
    expect(again.desk.sign(before?.id ?? 0, "ann", "cancelled by hand").state).toBe("SIGNED");
    again.desk.stop();
    expect(made().desk.cases().signed).toMatchObject([{ signed: { by: "ann" } }]);
  });

  it("somebody else's trade is taken by a person, once, and stays taken after a restart", async () => {
    made();
    const event =
      '{"event":{"e":"executionReport","s":"BTCUSDT","c":"person","C":"","S":"BUY","x":"TRADE","X":"FILLED","i":7,"p":"60000.00","q":"0.00010","z":"0.00010","t":5,"l":"0.00010","L":"60000.00","n":"0.00000003","N":"BTC"}}';
    await pass(100);
    desk?.hear(event);
    await pass(300);
    const [open] = desk?.cases().open ?? [];
    expect(open).toMatchObject({ kind: "EXECUTION_MISSING_HERE", subject: "5" });
    desk?.adopt(open?.id ?? 0, "ann and bob", "a trade by hand");
    desk?.stop();
    const { book } = made();
    expect(book.balances.get("BTC")?.total).toBe(TOTALS.BTC + 10_000n - 3n);
    expect(() => desk?.adopt(9, "ann", "x")).toThrow("case 9");
  });

  it("ten questions in a row without an answer ask for HALT, once", async () => {
    for (const path of Object.keys(answers)) delete answers[path];
    made();
    await pass(30_000);
    expect(count("halt")).toBe(1);
    expect(desk?.cases().open).toEqual([]);
  });
});
