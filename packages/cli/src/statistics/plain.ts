/** Answers that need no statistics program: all cases counted, or a formula worked out on paper. */

import type * as Research from "@tidegate/research";
import { seededRandom } from "@tidegate/strategy-sdk";
import type { Comparisons } from "./compare.ts";

type Subject = typeof Research;

/** Draws of one interval. */
export const DRAWS = 40_000;
/** A figure from draws may be this many of its own standard errors off: once in two million times where all is well. */
const SIGMAS = 5;

const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** Variance of the mean over all 6³ resamples of six values in circular blocks of two. */
function everyResample(values: readonly number[]): { variance: number; means: number[] } {
  const means: number[] = [];
  const starts = values.map((_, at) => at);
  for (const a of starts)
    for (const b of starts)
      for (const c of starts)
        means.push(
          average([a, a + 1, b, b + 1, c, c + 1].map((at) => values[at % values.length] ?? 0)),
        );
  const center = average(means);
  return { variance: average(means.map((each) => (each - center) ** 2)), means };
}

/** Variance of a stationary resample's mean (Politis, Romano 1994, lemma 1). */
function stationaryVariance(values: readonly number[], blockLength: number): number {
  const [count, center, p] = [values.length, average(values), 1 / blockLength];
  const covariance = (lag: number) =>
    values
      .slice(lag)
      .reduce((all, value, at) => all + (value - center) * ((values[at] ?? 0) - center), 0) / count;
  let total = covariance(0);
  for (let lag = 1; lag < count; lag += 1) {
    // The covariances of lag and of count - lag both, as the series is joined end to start.
    total += 2 * (1 - lag / count) * (1 - p) ** lag * covariance(lag);
    total += 2 * (lag / count) * (1 - p) ** (count - lag) * covariance(lag);
  }
  return total / count;
}

/** A series whose values depend on the one before. */
export function dependent(length: number, seed: number): number[] {
  const random = seededRandom(seed);
  let value = 0;
  return Array.from({ length }, () => (value = 0.6 * value + random() - 0.5));
}

function resamples(subject: Subject, to: Comparisons, draws: number): void {
  to.group("plain: bootstrap");
  const six = [1, 4, 2, 8, 5, 7];
  const exact = everyResample(six);
  const six2 = subject.bootstrapInterval(six, subject.mean, {
    kind: "circular",
    blockLength: 2,
    draws,
    seed: 11,
  });
  const near = (value: number) => (SIGMAS * value) / Math.sqrt(2 * draws);
  const deviation = Math.sqrt(exact.variance);
  to.within("all 216 resamples", six2?.standardError ?? null, deviation, near(deviation));
  // A discrete distribution: an interval's end may lie on the step beside, and nowhere else.
  const sorted = exact.means.toSorted((a, b) => a - b);
  const step = (part: number) => [
    sorted[Math.floor((part - 0.005) * sorted.length)] ?? Number.NaN,
    sorted[Math.ceil((part + 0.005) * sorted.length)] ?? Number.NaN,
  ];
  for (const [name, part, got] of [
    ["low", 0.025, six2?.low],
    ["high", 0.975, six2?.high],
  ] as const) {
    const [from = Number.NaN, until = Number.NaN] = step(part);
    to.within(`its ${name} end`, got ?? null, (from + until) / 2, (until - from) / 2 + 1e-9);
  }
  const series = dependent(120, 5);
  for (const blockLength of [1, 4, 15]) {
    const want = Math.sqrt(stationaryVariance(series, blockLength));
    const got = subject.bootstrapInterval(series, subject.mean, {
      kind: "stationary",
      blockLength,
      draws,
      seed: 13,
    });
    to.within(`lemma 1, blocks of ${blockLength}`, got?.standardError ?? null, want, near(want));
  }
  const again = () =>
    subject.bootstrapInterval(series, subject.mean, { draws: 200, seed: 3 })?.low ?? null;
  to.same("the same seed again", again(), again(), 0);
}

/** Worst falls by looking at every pair of days. */
function falls(subject: Subject, to: Comparisons): void {
  to.group("plain: drawdown");
  for (let seed = 1; seed <= 20; seed += 1) {
    const curve = subject.equityOf(dependent(80, seed).map((each) => each / 20));
    let worst = 0;
    for (const [at, high] of curve.entries())
      for (const low of curve.slice(at)) worst = Math.max(worst, 1 - low / high);
    const found = subject.maxDrawdown(curve);
    to.same(`every pair of days, ${seed}`, found?.depth ?? null, worst);
    const days = subject
      .drawdowns(curve)
      .reduce(
        (all, { peak, recovery, length }) => all + (recovery ?? peak + length + 1) - peak - 1,
        0,
      );
    const under = curve.filter((value, at) => curve.slice(0, at).some((high) => high > value));
    to.same(`days below a high, ${seed}`, days, under.length, 0);
  }
}

/** Small enough to be worked out on paper. */
function byHand(subject: Subject, to: Comparisons): void {
  to.group("plain: by hand");
  // Mean 2 %, deviation 1 %.
  const once = { periodsPerYear: 1 };
  to.same("sharpe", subject.sharpe([0.01, 0.02, 0.03], once), 2);
  to.same("of four periods", subject.sharpe([0.01, 0.02, 0.03], { periodsPerYear: 4 }), 4);
  to.same("above 1 %", subject.sharpe([0.01, 0.02, 0.03], { ...once, target: 0.01 }), 1);
  to.same("none differs", subject.sharpe([0.01, 0.01, 0.01], once), null);
  to.same("skewness", subject.skewness([0, 0, 1]), Math.SQRT1_2);
  to.same("kurtosis", subject.kurtosis([-1, 1]), 1);
  const { peak, trough, recovery, depth, length } = subject.maxDrawdown([1, 2, 1, 1.5, 3]) ?? {};
  for (const [name, got, want] of [
    ["peak", peak, 1],
    ["trough", trough, 2],
    ["recovery", recovery, 4],
    ["depth", depth, 0.5],
    ["length", length, 3],
  ] as const)
    to.same(`drawdown ${name}`, got ?? null, want);
  // The first is better in every block: chosen always, and best outside too.
  const rows = Array.from({ length: 8 }, (_, at) => (at % 2 === 0 ? 1 : -1) / 100);
  const clear = [rows.map((each) => each + 0.05), rows, rows.map((each) => each - 0.05)];
  to.same("pbo of a clear best", subject.backtestOverfitting(clear, 4).pbo, 0);
  to.same("its splits", subject.backtestOverfitting(clear, 4).splits, 6);
  // 3 of 4 ranks: ln(0.75 / 0.25).
  to.same("its logit", subject.backtestOverfitting(clear, 4).logits[0] ?? null, Math.log(3));
}

/** Every plain model. */
export function plain(subject: Subject, to: Comparisons, draws = DRAWS): void {
  byHand(subject, to);
  resamples(subject, to, draws);
  falls(subject, to);
}
