/** Figures of a run's equity curve, fills and positions. Pure. */

import {
  annualReturn,
  annualVolatility,
  calmar,
  drawdowns,
  expectedShortfall,
  kurtosis,
  maxDrawdown,
  omega,
  profitFactor,
  returnsOf,
  sharpe,
  skewness,
  sortino,
  standardDeviation,
  sum,
  tailRatio,
  tStatistic,
  valueAtRisk,
} from "@tidegate/research";
import { FILL_DOUBLES, FillRow, SAMPLE_DOUBLES, SampleRow } from "@tidegate/rust-core";

const E8 = 1e8;
const DAY_NS = 86_400_000_000_000n;
/** Days of a year on which a market of each kind trades: years are counted in sessions. */
export function sessionsPerYear(kind: string): number {
  return kind === "equity" || kind === "future" || kind === "option" ? 252 : 365;
}

/** The whole account at one time; amounts of the settlement asset, profit from 0 on. */
export interface Point {
  readonly atNs: number;
  readonly profit: number;
  readonly fees: number;
  /** Value of all positions without their signs, at the middle of the touch. */
  readonly exposure: number;
}

/** What a lot is worth in the settlement asset at a price in ticks: positions for charts, not for money. */
export type Worth = (instrument: number, pxTicks: number, lots: number) => number;

/** The samples of all instruments at one time as one point, in order of time. */
export function pointsOf(samples: Float64Array, worth: Worth): Point[] {
  const points: { atNs: number; profit: number; fees: number; exposure: number }[] = [];
  for (let row = 0; row < samples.length; row += SAMPLE_DOUBLES) {
    const get = (place: number) => samples[row + place] ?? Number.NaN;
    const atNs = get(SampleRow.AT_NS);
    let point = points.at(-1);
    if (point?.atNs !== atNs) {
      point = { atNs, profit: 0, fees: 0, exposure: 0 };
      points.push(point);
    }
    const [bid, ask, position] = [get(SampleRow.BID), get(SampleRow.ASK), get(SampleRow.POSITION)];
    const px = bid > 0 && ask > 0 ? (bid + ask) / 2 : Math.max(bid, ask);
    point.profit += get(SampleRow.EQUITY_E8) / E8;
    point.fees += get(SampleRow.FEE_E8) / E8;
    if (position !== 0) point.exposure += worth(get(SampleRow.INSTRUMENT), px, Math.abs(position));
  }
  return points;
}

export interface InstrumentFigures {
  readonly instrument: number;
  readonly profit: number;
  readonly fees: number;
  readonly fills: number;
  readonly volumeLots: number;
  readonly turnover: number;
  readonly makerShare: number | null;
  readonly positionLotsMax: number;
}

/** What each instrument brought, from its own samples and fills. */
export function byInstrument(
  ids: readonly number[],
  samples: Float64Array,
  fills: Float64Array,
): InstrumentFigures[] {
  return ids.map((instrument) => {
    let [profit, fees, positionLotsMax] = [0, 0, 0];
    for (let row = 0; row < samples.length; row += SAMPLE_DOUBLES) {
      if (samples[row + SampleRow.INSTRUMENT] !== instrument) continue;
      profit = (samples[row + SampleRow.EQUITY_E8] ?? 0) / E8;
      fees = (samples[row + SampleRow.FEE_E8] ?? 0) / E8;
    }
    let [count, makers, volumeLots, turnover] = [0, 0, 0, 0];
    for (let row = 0; row < fills.length; row += FILL_DOUBLES) {
      if (fills[row + FillRow.INSTRUMENT] !== instrument) continue;
      count += 1;
      makers += fills[row + FillRow.MAKER] ?? 0;
      volumeLots += fills[row + FillRow.QTY] ?? 0;
      turnover += (fills[row + FillRow.VALUE_E8] ?? 0) / E8;
      positionLotsMax = Math.max(positionLotsMax, Math.abs(fills[row + FillRow.POSITION] ?? 0));
    }
    const makerShare = count === 0 ? null : makers / count;
    return {
      ...{ instrument, profit, fees, fills: count, volumeLots, turnover, makerShare },
      positionLotsMax,
    };
  });
}

