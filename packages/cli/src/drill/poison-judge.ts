/** What the rounds of the poison drill come to. Pure. */

import { type Check, check } from "../result.ts";

export const GROWTH_PERCENT_MAX = 25;
export const PAIRS_MIN = 11;

export interface Round {
  readonly name: string;
  /** The neighbour's event-to-intent time with a well-behaved strategy beside it and with the poisoned one, p99, us. */
  readonly cleanP99Us: number;
  readonly poisonedP99Us: number;
  /** Intents of the neighbour that were measured, the fewer of both. */
  readonly samples: number;
  /** Looks at the gateway, and those at which it was not well. */
  readonly looks: number;
  readonly unwell: number;
  /** Intents of the neighbour that the gateway refused, clean and poisoned: the market makes some, whoever is beside. */
  readonly refused: readonly [number, number];
  /** Null where the deed is one that ends nothing; else whether it was stopped and its orders gone in time. */
  readonly stopped: boolean | null;
  readonly stoppedMs: number;
  /** Ways out that were tried, and those that were open. */
  readonly ways: number;
  /** The deed was to try them and did not come to it. */
  readonly untried: boolean;
  readonly escapes: readonly string[];
}

export function p99(sorted: readonly number[]): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * 0.99) - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[middle - 1], sorted[middle]];
  if (high === undefined) return Number.NaN;
  return sorted.length % 2 === 1 ? high : ((low ?? high) + high) / 2;
}

export const growthPercent = ({ cleanP99Us, poisonedP99Us }: Round): number =>
  (poisonedP99Us / cleanP99Us - 1) * 100;

/**
 * The checks of the drill and their figures.
 *
 * Units  growth in percent of the clean round's p99, the median over all pairs; that of each case is a figure beside it
 * Errors  fewer than `pairsMin` pairs fail by their count
 */
export function judge(
  rounds: readonly Round[],
  pairsMin: number,
): { readonly checks: readonly Check[]; readonly figures: Readonly<Record<string, unknown>> } {
  const names = [...new Set(rounds.map(({ name }) => name))];
  const of = (name: string) => rounds.filter((each) => each.name === name);
  const growth = Object.fromEntries(
    names.map((name) => [name, median(of(name).map(growthPercent))]),
  );
  const must = rounds.filter(({ stopped }) => stopped !== null);
  const escapes = rounds.flatMap((round) => round.escapes.map((way) => `${round.name}: ${way}`));
  const sum = (value: (round: Round) => number) =>
    rounds.reduce((all, each) => all + value(each), 0);
  const checks = [
    check(
      "neighbour_p99_growth_percent",
      median(rounds.map(growthPercent)),
      "<=",
      GROWTH_PERCENT_MAX,
      "%",
    ),
    check("neighbour_p99_growth_percent_of", rounds.length, ">=", pairsMin),
    check(
      "gateway_affected",
      sum(({ unwell }) => unwell),
      "=",
      0,
    ),
    check(
      "gateway_affected_of",
      sum(({ looks }) => looks),
      ">=",
      rounds.length,
    ),
    check("not_stopped_in_bound", must.filter(({ stopped }) => stopped === false).length, "=", 0),
    check("not_stopped_in_bound_of", must.length, ">=", 1),
    check("escapes", escapes.length, "=", 0),
    check("deeds_not_done", rounds.filter(({ untried }) => untried).length, "=", 0),
    check(
      "escapes_of",
      sum(({ ways }) => ways),
      ">=",
      1,
    ),
  ];
  const figures = {
    growth_percent_by_case: growth,
    clean_p99_us: Object.fromEntries(names.map((n) => [n, of(n).map((r) => r.cleanP99Us)])),
    poisoned_p99_us: Object.fromEntries(names.map((n) => [n, of(n).map((r) => r.poisonedP99Us)])),
    neighbour_refused: rounds.map(({ refused }) => refused),
    samples_least: Math.min(...rounds.map(({ samples }) => samples)),
    stopped_ms: Object.fromEntries(
      names
        .filter((n) => of(n).some(({ stopped }) => stopped !== null))
        .map((n) => [n, of(n).map(({ stoppedMs }) => Math.round(stoppedMs))]),
    ),
    escapes,
  };
  return { checks, figures };
}
