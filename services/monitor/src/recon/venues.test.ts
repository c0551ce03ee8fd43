import type { Money, PxTicks, QtyLots } from "@tidegate/contracts";
import { RestClient } from "@tidegate/venues";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AlpacaSide } from "./alpaca.ts";
import { OurBook } from "./book.ts";
import { boundsOf, confirmsOf, periodsOf } from "./cadence.ts";
import type { Execution, Look } from "./types.ts";
import { UsdmSide } from "./usdm.ts";

const TIMES = { askedMs: 1, answeredMs: 2 };
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const nowhere = new RestClient({ baseUrl: "http://127.0.0.1:1" });
const usdm = () =>
  new UsdmSide(nowhere, {
    ...{ symbol: "BTCUSDT", baseAsset: "BTC", quoteAsset: "USDT", e8PerTick: 10_000_000n },
    px: { pxScale: 1, tickUnits: 1n },
    qty: { qtyScale: 3, lotUnits: 1n },
  });
const alpaca = () =>
  new AlpacaSide(
    nowhere,
    {
      symbol: "AAPL",
      px: { pxScale: 2, tickUnits: 1n },
      qty: { qtyScale: 6, lotUnits: 1n },
    },
    1_700_000_000_000,
  );
const account = (wallet: string, positionAmt: string, entryPrice: string) => ({
  assets: [{ asset: "USDT", walletBalance: wallet }],
  positions: [{ symbol: "BTCUSDT", positionAmt, entryPrice }],
});
const totals = (look: Look | undefined) =>
  look?.what === "balances" || look?.what === "balance event"
    ? Object.fromEntries([...look.balances].map(([asset, { total }]) => [asset, total]))
    : null;

describe("how often USD-M and Alpaca are asked [B053]", () => {
  it("USD-M: orders within a second, positions within five, within nine percent", () => {
    const side = usdm();
    const slice = 216;
    const periods = periodsOf(slice, side);
    const bounds = boundsOf(periods, 250, side.weights);
    expect(confirmsOf(slice, side)).toBe(0);
    // Of the second a list may wait half; the rest is the answer and the time our own word may take.
    expect(periods.orders).toBe(500);
    expect(bounds.ordersMs).toBeLessThanOrEqual(1_100);
    expect(bounds.positionsMs).toBeLessThanOrEqual(5_000);
    const { orders, balances, executions } = side.weights;
    const minute = 121 * orders + 15 * balances + executions;
    expect(minute).toBeLessThanOrEqual(slice);
  });

  it("Alpaca: orders within six seconds, of twenty requests a minute", () => {
    const side = alpaca();
    const periods = periodsOf(20, side);
    const bounds = boundsOf(periods, 250, side.weights);
    expect(bounds.ordersMs).toBeLessThanOrEqual(6_000);
    expect(bounds).toMatchObject({ positionsMs: 12_670, cashMs: 60_600 });
    const most = (ms: number) => Math.ceil(60_350 / ms);
    expect(most(periods.orders) + most(periods.balances) + 2).toBeLessThanOrEqual(20);
    // With half of the requests everything is asked less often, and nothing beyond them.
    const half = periodsOf(10, side);
    expect(most(half.orders) + most(half.balances) + 2).toBeLessThanOrEqual(10 + 1);
  });
});