/** The last point of each UTC day. */
function daily(points: readonly Point[], startNs: bigint): Point[] {
  const days = new Map<bigint, Point>();
  for (const point of points) days.set((startNs + BigInt(point.atNs)) / DAY_NS, point);
  return [...days.values()];
}

/** Figures of a series of returns in its own period; `null` where one is not defined. */
function figuresOf(returns: readonly number[]) {
  return {
    periods: returns.length,
    mean: returns.length === 0 ? null : sum(returns) / returns.length,
    deviation: standardDeviation(returns),
    sharpe: sharpe(returns, { periodsPerYear: 1 }),
    sortino: sortino(returns, { periodsPerYear: 1 }),
    tStatistic: tStatistic(returns),
    omega: omega(returns),
    skewness: skewness(returns),
    kurtosis: kurtosis(returns),
    valueAtRisk95: valueAtRisk(returns),
    expectedShortfall95: expectedShortfall(returns),
    tailRatio: tailRatio(returns),
    profitFactor: profitFactor(returns),
    hitRate: returns.some((each) => each !== 0)
      ? returns.filter((each) => each > 0).length / returns.filter((each) => each !== 0).length
      : null,
  };
}

/** A year's figures need days: `null` of fewer than two days' returns. */
function yearly(returns: readonly number[], periodsPerYear: number) {
  if (returns.length < 2) return null;
  const period = { periodsPerYear };
  return {
    annualReturn: annualReturn(returns, period),
    annualVolatility: annualVolatility(returns, period),
    sharpe: sharpe(returns, period),
    sortino: sortino(returns, period),
    calmar: calmar(returns, period),
  };
}

const WORST = 5;

/** All figures of a run. Returns are those of `capital` plus profit; a ruined run has none of them. */
export function metricsOf(
  points: readonly Point[],
  instruments: readonly InstrumentFigures[],
  capital: number,
  startNs: bigint,
  sessions: number,
) {
  const last = points.at(-1);
  const profit = last?.profit ?? 0;
  const fees = last?.fees ?? 0;
  const equity = points.map((point) => capital + point.profit);
  const ruined = equity.some((value) => value <= 0);
  const returns = ruined || equity.length < 2 ? [] : returnsOf(equity);
  const days = daily(points, startNs).map((point) => capital + point.profit);
  const dayReturns = ruined ? [] : returnsOf([capital, ...days]);
  const curve = points.map((point) => point.profit);
  const deepest = maxDrawdown(curve, { as: "amount" });
  const at = (index: number | null) => (index === null ? null : (points[index]?.atNs ?? null));
  const exposures = points.map((point) => point.exposure);
  return {
    profit,
    fees,
    profitBeforeFees: profit + fees,
    totalReturn: profit / capital,
    ruined,
    maxDrawdown: deepest?.depth ?? 0,
    maxDrawdownPart: ruined ? null : (maxDrawdown(equity)?.depth ?? 0),
    worstDrawdowns: drawdowns(curve, { as: "amount" })
      .sort((a, b) => b.depth - a.depth)
      .slice(0, WORST)
      .map(({ depth, peak, trough, recovery }) => {
        return { depth, fromNs: at(peak), deepestNs: at(trough), backNs: at(recovery) };
      }),
    exposureMean: exposures.length === 0 ? 0 : sum(exposures) / exposures.length,
    exposureMax: exposures.reduce((most, each) => Math.max(most, each), 0),
    timeInMarket:
      exposures.length === 0 ? 0 : exposures.filter((each) => each > 0).length / exposures.length,
    turnover: sum(instruments.map((each) => each.turnover)),
    fills: sum(instruments.map((each) => each.fills)),
    profitABp: (() => {
      const turnover = sum(instruments.map((each) => each.turnover));
      return turnover === 0 ? null : (profit / turnover) * 1e4;
    })(),
    perSample: figuresOf(returns),
    sessionsPerYear: sessions,
    perYear: yearly(dayReturns, sessions),
    byInstrument: instruments,
  };
}

export type Metrics = ReturnType<typeof metricsOf>;
