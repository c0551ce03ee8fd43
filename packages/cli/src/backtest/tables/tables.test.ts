import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { readTable } from "@tidegate/storage/table";
import { afterAll, describe, expect, it } from "vitest";
import { durationNs } from "../options.ts";
import type { InstrumentRow } from "../tapes.ts";
import { convertTables } from "./convert.ts";
import { fieldsOf, LINE_CHARS_MAX, readCsv } from "./csv.ts";
import { Kind, TableReader, TapeRows } from "./rows.ts";
import { columnsOf, parseTables, type TableSpec } from "./spec.ts";
import { timeNs, wholeLotsOf } from "./values.ts";

const dir = mkdtempSync(join(tmpdir(), "tables-"));
afterAll(() => rmSync(dir, { recursive: true }));
const sample = (name: string) => fileURLToPath(new URL(`./testdata/${name}`, import.meta.url));
const data = process.env["TIDEGATE_DATA"];

const row: InstrumentRow = {
  ...{ id: 5, venue_id: 4, venue: "ALPACA", symbol: "AAPL", kind: "equity", base: "AAPL" },
  ...{ quote: "USD", px_scale: 2, px_unit: 1, qty_scale: 2, qty_unit: 1, e8_per_tick_lot: 10_000 },
  ...{ min_qty_lots: 1, max_qty_lots: 1_000_000, min_notional_e8: 0 },
};
const QUOTES = {
  rows: "quotes",
  time: { column: "exchange", unit: "ns" },
  received: { column: "local", unit: "ns" },
  columns: { bidPx: "bp", bidQty: "bs", askPx: "ap", askQty: "as" },
};
const TRADES = {
  rows: "trades",
  time: { column: "t", unit: "ns" },
  pxScale: 9,
  columns: { px: "price", qty: "size", side: "side" },
  sides: { buy: ["B"], sell: ["S"] },
};
const BARS = {
  rows: "bars",
  time: { column: "time", unit: "text-utc" },
  columns: { open: "open", high: "high", low: "low", close: "close", volume: "volume" },
  ...{ interval: "1m", stamp: "open", spreadTicks: 2 },
};
const one = (json: object): TableSpec => {
  const [spec] = parseTables("x.json", JSON.stringify(json), 1);
  if (spec === undefined) throw new Error("no table");
  return spec;
};

/** Rows as texts, as the samples' models wrote them. */
function texts(rows: TapeRows): string[] {
  const { kinds, venueNs, receivedNs, px, qty } = rows.columns();
  return [...kinds].map((kind, at) =>
    [kind, venueNs[at], receivedNs[at], px[at], qty[at]].map(String).join(),
  );
}

async function rowsOf(file: string, json: object, of = row): Promise<TapeRows> {
  const spec = one(json);
  const out = new TapeRows();
  const interval = spec.rows === "bars" ? durationNs("interval", spec.interval) : 0;
  const reader = new TableReader(spec, of, out, interval);
  const names = columnsOf(spec);
  const rows = file.endsWith(".parquet")
    ? readTable(file, names)
    : readCsv(file, names, spec.header);
  for await (const { cells } of rows) reader.take(cells);
  return out;
}

