import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type JobResult, Results } from "../sweep/results.ts";
import { bestOf, efficiency, type FoldOutcome, figuresOf, stitched } from "./stitch.ts";
import { parseWalk, walkForward } from "./walk.ts";
import { FOLDS_MAX, type Fold, foldsOf } from "./windows.ts";

const root = fileURLToPath(new URL("../../../../..", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "walk-"));
afterAll(() => rmSync(dir, { recursive: true }));

describe("windows", () => {
  const plan = { mode: "rolling", trainNs: 40, testNs: 10, stepNs: 10, embargoNs: 2 } as const;

  it("roll, or grow from the beginning, and a fold that does not fit is none", () => {
    expect(foldsOf(plan, 75)).toEqual([
      { trainFrom: 0, trainTo: 40, testFrom: 42, testTo: 52 },
      { trainFrom: 10, trainTo: 50, testFrom: 52, testTo: 62 },
      { trainFrom: 20, trainTo: 60, testFrom: 62, testTo: 72 },
    ]);
    const anchored = foldsOf({ ...plan, mode: "anchored" }, 75);
    expect(anchored.map(({ trainFrom, trainTo }) => [trainFrom, trainTo])).toEqual([
      [0, 40],
      [0, 50],
      [0, 60],
    ]);
    expect(foldsOf(plan, 52).length).toBe(1);
  });

  it("no train window reaches its test, no time is tried twice, nothing lies beyond the data", () => {
    const ns = fc.integer({ min: 1, max: 1_000 });
    fc.assert(
      fc.property(
        ns,
        ns,
        ns,
        fc.nat(50),
        fc.boolean(),
        fc.nat(20_000),
        (trainNs, testNs, more, embargoNs, rolling, extra) => {
          const mode = rolling ? "rolling" : "anchored";
          const stepNs = testNs + more;
          const spanNs = trainNs + embargoNs + testNs + Math.min(extra, stepNs * 900);
          let last = 0;
          for (const fold of foldsOf({ mode, trainNs, testNs, stepNs, embargoNs }, spanNs)) {
            expect(fold.trainTo + embargoNs).toBe(fold.testFrom);
            expect(fold.trainTo - fold.trainFrom).toBeGreaterThanOrEqual(trainNs);
            expect(fold.testFrom).toBeGreaterThanOrEqual(last);
            expect(fold.testTo).toBeLessThanOrEqual(spanNs);
            last = fold.testTo;
          }
        },
      ),
    );
  });

  it("what makes no walk is refused", () => {
    expect(() => foldsOf(plan, 51)).toThrow("one fold needs");
    expect(() => foldsOf({ ...plan, stepNs: 9 }, 100)).toThrow("would try the same time twice");
    expect(() => foldsOf({ ...plan, testNs: 0, stepNs: 0 }, 100)).toThrow("a time above 0");
    expect(() => foldsOf(plan, 52 + 10 * FOLDS_MAX)).toThrow(`want at most ${FOLDS_MAX}`);
    const text = (json: object) => JSON.stringify({ strategy: "simple-mm", ...json });
    const walk = { train: "60s", test: "20s" };
    expect(parseWalk("x.json", text({ walk })).plan.stepNs).toBe(20e9);
    expect(() => parseWalk("x.json", text({ walk, seeds: [1, 2] }))).toThrow("seeds: 2 of them");
    expect(() => parseWalk("x.json", text({ walk: { ...walk, test: "1 day" } }))).toThrow(
      "walk.test 1 day",
    );
    expect(() => parseWalk("x.json", text({ walk: { train: "60s" } }))).toThrow("walk.test");
  });
});

describe("what a walk comes to", () => {
  const fold: Fold = { trainFrom: 0, trainTo: 40, testFrom: 40, testTo: 50 };
  const of = (profit: number, sharpe: number | null, curve: readonly number[] = []): JobResult =>
    ({
      metrics: { profit, fills: 1, perSample: { sharpe } },
      equity: curve.map((value, at) => [at, value, 0, 0]),
    }) as unknown as JobResult;
  const outcome = (train: number, curve: readonly number[]): FoldOutcome => ({
    fold,
    train: of(train, 1),
    test: of(curve.at(-1) ?? 0, 1, curve),
  });

  it("is the tests one after the other; efficiency is profit by time, worked out by hand", () => {
    const outcomes = [
      outcome(8, [0, 1, 2]),
      { fold, train: null, test: null },
      outcome(4, [0, -1, 1]),
    ];
    expect(stitched(outcomes)).toEqual([0, 0, 1, 2, 2, 1, 3]);
    // 3 in 20 outside, 12 in 80 inside.
    expect(efficiency(outcomes)).toBeCloseTo(3 / 20 / (12 / 80), 12);
    expect(efficiency([outcome(-1, [0, 5])])).toBe(null);
    const figures = figuresOf(outcomes, [[of(1, 0.1)], [of(1, 0.3)]], 1_000);
    expect([figures.profit, figures.maxDrawdown, figures.foldsAside]).toEqual([3, 1, 1]);
    const one = figuresOf(outcomes, [[of(1, 0.1)]], 1_000);
    // More tries that scatter make the same record less sure.
    expect(figures.deflatedSharpe ?? 1).toBeLessThan(one.deflatedSharpe ?? 0);
  });

  it("the best is the first of the best, and a run without a trade says nothing", () => {
    expect(bestOf([of(1, 0.1), of(0, 0.3), of(9, 0.3)], "sharpe")).toBe(1);
    expect(bestOf([of(1, 0.1), of(0, 0.3), of(9, 0.3)], "profit")).toBe(2);
    expect(bestOf([of(1, null)], "sharpe")).toBe(null);
  });
});

