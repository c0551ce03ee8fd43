import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  compile,
  type FormName,
  merged,
  nextCache,
  nextTable,
  parseContracts,
  parseList,
  readListing,
  readTable,
  validate,
} from "../index.ts";

const data = process.env["TIDEGATE_DATA"];
const codes = (form: FormName, answer: unknown) =>
  readListing(form, JSON.stringify(answer)).contracts.map(({ code }) => code);

/** The venue's answers in the shape of its documentation, with the figures of 2024. */
const SPOT = {
  timezone: "UTC",
  serverTime: 1_723_161_255_308,
  rateLimits: [],
  exchangeFilters: [],
  symbols: [
    {
      symbol: "BTCUSDT",
      status: "TRADING",
      baseAsset: "BTC",
      baseAssetPrecision: 8,
      quoteAsset: "USDT",
      orderTypes: ["LIMIT", "LIMIT_MAKER", "MARKET"],
      filters: [
        {
          filterType: "PRICE_FILTER",
          minPrice: "0.01000000",
          maxPrice: "1000000.00000000",
          tickSize: "0.01000000",
        },
        {
          filterType: "LOT_SIZE",
          minQty: "0.00001000",
          maxQty: "9000.00000000",
          stepSize: "0.00001000",
        },
        { filterType: "MARKET_LOT_SIZE", minQty: "0.00000000", maxQty: "100", stepSize: "0" },
        { filterType: "NOTIONAL", minNotional: "5.00000000", applyMinToMarket: true },
      ],
    },
    {
      symbol: "LUNAUSDT",
      status: "BREAK",
      baseAsset: "LUNA",
      quoteAsset: "USDT",
      filters: [
        { filterType: "PRICE_FILTER", tickSize: "0.00010000" },
        { filterType: "LOT_SIZE", minQty: "0.01", maxQty: "100", stepSize: "0.01000000" },
        { filterType: "MIN_NOTIONAL", minNotional: "10.00000000" },
      ],
    },
    {
      symbol: "币安人生USDT",
      status: "TRADING",
      baseAsset: "币安人生",
      quoteAsset: "USDT",
      filters: [],
    },
    {
      symbol: "FREEUSDT",
      status: "TRADING",
      baseAsset: "FREE",
      quoteAsset: "USDT",
      filters: [{ filterType: "PRICE_FILTER", tickSize: "0.00000000" }],
    },
  ],
};
const futures = (symbol: string, contractType: string, deliveryDate: number) => ({
  symbol,
  pair: "BTCUSDT",
  contractType,
  deliveryDate,
  onboardDate: 1_569_398_400_000,
  status: "TRADING",
  baseAsset: "BTC",
  quoteAsset: "USDT",
  marginAsset: "USDT",
  filters: [
    { filterType: "PRICE_FILTER", minPrice: "261.10", maxPrice: "809484", tickSize: "0.10" },
    { filterType: "LOT_SIZE", minQty: "0.001", maxQty: "1000", stepSize: "0.001" },
    { filterType: "MIN_NOTIONAL", notional: "5" },
  ],
});
const USDM = {
  symbols: [
    futures("BTCUSDT", "PERPETUAL", 4_133_404_800_000),
    futures("BTCUSDT_241227", "NEXT_QUARTER", 1_735_286_400_000),
    futures("BTCUSDT_240628", "CURRENT_QUARTER_DELIVERING", 1_719_561_600_000),
  ],
};
const COINM = {
  symbols: [
    {
      symbol: "BTCUSD_PERP",
      pair: "BTCUSD",
      contractType: "PERPETUAL",
      deliveryDate: 4_133_404_800_000,
      onboardDate: 1_597_042_800_000,
      contractStatus: "TRADING",
      contractSize: 100,
      baseAsset: "BTC",
      quoteAsset: "USD",
      marginAsset: "BTC",
      filters: [
        { filterType: "PRICE_FILTER", minPrice: "1000", maxPrice: "4520958", tickSize: "0.1" },
        { filterType: "LOT_SIZE", minQty: "1", maxQty: "1000000", stepSize: "1" },
      ],
    },
  ],
};
const SHIOAJI = {
  TSE2330: `{"security_type":"STK","exchange":"TSE","code":"2330","name":"台積電","category":"24","currency":"TWD","delivery_month":"","delivery_date":"","strike_price":0.0,"option_right":"","unit":1000.0,"multiplier":0,"limit_up":2440.0,"limit_down":2000.0,"reference":2220.0,"update_date":"2026/05/14","target_code":""}`,
  TXFE6: `{"security_type":"FUT","exchange":"TAIFEX","code":"TXFE6","category":"TXF","currency":"TWD","delivery_month":"202605","delivery_date":"2026/05/20","strike_price":0.0,"option_right":"","unit":1.0,"multiplier":0,"limit_up":45799.0,"limit_down":37473.0,"reference":41636.5,"update_date":"2026/05/15","target_code":""}`,
};