describe("USD-M's answers as looks [A28]", () => {
  it("cash is the wallet less what the position has cost, up to what the entry price's digits hide", () => {
    const look = usdm().read(
      "balances",
      bytes(account("1000.5", "-0.020", "60000.50")),
      null,
      TIMES,
    );
    expect(totals(look)).toEqual({ BTC: -2_000_000n, USDT: 100_050_000_000n + 120_001_000_000n });
    const slack = look.what === "balances" ? look.balances.get("USDT")?.slack : null;
    expect(slack).toBe(200_001n);
    const flat = usdm().read("balances", bytes(account("7", "0.000", "0")), null, TIMES);
    expect(flat.what === "balances" && flat.balances.get("USDT")).toMatchObject({
      ...{ total: 700_000_000n, slack: 0n },
    });
  });

  it("the law behind it: whatever is traded, the venue's two words say what our fills say", () => {
    const trade = fc.record({
      buys: fc.boolean(),
      pxTicks: fc.integer({ min: 500_000, max: 700_000 }),
      qtyLots: fc.integer({ min: 1, max: 50 }),
      fee: fc.integer({ min: 0, max: 1_000_000 }),
    });
    fc.assert(
      fc.property(fc.array(trade, { maxLength: 30 }), (trades) => {
        const grid = { baseAsset: "BTC", quoteAsset: "USDT", baseE8PerLot: 100_000n };
        const book = new OurBook({ ...grid, quoteE8PerTickLot: 10_000n }, { BTC: 0n, USDT: 0n });
        // The venue's side by itself: an average cost, and a wallet that realises against it.
        let [lots, cost, wallet] = [0n, 0n, 0n];
        for (const [at, { buys, pxTicks, qtyLots, fee }] of trades.entries()) {
          const by = BigInt(buys ? qtyLots : -qtyLots);
          const worth = by * BigInt(pxTicks) * 10_000n;
          const closes = lots !== 0n && lots > 0n !== by > 0n;
          const size = (value: bigint) => (value < 0n ? -value : value);
          if (!closes) cost += worth;
          else if (size(by) <= size(lots)) {
            const relieved = (cost * by) / lots;
            wallet += -worth + relieved;
            cost += relieved;
          } else {
            const closing = (worth * -lots) / by;
            wallet += -closing - cost;
            cost = worth - closing;
          }
          lots += by;
          wallet -= BigInt(fee);
          const execution: Execution = {
            ...{ execId: `${at}`, clientOrderId: null, venueOrderId: "1", atMs: 0 },
            ...{ side: buys ? "BUY" : "SELL", pxTicks: pxTicks as PxTicks },
            ...{ qtyLots: qtyLots as QtyLots, fee: BigInt(fee) as Money, feeAsset: "USDT" },
          };
          book.executed(execution);
        }
        const entryTicks = lots === 0n ? 0n : cost / (lots * 10_000n);
        const text = (value: bigint, digits: number) => {
          const all = `${value < 0n ? -value : value}`.padStart(digits + 1, "0");
          return `${value < 0n ? "-" : ""}${all.slice(0, -digits)}.${all.slice(-digits)}`;
        };
        const body = account(text(wallet, 8), text(lots, 3), text(entryTicks, 1));
        const look = usdm().read("balances", bytes(body), null, TIMES);
        if (look.what !== "balances") throw new Error("no balances");
        const theirs = look.balances.get("USDT");
        const ours = book.balances.get("USDT")?.total ?? 0n;
        const off = ours - (theirs?.total ?? 0n);
        expect(off < 0n ? -off : off).toBeLessThanOrEqual(theirs?.slack ?? 0n);
        expect(look.balances.get("BTC")?.total).toBe(book.balances.get("BTC")?.total);
      }),
    );
  });

  it("events: an order, its fill, an update of the account; a wallet alone keeps the last position", () => {
    const side = usdm();
    const order = {
      ...{ s: "BTCUSDT", c: "a", S: "BUY", q: "0.020", p: "60000.00", i: 7, t: 0, z: "0.000" },
    };
    const said = (value: object) => side.hear(bytes(value), 5);
    const update = (o: object) => said({ e: "ORDER_TRADE_UPDATE", o: { ...order, ...o } });
    expect(update({ x: "NEW", X: "NEW" })).toMatchObject([
      { what: "order event", clientOrderId: "a", open: { pxTicks: 600_000, qtyLots: 20 } },
    ]);
    const fill = { x: "TRADE", X: "FILLED", l: "0.020", L: "59999.90", t: 9, n: "0.6", N: "USDT" };
    expect(update({ ...fill, z: "0.020" })).toMatchObject([
      { what: "order event", open: null },
      { what: "execution event", execution: { execId: "9", pxTicks: 599_999, qtyLots: 20 } },
    ]);
    const wallet = { e: "ACCOUNT_UPDATE", a: { B: [{ a: "USDT", wb: "5.0" }], P: [] } };
    expect(said(wallet), "the position was never told").toEqual([]);
    const held = { s: "BTCUSDT", pa: "0.001", ep: "1000.0" };
    const both = { e: "ACCOUNT_UPDATE", a: { B: [{ a: "USDT", wb: "5.0" }], P: [held] } };
    expect(totals(said(both)[0])).toEqual({ BTC: 100_000n, USDT: 400_000_000n });
    expect(totals(said(wallet)[0])).toEqual({ BTC: 100_000n, USDT: 400_000_000n });
    expect(said({ e: "listenKeyExpired" })).toEqual([]);
    expect(() => update({ x: "NEW", X: "NEW", q: 0.02 }), "a number for a text").toThrow("q");
  });
});

