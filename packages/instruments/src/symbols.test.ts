import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  type Contract,
  type ContractCache,
  compile,
  deadBindings,
  diffContracts,
  type GivenId,
  type InstrumentTable,
  idsPath,
  idsText,
  type Metrics,
  nextCache,
  nextTable,
  parseContracts,
  parseList,
  readIds,
  type TableRow,
  tableFaults,
  tableHash,
  validate,
  withTable,
  writeWhole,
} from "./index.ts";

const TODAY = "20260520";
const future = (code: string, delivery: string, more: Partial<Contract> = {}): Contract => ({
  code,
  exchange: "TAIFEX",
  product_type: "future",
  root: code.slice(0, 3),
  delivery,
  ...more,
});
const option = (strike: number, right: "C" | "P"): Contract => ({
  code: `TXO${strike}${right === "C" ? "F" : "R"}6`,
  exchange: "TAIFEX",
  product_type: "option",
  root: "TXO",
  delivery: "20260617",
  right,
  strike: String(strike),
});
const CONTRACTS: Contract[] = [
  {
    code: "2330",
    exchange: "TSE",
    product_type: "stock",
    name: "TSMC",
    tick: "5",
    reference: "1980",
  },
  { code: "2890", exchange: "TSE", product_type: "stock" },
  future("TXFE6", "20260520", { reference: "40020.5" }),
  future("TXFF6", "20260617", { reference: "40060" }),
  future("TXFG6", "20260715"),
  future("TXFR1", "20260520"),
  future("TXFC1", "20260520", { alias_of: "TXFE6" }),
  future("TXFD6", "20260415"),
  future("TXFN6", "20270120", { valid_from: "20260521" }),
  future("TXFV6", "20260930", { valid_to: "20260519" }),
  { code: "TWIN", exchange: "OTC", product_type: "stock" },
  { code: "TWIN", exchange: "TSE", product_type: "stock" },
  ...[39_800, 39_900, 40_000, 40_100, 40_200].flatMap((s) => [option(s, "C"), option(s, "P")]),
];
/** The same symbols under each other's ids. */
const turned = (row: TableRow): TableRow => ({ ...row, id: row.id === 2 ? 3 : 2 });
const cache: ContractCache = nextCache(null, CONTRACTS, new Date("2026-05-20T00:00:00Z"));

function list(text: string | Record<string, string>, metrics: Metrics = {}, rollDays = 5) {
  const files: Record<string, string> = typeof text === "string" ? { "/l": text } : text;
  const read = (path: string): string => {
    const found = files[path];
    if (found === undefined) throw new Error("ENOENT: no such file");
    return found;
  };
  return compile({
    entries: parseList("/l", read),
    contracts: cache,
    metrics,
    today: TODAY,
    rollDays,
  });
}
const codes = (text: string, metrics?: Metrics, rollDays?: number) =>
  list(text, metrics, rollDays).rows.map(({ code }) => code);

