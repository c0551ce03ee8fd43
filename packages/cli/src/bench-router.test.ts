import { alpaca } from "@tidegate/venues";
import { describe, expect, it } from "vitest";
import { alpacaCodec, isOrder, tail } from "./bench-router.ts";

describe("bench router", () => {
  it("the codec of Alpaca is timed over orders that are read back as they were meant", () => {
    const { ns, wrong } = alpacaCodec(200);
    expect(wrong).toBe(0);
    expect(ns.p50).toBeGreaterThan(0);
    expect(ns.max).toBeGreaterThanOrEqual(ns.p999);
  });

  it("an order at another price is not the order", () => {
    const sent: alpaca.orders.NewOrder = {
      clientOrderId: "a",
      symbol: "AAPL",
      side: "BUY",
      type: "LIMIT",
      tif: "DAY",
      qtyLots: 3n,
      pxTicks: 10_050n,
      stopTicks: null,
    };
    const scales = { pxScale: 2, qtyScale: 0 };
    const body = (order: alpaca.orders.NewOrder) => alpaca.orders.placeRequest(order, scales).body;
    expect(isOrder(body(sent), sent)).toBe(true);
    expect(isOrder(body({ ...sent, pxTicks: 10_051n }), sent)).toBe(false);
    expect(isOrder(body({ ...sent, side: "SELL" }), sent)).toBe(false);
    expect(tail([5, 1, 9])).toEqual({ p50: 5, p99: 5, p999: 5, max: 9 });
  });
});
