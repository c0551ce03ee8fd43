import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Contract, compile, nextCache, nextTable, parseList, validate } from "./index.ts";

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const TODAY = "20260518";
const stock = (code: string, reference: string): Contract => {
  return { code, exchange: "TSE", product_type: "stock", reference, as_of: TODAY };
};
const MONTHS = { E6: "20260520", F6: "20260617", G6: "20260715" } as const;
const futures = ["TXF", "MXF", "EXF", "TMF"].flatMap((root) => [
  ...Object.entries(MONTHS).map(([month, delivery]): Contract => {
    const reference = root === "TXF" ? { reference: "41636", as_of: TODAY } : {};
    const of = { exchange: "TAIFEX", product_type: "future", root, delivery } as const;
    return { code: `${root}${month}`, ...of, ...reference };
  }),
  {
    code: `${root}R1`,
    exchange: "TAIFEX",
    product_type: "future" as const,
    root,
    delivery: MONTHS.E6,
    alias_of: `${root}E6`,
  },
]);
/** Calls end in the month's letter of calls, puts in that of puts. */
const options = [41_400, 41_500, 41_600, 41_700, 41_800].flatMap((strike) =>
  (
    [
      ["C", "E6", "20260520"],
      ["P", "Q6", "20260520"],
      ["C", "F6", "20260617"],
      ["P", "R6", "20260617"],
    ] as const
  ).map(([right, month, delivery]): Contract => {
    const of = { exchange: "TAIFEX", product_type: "option", root: "TXO" } as const;
    return { code: `TXO${strike}${month}`, ...of, right, delivery, strike: String(strike) };
  }),
);
const pair = { product_type: "crypto", base: "BTC", tick: "0.01", lot: "0.0001" } as const;
const cache = nextCache(
  null,
  [
    ...[stock("2330", "2220"), stock("2890", "29.85"), stock("0050", "62.3")],
    ...futures,
    ...options,
    { code: "BTCUSDT", exchange: "BINANCE_SPOT", quote: "USDT", ...pair },
    { code: "BTC/USD", exchange: "ALPACA_CRYPTO", quote: "USD", ...pair },
    { code: "BRK.B", exchange: "ALPACA", product_type: "stock" },
  ],
  new Date(0),
);

describe("the golden list [A03]", () => {
  const { rows, warnings } = compile({
    entries: parseList(fixture("golden.list")),
    contracts: cache,
    metrics: {},
    today: TODAY,
    rollDays: 5,
  });

  it("means on its day what was written by hand, line by line", () => {
    const or = (value: unknown) => (value === null || value === "" ? "-" : String(value));
    const lines = rows.map((row) =>
      [
        ...[row.code, row.exchange, row.productType, row.unit, row.tick, row.pointValue],
        ...[row.expiry, row.right, row.strike, row.tags.join("|")],
      ]
        .map(or)
        .join("\t"),
    );
    const [, ...wanted] = readFileSync(fixture("golden.tsv"), "utf8").trimEnd().split("\n");
    expect(lines).toEqual(wanted);
    expect(warnings).toEqual([]);
    expect(validate(rows, 20, cache)).toEqual([]);
    expect(validate(rows, 19, cache)).toEqual([
      "20 symbols are more than the 19 that may be subscribed",
    ]);
    expect(rows[0]).toMatchObject({ name: "TSMC", priceScale: 10_000 });
    expect([rows[1]?.orderLot, rows.at(-1)?.group]).toEqual(["Odd", "load"]);
  });

  it("makes a table with a row for each but the synthetic ones, of every venue", () => {
    const table = nextTable(null, rows);
    expect(table.instruments.map(({ id, symbol }) => [id, symbol])).toEqual(
      rows.slice(0, 18).map(({ code }, n) => [n + 1, code]),
    );
    expect([
      ...new Set(table.instruments.map(({ venue_id, venue }) => [venue_id, venue].join())),
    ]).toEqual(["1,SHIOAJI", "2,BINANCE_SPOT", "3,ALPACA_CRYPTO", "4,ALPACA"]);
  });
});