describe("a symbols list [A03]", () => {
  it("has codes, columns and keys, comments and tags without regard to case", () => {
    const { rows } = list(
      "# top\n2330,TSE,0.5,100,Core|SEMI|core  name=TSMC # why\n2890 exch=tse lot=Odd\n",
    );
    expect(rows.map(({ place: _, ...row }) => row)).toMatchObject([
      {
        code: "2330",
        exchange: "TSE",
        tick: "0.5",
        priceScale: 100,
        tags: ["core", "semi"],
        name: "TSMC",
      },
      { code: "2890", exchange: "TSE", productType: "stock", tick: "0.01", orderLot: "Odd" },
    ]);
  });

  it("names months by expiry group and rolls when the front is near its end", () => {
    expect(codes("TXF@front\nFUT@TXF@next\nTXF@far\nTXF@202607")).toEqual([
      "TXFE6",
      "TXFF6",
      "TXFG6",
      "TXFG6",
    ]);
    expect(codes("TXF@roll")).toEqual(["TXFF6"]);
    expect(list("TXF@front").rows[0]).toMatchObject({
      pointValue: 200,
      tick: "1",
      expiry: "20260520",
    });
  });

  it("takes strikes around the money by the reference of the underlying", () => {
    expect(codes("OPT@TXO@near@ATM+/-1")).toEqual([
      "TXO39900F6",
      "TXO39900R6",
      "TXO40000F6",
      "TXO40000R6",
      "TXO40100F6",
      "TXO40100R6",
    ]);
    expect(codes("OPT@TXO@near@OTM±1")).toEqual(["TXO39900R6", "TXO40100F6"]);
    const far = { TXO39800F6: { underlying_price: 40_200 } };
    expect(codes("OPT@TXO@near@ATM+/-0", far)).toEqual(["TXO40200F6", "TXO40200R6"]);
  });

  it("filters by figures: bounds, ranges, the best, and what nobody knows", () => {
    const oi = {
      TXO39900F6: { open_interest: 900 },
      TXO40000F6: { open_interest: 1_500 },
      TXO40000R6: { open_interest: 200 },
    };
    const rule = "OPT@TXO@near@ATM+/-1";
    expect(codes(`${rule} @oi >= 1,000`, oi)).toEqual(["TXO40000F6"]);
    expect(codes(`${rule} @oi 500..1000`, oi)).toEqual(["TXO39900F6"]);
    expect(codes(`${rule} @oi = top2`, oi)).toEqual(["TXO40000F6", "TXO39900F6"]);
    expect(codes("TXF@front @exclude_dte <= 0")).toEqual([]);
    expect(() => codes(`${rule} @delta > 0.2`)).toThrow(
      "/l:1:1: no candidate has the metric delta",
    );
  });

  it("makes synthetic symbols", () => {
    expect(
      list("SYNTH@3").rows.map(({ code, exchange, tags }) => [code, exchange, tags.join()]),
    ).toEqual([
      ["SYNTH0001", "SIM", "synthetic,stress"],
      ["SYNTH0002", "SIM", "synthetic,stress"],
      ["SYNTH0003", "SIM", "synthetic,stress"],
    ]);
  });

  it.each([
    ["2330 tick=abc", "/l:1:6: tick=abc: want a decimal above 0"],
    ["2330 foo=1", "unknown key foo"],
    ["2330 tick", "tick: want key=value"],
    ["2330,TSE,1,1,a,b", "want at most"],
    ["\n TXF@soon", "/l:2:2: month soon"],
    ["TXF@far_plus_3", "month far_plus_3 is not listed"],
    ["TXF@202612", "no contract of 202612"],
    ["ZZF@front", "root ZZF has no future"],
    ["TXFR1", "TXFR1 is a continuous alias"],
    ["TXFC1", "TXFC1 is a continuous alias"],
    ["TXFD6", "TXFD6 ended on 20260415"],
    ["OPT@TXO@near@ITM+/-1", "want OPT@ROOT@month"],
    ["2330 product_type=share", "/l:1:6: product_type=share: want one of stock, future, option"],
    ["2330 type=future", "but the contracts have 2330 as stock"],
    ["TXFN6", "TXFN6 is listed from 20260521 on"],
    ["TXFV6", "TXFV6 ended on 20260519"],
    ["TWIN", "TWIN is listed on OTC, TSE; add exchange="],
    ["SYNTH@0", "want SYNTH@ and a number"],
    ["include missing.list", "missing.list cannot be read"],
    ["2330 @oi > many", "many is no number"],
  ])("refuses %s with its place and the remedy", (text, message) => {
    expect(() => list(text)).toThrow(message);
  });

  it("follows includes relative to their file and refuses a cycle by its path", () => {
    const { rows } = list({
      "/l": "@include sub/a.list\n2890",
      "/sub/a.list": "include b.list",
      "/sub/b.list": "2330",
    });
    expect(rows.map(({ code, place }) => [code, place.file])).toEqual([
      ["2330", "/sub/b.list"],
      ["2890", "/l"],
    ]);
    expect(() => list({ "/l": "include a", "/a": "include l" })).toThrow(
      "/a:1:1: include cycle: /l -> /a -> /l",
    );
  });
});