describe("tables that others wrote", () => {
  const known = (name: string) =>
    readFileSync(sample(`${name}.csv`), "utf8")
      .trim()
      .split("\n");

  it("Parquet files that pyarrow wrote give the rows of a plain model, to the last nanosecond", async () => {
    for (const [name, spec] of [
      ["quotes", QUOTES],
      ["trades", TRADES],
    ] as const) {
      const found = texts(await rowsOf(sample(`${name}.parquet`), spec));
      expect(found, name).toEqual(known(name));
      expect(found.length).toBeGreaterThan(100);
    }
  });

  it("bars give the rows of the rule written a second time, also packed", async () => {
    expect(texts(await rowsOf(sample("bars-in.csv"), BARS))).toEqual(known("bars"));
    const packed = join(dir, "bars.csv.gz");
    writeFileSync(packed, gzipSync(readFileSync(sample("bars-in.csv"))));
    expect(texts(await rowsOf(packed, BARS))).toEqual(known("bars"));
    // Another rule is seen: the comparison is one.
    const other = texts(await rowsOf(sample("bars-in.csv"), { ...BARS, spreadTicks: 1 }));
    expect(other).not.toEqual(known("bars"));
  });

  it("a bar's stamp decides when it is known: at its close it lies one interval earlier", async () => {
    const open = (await rowsOf(sample("bars-in.csv"), BARS)).columns();
    const close = (await rowsOf(sample("bars-in.csv"), { ...BARS, stamp: "close" })).columns();
    expect([...open.venueNs].map((ns) => ns - 60_000_000_000n)).toEqual([...close.venueNs]);
  });

  it("no print of a bar comes before its begin or after its end, and its sum is the volume", async () => {
    const { kinds, venueNs, px, qty } = (await rowsOf(sample("bars-in.csv"), BARS)).columns();
    const bars = new Map<bigint, { px: number[]; lots: bigint }>();
    kinds.forEach((kind, at) => {
      if (kind !== Kind.BUY && kind !== Kind.SELL) return;
      const minute = (venueNs[at] ?? 0n) / 60_000_000_000n;
      const bar = bars.get(minute) ?? { px: [], lots: 0n };
      bars.set(minute, { px: [...bar.px, px[at] ?? 0], lots: bar.lots + (qty[at] ?? 0n) });
    });
    const lines = readFileSync(sample("bars-in.csv"), "utf8").trim().split("\n").slice(1);
    for (const line of lines) {
      const [time = "", open, high, low, close, volume] = line.split(",");
      const bar = bars.get(timeNs(time, "text-utc") / 60_000_000_000n);
      const cents = (text = "") => Math.round(Number(text) * 100);
      expect(Number(bar?.lots ?? 0n), line).toBe(cents(volume));
      if (cents(volume) < 4) continue;
      const found = [
        bar?.px[0],
        Math.max(...(bar?.px ?? [])),
        Math.min(...(bar?.px ?? [])),
        bar?.px.at(-1),
      ];
      expect(found, line).toEqual([open, high, low, close].map(cents));
    }
  });

  it("several files make one tape, which names them, the spec and the rule", async () => {
    const spec = join(dir, "two.json");
    writeFileSync(spec, JSON.stringify({ tables: [QUOTES, TRADES] }));
    const request = { row, columns: spec, baseNs: 0, out: join(dir, "two.tape") };
    const files = [sample("quotes.parquet"), sample("trades.parquet")];
    const { tape, messages } = await convertTables({ ...request, files });
    expect([messages, tape.trades]).toEqual([270, 120]);
    expect(tape.receivedRows).toBe(known("quotes").length + known("trades").length);
    expect(tape.header.sources.map(([name]) => name)).toEqual([
      "quotes.parquet",
      "trades.parquet",
      "two.json",
    ]);
    expect(tape.header.rule).toBeUndefined();
    writeFileSync(spec, JSON.stringify(BARS));
    const bars = await convertTables({ ...request, files: [sample("bars-in.csv")] });
    expect(bars.tape.header.rule).toMatch(
      /^made of bars of 1m, stamped at their open.*not that it could be had$/,
    );
    await expect(convertTables({ ...request, files })).rejects.toThrow(
      "quotes.parquet:0: no column time",
    );
  });
});

