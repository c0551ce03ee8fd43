/** Recorded series beside what other people's programs made of them (`packages/research/golden`). */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type * as Research from "@tidegate/research";
import { UsageError } from "../sim/options.ts";
import type { Comparisons } from "./compare.ts";

type Subject = typeof Research;
const DAILY = 252;
const DRAWS = 20_000;
const SIGMAS = 5;

interface Series {
  readonly target: number;
  readonly column?: number;
  readonly sharpe: number;
  readonly sortino: number;
  readonly downsideDeviation: number;
  readonly annualVolatility: number;
  readonly annualReturn: number;
  readonly calmar: number;
  readonly tStatistic: number;
  readonly skewness: number;
  readonly kurtosis: number;
  readonly maxDrawdown: Research.Drawdown;
  readonly meanUnderwater: number;
  readonly probabilisticSharpe: number;
  readonly minTrackRecord: number;
  readonly blockLength: Readonly<Record<Research.Blocks, number>>;
}

interface Draws {
  readonly kind: Research.Blocks;
  readonly blockLength: number;
  readonly low: number;
  readonly high: number;
  readonly standardError: number;
}

export interface Reference {
  readonly made: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
  readonly portfolio: readonly Series[];
  readonly stocks: readonly Series[];
  readonly normal: {
    readonly cdf: readonly (readonly [number, number])[];
    readonly quantile: readonly (readonly [number, number])[];
  };
  readonly expectedMaxSharpe: readonly (readonly [number, number, number])[];
  readonly overfitting: readonly {
    readonly of: string;
    readonly blocks: number;
    readonly strategies: number;
    readonly periods: number;
    readonly pbo: number;
    readonly logits: readonly number[];
    readonly meanLogit: number;
    readonly slope: number;
    readonly lossProbability: number;
    readonly splits: number;
  }[];
  readonly noise: readonly (readonly number[])[];
  readonly bootstrap: {
    readonly draws: number;
    readonly mean: readonly Draws[];
    readonly sharpe: readonly Draws[];
  };
  readonly walkForward: readonly {
    readonly length: number;
    readonly count: number;
    readonly test: number;
    readonly gap: number;
    readonly longest: number | null;
    readonly splits: readonly (readonly [number, number, number, number])[];
  }[];
}

/** What was recorded of one portfolio, and of twenty-three stocks. */
export interface Recorded {
  /** Daily returns as the portfolio's own program wrote them. */
  readonly returns: ReadonlyMap<string, number>;
  /** Value of the positions and cash at the end of each day. */
  readonly equity: ReadonlyMap<string, number>;
  /** Sum of the positions' absolute values over equity. */
  readonly leverage: ReadonlyMap<string, number>;
  readonly gross: ReadonlyMap<string, number>;
  /** Daily returns by column. */
  readonly stocks: readonly (readonly number[])[];
}

const lines = (text: string) => text.trim().split("\n");
const cells = (line: string) => line.split(",");

/** Reads the recorded files; those that figures were made from must be the very same. */
export function readRecorded(data: string, files: Reference["files"]): Recorded {
  const read = (name: string): string => {
    const path = join(data, "portfolio-accounting", name);
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (cause) {
      throw new UsageError(`${path}: ${(cause as Error).message}; want the reference data`);
    }
    const wanted = files[name];
    const hash = createHash("sha256").update(bytes).digest("hex");
    if (wanted !== undefined && hash !== wanted) {
      throw new UsageError(`${path}: its sha256 is ${hash}, want ${wanted}: get the data again`);
    }
    return gunzipSync(bytes).toString();
  };
  const series = (name: string) =>
    new Map(lines(read(name)).map((line) => [cells(line)[0] ?? "", Number(cells(line)[1])]));
  const days = lines(read("test_pos_to_2007.csv.gz")).slice(1).map(cells);
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  // Without a position the cell is empty.
  const values = new Map(days.map(([day = "", ...row]) => [day, row.map(Number)]));
  const prices = lines(read("stock_prices.csv.gz"))
    .slice(1)
    .map((line) => cells(line).slice(1));
  const width = prices[0]?.length ?? 0;
  const columns = Array.from({ length: width }, (_, at) =>
    prices.map((row) => (row[at] === "" || row[at] === undefined ? Number.NaN : Number(row[at]))),
  );
  return {
    returns: series("test_returns_to_2007.csv.gz"),
    leverage: series("test_gross_lev_to_2007.csv.gz"),
    equity: new Map([...values].map(([day, row]) => [day, sum(row)])),
    gross: new Map(
      [...values].map(([day, row]) => [day, sum(row.slice(0, -1).map(Math.abs)) / sum(row)]),
    ),
    stocks: columns.map((column) =>
      column.slice(1).map((price, at) => price / (column[at] ?? Number.NaN) - 1),
    ),
  };
}