describe("validation [A03]", () => {
  it("finds what stands twice, what is not listed, foreign exchanges and the cap", () => {
    const { rows } = list("2330\n2330\n9999\nXX exch=NYSE\n");
    expect(validate(rows, 3, cache)).toEqual([
      "/l:2:1: 2330 stands at /l:1 already",
      "/l:3:1: 9999 is not in the contracts of TSE; is it misspelt, or over?",
      expect.stringContaining("exchange NYSE of XX"),
      "/l:4:1: XX is not in the contracts of NYSE; is it misspelt, or over?",
      "4 symbols are more than the 3 that may be subscribed",
    ]);
    expect(validate(list("2330\nSYNTH@2").rows, 3, cache)).toEqual([]);
    expect(validate(list("SYNTH@2").rows, 3, null)).toEqual([]);
    expect(validate(list("9999").rows, 3, null)).toEqual([
      "there are no contracts to look the codes up in; fetch them with `hft config sync`",
    ]);
  });

  it("takes an exchange by any of its names, looks a code up on its own exchange alone, and sees one row in both", () => {
    const of = (text: string) => validate(list(text).rows, 9, cache);
    expect(of("TXFF6 exch=fut\nTXO40000F6 exch=OPTIONS")).toEqual([]);
    expect(list("TXFF6 exch=FUTURES").rows[0]).toMatchObject({
      exchange: "TAIFEX",
      expiry: "20260617",
    });
    expect(of("TXFF6\nTXFF6 exch=FUT")).toEqual(["/l:2:1: TXFF6 stands at /l:1 already"]);
    expect(of("2330 exch=OTC")).toEqual([
      "/l:1:1: 2330 is not in the contracts of OTC; is it misspelt, or over?",
    ]);
  });

  it("what cannot be priced is a fault with what to write: no value of a point, no tick, a tick that is none", () => {
    const odd = [
      future("ZZFF6", "20260617"),
      { code: "030001", exchange: "TSE", product_type: "stock" } as const,
    ];
    const own = nextCache(null, [...CONTRACTS, ...odd], new Date());
    const of = (text: string) =>
      validate(
        compile({
          entries: parseList("/l", () => text),
          contracts: own,
          metrics: {},
          today: TODAY,
          rollDays: 5,
        }).rows,
        9,
        own,
      );
    expect(of("ZZFF6\n030001\n2330 tick=0.3")).toEqual([
      "/l:1:1: ZZFF6: no tick is known of it; write tick=",
      "/l:1:1: ZZFF6: the value of a point of ZZF is not known; write contract_size=",
      "/l:2:1: 030001: no tick is known of it; write tick=",
      "/l:3:1: 2330: tick 0.3 is none of TW_STOCK, whose are 0.01, 0.05, 0.1, 0.5, 1, 5",
    ]);
    expect(of("ZZFF6 tick=1 contract_size=2000\n030001 tick=0.01\n2330 tick=0.5")).toEqual([]);
    expect(() => nextTable(null, list("9999 type=future exch=FUT").rows)).toThrow("last day");
  });

  it("a built table names its rows that are over, that no venue lists, or whose tick became finer", () => {
    const table = nextTable(null, list("2330\nTXF@front\nTXF@far tick=1").rows);
    expect(tableFaults(table, cache, TODAY)).toEqual([]);
    expect(tableFaults(table, null, "20260521")).toEqual([
      "instrument 2 (SHIOAJI TXFE6) ended on 20260520; roll with `hft config build`",
    ]);
    const changed = CONTRACTS.filter(({ code }) => code !== "2330").map((each) =>
      each.code === "TXFG6" ? { ...each, tick: "0.5" } : each,
    );
    expect(tableFaults(table, nextCache(cache, changed, new Date()), TODAY)).toEqual([
      "instrument 1 (SHIOAJI 2330) is in no contract of its venue; take it out of the list and build anew",
      "instrument 3 (SHIOAJI TXFG6) counts prices in 1e-0, but the venue's tick is 0.5 now; ids are permanent, so list it under a new code",
    ]);
  });

  it("a strategy bound to a contract that is over is an error by name", () => {
    const { rows } = list("2330 tags=core\nTXF@front");
    const bound = new Map([
      ["mm", ["TXFD6", "2330"]],
      ["arb", ["tag:core", "tag:gone"]],
    ]);
    bound.set("swing", ["TXFF6", "TXFR1", "2331"]);
    expect(deadBindings(bound, rows, cache, TODAY)).toEqual([
      "strategy mm is bound to TXFD6, which ended on 20260415; bind it to TXFE6 or unbind it",
      "strategy arb is bound to tag:gone, which no symbol of the list has; tag a symbol or unbind it",
      "strategy swing is bound to TXFF6, which the symbols list does not name; add it there or unbind it",
      "strategy swing is bound to TXFR1, which is a continuous alias; name a month, as ROOT@front; bind it to TXFE6 or unbind it",
      "strategy swing is bound to 2331, which is in no contract; correct it, or refresh with `hft config sync`",
    ]);
  });
});