describe("hft backtest walk-forward over the shipped sample", () => {
  const spec = join(dir, "walk.json");
  const json = {
    strategy: "simple-mm",
    data: [`2=${root}/data/samples/binance-usdm-btcusdt.jsonl.gz`],
    fees: ["2bp/5bp"],
    params: { edgeTicks: [0, 2], skewTicks: [1] },
    walk: { train: "50s", test: "25s", choose: "profit" },
  };
  writeFileSync(spec, JSON.stringify(json));
  const options = { out: join(dir, "out"), workers: 1, redis: null, plant: null };

  it("chooses inside, tries outside, and does nothing twice", async () => {
    const value = await walkForward(root, spec, options);
    expect(value.checks.filter(({ ok }) => !ok)).toEqual([]);
    const { folds, ran, profit } = value.figures as {
      folds: { testProfit: number; trainProfit: number; params: { edgeTicks: number } }[];
      ran: number;
      profit: number;
    };
    expect(folds.length).toBeGreaterThanOrEqual(2);
    expect(ran).toBe(folds.length * 3);
    expect(profit).toBeCloseTo(
      folds.reduce((sum, each) => sum + each.testProfit, 0),
      6,
    );
    const before = readFileSync(join(options.out, "walk.json"), "utf8");
    const again = await walkForward(root, spec, options);
    expect(again.figures["ran"]).toBe(0);
    expect(readFileSync(join(options.out, "walk.json"), "utf8")).toBe(before);
    // One result is taken away, as a kill would: it alone is made again, and comes out the same.
    const results = join(options.out, "results");
    const [gone = ""] = readdirSync(results);
    rmSync(join(results, gone));
    expect((await walkForward(root, spec, options)).figures["ran"]).toBe(1);
    expect(existsSync(join(results, gone))).toBe(true);
    expect(readFileSync(join(options.out, "walk.json"), "utf8")).toBe(before);
  }, 120_000);

  it("killed with its workers half way and taken up again, it comes to what one that nobody killed does", async () => {
    const wide = join(dir, "wide.json");
    const params = { edgeTicks: [0, 1, 2, 3, 4, 5], skewTicks: [0, 1, 2] };
    writeFileSync(wide, JSON.stringify({ ...json, params }));
    const [killed, whole] = [join(dir, "killed"), join(dir, "whole")];
    const main = join(root, "packages/cli/src/main.ts");
    const words = ["backtest", "walk-forward", wide, "--out", killed, "--workers", "1"];
    // A process group of its own, so that coordinator and worker die at one blow.
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", main, ...words],
      {
        detached: true,
        stdio: "ignore",
      },
    );
    const ended = once(child, "exit");
    const done = () => new Results(killed).log().filter(({ what }) => what === "done").length;
    while (done() < 5) await sleep(5);
    process.kill(-(child.pid ?? 0), "SIGKILL");
    await ended;
    const had = new Results(killed).all().size;
    const resumed = await walkForward(root, wide, { ...options, out: killed });
    const straight = await walkForward(root, wide, { ...options, out: whole });
    const total = straight.figures["ran"] as number;
    expect(had).toBeGreaterThanOrEqual(5);
    expect(had).toBeLessThan(total);
    expect(resumed.figures["ran"]).toBe(total - had);
    const text = (folder: string) => readFileSync(join(folder, "walk.json"), "utf8");
    expect(text(killed)).toBe(text(whole));
  }, 120_000);

  it("a planted leak shows: windows that saw their test are counted from their results", async () => {
    const value = await walkForward(root, spec, {
      ...options,
      out: join(dir, "leak"),
      plant: "leak",
    });
    const failed = value.checks.filter(({ ok }) => !ok).map(({ name }) => name);
    expect(failed).toEqual(["folds_that_saw_their_test"]);
    await expect(walkForward(root, spec, { ...options, plant: "x" })).rejects.toThrow("want leak");
  }, 120_000);
});