function series(subject: Subject, to: Comparisons, name: string, returns: number[], want: Series) {
  const period = { periodsPerYear: DAILY, target: want.target };
  const curve = subject.equityOf(returns);
  const deep = subject.maxDrawdown(curve);
  const record = {
    sharpe: subject.sharpe(returns, { periodsPerYear: 1 }) ?? Number.NaN,
    count: returns.length,
    skewness: subject.skewness(returns) ?? Number.NaN,
    kurtosis: subject.kurtosis(returns) ?? Number.NaN,
  };
  const blocks = subject.optimalBlockLength(returns);
  const figures: readonly (readonly [string, number | null, number | null])[] = [
    ["sharpe", subject.sharpe(returns, period), want.sharpe],
    ["sortino", subject.sortino(returns, period), want.sortino],
    ["downside", subject.downsideDeviation(returns, period), want.downsideDeviation],
    ["volatility", subject.annualVolatility(returns, period), want.annualVolatility],
    ["yearly", subject.annualReturn(returns, period), want.annualReturn],
    ["calmar", subject.calmar(returns, period), want.calmar],
    ["t", subject.tStatistic(returns), want.tStatistic],
    ["skewness", record.skewness, want.skewness],
    ["kurtosis", record.kurtosis, want.kurtosis],
    ["drawdown", deep?.depth ?? null, want.maxDrawdown.depth],
    ["its peak", deep?.peak ?? null, want.maxDrawdown.peak],
    ["its trough", deep?.trough ?? null, want.maxDrawdown.trough],
    ["its recovery", deep?.recovery ?? null, want.maxDrawdown.recovery],
    ["its length", deep?.length ?? null, want.maxDrawdown.length],
    ["underwater", subject.mean(subject.underwater(curve)), want.meanUnderwater],
    ["PSR", subject.probabilisticSharpe(record), want.probabilisticSharpe],
    [
      "MinTRL",
      subject.minTrackRecord(record),
      // Of a ratio that is not above 0 no length is enough; the reference squares the sign away.
      record.sharpe > 0 ? want.minTrackRecord : null,
    ],
    ["stationary block", blocks.stationary, Math.max(1, want.blockLength.stationary)],
    ["circular block", blocks.circular, Math.max(1, want.blockLength.circular)],
  ];
  for (const [figure, got, wanted] of figures) to.same(`${name} ${figure}`, got, wanted);
}

function accounting(subject: Subject, to: Comparisons, recorded: Recorded): void {
  to.group("recorded: equity to returns");
  const days = [...recorded.equity.keys()];
  const returns = subject.returnsOf([...recorded.equity.values()]);
  for (const [at, got] of returns.entries()) {
    const day = days[at + 1] ?? "";
    const want = recorded.returns.get(day);
    if (want !== undefined) to.within(day, got, want, 1e-12);
  }
  to.group("recorded: leverage");
  for (const [day, got] of recorded.gross) {
    const want = recorded.leverage.get(day);
    if (want !== undefined) to.within(day, got, want, 1e-6);
  }
}

function overfitting(
  subject: Subject,
  to: Comparisons,
  matrix: (periods: number) => readonly (readonly number[])[],
  reference: Reference,
  of: string,
) {
  to.group("programs: overfitting");
  for (const want of reference.overfitting.filter((each) => each.of === of)) {
    const got = subject.backtestOverfitting(matrix(want.periods), want.blocks);
    const name = `${want.strategies} strategies, ${want.blocks} blocks:`;
    to.same(`${name} splits`, got.splits, want.splits, 0);
    to.same(`${name} pbo`, got.pbo, want.pbo, 0);
    to.same(`${name} loss`, got.lossProbability, want.lossProbability, 0);
    to.same(`${name} slope`, got.degradation.slope, want.slope);
    to.same(`${name} mean logit`, subject.mean(got.logits), want.meanLogit);
    const sorted = got.logits.toSorted((a, b) => a - b);
    for (const [at, logit] of want.logits.entries())
      to.same(`${name} logit ${at} %`, subject.quantile(sorted, at / 100), logit);
  }
}