describe("the instrument table of a list [A03]", () => {
  const before = {
    version: 4,
    instruments: [
      {
        id: 1,
        venue_id: 1,
        venue: "BINANCE_SPOT",
        symbol: "BTCUSDT",
        kind: "spot" as const,
        base: "BTC",
        quote: "USDT",
        ...{ px_scale: 2, px_unit: 1, qty_scale: 5, qty_unit: 1, e8_per_tick_lot: 10 },
        ...{ min_qty_lots: 1, max_qty_lots: 900_000_000, min_notional_e8: 500_000_000 },
      },
    ],
  };

  it("never gives an id a second time, and a symbol that comes back has its own again", () => {
    const build = (text: string, table: InstrumentTable, given: readonly GivenId[]) => {
      const next = nextTable(table, list(text).rows, given);
      return { next, given: withTable(withTable(given, table), next) };
    };
    const ids = (table: InstrumentTable) => table.instruments.map(({ id, symbol }) => [id, symbol]);
    const both = build("2330\n2890", before, []);
    const less = build("2330", both.next, both.given);
    const other = build("2330\nTXF@front", less.next, less.given);
    expect(ids(other.next)).toEqual([
      [1, "BTCUSDT"],
      [2, "2330"],
      [4, "TXFE6"],
    ]);
    // What went wrong without the ids: the one of 2890 named another instrument.
    expect(ids(nextTable(less.next, list("2330\nTXF@front").rows))[2]).toEqual([3, "TXFE6"]);
    const again = build("2330\n2890", other.next, other.given);
    expect(ids(again.next)[2]).toEqual([3, "2890"]);
    expect(() => build("2330\nTXF@front tick=0.5", other.next, other.given)).toThrow("permanent");
    const stranger = { version: 9, instruments: both.next.instruments.slice(1).map(turned) };
    expect(() => nextTable(stranger, [], both.given)).toThrow(
      "id 3 of the table is SHIOAJI 2330 (price unit 1e-2, size unit 1e-0), but id 3 was given to SHIOAJI 2890",
    );
  });

  it("its ids are a file that says what is wrong with it", () => {
    const folder = mkdtempSync(join(tmpdir(), "ids-"));
    const path = idsPath(join(folder, "instruments.json"));
    expect(path.endsWith("/instruments.ids.json")).toBe(true);
    expect(readIds(path)).toEqual([]);
    const given = withTable([], before);
    writeWhole(path, idsText(given));
    expect(readIds(path)).toEqual(given);
    const [one] = given;
    for (const [text, message] of [
      ["{", "ids "],
      ['{"format":2,"ids":[]}', "format"],
      [JSON.stringify({ format: 1, ids: [{ ...one, typo: 1 }] }), "typo"],
      [JSON.stringify({ format: 1, ids: [one, one] }), "id 1 stands twice"],
      [JSON.stringify({ format: 1, ids: [one, { ...one, id: 2 }] }), "BTCUSDT stands twice"],
    ] as const) {
      writeWhole(path, text);
      expect(() => readIds(path)).toThrow(message);
    }
    rmSync(folder, { recursive: true });
  });

  it("keeps ids, leaves other venues alone, and rises only when something changed", () => {
    const first = nextTable(before, list("2330\nTXF@front\nSYNTH@1").rows);
    expect(first.version).toBe(5);
    expect(first.instruments.map(({ id, symbol, kind }) => [id, symbol, kind])).toEqual([
      [1, "BTCUSDT", "spot"],
      [2, "2330", "equity"],
      [3, "TXFE6", "future"],
    ]);
    expect(first.instruments[2]).toMatchObject({
      multiplier: 200,
      expiry: 20_260_520,
      e8_per_tick_lot: 20_000_000_000,
    });
    const same = nextTable(first, list("TXF@front\n2330").rows);
    expect([same.version, tableHash(same)]).toEqual([5, tableHash(first)]);
    const rolled = nextTable(first, list("2330\nTXF@next").rows);
    expect(rolled.instruments.map(({ id, symbol }) => [id, symbol])).toEqual([
      [1, "BTCUSDT"],
      [2, "2330"],
      [4, "TXFF6"],
    ]);
    expect(() => nextTable(first, list("TXF@front tick=0.5").rows)).toThrow("ids are permanent");
  });
});

