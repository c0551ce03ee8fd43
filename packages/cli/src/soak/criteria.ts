/** What a session of paper trading is held to, and what all of them together come to. Pure. */

import type { VenueTruth } from "@tidegate/venue-sim";
import { type Check, check } from "../result.ts";

/**
 * Refusals that need no explanation of a person: what a market, a start or an end does by itself. Any other code is a finding
 * until somebody has said in the flags that it is known.
 */
export const EXPLAINED: readonly string[] = [
  "OK",
  // A cancel that meets an order which has just ended.
  "UNKNOWN_ORDER",
  // While the cluster starts: no session with the venue, no price, orders not yet known.
  "VENUE_UNREACHABLE",
  "NO_REFERENCE_PRICE",
  "STARTUP_HOLDOFF",
  // Our own resting order stands in the way, or a later command took its place.
  "SELF_MATCH",
  "SUPERSEDED",
  // The drain at the end.
  "HALT",
];

/** A position as the gateway tells it, money in 1e-8 of the quote asset. */
export interface BookRow {
  readonly instrumentId: number;
  readonly openCostE8: string;
  readonly realisedE8: string;
}

/** What is known of one session after it. */
export interface SessionFacts {
  readonly name: string;
  /** The run's own checks, as `hft run paper` makes them. */
  readonly run: readonly Check[];
  /** Those of the captured session decided once more. */
  readonly parity: readonly Check[];
  /** How often each answer was given. */
  readonly replies: Readonly<Record<string, number>>;
  readonly orderStates: Readonly<Record<string, number>>;
  readonly books: readonly BookRow[];
  readonly fills: VenueTruth["fills"];
  /** Instrument of each market of the venue. */
  readonly instruments: Readonly<Record<string, number>>;
  /** Cases that nobody has signed, with their kind. */
  readonly cases: readonly string[];
  readonly tickToWireUsP99: number | null;
}

export interface Budget {
  readonly tickToWireUsP99: number;
  readonly explained: readonly string[];
}

/** One session's verdict. */
export interface SessionVerdict {
  readonly name: string;
  readonly verdict: "GO" | "NO-GO";
  readonly checks: readonly Check[];
  readonly why: readonly string[];
  readonly unexplained: Readonly<Record<string, number>>;
  readonly cases: readonly string[];
}

/** Checks of the run that say whether both sides agree. */
const RECONCILED = ["position_difference", "cash_difference", "fills_difference"];

/**
 * Profit less cash, in 1e-8: Σ over instruments of |realised − open cost − cash of the trades|. The cash is the venue's, out of its log
 * by plain sums; realised and open cost are the gateway's. Both sides leave the fees out; those are in `cash_difference`.
 */
export function pnlMinusCashE8({
  books,
  fills,
  instruments,
}: Pick<SessionFacts, "books" | "fills" | "instruments">): bigint {
  const gap = new Map<number, bigint>();
  const add = (id: number, by: bigint): void => void gap.set(id, (gap.get(id) ?? 0n) + by);
  for (const { instrumentId, realisedE8, openCostE8 } of books)
    add(instrumentId, BigInt(realisedE8) - BigInt(openCostE8));
  for (const { market, side, notionalE8 } of fills)
    add(instruments[market] ?? -1, side === "BUY" ? notionalE8 : -notionalE8);
  return [...gap.values()].reduce((sum, each) => sum + (each < 0n ? -each : each), 0n);
}

/** The named criteria of one session. */
export function judgeSession(facts: SessionFacts, budget: Budget): SessionVerdict {
  const broken = (checks: readonly Check[], of: (name: string) => boolean): number =>
    checks.filter(({ name, ok }) => of(name) && !ok).length;
  const unexplained = Object.fromEntries(
    Object.entries(facts.replies).filter(
      ([reason, count]) => count > 0 && ![...EXPLAINED, ...budget.explained].includes(reason),
    ),
  );
  const rejects = Object.values(unexplained).reduce((sum, count) => sum + count, 0);
  const known = facts.run.filter(({ name }) => RECONCILED.includes(name)).length;
  const checks = [
    // A check that was not made is as bad as one that failed.
    check(
      "reconciliation_breaks",
      broken(facts.run, (name) => RECONCILED.includes(name)) + RECONCILED.length - known,
      "=",
      0,
    ),
    check("cases_unsigned", facts.cases.length, "=", 0),
    check(
      "invariants_violated",
      broken(facts.run, (name) => !RECONCILED.includes(name)),
      "=",
      0,
    ),
    check("rejects_unexplained", rejects, "=", 0),
    check("orders_unknown", facts.orderStates["UNKNOWN"] ?? 0, "=", 0),
    check(
      "tick_to_wire_us_p99",
      facts.tickToWireUsP99 ?? Number.NaN,
      "<=",
      budget.tickToWireUsP99,
      "µs",
    ),
    check("pnl_minus_cash", Number(pnlMinusCashE8(facts)), "=", 0, "1e-8"),
    check("fills", facts.fills.length, ">", 0),
    check(
      "parity_unequal",
      facts.parity.length === 0 ? Number.NaN : broken(facts.parity, () => true),
      "=",
      0,
    ),
  ];
  const failed = checks.filter(({ ok }) => !ok);
  const inside = [...facts.run, ...facts.parity].filter(({ ok }) => !ok);
  return {
    name: facts.name,
    verdict: failed.length === 0 ? "GO" : "NO-GO",
    checks,
    why: [...failed, ...inside].map(
      ({ name, value, op, bound, unit }) =>
        `${name} is ${Number.isNaN(value) ? "not known" : value}${unit === "" ? "" : ` ${unit}`}, want ${op} ${bound}${name === "rejects_unexplained" ? ` (${Object.keys(unexplained).join(", ")})` : ""}`,
    ),
    unexplained,
    cases: facts.cases,
  };
}

/** The soak's checks: every criterion over all sessions, by its worst; and how many sessions there were. */
export function judgeSoak(sessions: readonly SessionVerdict[], sessionsMin: number): Check[] {
  const names = [...new Set(sessions.flatMap(({ checks }) => checks.map(({ name }) => name)))];
  const worst = names.flatMap((name) => {
    const all = sessions.flatMap(({ checks }) => checks.filter((each) => each.name === name));
    const [first = null, ...rest] = all;
    if (first === null) return [];
    const pick = rest.reduce((at, each) => (at.ok && !each.ok ? each : at), first);
    return [pick];
  });
  return [
    check("sessions", sessions.length, ">=", sessionsMin),
    check("sessions_no_go", sessions.filter(({ verdict }) => verdict !== "GO").length, "=", 0),
    ...worst,
  ];
}