function intervals(
  subject: Subject,
  to: Comparisons,
  returns: readonly number[],
  reference: Reference,
) {
  to.group("programs: bootstrap");
  const figures = {
    mean: subject.mean,
    sharpe: (values: number[]) => subject.sharpe(values, { periodsPerYear: 1 }),
  };
  for (const figure of ["mean", "sharpe"] as const) {
    for (const want of reference.bootstrap[figure]) {
      const { kind, blockLength } = want;
      const options = { kind, blockLength, draws: DRAWS, seed: 17 };
      const got = subject.bootstrapInterval(returns, figures[figure], options);
      // Both are of draws. The error of a 2.5 % quantile of n normal draws is 2.67 deviations / √n, that of a deviation 1 / √2n.
      const both =
        Math.sqrt(1 / DRAWS + 1 / reference.bootstrap.draws) * SIGMAS * want.standardError;
      const name = `${figure}, ${kind}:`;
      to.within(`${name} low`, got?.low ?? null, want.low, 2.67 * both);
      to.within(`${name} high`, got?.high ?? null, want.high, 2.67 * both);
      to.within(`${name} error`, got?.standardError ?? null, want.standardError, both);
    }
  }
}

function splits(subject: Subject, to: Comparisons, reference: Reference): void {
  to.group("programs: walk-forward");
  for (const { length, count, test, gap, longest, splits: wanted } of reference.walkForward) {
    // The reference counts its tests from the end; what lies before the first training range is left out here.
    const before = length - count * test - gap;
    const train = longest ?? before;
    const found = subject.walkForward({
      length: length - (before - train),
      train,
      test,
      gap,
      anchored: longest === null,
    });
    const name = `${length} in ${count} tests of ${test}, gap ${gap}, ${longest ?? "all"}:`;
    to.same(`${name} splits`, found.length, wanted.length, 0);
    for (const [at, want] of wanted.entries()) {
      const { trainFrom, trainTo, testFrom, testTo } = found[at] ?? {};
      for (const [edge, got] of [trainFrom, trainTo, testFrom, testTo].entries())
        to.same(
          `${name} ${at}.${edge}`,
          got === undefined ? null : got + before - train,
          want[edge] ?? null,
          0,
        );
    }
  }
}

/** What other programs gave that needs no recorded file. */
export function programFigures(subject: Subject, to: Comparisons, reference: Reference): void {
  to.group("programs: normal distribution");
  for (const [x, want] of reference.normal.cdf) to.same(`P(Z ≤ ${x})`, subject.normalCdf(x), want);
  for (const [p, want] of reference.normal.quantile)
    to.same(`quantile ${p}`, subject.normalQuantile(p), want);
  to.group("programs: expected maximum");
  for (const [trials, variance, want] of reference.expectedMaxSharpe)
    to.same(`${trials} tries`, subject.expectedMaxSharpe(variance, trials), want);
  splits(subject, to, reference);
  overfitting(subject, to, () => reference.noise, reference, "noise");
}

/** What was recorded, and what other programs made of it. */
export function recordedFigures(
  subject: Subject,
  to: Comparisons,
  recorded: Recorded,
  reference: Reference,
): void {
  accounting(subject, to, recorded);
  const returns = [...recorded.returns.values()];
  to.group("programs: portfolio");
  for (const want of reference.portfolio)
    series(subject, to, `target ${want.target}:`, returns, want);
  to.group("programs: stocks");
  const [periods = 0] = reference.overfitting.map((each) => each.periods);
  const stocks = reference.stocks.map(({ column = 0 }) => recorded.stocks[column] ?? []);
  for (const [at, want] of reference.stocks.entries())
    series(subject, to, `stock ${want.column}:`, (stocks[at] ?? []).slice(-periods), want);
  const latest = (count: number) => stocks.map((each) => each.slice(-count));
  overfitting(subject, to, latest, reference, "stocks");
  intervals(subject, to, returns, reference);
}
