import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  columns,
  orderRows,
  positionRows,
  readOrders,
  readPositions,
  readShown,
  venueRows,
} from "./desk.ts";

const shown = readShown(
  readFileSync(new URL("../../../../config/instruments.json", import.meta.url), "utf8"),
);

const order = (over: Record<string, unknown>) => ({
  ...{
    intent: "00000003000000010000000000000007",
    clientOrderId: "abc",
    accountId: 1,
    instrumentId: 1,
  },
  ...{ venueId: 1, side: "BUY", pxTicks: 6_180_025, qtyLots: 150, cumLots: 50 },
  ...{ state: "ORDER_STATE_LIVE", reason: "OK", cancelWanted: false, ...over },
});
const orders = (...list: object[]) => orderRows(readOrders({ orders: list }), shown);

describe("orders", () => {
  it("are shown in the instrument's own words, by intent, with whose they are", () => {
    const second = order({
      intent: "00000001000000010000000000000009",
      instrumentId: 2,
      pxTicks: 618_002,
      qtyLots: 4,
    });
    expect(orders(order({}), second)).toMatchObject([
      { strategyId: 1, instrument: "BINANCE_USDM BTCUSDT", px: "61800.2", qty: "0.004" },
      {
        strategyId: 3,
        instrument: "BINANCE_SPOT BTCUSDT",
        px: "61800.25",
        qty: "0.0015",
        filled: "0.0005",
        state: "LIVE",
        note: "",
      },
    ]);
  });

  it("that have ended are none; one that nobody knows of is", () => {
    for (const state of ["FILLED", "CANCELLED", "REJECTED", "EXPIRED"])
      expect(orders(order({ state: `ORDER_STATE_${state}` }))).toEqual([]);
    const [row] = orders(
      order({ state: "ORDER_STATE_UNKNOWN", reason: "OUTCOME_UNKNOWN", cancelWanted: true }),
    );
    expect(row).toMatchObject({ state: "UNKNOWN", note: "OUTCOME_UNKNOWN, cancel wanted" });
  });

  it("of an instrument the table lacks keep their whole numbers, and a market order has no price", () => {
    expect(orders(order({ instrumentId: 9 }))).toMatchObject([
      { instrument: "instrument 9", px: "6180025 ticks", qty: "150 lots" },
    ]);
    expect(orders(order({ pxTicks: 0 }))[0]?.px).toBe("market");
  });
});

const position = (over: Record<string, unknown>) => ({
  ...{ accountId: 1, strategyId: 1, instrumentId: 1, positionLots: "50", openCostE8: "3091428500" },
  ...{ realisedE8: "-487500", buyLeavesLots: "0", sellLeavesLots: "0", ...over },
});
const positions = (row: object, reference: string | null, all = false) =>
  positionRows(
    readPositions({
      policy: { state: "NORMAL" },
      positions: [row],
      references: { "1": reference, "2": reference },
    }),
    shown,
    all,
  );

describe("positions", () => {
  it("profit is cash and position: 0.0005 bought for 30.914285, at 61,900 worth 30.95, 0.004875 lost before", () => {
    expect(positions(position({}), "61900.00")).toMatchObject([
      {
        ...{ position: "0.0005", averagePx: "61828.57", reference: "61900.00" },
        // 30.95 − 30.914285 and −0.004875: by hand.
        ...{ realised: "-0.004875", unrealised: "0.035715", pnl: "0.03084", quote: "USDT" },
      },
    ]);
  });

  it("a short one earns as the price falls", () => {
    const short = position({
      instrumentId: 2,
      positionLots: "-2",
      openCostE8: "-12365600000",
      realisedE8: "0",
    });
    expect(positions(short, "61728.0")).toMatchObject([
      // Sold 0.002 for 123.656 at 61,828; bought back at 61,728 it costs 123.456.
      { position: "-0.002", averagePx: "61828", unrealised: "0.2", pnl: "0.2" },
    ]);
  });

  it("without a reference price there is no profit to tell, and none is made up", () => {
    expect(positions(position({}), null)).toMatchObject([
      { reference: "–", unrealised: null, pnl: null },
    ]);
    expect(positions(position({ instrumentId: 9 }), "1")).toMatchObject([
      { pnl: null, position: "50 lots" },
    ]);
  });

  it("flat ones are left out unless an order is open or all are asked for", () => {
    const flat = position({ positionLots: "0", openCostE8: "0" });
    expect(positions(flat, "1.00")).toEqual([]);
    expect(positions(flat, null, true)).toMatchObject([
      { averagePx: "–", unrealised: "0", pnl: "-0.004875" },
    ]);
    expect(positions({ ...flat, buyLeavesLots: "3" }, "1.00")).toHaveLength(1);
  });
});

describe("venues", () => {
  const venue = {
    id: 1,
    name: "BINANCE_SPOT",
    state: "UP",
    opens: 2,
    failures: 1,
    lastFault: "gone",
  };
  const budget = { venue: 1, orders: 5, ordersMax: 90, weight: 7, weightMax: 0, blockedMs: 250 };
  const health = (over: Record<string, unknown> = {}) => ({
    state: "UP",
    stats: {
      ...{ gateway: "SYNCED", killed: null, venues: [venue], budgets: [budget], breakers: {} },
      ...{ openOrders: 3, unknown: 0, ...over },
    },
  });

  it("have their link, their budget and what is open of breakers", () => {
    expect(venueRows(health())).toEqual({
      rows: [
        {
          ...{ venueId: 1, venue: "BINANCE_SPOT", link: "UP", opens: 2, failures: 1 },
          ...{ orders: "5/90", weight: "no limit", blockedMs: 250, lastFault: "gone" },
        },
      ],
      breakers: {},
      gateway: "SYNCED",
      killed: false,
    });
    const bad = venueRows(health({ breakers: { "1 order.place": "OPEN" }, killed: { by: "ann" } }));
    expect(bad).toMatchObject({ breakers: { "1 order.place": "OPEN" }, killed: true });
  });

  it("another process's page is refused with what it lacks", () => {
    expect(() => venueRows({ state: "RUNNING", stats: {} })).toThrow(
      /no execution-router of this version \(stats\./,
    );
    expect(() => readOrders({})).toThrow(/\/orders is of another version \(orders/);
  });
});

it("columns stand under their heads", () => {
  const rows = [
    { a: "x", n: 7 },
    { a: "long", n: 1_000 },
  ];
  const text = columns<(typeof rows)[number]>(
    [
      ["name", ({ a }) => a],
      ["n", ({ n }) => n, true],
    ],
    rows,
  );
  expect(text).toBe(["name     n", "x        7", "long  1000"].join("\n"));
});