describe("Alpaca's answers as looks [A28]", () => {
  const row = {
    ...{ symbol: "AAPL", client_order_id: "a", side: "buy", qty: "2", filled_qty: "0.5" },
    limit_price: "187.02",
  };

  it("open orders of our stock alone; a list that may be cut short says nothing", () => {
    const side = alpaca();
    const look = side.read("orders", bytes([row, { ...row, symbol: "MSFT" }]), null, TIMES);
    expect(look).toMatchObject({
      orders: [
        { clientOrderId: "a", side: "BUY", pxTicks: 18_702, qtyLots: 2_000_000, cumLots: 500_000 },
      ],
    });
    const many = Array.from({ length: 500 }, () => row);
    expect(() => side.read("orders", bytes(many), null, TIMES)).toThrow("cut short");
    expect(() => side.read("orders", bytes({ message: "no" }), null, TIMES)).toThrow("list");
  });

  it("positions speak of every stock and not of cash, cash of itself", () => {
    const positions = bytes([{ symbol: "AAPL", qty: "-3" }]);
    expect(alpaca().read("balances", positions, null, TIMES)).toMatchObject({ of: { but: "USD" } });
    const money = { status: "ACTIVE", cash: "-12.34", buying_power: "1", shorting_enabled: true };
    const look = alpaca().read("cash", bytes(money), null, TIMES);
    expect(look).toMatchObject({ of: { only: "USD" } });
    expect(totals(look)).toEqual({ USD: -1_234_000_000n });
  });

  it("fills from a moment on: of the oldest of ours that is covered, else of the start", () => {
    const fill = {
      ...{ activity_type: "FILL", id: "20231114221320000::e1", order_id: "o", symbol: "AAPL" },
      ...{ side: "sell", price: "100", qty: "1", transaction_time: "2023-11-14T22:13:20.5Z" },
    };
    const look = alpaca().read("executions", bytes([fill]), null, TIMES);
    expect(look).toMatchObject({
      from: { by: "time", ms: 1_699_999_999_000 },
      executions: [{ execId: "e1", side: "SELL", pxTicks: 10_000, atMs: 1_700_000_000_500 }],
    });
    const page = Array.from({ length: 100 }, () => fill);
    expect(() => alpaca().read("executions", bytes(page), null, TIMES)).toThrow("cut short");
  });

  it("what the stream says of other stocks, and of logins, is none of ours", () => {
    const other = {
      stream: "trade_updates",
      data: { event: "new", order: { ...row, symbol: "MSFT" } },
    };
    expect(alpaca().hear(bytes(other), 5)).toEqual([]);
    expect(alpaca().hear(bytes({ stream: "listening", data: { streams: [] } }), 5)).toEqual([]);
    expect(() => alpaca().hear(Buffer.from("{"), 5)).toThrow();
  });
});
