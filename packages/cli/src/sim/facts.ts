import { createClient } from "@clickhouse/client";
import { walVerify } from "@tidegate/rust-core";
import { venueTruth } from "@tidegate/venue-sim";
import type { GatewayFacts, VenueFacts, WalFacts } from "./verdict.ts";

/** What of the gateway's `/state` a run reads. Amounts are text in 1e-8 of their asset, sizes text in lots. */
export interface GatewayState {
  readonly intents: number;
  readonly fills: number;
  readonly commands: number;
  readonly nonTerminal: number;
  readonly unknown: number;
  /** Orders whose end says that more was filled than has been booked so far. */
  readonly awaitingFills: number;
  readonly journalSeq: number;
  readonly tier: string;
  /** Every order there was, by state. */
  readonly orders: Readonly<Record<string, number>>;
  readonly replies: Readonly<Record<string, number>>;
  readonly policy: { readonly state: string };
  readonly positions: readonly { readonly instrumentId: number; readonly positionLots: string }[];
  readonly cash: readonly {
    readonly venueId: number;
    readonly asset: string;
    readonly e8: string;
  }[];
  /** Reference price of each instrument as text, null where there is none. */
  readonly references: Readonly<Record<string, string | null>>;
}

function addTo<K>(into: Map<K, bigint>, key: K, amount: bigint): void {
  into.set(key, (into.get(key) ?? 0n) + amount);
}

/** Maps keep only what is not zero, so that "never traded" and "flat again" are the same. */
function withoutZeros<K>(map: Map<K, bigint>): Map<K, bigint> {
  for (const [key, value] of map) if (value === 0n) map.delete(key);
  return map;
}

export function gatewayFacts(state: GatewayState): GatewayFacts {
  const positions = new Map<number, bigint>();
  for (const each of state.positions)
    addTo(positions, each.instrumentId, BigInt(each.positionLots));
  const cash = new Map<string, bigint>();
  for (const each of state.cash) addTo(cash, `${each.venueId}:${each.asset}`, BigInt(each.e8));
  return {
    intents: state.intents,
    notTerminal: state.nonTerminal,
    fills: state.fills,
    positions: withoutZeros(positions),
    cash: withoutZeros(cash),
  };
}

/** Instrument and venue of each market of venue-sim, as config/instruments.json has them. */
export const MARKET_IDS = {
  spot: { instrument: 1, venue: 1 },
  usdm: { instrument: 2, venue: 2 },
} as const;

export function venueFacts(logPath: string): VenueFacts {
  const truth = venueTruth(logPath);
  if (truth.inconsistencies.length > 0) {
    throw new Error(
      `the venue's own log contradicts itself: ${truth.inconsistencies.slice(0, 3).join("; ")}`,
    );
  }
  const positions = new Map<number, bigint>();
  const cash = new Map<string, bigint>();
  for (const market of ["spot", "usdm"] as const) {
    const { instrument, venue } = MARKET_IDS[market];
    addTo(positions, instrument, truth.positionLots[market]);
    for (const [asset, amount] of Object.entries(truth.cashE8[market]))
      addTo(cash, `${venue}:${asset}`, amount);
  }
  return {
    orders: truth.orders.size,
    duplicates: truth.duplicates,
    fills: truth.fills.length,
    positions: withoutZeros(positions),
    cash: withoutZeros(cash),
  };
}

export function walFacts(dir: string): WalFacts {
  const report = walVerify(dir);
  let marketEvents = 0;
  for (const stream of report.streams)
    if (stream.name.startsWith("md.")) marketEvents += stream.data;
  return {
    records: report.records,
    marketEvents,
    gapsUnaccounted: report.gapsUnaccounted,
    gapsAccounted: report.gapsAccounted,
    ok: report.ok,
  };
}

/** Rows of all tables that hold WAL records. */
export async function clickhouseRows(url: string): Promise<number> {
  const client = createClient({ url, database: "tidegate" });
  try {
    const answer = await client.query({
      query:
        "SELECT sum(total_rows) AS rows FROM system.tables WHERE database = 'tidegate' AND name NOT IN ('wal_blocks', 'schema_migrations') AND engine LIKE '%MergeTree'",
      format: "JSONEachRow",
    });
    const [row] = await answer.json<{ rows: string | number | null }>();
    return Number(row?.rows ?? 0);
  } finally {
    await client.close();
  }
}
