import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { SAMPLE_FILES } from "./config.ts";
import { readLog, VenueLog } from "./log.ts";
import { coreConfig, MARKETS, type MarketId } from "./markets.ts";
import { restoredState } from "./restore.ts";
import { newRustMarket } from "./rust-market.ts";
import { loadSample } from "./sample.ts";
import { sign, wsPayload } from "./trading/binance/auth.ts";
import { Venue } from "./trading/binance/desk.ts";
import { ApiFault } from "./trading/binance/faults.ts";
import { truthOf } from "./truth.ts";

const dir = mkdtempSync(join(tmpdir(), "truth-"));
afterAll(() => rmSync(dir, { recursive: true }));

type Line = Record<string, unknown>;
const order = (id: string, cumLots: number, qtyLots = 10) => ({
  clientOrderId: id,
  qtyLots,
  cumLots,
});
const accept = (id: string, m = "usdm"): Line => ({ k: "order", m, order: order(id, 0) });
/** A USD-M fill: one tick times one lot is worth 10,000 e-8. */
const fill = (
  id: string,
  tradeId: number,
  side: string,
  px: number,
  lots: number,
  change: Line = {},
): Line => ({
  k: "fill",
  m: "usdm",
  order: order(id, lots),
  trade: {
    tradeId,
    side,
    pxTicks: px,
    qtyLots: lots,
    quoteE8: String(px * lots * 10_000),
    feeE8: "7",
    feeAsset: "USDT",
    maker: true,
    timeMs: 1,
    ...change,
  },
});
const post = (deltaE8: bigint): Line => ({
  k: "post",
  m: "usdm",
  asset: "USDT",
  deltaE8: String(deltaE8),
  why: "pnl",
});
const log = (...lines: Line[]) =>
  lines.map((line, n) => `${JSON.stringify({ n: n + 1, ts: 1, ...line, last: true })}\n`).join("");

describe("venueTruth", () => {
  it("folds orders, fills, position, cash and open orders by hand-made numbers", () => {
    const truth = truthOf(
      log(
        accept("a"),
        fill("a", 1, "BUY", 100, 4),
        accept("b"),
        fill("b", 2, "SELL", 103, 4),
        { k: "end", m: "usdm", how: "canceled", order: order("b", 4) },
        post(4n * 3n * 10_000n - 14n),
      ),
    );
    expect(truth.inconsistencies).toEqual([]);
    expect(truth.positionLots).toEqual({ spot: 0n, usdm: 0n });
    expect(truth.cashE8.usdm).toEqual({ USDT: 119_986n });
    expect(truth.openOrders).toEqual([{ market: "usdm", clientOrderId: "a", leavesLots: 6n }]);
    expect([...truth.orders.values()].map(({ status, cumLots }) => [status, cumLots])).toEqual([
      ["PARTIALLY_FILLED", 4n],
      ["CANCELED", 4n],
    ]);
  });

  it("counts an id that was accepted again as a duplicate", () => {
    const truth = truthOf(log(accept("a"), accept("b"), accept("a"), accept("a")));
    expect([truth.duplicates, truth.orders.get("a")?.count, truth.orders.size]).toEqual([2, 3, 2]);
  });

  it.each([
    ["a fill of an order that was never accepted", [fill("x", 1, "BUY", 1, 1)], "never accepted"],
    [
      "one trade twice",
      [accept("a"), fill("a", 1, "BUY", 1, 1), fill("a", 1, "BUY", 1, 1)],
      "twice",
    ],
    [
      "a notional that is not px times qty",
      [accept("a"), fill("a", 1, "BUY", 1, 1, { quoteE8: "9" })],
      "px times qty",
    ],
    ["a fill beyond the size", [accept("a"), fill("a", 1, "BUY", 1, 11)], "beyond its size"],
    [
      "an end that forgets a fill",
      [
        accept("a"),
        fill("a", 1, "BUY", 1, 4),
        { k: "end", m: "usdm", how: "expired", order: order("a", 3) },
      ],
      "its fills say 4",
    ],
    [
      "a flat wallet that did not move by the legs",
      [accept("a"), fill("a", 1, "BUY", 1, 1), accept("b"), fill("b", 2, "SELL", 2, 1), post(5n)],
      "flat",
    ],
    ["a spot posting without a fill", [{ ...post(5n), m: "spot" }], "spot USDT"],
  ])("sees %s", (_, lines, text) => {
    expect(truthOf(log(...lines)).inconsistencies.join("; ")).toContain(text);
  });

  it("a log cut anywhere gives the truth of the whole decisions before the cut", () => {
    const text = log(
      accept("a"),
      fill("a", 1, "BUY", 1, 1),
      accept("b"),
      fill("b", 2, "SELL", 2, 1),
    );
    fc.assert(
      fc.property(fc.nat(text.length), (at) => {
        const whole = text.slice(0, at).split("\n").length - 1;
        expect(readLog(text.slice(0, at)).lines).toHaveLength(whole);
      }),
    );
  });
});