describe("what is refused, with file, place and remedy", () => {
  const csv = (name: string, text: string | Buffer) => {
    const path = join(dir, name);
    writeFileSync(path, text);
    return path;
  };
  const fault = async (text: string | Buffer, spec: object = BARS, name = "bad.csv") => {
    const columns = csv("spec.json", JSON.stringify(spec));
    const files = [csv(name, text)];
    const made = convertTables({ files, row, columns, baseNs: 0, out: join(dir, "bad.tape") });
    return made.then(
      () => "none",
      (error: Error) => error.message.replaceAll(dir, ""),
    );
  };
  const head = "time,open,high,low,close,volume\n";
  const good = "2024-01-01 00:00:00,1.00,1.02,0.99,1.01,5\n";

  it("a row that is none", async () => {
    const cases: readonly (readonly [string, string])[] = [
      [
        "2024-01-01 00:00:00,1.00,1.02,0.99,1.03,5\n",
        "/bad.csv:2: open 100, high 102, low 99, close 103 ticks: no bar",
      ],
      ["2024-01-01 00:00:00,1.00,1.02,0.99,1.005,5\n", "/bad.csv:2: "],
      [
        "2024-01-01 00:00:00,1.00,1.02,0.99,1.01,-5\n",
        "/bad.csv:2: volume -5: want a number from 0 on",
      ],
      [
        "2024-01-01 00:00:00,1.00,1.02,0.99,1.01\n",
        "/bad.csv:2: 5 fields, the header has 6: is the file cut?",
      ],
      [
        "2024-13-01 00:00:00,1.00,1.02,0.99,1.01,5\n",
        "/bad.csv:2: time 2024-13-01 00:00:00: there is no such time",
      ],
      ["yesterday,1.00,1.02,0.99,1.01,5\n", '/bad.csv:2: time "yesterday": want text'],
      [
        `${good}${good}`,
        "/bad.csv:3: a bar from 1704067200000000000 begins before the end of the bar before",
      ],
      ['2024-01-01 00:00:00,"1.00,1.02,0.99,1.01,5\n', "/bad.csv:2: a quote that is not closed"],
    ];
    for (const [text, want] of cases) expect(await fault(head + text), text).toContain(want);
    expect(await fault(head + good)).toBe("none");
    expect(await fault(good)).toContain("/bad.csv:1: no column time; it has 2024-01-01 00:00:00");
    expect(await fault(head)).toContain("not one row of AAPL in it");
    expect(await fault(`${head}${"x".repeat(LINE_CHARS_MAX + 1)}\n`)).toContain(
      "more than 65536 characters",
    );
    const zone = { ...BARS, time: { column: "time", unit: "text" } };
    expect(await fault(head + good, zone)).toContain("it names no zone; want unit text-utc");
    const none = { ...BARS, columns: { ...BARS.columns, volume: undefined } };
    expect(await fault(head + good, none)).toContain("the spec wants quoteLots");
  });

  it("times that go back, a side nobody named", async () => {
    const spec = { ...TRADES, time: { column: "t", unit: "ms" }, pxScale: undefined };
    const trades = "t,price,size,side\n5,1.00,1,B\n";
    expect(await fault(`${trades}4,1.00,1,S\n`, spec)).toContain(
      "/bad.csv:3: time 4000000 is before 5000000",
    );
    expect(await fault(`${trades}6,1.00,1,X\n`, spec)).toContain(
      '/bad.csv:3: side "X": the spec knows B, S',
    );
    expect(await fault(`${trades}6,1.001,1,B\n`, spec)).toContain("/bad.csv:3:");
    expect(await fault(`${trades}6,1.00,0.001,B\n`, spec)).toContain("/bad.csv:3:");
    expect(await fault(`${trades}6,30000000.00,1,B\n`, spec)).toContain("more than 2^31 ticks");
    expect(await fault(`${trades}6,1.00,1,B\n`, spec)).toBe("none");
  });

  it("a gzip file that is cut or damaged, with the last whole line", async () => {
    const lines = Array.from({ length: 900 }, (_, at) => {
      const time = new Date(Date.UTC(2024, 0, 1, 0, at)).toISOString();
      return `${time},1.00,1.02,0.99,1.01,${(at * 7_919) % 1_000}`;
    });
    const packed = gzipSync(`${head}${lines.join("\n")}\n`);
    expect(await fault(packed, BARS, "whole.csv.gz")).toBe("none");
    expect(await fault(packed.subarray(0, packed.length >> 1), BARS, "cut.csv.gz")).toMatch(
      /^\/cut\.csv\.gz:\d+: unexpected end of file; fetch the file again$/,
    );
    const bad = Buffer.from(packed);
    bad[bad.length - 6] = (bad[bad.length - 6] ?? 0) ^ 1;
    expect(await fault(bad, BARS, "flip.csv.gz")).toMatch(
      /^\/flip\.csv\.gz:\d+: .*fetch the file again$/,
    );
    expect(gunzipSync(packed).length).toBeGreaterThan(packed.length);
  });

  it("a Parquet file that is cut at any place, or whose footer is damaged", async () => {
    const whole = readFileSync(sample("quotes.parquet"));
    for (let cut = 0; cut < whole.length; cut += 997) {
      const text = await fault(whole.subarray(0, cut), QUOTES, "cut.parquet");
      expect(text, String(cut)).toMatch(/^\/cut\.parquet:0: .*fetch or make it again$/);
    }
    const bad = Buffer.from(whole);
    bad.fill(0xff, bad.length - 60, bad.length - 8);
    expect(await fault(bad, QUOTES, "bad.parquet")).toContain("/bad.parquet:0: ");
    const missing = { ...QUOTES, columns: { ...QUOTES.columns, bidPx: "nope" } };
    expect(await fault(whole, missing, "x.parquet")).toContain("no column nope; it has");
  });

  it("a reader that does not come back is ended with an error, and one that ends is not waited for", async () => {
    const read = async (name: string, program: string) => {
      const reader = pathToFileURL(csv(name, program));
      const rows = readTable("x.parquet", ["a"], { secondsMax: 1, reader });
      for await (const _ of rows) throw new Error("a row");
    };
    await expect(read("stuck.mjs", "for (;;);")).rejects.toThrow("x.parquet:0: no rows for 1 s");
    await expect(read("ended.mjs", "")).rejects.toThrow("x.parquet:0: its reader ended");
  }, 60_000);

  it("a spec that is none, by its field", () => {
    expect(() => one({ ...BARS, stamp: undefined })).toThrow("stamp");
    expect(() => one({ ...BARS, interval: "1 minute" })).toThrow("interval 1 minute: want a time");
    expect(() => one({ ...QUOTES, speed: 1 })).toThrow("--columns x.json");
    expect(() => parseTables("x.json", "{", 1)).toThrow("x.json: no JSON");
    expect(() => parseTables("x.json", JSON.stringify({ tables: [BARS] }), 2)).toThrow(
      "1 tables for 2 files",
    );
  });
});

