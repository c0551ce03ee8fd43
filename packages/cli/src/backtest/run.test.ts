import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FILL_DOUBLES, SAMPLE_DOUBLES } from "@tidegate/rust-core";
import { afterAll, describe, expect, it } from "vitest";
import { importSet, midnightNs, readCatalogue, verifySets } from "./catalogue.ts";
import { compare, firstRow } from "./compare.ts";
import { canonical, codeHash, filesOf } from "./hashes.ts";
import { byInstrument, metricsOf, pointsOf } from "./metrics.ts";
import { backtest } from "./outcome.ts";
import { DEFAULTS, prepare, type RunWords } from "./prepare.ts";
import { charts, reportHtml, thinned } from "./report.ts";
import { ticks } from "./svg.ts";
import { shows } from "./verify-report.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "backtest-"));
afterAll(() => rmSync(dir, { recursive: true }));
const words: RunWords = {
  ...DEFAULTS,
  ...{ strategy: "simple-mm", data: [], params: {}, latency: [], fees: [] },
};
const run = async (change: Partial<RunWords> = {}) =>
  backtest(await prepare(root, { ...words, ...change }));

describe("hft backtest run over the shipped sample [B099]", () => {
  it("two runs give one document, to the last byte, and its fills hold against the tapes", async () => {
    const [one, two] = [await run(), await run()];
    expect(JSON.stringify(one)).toBe(JSON.stringify(two));
    expect(one.instruments.map(({ audit }) => audit.sound)).toEqual([true, true]);
    expect(one.metrics.fills).toBeGreaterThan(100);
    expect(one.host).toMatchObject({ exceptions: 0, overruns: 0, breaker: "NORMAL" });
    expect(reportHtml(one)).toBe(reportHtml(two));
    // Profit is what all instruments' accounts came to, summed exactly.
    const exact = one.instruments.reduce(
      (sum, { received }) => sum + BigInt(received.equityE16 ?? 0),
      0n,
    );
    expect(one.metrics.profit).toBeCloseTo(Number(exact) / 1e16, 6);
  });

  it("seed, latency, fees, queue and parameters are part of what a run is", async () => {
    const base = await run();
    const other = {
      seed: await run({ seed: 2 }),
      latency: await run({ latency: ["6ms"] }),
      fees: await run({ fees: ["1bp/5bp"] }),
      queue: await run({ queue: "power:2" }),
      params: await run({ params: { edgeTicks: 1 } }),
    };
    const hashes = [base, ...Object.values(other)].map((each) => each.hashes.run);
    expect(new Set(hashes).size).toBe(hashes.length);
    for (const each of Object.values(other)) expect(each.hashes.data).toBe(base.hashes.data);
    // A strategy that draws nothing sends the same by any seed.
    expect(firstRow(base.fills.rows, other.seed.fills.rows)).toBe(null);
    const apart = compare(base, other.latency);
    expect(apart.same).toBe(false);
    expect(apart.firstFill?.row).toBeGreaterThanOrEqual(0);
    expect(compare(base, base)).toMatchObject({ same: true, firstFill: null, differences: [] });
  });

  it("a second run of one thread is refused while the first has not ended", async () => {
    const prepared = await prepare(root, words);
    const [one, two] = await Promise.allSettled([backtest(prepared), backtest(prepared)]);
    expect(one.status).toBe("fulfilled");
    expect(two).toMatchObject({
      reason: { message: expect.stringContaining("already") as unknown },
    });
    await expect(backtest(prepared)).resolves.toMatchObject({ seed: 1 });
  });

  it.each([
    [{ strategy: "none" }, "strategy none: there is no"],
    [{ params: { edgeTicks: -1 } }, "--params of simple-mm: edgeTicks"],
    [{ fill: "full" }, "--fill full: want consuming"],
    [{ capital: 0 }, "--capital 0"],
    [{ data: ["7777777=a.jsonl"] }, "there is no"],
    [{ latency: ["orders:nowhere.csv"] }, "--latency nowhere.csv: there is no such file"],
  ])("what cannot run is refused by name %#", async (change, want) => {
    await expect(run(change as Partial<RunWords>)).rejects.toThrow(want);
  });

  it("a strategy that reads features is refused until a backtest computes them", async () => {
    const file = join(root, "strategies", `.reads-features-${process.pid}.ts`);
    writeFileSync(
      file,
      'import { defineStrategy } from "@tidegate/strategy-sdk";\nimport { z } from "zod";\nexport default defineStrategy({ id: "reads", params: z.object({}), featureSet: "lob_shared_v3", onBookTop() {} });\n',
    );
    try {
      await expect(run({ strategy: file })).rejects.toThrow("reads the feature set lob_shared_v3");
    } finally {
      rmSync(file);
    }
  });
});