describe("the contracts cache [A03]", () => {
  const folder = mkdtempSync(join(tmpdir(), "contracts-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("rises whatever the clock says, and is written whole", () => {
    const path = join(folder, "contracts.json");
    const later = nextCache(cache, CONTRACTS.slice(1), new Date("2020-01-01T00:00:00Z"));
    expect(later.cache_version).toBe(cache.cache_version + 1);
    writeWhole(path, JSON.stringify(later));
    expect(parseContracts(path, readFileSync(path, "utf8"))).toEqual(later);
    expect(readdirSync(folder)).toEqual(["contracts.json"]);
  });

  it("says what a refresh changed and what ends soon", () => {
    const changed = CONTRACTS.filter(({ code }) => code !== "2890").map((each) =>
      each.code === "2330" ? { ...each, reference: "2000" } : each,
    );
    const after = nextCache(cache, [...changed, future("TXFH6", "20260819")], new Date());
    expect(diffContracts(cache, after, TODAY, 5)).toEqual({
      added: ["TAIFEX TXFH6"],
      removed: ["TSE 2890"],
      changed: ["TSE 2330"],
      expiring: [
        "TAIFEX TXFC1 on 20260520",
        "TAIFEX TXFE6 on 20260520",
        "TAIFEX TXFR1 on 20260520",
      ],
    });
  });

  it.each([
    ["{", "contracts c:"],
    ['{"cache_version":0,"updated_at":"2026-05-20T00:00:00Z","contracts":[]}', "cache_version"],
    [
      '{"cache_version":1,"updated_at":"2026-05-20T00:00:00Z","contracts":[{"code":"a b","exchange":"X","product_type":"stock"}]}',
      "contracts.0.code",
    ],
    ['{"cache_version":1,"updated_at":"2026-05-20T00:00:00Z","contracts":[],"typo":1}', "typo"],
    [
      '{"cache_version":1,"updated_at":"2026-05-20T00:00:00Z","contracts":[{"code":"A","exchange":"X","product_type":"stock"},{"code":"A","exchange":"X","product_type":"stock"}]}',
      "X A stands twice",
    ],
  ])("refuses %s", (text, message) => {
    expect(() => parseContracts("c", text)).toThrow(message);
  });
});
