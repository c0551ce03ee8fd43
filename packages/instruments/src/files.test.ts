import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  parseContracts,
  readBindings,
  readMetrics,
  readRefreshStatus,
  readTable,
  refreshStatusText,
} from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "files-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "file.json");
const said = (read: (path: string) => unknown, content: unknown): string => {
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  try {
    read(path);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
};

describe("a metrics file [A03]", () => {
  it("holds figures by code", () => {
    writeFileSync(path, '{"TXFF6":{"oi":1000,"sector":"index","exclude":false}}');
    expect(readMetrics(path)).toEqual({ TXFF6: { oi: 1000, sector: "index", exclude: false } });
  });
  it.each([
    ["{", "metrics "],
    [[], "file: "],
    [{ TXFF6: 5 }, "TXFF6: "],
    [{ TXFF6: { oi: null } }, "TXFF6.oi: "],
    [{ TXFF6: { oi: [1] } }, "TXFF6.oi: "],
    ['{"TXFF6":{"oi":1e999}}', "TXFF6.oi: "],
    [{ TXFF6: { "open interest": 1 } }, "TXFF6.open interest: "],
    [{ "tx f": { oi: 1 } }, "tx f: "],
    [{ A: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`f${n}`, n])) }, "more than 64"],
  ])("refuses %j by its path", (content, message) => {
    expect(said(readMetrics, content)).toContain(message);
  });
});

describe("the status of a refresh [A03]", () => {
  const good = {
    format: 1,
    ok: true,
    at: "2026-05-20T00:00:00Z",
    form: "shioaji",
    from: "http://127.0.0.1:8080/api/v1/data/contracts",
    cache_version: 3,
    contracts: 10,
    added: 1,
    removed: 0,
    changed: 2,
    expiring: 0,
    left_out: { "security type WRT": 4 },
  } as const;
  it("is read as it was written", () => {
    writeFileSync(path, refreshStatusText(good));
    expect(readRefreshStatus(path)).toEqual(good);
    expect(readFileSync(path, "utf8").endsWith("}\n")).toBe(true);
  });
  it.each([
    [{ ...good, typo: 1 }, "typo"],
    [{ ...good, added: -1 }, "added"],
    [{ ...good, ok: false }, "error"],
    [{ ...good, format: 2 }, "format"],
    ["", "status "],
  ])("refuses %j", (content, message) => {
    expect(said(readRefreshStatus, content)).toContain(message);
  });
});

describe("an instrument table file", () => {
  const row = {
    ...{ id: 1, venue_id: 1, venue: "BINANCE_SPOT", symbol: "BTCUSDT", kind: "spot" },
    ...{ base: "BTC", quote: "USDT", px_scale: 2, px_unit: 1, qty_scale: 5, qty_unit: 1 },
    ...{ e8_per_tick_lot: 10, min_qty_lots: 1, max_qty_lots: 9, min_notional_e8: 0 },
  };
  it.each([
    [{ version: 1, instruments: [{ ...row, typo: 1 }] }, "typo"],
    [{ version: 0, instruments: [row] }, "version"],
    [{ version: 1, instruments: [{ ...row, kind: "perp" }] }, "instruments.0.kind"],
    [{ version: 1, instruments: [{ ...row, px_unit: 0.5 }] }, "instruments.0.px_unit"],
    [{ version: 1, instruments: [{ ...row, base: undefined }] }, "instruments.0.base"],
    ["[", "hft config build"],
  ])("refuses %j with the remedy", (content, message) => {
    expect(said(readTable, content)).toContain(message);
  });
});

describe("the bindings of strategies [A03]", () => {
  it("are the symbols of their parameters; a strategy without them is bound to nothing", () => {
    const strategies = [
      { id: 1, file: "/opt/mm.ts", params: { symbols: ["2330", "tag:core"], edgeTicks: 1 } },
      { id: 2, file: "arb.ts" },
    ];
    writeFileSync(path, JSON.stringify({ httpPort: 1, strategies }));
    expect([...readBindings(path)]).toEqual([
      ["1 (mm.ts)", ["2330", "tag:core"]],
      ["2 (arb.ts)", []],
    ]);
  });
  it.each([
    [{}, "strategies: "],
    [{ strategies: [{ id: 1, file: "a", params: { symbols: "2330" } }] }, "0.params.symbols"],
    ["x", "strategies "],
  ])("refuses %j", (content, message) => {
    expect(said(readBindings, content)).toContain(message);
  });
});

describe("a contract [A03]", () => {
  const cache = (contract: object) =>
    JSON.stringify({
      cache_version: 1,
      updated_at: "2026-05-20T00:00:00Z",
      contracts: [{ code: "A", exchange: "TSE", product_type: "stock", ...contract }],
    });
  it.each([
    [{ product_type: "share" }, "contracts.0.product_type"],
    [{ delivery: "20260231" }, "is no day of the calendar"],
    [{ valid_from: "2026-01-01" }, "want YYYYMMDD"],
    [{ tick: "0.00" }, "contracts.0.tick: want a decimal above 0"],
    [{ lot: "abc" }, "contracts.0.lot: want a decimal above 0"],
    [{ limit_up: "90", limit_down: "110" }, "limit_up 90 is not above limit_down 110"],
    [{ board_lot: 0 }, "contracts.0.board_lot"],
  ])("with %j is refused by its name", (contract, message) => {
    expect(() => parseContracts("c", cache(contract))).toThrow(message);
  });
});
