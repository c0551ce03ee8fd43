import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  annualReturn,
  backtestOverfitting,
  bootstrapInterval,
  calmar,
  drawdowns,
  equityOf,
  expectedMaxSharpe,
  independentTrials,
  kurtosis,
  maxDrawdown,
  minTrackRecord,
  normalCdf,
  normalQuantile,
  optimalBlockLength,
  probabilisticSharpe,
  quantile,
  resample,
  returnsOf,
  sharpe,
  sortino,
  standardDeviation,
  sum,
  underwater,
  walkForward,
} from "./index.ts";

const daily = { periodsPerYear: 252 };
/** Returns of a market, to a millionth: squares of what is far smaller are lost in a double. */
const returns = fc.array(
  fc.integer({ min: -200_000, max: 200_000 }).map((millionths) => millionths / 1e6),
  { minLength: 2, maxLength: 60 },
);

describe("ratios", () => {
  it("what is not defined is null, never 0 or infinity", () => {
    expect(sharpe([], daily)).toBeNull();
    expect(sharpe([0.01], daily)).toBeNull();
    expect(sharpe(Array(50).fill(0.1), daily)).toBeNull();
    expect(standardDeviation([7])).toBeNull();
    expect(kurtosis([1, 1, 1])).toBeNull();
    expect(sortino([0.01, 0.02], daily)).toBeNull();
    expect(calmar([0.01, 0.02], daily)).toBeNull();
    expect(annualReturn([], daily)).toBeNull();
    expect(maxDrawdown([])).toBeNull();
    expect(annualReturn([0.5, -1, 0.5], daily)).toBe(-1);
  });

  it("sums keep what a plain sum loses", () => {
    expect(sum([1, 1e100, 1, -1e100])).toBe(2);
  });

  it("do not change with the size of the bets", () => {
    fc.assert(
      fc.property(returns, fc.double({ min: 0.1, max: 3, noNaN: true }), (all, scale) => {
        const [one, two] = [
          sharpe(all, daily),
          sharpe(
            all.map((each) => each * scale),
            daily,
          ),
        ];
        if (one === null || two === null) expect(two).toBe(one);
        else expect(Math.abs(one - two)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(one)));
      }),
    );
  });

  it("returns and equity are each other's inverse", () => {
    fc.assert(
      fc.property(returns, (all) => {
        const back = returnsOf(equityOf(all));
        for (const [at, each] of all.entries()) expect(back[at]).toBeCloseTo(each, 12);
      }),
    );
  });

  it("a return on nothing is refused with the place and the remedy", () => {
    expect(() => returnsOf([1, 0, 2])).toThrow(/equity 1 is 0: want amounts above 0; add the/);
  });

  it("a quantile lies on the line between its neighbours", () => {
    expect([0, 0.25, 0.5, 0.9, 1].map((part) => quantile([1, 2, 4], part))).toEqual([
      1, 1.5, 2, 3.6, 4,
    ]);
    expect(() => quantile([], 0.5)).toThrow(/at least one/);
  });
});

describe("drawdowns", () => {
  it("are told one by one, with the last open", () => {
    expect(drawdowns([4, 3, 4, 5, 1, 2], { as: "amount" })).toEqual([
      { peak: 0, trough: 1, recovery: 2, depth: 1, length: 2 },
      { peak: 3, trough: 4, recovery: null, depth: 4, length: 2 },
    ]);
  });

  it("of profit from 0 are amounts; parts of it are refused", () => {
    expect(maxDrawdown([0, 3, -1, 2], { as: "amount" })?.depth).toBe(4);
    expect(() => maxDrawdown([0, 3, -1])).toThrow(/equity 0 is 0: want amounts above 0/);
    expect(() => drawdowns([1, Number.NaN], { as: "amount" })).toThrow(/want numbers/);
  });

  it("the deepest is the lowest point under water", () => {
    fc.assert(
      fc.property(returns, (all) => {
        const curve = equityOf(all);
        expect(maxDrawdown(curve)?.depth).toBeCloseTo(Math.max(...underwater(curve)), 12);
      }),
    );
  });
});

describe("the deflated Sharpe ratio", () => {
  const record = { sharpe: 0.1, count: 500, skewness: -0.5, kurtosis: 6 };

  it("falls with every further try and is the probabilistic one after the first", () => {
    const benchmarks = [1, 2, 5, 50, 5_000].map((trials) => expectedMaxSharpe(0.001, trials));
    expect(benchmarks[0]).toBe(0);
    expect(benchmarks).toEqual(benchmarks.toSorted((a, b) => a - b));
    expect(() => expectedMaxSharpe(0.1, 0)).toThrow(/want at least 1/);
  });

  it("so many returns as asked for are just enough", () => {
    const count = minTrackRecord(record) ?? Number.NaN;
    expect(probabilisticSharpe({ ...record, count })).toBeCloseTo(0.95, 12);
    expect(minTrackRecord(record, { benchmark: 0.1 })).toBeNull();
  });

  it("moments no series has give none", () => {
    expect(probabilisticSharpe({ sharpe: 1, count: 10, skewness: 5, kurtosis: 1 })).toBeNull();
    expect(probabilisticSharpe({ ...record, count: 1 })).toBeNull();
  });

  it("tries that agree count as one", () => {
    expect([0, 0.5, 1, -0.2].map((each) => independentTrials(100, each))).toEqual([
      100, 50.5, 1, 100,
    ]);
  });

  it("the normal distribution and its quantile are each other's inverse in both tails", () => {
    fc.assert(
      fc.property(fc.double({ min: -30, max: 8, noNaN: true }), (x) => {
        const p = normalCdf(x);
        // Above 5 the distance from 1 has few digits left.
        if (p > 0 && x < 5) expect(normalQuantile(p)).toBeCloseTo(x, 8);
      }),
    );
    expect([0, 1, -0.1, Number.NaN].map(normalQuantile)).toEqual([
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      Number.NaN,
    ]);
  });
});

