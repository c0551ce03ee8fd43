import { createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createGunzip, gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { plainDecimal, scaled, unscaled } from "./decimal.ts";
import {
  finestTick,
  nextPrice,
  onTick,
  TICK_RULES,
  type TickTable,
  tableOf,
  tickAt,
  twPriceLimits,
  twStockRule,
} from "./ticks.ts";

const data = process.env["TIDEGATE_DATA"];
const table = (rule: keyof typeof TICK_RULES, day = "20260515"): TickTable => {
  const found = tableOf(TICK_RULES[rule], day);
  if (found === undefined) throw new Error(`${rule} has no table on ${day}`);
  return found;
};

describe("ticks by price and date [A03]", () => {
  it.each([
    ["TW_STOCK", "9.99", "0.01"],
    ["TW_STOCK", "10", "0.05"],
    ["TW_STOCK", "49.95", "0.05"],
    ["TW_STOCK", "50", "0.1"],
    ["TW_STOCK", "100", "0.5"],
    ["TW_STOCK", "500", "1"],
    ["TW_STOCK", "999", "1"],
    ["TW_STOCK", "1000", "5"],
    ["TW_ETF", "49.99", "0.01"],
    ["TW_ETF", "50", "0.05"],
    ["TW_INDEX_OPTION", "9.9", "0.1"],
    ["TW_INDEX_OPTION", "500", "5"],
    ["TW_INDEX_OPTION", "1000", "10"],
    ["US_STOCK", "0.9999", "0.0001"],
    ["US_STOCK", "1", "0.01"],
  ] as const)("%s at %s is %s", (rule, price, tick) => {
    expect(tickAt(table(rule), price)).toBe(tick);
  });

  it("a version holds on its days alone, and the unit is the finest of all versions", () => {
    const versions: TickTable[] = [
      { from: "20200101", until: "20211231", bands: [{ below: null, tick: "0.5" }] },
      { from: "20220101", until: null, bands: [{ below: null, tick: "0.1" }] },
    ];
    expect(
      ["20191231", "20200101", "20211231", "20220101"].map(
        (day) => tableOf(versions, day)?.bands[0]?.tick,
      ),
    ).toEqual([undefined, "0.5", "0.5", "0.1"]);
    expect(finestTick("TW_STOCK")).toBe("0.01");
    expect(finestTick("TW_INDEX_OPTION")).toBe("0.1");
    expect(tableOf(TICK_RULES.TW_STOCK, "20050228")).toBeUndefined();
  });

  it("steps over the edge of a band with the tick of the side it goes to", () => {
    const stock = table("TW_STOCK");
    expect([nextPrice(stock, "99.9", "up"), nextPrice(stock, "100", "up")]).toEqual([
      "100",
      "100.5",
    ]);
    expect([nextPrice(stock, "100", "down"), nextPrice(stock, "100.5", "down")]).toEqual([
      "99.9",
      "100",
    ]);
    expect(nextPrice(stock, "0.01", "down")).toBeNull();
  });

  it("a step up and a step down are each other's undoing, and nothing lies between", () => {
    for (const rule of Object.keys(TICK_RULES) as (keyof typeof TICK_RULES)[]) {
      const of = table(rule);
      fc.assert(
        fc.property(fc.bigInt(1n, 20_000_000n), (n) => {
          const any = n * 100_000_000n;
          const tick = scaled(tickAt(of, unscaled(any)));
          const at = unscaled((any / tick) * tick);
          fc.pre(at !== "0");
          expect(onTick(of, at)).toBe(true);
          const up = nextPrice(of, at, "up") ?? "";
          expect(onTick(of, up)).toBe(true);
          expect(nextPrice(of, up, "down")).toBe(at);
          const middle = unscaled((scaled(at) + scaled(up)) / 2n);
          expect(onTick(of, middle)).toBe(false);
        }),
        { numRuns: 300 },
      );
    }
  });

  it("limits of the day are those the exchanges published, and 7 % before June 2015", () => {
    const stock = table("TW_STOCK");
    const future: TickTable = {
      from: "19980721",
      until: null,
      bands: [{ below: null, tick: "1" }],
    };
    // 2330 and TXFE6 as the broker lists them in May 2026; TXFA4 and TXFB4 of January 2024 as the exchange does.
    for (const [of, reference, day, up, down] of [
      [stock, "2220", "20260514", "2440", "2000"],
      [stock, "593", "20231229", "652", "534"],
      [future, "41636", "20260515", "45799", "37473"],
      [future, "17518", "20240108", "19269", "15767"],
      [future, "17514", "20240108", "19265", "15763"],
      [future, "17870", "20240102", "19657", "16083"],
    ] as const) {
      expect(twPriceLimits(of, reference, day)).toEqual({ up, down });
    }
    expect(twPriceLimits(stock, "100", "20150529")).toEqual({ up: "107", down: "93" });
    expect(twPriceLimits(stock, "100", "20150601")).toEqual({ up: "110", down: "90" });
    expect(twPriceLimits(stock, "0", "20260514")).toBeNull();
    expect(twPriceLimits(stock, "100", "19800101")).toBeNull();
  });

  it.each([
    ["2330", "TW_STOCK"],
    ["2881A", "TW_STOCK"],
    ["910322", "TW_STOCK"],
    ["0050", "TW_ETF"],
    ["00631L", "TW_ETF"],
    ["020000", "TW_ETF"],
    ["01004T", "TW_ETF"],
    ["030001", null],
    ["TXFE6", null],
  ])("%s has rule %s", (code, rule) => {
    expect(twStockRule(code)).toBe(rule);
  });

  it.skipIf(data === undefined)(
    "every price of a day of the whole TWSE is on its tick, and every one of a stock within its limits (needs TIDEGATE_DATA)",
    () => {
      const path = join(data ?? "", "tw-exchange-fixtures/twse-stocks-historical.json.gz");
      const page = JSON.parse(gunzipSync(readFileSync(path)).toString("utf8")) as {
        tables: { fields?: string[]; data?: string[][] }[];
      };
      const rows = page.tables.find(({ fields }) => fields?.[0] === "證券代號")?.data ?? [];
      const counts = { prices: 0, offTick: 0, outside: 0, limited: 0, coarse: 0 };
      for (const row of rows) {
        const [code = ""] = row;
        const rule = twStockRule(code);
        if (rule === null) continue;
        const of = table(rule, "20230130");
        const price = (at: number): string | null =>
          plainDecimal((row[at] ?? "").replaceAll(",", ""));
        const traded = [5, 6, 7, 8].flatMap((at) => price(at) ?? []).filter((px) => px !== "0");
        const quoted = [11, 13].flatMap((at) => price(at) ?? []).filter((px) => px !== "0");
        for (const px of [...traded, ...quoted]) {
          counts.prices += 1;
          if (!onTick(of, px)) counts.offTick += 1;
          // The check can fail: one tick rule for all prices would refuse many of these.
          if (scaled(px) % scaled("0.5") !== 0n) counts.coarse += 1;
        }
        // The reference is the close less the change; "X" marks a change that is from no close (ex-dividend, first days).
        const sign = />([+-])</.exec(row[9] ?? "")?.[1];
        const [close, change] = [price(8), price(10)];
        if (rule !== "TW_STOCK" || sign === undefined || close === null || change === null)
          continue;
        const moved = scaled(change) * (sign === "+" ? 1n : -1n);
        const limits = twPriceLimits(of, unscaled(scaled(close) - moved), "20230130");
        counts.limited += 1;
        const within = (px: string) =>
          limits !== null && scaled(px) <= scaled(limits.up) && scaled(px) >= scaled(limits.down);
        if (!traded.every(within)) counts.outside += 1;
      }
      expect(counts).toMatchObject({ offTick: 0, outside: 0 });
      expect(counts.prices).toBeGreaterThan(6_500);
      expect(counts.limited).toBeGreaterThan(700);
      expect(counts.coarse).toBeGreaterThan(1_000);
    },
  );

  it.skipIf(data === undefined)(
    "every price of three days of an index option's book is on its tick (needs TIDEGATE_DATA)",
    async () => {
      const of = table("TW_INDEX_OPTION", "20260417");
      const bands = new Map<string, number>();
      let off = 0;
      for (const day of ["17", "22", "28"]) {
        const path = join(data ?? "", `taifex-l2-2026-04/TXO35000Q6_2026-04-${day}.csv.gz`);
        const prices = new Set<string>();
        for await (const line of createInterface({
          input: createReadStream(path).pipe(createGunzip()),
        })) {
          const px = plainDecimal(line.split(",")[2] ?? "");
          if (px !== null && px !== "0") prices.add(px);
        }
        for (const px of prices) {
          if (!onTick(of, px)) off += 1;
          const tick = tickAt(of, px);
          bands.set(tick, (bands.get(tick) ?? 0) + 1);
        }
      }
      expect(off).toBe(0);
      expect([...bands.keys()].sort()).toEqual(["0.1", "0.5", "1", "10", "5"]);
    },
    30_000,
  );
});

describe("decimal texts", () => {
  it.each([
    ["2440.0", "2440"],
    ["0.01000000", "0.01"],
    ["1e-05", "0.00001"],
    ["-1.50", "-1.5"],
    ["1E3", "1000"],
    ["007", "7"],
    ["-0.0", "0"],
    ["12.34e1", "123.4"],
    ["0.0000000000001", null],
    ["1.2.3", null],
    ["", null],
    ["NaN", null],
    ["1e999", null],
  ])("%s is %s", (text, plain) => {
    expect(plainDecimal(text)).toBe(plain);
  });
});
