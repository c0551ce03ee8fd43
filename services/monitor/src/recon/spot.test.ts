import { describe, expect, it } from "vitest";
import { SpotReader } from "./spot.ts";

const GRID = {
  symbol: "BTCUSDT",
  px: { pxScale: 2, tickUnits: 1n },
  qty: { qtyScale: 5, lotUnits: 1n },
};
const TIMES = { askedMs: 1, answeredMs: 2 };
const bytes = (text: string) => Buffer.from(text);
const row =
  '{"symbol":"BTCUSDT","orderId":9007199254740993,"clientOrderId":"a","price":"61800.20000000","origQty":"0.00100000","executedQty":"0.00010000","status":"NEW","side":"SELL"}';
const trade =
  '{"symbol":"BTCUSDT","id":9007199254740995,"orderId":9007199254740993,"price":"61800.20000000","qty":"0.00010000","commission":"0.00000010","commissionAsset":"BTC","isBuyer":false}';

describe("what a spot venue says, as looks [A28]", () => {
  it("open orders in ticks and lots, with ids beyond what a number holds", () => {
    const reader = new SpotReader(GRID);
    expect(reader.orders(bytes(`[${row}]`), TIMES)).toMatchObject({
      what: "orders",
      orders: [{ clientOrderId: "a", side: "SELL", pxTicks: 6_180_020, qtyLots: 100, cumLots: 10 }],
    });
    const look = reader.executions(bytes(`[${trade}]`), { by: "id", id: 1n }, TIMES);
    expect(look).toMatchObject({
      from: { by: "id", id: 1n },
      executions: [
        {
          ...{ execId: "9007199254740995", venueOrderId: "9007199254740993", clientOrderId: "a" },
          ...{ side: "SELL", pxTicks: 6_180_020, qtyLots: 10, fee: 10n, feeAsset: "BTC" },
        },
      ],
    });
  });

  it("balances are free and locked together", () => {
    const body = '{"balances":[{"asset":"BTC","free":"1.00000000","locked":"0.50000000"}]}';
    const look = new SpotReader(GRID).balances(bytes(body), TIMES);
    expect(look).toMatchObject({
      balances: new Map([["BTC", { total: 150_000_000n, locked: 50_000_000n }]]),
    });
  });

  it("private events: a new order, a fill with its execution, a cancel under the order's own id", () => {
    const reader = new SpotReader(GRID);
    const event = (more: string) =>
      bytes(
        `{"subscriptionId":0,"event":{"e":"executionReport","s":"BTCUSDT","S":"BUY","q":"0.00100000","p":"61800.20000000","i":9007199254740993,${more}}}`,
      );
    expect(reader.event(event('"c":"a","C":"","x":"NEW","X":"NEW","z":"0.0"'), 5)).toMatchObject({
      look: { what: "order event", clientOrderId: "a", open: { qtyLots: 100 }, askedMs: 5 },
      execution: null,
    });
    const fill =
      '"c":"a","C":"","x":"TRADE","X":"FILLED","z":"0.00100000","l":"0.00100000","L":"61800.10000000","t":9007199254740995,"n":"0.00000100","N":"BTC"';
    expect(reader.event(event(fill), 5)).toMatchObject({
      look: { clientOrderId: "a", open: null },
      execution: { execId: "9007199254740995", pxTicks: 6_180_010, qtyLots: 100, fee: 100n },
    });
    const cancel = '"c":"venue-1","C":"a","x":"CANCELED","X":"CANCELED","z":"0.0"';
    expect(reader.event(event(cancel), 5)).toMatchObject({
      look: { clientOrderId: "a", open: null },
    });
    expect(reader.event(bytes('{"event":{"e":"outboundAccountPosition"}}'), 5)).toBeNull();
    expect(reader.event(bytes('{"e":"executionReport","s":"OTHER"}'), 5)).toBeNull();
  });

  it("the balances an event names", () => {
    const reader = new SpotReader(GRID);
    const event =
      '{"subscriptionId":0,"event":{"e":"outboundAccountPosition","B":[{"a":"BTC","f":"1.00000000","l":"0.25000000"}]}}';
    expect(reader.balanceEvent(bytes(event), 5)).toEqual({
      ...{ what: "balance event", askedMs: 5, answeredMs: 5 },
      balances: new Map([["BTC", { total: 125_000_000n, locked: 25_000_000n }]]),
    });
    expect(reader.balanceEvent(bytes('{"event":{"e":"executionReport"}}'), 5)).toBeNull();
  });

  it.each([
    ["no list", "{}"],
    ["no JSON", "<html>"],
    ["a price between two ticks", `[${row.replace("61800.20000000", "61800.20100000")}]`],
    ["a number for a price", `[${row.replace('"61800.20000000"', "61800.2")}]`],
    ["another side", `[${row.replace("SELL", "BOTH")}]`],
  ])("says nothing where it cannot be read: %s", (_, body) => {
    expect(() => new SpotReader(GRID).orders(bytes(body), TIMES)).toThrow();
  });

  it("a list that may be cut short says nothing", () => {
    const full = `[${Array.from({ length: 1_000 }, () => trade).join(",")}]`;
    expect(() => new SpotReader(GRID).executions(bytes(full), { by: "id", id: 1n }, TIMES)).toThrow(
      "cut short",
    );
  });
});
