import { describe, expect, it } from "vitest";
import { renderTable, type TradingView, tradingLine } from "./table.ts";

const trading: TradingView = {
  elapsedS: 12.4,
  durationS: 60,
  intents: 120,
  orders: 50,
  live: 4,
  fills: 3,
  refused: 2,
  policy: "NORMAL",
  positions: [{ name: "BTCUSDT.USDM", lots: "0.002" }],
  pnl: "-0.41 USDT",
};

describe("the live table", () => {
  it("a pipe gets one plain line", () => {
    expect(tradingLine(trading)).toBe(
      "12/60 s · NORMAL · intents 120 (2 refused) · orders 50 (4 live) · fills 3 · position BTCUSDT.USDM 0.002 · PnL -0.41 USDT",
    );
  });

  it("columns line up and what is not known is a dash", () => {
    const text = renderTable(
      [
        {
          name: "gateway",
          pid: 42,
          state: "ready",
          rate: 1234.5,
          lag: 0,
          p50Us: 8.25,
          p99Us: 31,
          restarts: 0,
        },
        {
          name: "wal-loader",
          pid: null,
          state: "down",
          rate: null,
          lag: null,
          p50Us: null,
          p99Us: null,
          restarts: 1,
        },
      ],
      trading,
    );
    const [head, first, second] = text.split("\n");
    expect(head).toBe("process     pid  state  events/s  lag  p50 µs  p99 µs  restarts");
    expect(first).toBe("gateway      42  ready     1,235    0     8.3      31         0");
    expect(second).toBe("wal-loader    –  down          –    –       –       –         1");
  });
});