describe("contracts from the venues' own answers [A03]", () => {
  it("Binance's symbols give the very rows of the table that ships", () => {
    const spot = readListing("binance-spot", JSON.stringify(SPOT));
    const usdm = readListing("binance-usdm", JSON.stringify(USDM));
    const first = nextCache(null, merged(null, "binance-spot", spot), new Date());
    const cache = nextCache(first, merged(first, "binance-usdm", usdm), new Date());
    const read = () => "BTCUSDT exchange=BINANCE_SPOT\nBTCUSDT exchange=binance_usdm\n";
    const { rows } = compile({
      entries: parseList("/l", read),
      contracts: parseContracts("c", JSON.stringify(cache)),
      metrics: {},
      today: "20240809",
      rollDays: 5,
    });
    expect(validate(rows, 2, cache)).toEqual([]);
    const shipped = readTable(
      fileURLToPath(new URL("../../../../config/instruments.json", import.meta.url)),
    );
    expect(nextTable(null, rows)).toEqual(shipped);
  });

  it("spot: steps and smallest values, status, and what is left out with its reason", () => {
    const { contracts, leftOut } = readListing("binance-spot", JSON.stringify(SPOT));
    expect(contracts).toEqual([
      {
        code: "BTCUSDT",
        exchange: "BINANCE_SPOT",
        product_type: "crypto",
        base: "BTC",
        quote: "USDT",
        tick: "0.01",
        lot: "0.00001",
        min_qty: "0.00001",
        max_qty: "9000",
        min_notional: "5",
        tradable: true,
        status: "TRADING",
      },
      expect.objectContaining({
        code: "LUNAUSDT",
        tradable: false,
        status: "BREAK",
        min_notional: "10",
      }),
    ]);
    expect(leftOut).toEqual({
      "its name has other letters than A-Z, 0-9 and _./": { count: 1, codes: ["币安人生USDT"] },
      "PRICE_FILTER or LOT_SIZE has no step": { count: 1, codes: ["FREEUSDT"] },
    });
  });

  it("USD-M and COIN-M: a perpetual has no end, a quarter has, contract sizes are kept", () => {
    const { contracts, leftOut } = readListing("binance-usdm", JSON.stringify(USDM));
    expect(contracts).toMatchObject([
      { code: "BTCUSDT", product_type: "linear_perp", tick: "0.1", valid_from: "20190925" },
      { code: "BTCUSDT_241227", product_type: "future", delivery: "20241227" },
    ]);
    expect(contracts[0]?.delivery).toBeUndefined();
    expect(leftOut).toEqual({
      "contract type CURRENT_QUARTER_DELIVERING": { count: 1, codes: ["BTCUSDT_240628"] },
    });
    const coin = readListing("binance-coinm", JSON.stringify(COINM));
    const cache = nextCache(null, coin.contracts, new Date());
    const { rows } = compile({
      entries: parseList("/l", () => "BTCUSD_PERP exchange=BINANCE_COINM"),
      contracts: cache,
      metrics: {},
      today: "20240809",
      rollDays: 5,
    });
    expect(nextTable(null, rows).instruments[0]).toMatchObject({
      kind: "inverse_perp",
      multiplier: 100,
      e8_per_tick_lot: 0,
      quote: "USD",
    });
  });

  it("Shioaji's numbers are kept digit by digit, and its empty fields are nothing", () => {
    const text = `[${SHIOAJI.TSE2330},${SHIOAJI.TXFE6}]`;
    expect(readListing("shioaji", text).contracts).toEqual([
      {
        code: "2330",
        exchange: "TSE",
        product_type: "stock",
        quote: "TWD",
        name: "台積電",
        reference: "2220",
        limit_up: "2440",
        limit_down: "2000",
        as_of: "20260514",
        board_lot: 1_000,
      },
      {
        code: "TXFE6",
        exchange: "TAIFEX",
        product_type: "future",
        quote: "TWD",
        root: "TXF",
        delivery: "20260520",
        reference: "41636.5",
        limit_up: "45799",
        limit_down: "37473",
        as_of: "20260515",
      },
    ]);
  });

  it("a share's unit is the finest tick, its tick that of today's reference, its limits today's alone", () => {
    const { contracts } = readListing("shioaji", `[${SHIOAJI.TSE2330},${SHIOAJI.TXFE6}]`);
    const at = (today: string) =>
      compile({
        entries: parseList("/l", () => "2330\nTXFE6"),
        contracts: nextCache(null, contracts, new Date()),
        metrics: {},
        today,
        rollDays: 5,
      });
    const { rows, warnings } = at("20260514");
    expect(rows[0]).toMatchObject({
      unit: "0.01",
      tick: "5",
      tickRule: "TW_STOCK",
      boardLot: 1_000,
      limitUp: "2440",
      limitDown: "2000",
    });
    expect(rows[1]).toMatchObject({ unit: "1", tick: "1", limitUp: null, pointValue: 200 });
    expect(warnings).toEqual([
      "reference and limits of 1 symbols are of 20260515, not of 20260514, and are not used; refresh with `hft config sync`",
    ]);
    // The next day it may have fallen below 1000: the unit, and so the id, is the same.
    expect(at("20260515").rows[0]).toMatchObject({ unit: "0.01", tick: "0.01", limitUp: null });
    expect(nextTable(null, rows).instruments[0]).toEqual(
      nextTable(null, at("20260515").rows).instruments[0],
    );
  });

  it("Alpaca: shares by the rule of US stocks, pairs by their own steps", () => {
    const asset = (more: object) => ({
      id: "1",
      class: "crypto",
      exchange: "CRYPTO",
      symbol: "BTC/USD",
      status: "active",
      tradable: true,
      min_order_size: "0.0001",
      min_trade_increment: "0.0001",
      price_increment: "0.01",
      ...more,
    });
    const answer = [
      asset({}),
      asset({ class: "us_equity", exchange: "NYSE", symbol: "BRK.B" }),
      asset({ symbol: "ETHUSD" }),
      asset({ symbol: "DOGE/USD", price_increment: undefined }),
      asset({ symbol: "GONE", class: "us_equity", status: "inactive" }),
      asset({ symbol: "AAPL240119C00100000", class: "us_option" }),
    ];
    const stocks = readListing("alpaca", JSON.stringify(answer));
    const { contracts: pairs, leftOut } = readListing("alpaca-crypto", JSON.stringify(answer));
    const contracts = [...stocks.contracts, ...pairs];
    const { rows } = compile({
      entries: parseList("/l", () => "BTC/USD exchange=ALPACA_CRYPTO\nBRK.B exchange=ALPACA"),
      contracts: nextCache(null, contracts, new Date()),
      metrics: {},
      today: "20240809",
      rollDays: 5,
    });
    expect(nextTable(null, rows).instruments).toMatchObject([
      { venue: "ALPACA_CRYPTO", symbol: "BTC/USD", base: "BTC", px_scale: 2, qty_scale: 4 },
      { venue: "ALPACA", symbol: "BRK.B", base: "BRKB", px_scale: 4, px_unit: 1, quote: "USD" },
    ]);
    expect(Object.keys(stocks.leftOut)).toEqual([
      "class crypto",
      "status inactive",
      "class us_option",
    ]);
    expect(Object.keys(leftOut)).toEqual([
      "class us_equity",
      "crypto without the form BASE/QUOTE",
      "crypto without price_increment or min_trade_increment",
      "class us_option",
    ]);
  });

  it.each([
    ["binance-spot", {}, "symbols"],
    ["binance-spot", { symbols: [] }, "no contract that can be used"],
    ["binance-spot", { symbols: [{ ...SPOT.symbols[0], status: undefined }] }, "symbols.0.status"],
    ["binance-spot", { symbols: [SPOT.symbols[0], SPOT.symbols[0]] }, "BTCUSDT stands twice"],
    ["binance-usdm", SPOT, "symbols.0.contractType"],
    ["binance-coinm", USDM, "symbols.0.contractStatus"],
    ["alpaca", SPOT, "expected array"],
    ["shioaji", [{ security_type: "STK" }], "0.exchange"],
    [
      "shioaji",
      [{ security_type: "STK", exchange: "NYSE", code: "A" }],
      "A is of exchange NYSE; shioaji has TSE",
    ],
    [
      "shioaji",
      [{ security_type: "FUT", exchange: "TAIFEX", code: "A", delivery_date: "May" }],
      "YYYY/MM/DD",
    ],
    ["contracts", [{ code: "A" }], "0.exchange"],
  ] as const)("%s refuses %j", (form, answer, message) => {
    expect(() => codes(form, answer)).toThrow(message);
  });

  it("what is left out is counted whole, named up to a bound, and cannot steer a terminal", () => {
    const gone = (n: number) => ({ ...SPOT.symbols[3], symbol: `\u001b[2JX${n}` });
    const many = { symbols: [SPOT.symbols[0], ...Array.from({ length: 50 }, (_, n) => gone(n))] };
    const { leftOut } = readListing("binance-spot", JSON.stringify(many));
    const [entry] = Object.values(leftOut);
    expect([entry?.count, entry?.codes.length, entry?.codes[0]]).toEqual([50, 20, "?[2JX0"]);
    const kinds = Array.from({ length: 80 }, (_, n) => futures(`B${n}`, `KIND_${n}`, 0));
    const reasons = readListing(
      "binance-usdm",
      JSON.stringify({ symbols: [...USDM.symbols, ...kinds] }),
    ).leftOut;
    expect([Object.keys(reasons).length, reasons["other"]?.count]).toEqual([65, 17]);
  });

  it("a text that is no JSON is named, and a quarter of a venue without futures is no row", () => {
    expect(() => readListing("alpaca", "<html>")).toThrow("is no JSON");
    const { contracts } = readListing("binance-usdm", JSON.stringify(USDM));
    const { rows } = compile({
      entries: parseList("/l", () => "BTCUSDT_241227"),
      contracts: nextCache(null, contracts, new Date()),
      metrics: {},
      today: "20240809",
      rollDays: 5,
    });
    expect(() => nextTable(null, rows)).toThrow(
      "/l:1:1: BTCUSDT_241227: the instrument table has no future of BINANCE_USDM",
    );
  });

  it("a refresh of one venue leaves what the others list", () => {
    const spot = readListing("binance-spot", JSON.stringify(SPOT));
    const taiwan = readListing("shioaji", `[${SHIOAJI.TSE2330}]`);
    const first = nextCache(null, merged(null, "shioaji", taiwan), new Date());
    const both = nextCache(first, merged(first, "binance-spot", spot), new Date());
    expect(both.contracts.map(({ exchange }) => exchange)).toEqual([
      "BINANCE_SPOT",
      "BINANCE_SPOT",
      "TSE",
    ]);
    const less = { contracts: spot.contracts.slice(1), leftOut: {} };
    const after = nextCache(both, merged(both, "binance-spot", less), new Date());
    expect(after.contracts.map(({ code }) => code)).toEqual(["LUNAUSDT", "2330"]);
  });

  it.skipIf(data === undefined)(
    "the contracts and assets printed in the vendors' documentation are read (needs TIDEGATE_DATA)",
    () => {
      const lines = (path: string) =>
        readFileSync(join(data ?? "", path), "utf8")
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line) as { raw: string; body?: Record<string, unknown> });
      const listed = lines("shioaji-messages/shioaji_examples.jsonl").flatMap(({ raw, body }) =>
        body?.["security_type"] !== undefined && "limit_up" in body && "target_code" in body
          ? [raw]
          : [],
      );
      expect(readListing("shioaji", `[${listed.join(",")}]`).contracts).toMatchObject([
        { code: "2330", board_lot: 1_000, limit_up: "2440", as_of: "20260514" },
        { code: "TXFR1", alias_of: "TXFE6", root: "TXF", delivery: "20260520" },
        { code: "TXO32400E6", right: "C", strike: "32400", limit_down: "5060" },
        { code: "001", product_type: "index" },
      ]);
      const assets = lines("alpaca-fixtures/alpaca_docs_json_blocks.jsonl").flatMap(
        ({ raw, body }) => (body?.["class"] !== undefined && "tradable" in body ? [raw] : []),
      );
      const unique = new Map(
        assets.map((raw) => [(JSON.parse(raw) as { symbol: string }).symbol, raw]),
      );
      const text = `[${[...unique.values()].join(",")}]`;
      const both = (["alpaca", "alpaca-crypto"] as const).flatMap(
        (form) => readListing(form, text).contracts,
      );
      expect(both.map(({ exchange, code, tick }) => [exchange, code, tick])).toEqual([
        ["ALPACA", "AAPL", undefined],
        ["ALPACA_CRYPTO", "BTC/USD", "1"],
      ]);
    },
  );
});