describe("backtest overfitting", () => {
  it("refuses what is no comparison, with the remedy", () => {
    const row = Array.from({ length: 40 }, (_, at) => Math.sin(at));
    expect(() => backtestOverfitting([row])).toThrow(/at least 2/);
    expect(() => backtestOverfitting([row, row.slice(1)], 4)).toThrow(/the same periods/);
    expect(() => backtestOverfitting([row, row], 5)).toThrow(/even number from 2 to 20/);
    expect(() => backtestOverfitting([row, row], 22)).toThrow(/even number from 2 to 20/);
    expect(() => backtestOverfitting([row, row])).not.toThrow();
    expect(() => backtestOverfitting([row.slice(20), row.slice(20)])).toThrow(/2 periods a block/);
  });

  it("a strategy that never trades is one among others, and the first rows make room", () => {
    const row = Array.from({ length: 41 }, (_, at) => Math.sin(at));
    const found = backtestOverfitting([row, row.map(() => 0)], 4);
    expect(found.leftOut).toBe(1);
    expect(found.logits.every(Number.isFinite)).toBe(true);
  });
});

describe("the bootstrap", () => {
  const series = Array.from({ length: 64 }, (_, at) => Math.sin(at / 3) + (at % 7) / 10);
  const plainMean = (values: readonly number[]) => sum(values) / values.length;

  it("circular blocks are whole and joined end to start", () => {
    const out = new Uint32Array(7);
    const draws = [0.9, 0.1];
    resample("circular", 5, 4, () => draws.shift() ?? 0, out);
    expect([...out]).toEqual([4, 0, 1, 2, 0, 1, 2]);
  });

  it("stationary blocks go on until a draw ends them", () => {
    const out = new Uint32Array(4);
    const draws = [0.99, 0.6, 0.2, 0.5, 0.6];
    resample("stationary", 5, 2, () => draws.shift() ?? 1, out);
    expect([...out]).toEqual([4, 0, 2, 3]);
  });

  it("the same seed gives the same interval, which holds the figure", () => {
    const one = bootstrapInterval(series, plainMean, { seed: 4, draws: 300 });
    expect(bootstrapInterval(series, plainMean, { seed: 4, draws: 300 })).toEqual(one);
    expect(one?.low).toBeLessThan(plainMean(series));
    expect(one?.high).toBeGreaterThan(plainMean(series));
    expect(bootstrapInterval(series, plainMean, { seed: 5, draws: 300 })).not.toEqual(one);
  });

  it("figures that are not defined are counted and left out", () => {
    let calls = 0;
    const every = () => (calls++ % 4 === 0 ? null : calls);
    expect(bootstrapInterval(series, every, { seed: 1, draws: 100 })?.undefinedDraws).toBe(25);
    expect(bootstrapInterval(series, () => null, { seed: 1, draws: 10 })).toBeNull();
    expect(bootstrapInterval([], plainMean, { seed: 1, draws: 10 })).toBeNull();
  });

  it("refuses draws, confidence and blocks out of range", () => {
    const bad = (options: object) => () =>
      bootstrapInterval(series, plainMean, { seed: 1, ...options });
    expect(bad({ draws: 0 })).toThrow(/1 to 1000000/);
    expect(bad({ confidence: 95 })).toThrow(/between 0 and 1/);
    expect(bad({ blockLength: 0.5 })).toThrow(/at least 1/);
  });

  it("blocks are longer where values hang together longer, and 1 where there is nothing to see", () => {
    let seed = 1;
    const noise = () => {
      seed = (seed * 16_807) % 2_147_483_647;
      return seed / 2_147_483_647 - 0.5;
    };
    const chain = (keep: number) => {
      let value = 0;
      return Array.from({ length: 400 }, () => (value = keep * value + noise()));
    };
    expect(optimalBlockLength(chain(0.9)).stationary).toBeGreaterThan(
      optimalBlockLength(chain(0.3)).stationary,
    );
    expect(optimalBlockLength([1, 2, 3])).toEqual({ stationary: 1, circular: 1 });
    expect(optimalBlockLength(Array(100).fill(0.1))).toEqual({ stationary: 1, circular: 1 });
  });
});

describe("walk-forward", () => {
  it("tests follow each other without holes, and nothing is fitted on what comes later", () => {
    const size = fc.integer({ min: 1, max: 20 });
    fc.assert(
      fc.property(size, size, fc.nat(5), fc.boolean(), (train, test, gap, anchored) => {
        const splits = walkForward({ length: 100, train, test, gap, anchored });
        for (const [at, each] of splits.entries()) {
          expect(each.trainTo + gap).toBe(each.testFrom);
          expect(each.trainTo - each.trainFrom).toBe(anchored ? train + at * test : train);
          expect(each.testFrom).toBe(splits[at - 1]?.testTo ?? train + gap);
          expect(each.testTo).toBeLessThanOrEqual(100);
        }
        expect((splits.at(-1)?.testTo ?? 0) + test).toBeGreaterThan(100);
      }),
    );
  });

  it("refuses what does not fit", () => {
    expect(() => walkForward({ length: 10, train: 8, test: 2, gap: 1 })).toThrow(/at least 11/);
    expect(() => walkForward({ length: 10, train: 0, test: 2 })).toThrow(/train 0/);
    expect(() => walkForward({ length: 10, train: 2, test: 2, gap: -1 })).toThrow(/gap -1/);
  });
});