describe("figures of a run", () => {
  const sample = (at: number, instrument: number, equity: number, position: number) => {
    const row = [at, instrument, equity * 1e8, 1e7, position, 100, 102, 0];
    expect(row).toHaveLength(SAMPLE_DOUBLES);
    return row;
  };

  it("are those a hand works out", () => {
    const samples = new Float64Array(
      [
        ...[sample(0, 1, 0, 0), sample(0, 2, 0, 0)],
        ...[sample(1e9, 1, 3, 2), sample(1e9, 2, 1, 0)],
        ...[sample(2e9, 1, -1, -2), sample(2e9, 2, 1, 0)],
      ].flat(),
    );
    const points = pointsOf(samples, (_, px, lots) => px * lots);
    expect(points.map(({ profit, exposure }) => [profit, exposure])).toEqual([
      [0, 0],
      [4, 202],
      [0, 202],
    ]);
    const fill = [1e9, 1e9, 1, 1, 1, 100, 2, 0, 1, 5e7, 200e8, 2];
    expect(fill).toHaveLength(FILL_DOUBLES);
    const each = byInstrument([1, 2], samples, new Float64Array(fill));
    expect(each[0]).toMatchObject({
      profit: -1,
      fills: 1,
      volumeLots: 2,
      turnover: 200,
      makerShare: 1,
    });
    expect(each[1]).toMatchObject({ profit: 1, fills: 0, makerShare: null });
    const metrics = metricsOf(points, each, 100, 0n, 365);
    expect(metrics).toMatchObject({
      profit: 0,
      fees: 0.2,
      maxDrawdown: 4,
      turnover: 200,
      timeInMarket: 2 / 3,
    });
    expect(metrics.maxDrawdownPart).toBeCloseTo(4 / 104, 12);
    expect(metrics.worstDrawdowns).toEqual([
      { depth: 4, fromNs: 1e9, deepestNs: 2e9, backNs: null },
    ]);
    // One day of returns is no year.
    expect(metrics.perYear).toBe(null);
    expect(metricsOf(points, each, 3, 0n, 365)).toMatchObject({ ruined: false });
    expect(
      metricsOf([{ atNs: 0, profit: -5, fees: 0, exposure: 0 }], each, 5, 0n, 365),
    ).toMatchObject({
      ruined: true,
      maxDrawdownPart: null,
    });
  });

  it("a thinned curve keeps its extremes, and axes have round steps", () => {
    const points = Array.from(
      { length: 10_000 },
      (_, at) => [at, at === 7_777 ? 99 : Math.sin(at)] as const,
    );
    const thin = thinned(points, 100);
    expect(thin.length).toBeLessThanOrEqual(102);
    expect(thin).toContainEqual([7_777, 99]);
    expect(ticks(0, 10)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(ticks(3, 3)).toEqual([3]);
  });

  it("a text shows a number or does not", () => {
    expect([shows("1,234.57", 1_234.567), shows("–", null), shows("3", 3)]).toEqual([
      true,
      true,
      true,
    ]);
    expect([shows("1,234.56", 1_234.567), shows("–", 0), shows("1e3", 1_000)]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it("a page holds no script, and a name in it is text", async () => {
    const document = await run();
    const html = reportHtml({
      ...document,
      strategy: { id: "<b>&", params: { text: "</code><script>" } },
    });
    expect(html).not.toContain("<script");
    expect(html).toContain("&lt;b&gt;&amp;");
    expect(charts(document)).toHaveLength(9);
  });
});

describe("what a run is known by", () => {
  it("canonical texts do not know the order of keys, and code is all a file imports", () => {
    expect(canonical({ b: [1, { d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[1,{"c":2,"d":1}]}');
    const [main, part] = [join(dir, "main.ts"), join(dir, "part.ts")];
    writeFileSync(main, 'import { x } from "./part.ts";\nexport default x;\n');
    writeFileSync(part, "export const x = 1;\n");
    expect(filesOf(main)).toEqual([main, part]);
    const before = codeHash(root, main);
    writeFileSync(part, "export const x = 2;\n");
    expect(codeHash(root, main)).not.toBe(before);
  });
});

describe("the catalogue", () => {
  const from = join(root, "data/samples/binance-usdm-btcusdt.jsonl.gz");
  const want = {
    files: [from],
    instrument: "BINANCE_USDM:BTCUSDT",
    instruments: "config/instruments.json",
    ...{ format: null, baseNs: 0, date: null },
  };

  it("keeps a data set once, checks it whole, and names what is damaged", async () => {
    const folder = join(dir, "data");
    const { entry, known } = await importSet(root, want, folder, "MIT");
    expect(known).toBe(false);
    expect((await importSet(root, want, folder, "MIT")).known).toBe(true);
    expect(readCatalogue(folder)).toEqual([entry]);
    expect(entry).toMatchObject({ licence: "MIT", instrument: "BINANCE_USDM:BTCUSDT" });
    // The collector's clock was slow by about 1.27 s.
    expect(entry.addedLatencyNs / 1e9).toBeCloseTo(1.27, 1);
    expect(verifySets(folder)).toMatchObject({ ok: true });
    const line = readFileSync(join(folder, "catalogue.jsonl"), "utf8");
    writeFileSync(join(folder, "catalogue.jsonl"), line.replace(/"trades":\d+/, '"trades":1'));
    expect(verifySets(folder).figures["faults"]).toHaveLength(1);
    writeFileSync(join(folder, "catalogue.jsonl"), line);
    const tape = readFileSync(join(folder, entry.file));
    tape[5_000] = (tape[5_000] ?? 0) ^ 1;
    writeFileSync(join(folder, entry.file), tape);
    expect(verifySets(folder)).toMatchObject({ ok: false });
    expect(String(verifySets(folder).figures["faults"])).toContain("damaged");
    writeFileSync(join(folder, "catalogue.jsonl"), "{}\n");
    expect(() => readCatalogue(folder)).toThrow("line 1: no data set");
    expect(verifySets(join(dir, "none"))).toMatchObject({ ok: false });
  });

  it("midnight in New York is four hours behind in June and five in January", () => {
    expect(midnightNs("2012-06-21")).toBe(BigInt(Date.UTC(2012, 5, 21, 4)) * 1_000_000n);
    expect(midnightNs("2013-01-02")).toBe(BigInt(Date.UTC(2013, 0, 2, 5)) * 1_000_000n);
    expect(() => midnightNs("21.6.2012")).toThrow("--date 21.6.2012");
  });
});