describe("the log against the core", () => {
  const sample = loadSample(SAMPLE_FILES);
  const keys = { key: "k", secret: "s" };
  let runs = 0;

  /** Random orders and cancels on the real core over a second of recording. */
  function trade(
    acts: readonly {
      market: MarketId;
      side: string;
      away: number;
      lots: number;
      cancel: boolean;
    }[],
  ) {
    runs += 1;
    const path = join(dir, `log${runs}.ndjson`);
    const venueLog = new VenueLog(path);
    const core = (market: MarketId) => newRustMarket(coreConfig(MARKETS[market]));
    const cores = { spot: core("spot"), usdm: core("usdm") };
    const venue = new Venue(cores, venueLog, [{ ...keys, trade: true }], (_, id) => id);
    for (const [market, { bytes }] of sample.snapshots) venue.onMarket(market, bytes, 1);
    let at = 0;
    const nowMs = 1_000_000;
    const call = (
      market: MarketId,
      op: "order.place" | "order.cancel",
      fields: Record<string, string>,
    ) => {
      const params = new Map(
        Object.entries({ symbol: "BTCUSDT", timestamp: String(nowMs), ...fields }),
      );
      const payload = wsPayload(params);
      params.set("signature", sign(payload, "s"));
      try {
        venue.call({ market, op, params, payload, key: "k" }, nowMs);
      } catch (error) {
        expect(error).toBeInstanceOf(ApiFault);
      }
    };
    for (const [n, { market, side, away, lots, cancel }] of acts.entries()) {
      for (const record of sample.records.slice(at, at + 40))
        venue.onMarket(record.market, record.bytes, nowMs);
      at += 40;
      const spec = MARKETS[market];
      const mid = market === "spot" ? 61_837 : 61_800;
      const price = (mid + (side === "BUY" ? -away : away)).toFixed(spec.pxScale);
      const quantity = (lots * 10 ** -spec.qtyScale).toFixed(spec.qtyScale);
      const newClientOrderId = `o${n}`;
      call(market, "order.place", {
        side,
        type: "LIMIT",
        timeInForce: "GTC",
        price,
        quantity,
        newClientOrderId,
      });
      if (cancel) call(market, "order.cancel", { origClientOrderId: `o${Math.floor(n / 2)}` });
    }
    venueLog.close();
    return { text: readFileSync(path, "utf8"), cores };
  }

  it("truth and the restored state agree with the core's own after any orders", () => {
    const act = fc.record({
      market: fc.constantFrom<MarketId>("spot", "usdm"),
      side: fc.constantFrom("BUY", "SELL"),
      away: fc.integer({ min: -30, max: 30 }),
      lots: fc.integer({ min: 1, max: 500 }),
      cancel: fc.boolean(),
    });
    let fills = 0;
    fc.assert(
      fc.property(fc.array(act, { minLength: 1, maxLength: 25 }), (acts) => {
        const { text, cores } = trade(acts);
        const truth = truthOf(text);
        fills += truth.fills.length;
        expect(truth.inconsistencies).toEqual([]);
        for (const market of ["spot", "usdm"] as const) {
          const balances = JSON.parse(cores[market].balances()) as Record<string, string | number>;
          expect(truth.positionLots[market]).toBe(BigInt(balances["positionLots"] ?? 0));
          expect(truth.fills.filter((f) => f.market === market).length).toBe(balances["fills"]);
          const { nextSeq: _, ...state } = JSON.parse(cores[market].state()) as Record<
            string,
            unknown
          >;
          const restored = restoredState(readLog(text).lines, market, MARKETS[market]);
          if (restored === null) {
            expect(state["orders"]).toEqual([]);
            continue;
          }
          const { nextSeq: __, ...ours } = JSON.parse(restored) as Record<string, unknown>;
          // Spot's cost is not restored: nothing is computed from it. Refused duplicates are not logged.
          const comparable = (s: Record<string, unknown>) => ({
            ...s,
            duplicates: 0,
            ledger: {
              ...(s["ledger"] as object),
              ...(market === "spot" ? { openCostE8: "0" } : {}),
            },
          });
          expect(comparable(ours)).toEqual(comparable(state));
          newRustMarket(coreConfig(MARKETS[market])).restore(restored);
        }
      }),
      { numRuns: 25 },
    );
    expect(fills).toBeGreaterThan(20);
  });
});