describe("the page that tells how to bring data", () => {
  it("shows a spec of each kind, and each is one", () => {
    const path = fileURLToPath(
      new URL("../../../../../docs/how-to/bring-your-own-data.md", import.meta.url),
    );
    const blocks = readFileSync(path, "utf8").matchAll(/```json\n([\s\S]*?)```/g);
    const specs = [...blocks]
      .map(([, json = ""]) => json)
      .filter((json) => json.includes('"rows"'));
    const kinds = specs.flatMap((json) => {
      const count = json.includes('"tables"') ? 2 : 1;
      return parseTables("page", json, count).map(({ rows }) => rows);
    });
    expect(new Set(kinds)).toEqual(new Set(["quotes", "levels", "trades", "bars"]));
  });
});

describe("values", () => {
  it("times of every unit are exact, and a zone counts", () => {
    expect(timeNs("1704067200123456789", "ns")).toBe(1_704_067_200_123_456_789n);
    expect(timeNs(1_704_067_200_123, "ms")).toBe(1_704_067_200_123_000_000n);
    expect(timeNs("2024-01-01 01:00:00.000000001+01:00", "text")).toBe(1_704_067_200_000_000_001n);
    expect(timeNs("2024-01-01T00:00Z", "text")).toBe(1_704_067_200_000_000_000n);
    expect(() => timeNs(1.5, "s")).toThrow("want a whole number of s");
    expect(() => timeNs("99999999999", "s")).toThrow("not between 1970 and 2262");
  });

  it("a sum is cut to a lot, and the rounding of doubles is not a cut", () => {
    expect(wholeLotsOf("volume", "12.345", row, undefined)).toEqual({ lots: 1_234, cut: true });
    expect(wholeLotsOf("volume", 0.29, row, undefined)).toEqual({ lots: 29, cut: false });
  });

  it("fields may be quoted", () => {
    expect(fieldsOf('a,"b,""c""",,d')).toEqual(["a", 'b,"c"', "", "d"]);
    expect(() => fieldsOf('"a"b')).toThrow("text beside one");
  });
});

describe.skipIf(data === undefined)("recorded bars, which need TIDEGATE_DATA", () => {
  const perp = { ...row, px_scale: 3, px_unit: 1, qty_scale: 0 };

  it("45,031 minutes of a perpetual become a tape whose prints have their highs and lows", async () => {
    const file = join(data ?? "", "minute-bars/btc-perp-20211231-20220201_1m.csv.gz");
    const spec = {
      ...BARS,
      time: { column: "timestamp", unit: "text-utc" },
      columns: { open: "open", high: "high", low: "low", close: "close", volume: "volume" },
    };
    const { kinds, venueNs, px } = (await rowsOf(file, spec, perp)).columns();
    const bars = new Map<bigint, number[]>();
    kinds.forEach((kind, at) => {
      if (kind === Kind.BUY || kind === Kind.SELL) {
        const minute = (venueNs[at] ?? 0n) / 60_000_000_000n;
        bars.set(minute, [...(bars.get(minute) ?? []), (px[at] ?? 0) / 1_000]);
      }
    });
    const lines = gunzipSync(readFileSync(file)).toString("utf8").trim().split("\n").slice(1);
    expect(lines.length).toBe(45_031);
    let compared = 0;
    for (const line of lines) {
      const [time = "", open, high, low, close, volume] = line.split(",");
      const found = bars.get(timeNs(time, "text-utc") / 60_000_000_000n) ?? [];
      if (Number(volume) < 4) continue;
      compared += 1;
      const is = [found[0], Math.max(...found), Math.min(...found), found.at(-1)];
      expect(is, line).toEqual([open, high, low, close].map(Number));
    }
    expect(compared).toBeGreaterThan(44_000);
  }, 60_000);
});
