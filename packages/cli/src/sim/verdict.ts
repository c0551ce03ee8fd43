import { type Check, check } from "../result.ts";

/** What the gateway says it holds, at the end, after the drain. Money in 1e-8 of its asset. */
export interface GatewayFacts {
  readonly intents: number;
  /** Orders neither terminal nor UNKNOWN with the exposure held and the missing evidence named. */
  readonly notTerminal: number;
  readonly fills: number;
  /** Signed lots by instrument id. */
  readonly positions: ReadonlyMap<number, bigint>;
  /** Net flow since the start, by "venue:asset". */
  readonly cash: ReadonlyMap<string, bigint>;
}

/** What the venue's own log says happened. */
export interface VenueFacts {
  readonly orders: number;
  /** Orders accepted beyond the first for one client order id. */
  readonly duplicates: number;
  readonly fills: number;
  readonly positions: ReadonlyMap<number, bigint>;
  readonly cash: ReadonlyMap<string, bigint>;
}

export interface WalFacts {
  readonly records: number;
  readonly marketEvents: number;
  readonly gapsUnaccounted: number;
  readonly gapsAccounted: number;
  readonly ok: boolean;
}

export interface RunFacts {
  readonly gateway: GatewayFacts;
  readonly venue: VenueFacts;
  readonly wal: WalFacts;
  /** Rows over all tables; null when the run had no ClickHouse. */
  readonly clickhouseRows: number | null;
  /** Distinct pids that were alive together. */
  readonly processes: number;
  readonly restarts: number;
  readonly restartsUnasked: number;
  readonly killsPlanned: number;
}

/** What a run was, as far as its bounds depend on it. */
export interface RunShape {
  /** Recorded minutes it traded. */
  readonly minutes: number;
  /** The shipped strategy on the shipped data: only of that is it known how much it must trade. */
  readonly shipped: boolean;
}

/** The run's verdict: the bounds that `hft run sim` is held to. */
export function verdict(facts: RunFacts, { minutes, shipped }: RunShape): Check[] {
  const { gateway, venue, wal } = facts;
  // A short smoke run has less market to see; the bounds for what must happen at all shrink with it, never to nothing.
  const atLeast = (perMinute: number): number => Math.floor(perMinute * Math.min(1, minutes));
  return [
    check("processes", facts.processes, "=", 8),
    ...(shipped
      ? [
          check("market_events", wal.marketEvents, ">", atLeast(5_000)),
          check("intents", gateway.intents, ">", atLeast(50)),
          check("orders", venue.orders, ">", atLeast(20)),
        ]
      : [check("market_events", wal.marketEvents, ">", 0)]),
    ...(shipped && minutes >= 0.5 ? [check("fills", venue.fills, ">", 0)] : []),
    check("duplicates_at_venue", venue.duplicates, "=", 0),
    check(
      "position_difference",
      Number(difference(gateway.positions, venue.positions)),
      "=",
      0,
      "lots",
    ),
    check("cash_difference", Number(difference(gateway.cash, venue.cash)), "=", 0, "1e-8"),
    check("fills_difference", Math.abs(gateway.fills - venue.fills), "=", 0),
    check("intents_not_terminal", gateway.notTerminal, "=", 0),
    check("gaps_unaccounted", wal.gapsUnaccounted, "=", 0),
    check("wal_faults", wal.ok ? 0 : 1, "=", 0),
    ...(facts.clickhouseRows === null
      ? []
      : [check("wal_minus_clickhouse_rows", wal.records - facts.clickhouseRows, "=", 0)]),
    facts.killsPlanned === 0
      ? check("restarts_unasked", facts.restartsUnasked, "=", 0)
      : check("restarts", facts.restarts, "=", facts.killsPlanned),
  ];
}

/** Σ |a − b| over the keys of both. */
export function difference<K>(a: ReadonlyMap<K, bigint>, b: ReadonlyMap<K, bigint>): bigint {
  let sum = 0n;
  for (const key of new Set([...a.keys(), ...b.keys()])) {
    const gap = (a.get(key) ?? 0n) - (b.get(key) ?? 0n);
    sum += gap < 0n ? -gap : gap;
  }
  return sum;
}
