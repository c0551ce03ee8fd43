/** `hft store verify`: whether stores hold the WAL, stream by stream, and table by table to the last byte. */

import { decodeEnvelope } from "@tidegate/contracts";
import {
  openRelational,
  openRepository,
  RELATIONAL_TABLES,
  type RelationalKind,
  type RelationalStore,
  type Repository,
} from "@tidegate/storage";
import {
  differences,
  openWal,
  readGroup,
  START,
  WalCount,
  type WalReader,
  walDigests,
  walUntil,
} from "@tidegate/wal-loader/load";
import { type Check, check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";
import { compare } from "./rebuild.ts";

export interface VerifyOptions {
  readonly wal: string;
  readonly clickhouse: string | null;
  readonly database: string | null;
  readonly until: { readonly walSeq?: number; readonly tsNs?: bigint };
  readonly say: (line: string) => void;
}

/** Counts, bounds and hashes per stream, and the content of each table. The WAL has to be at rest, or bounded by `until`. */
export async function verifyStores(options: VerifyOptions): Promise<Result> {
  const { say } = options;
  if (options.clickhouse === null && options.database === null)
    throw new UsageError("nothing to verify: want --clickhouse, --database or both");
  const wal = walUntil(openWal(options.wal), options.until);
  if (wal.first() === null)
    throw new UsageError(`--wal ${options.wal}: there is no segment; want the recorder's walDir`);
  say("reading the WAL");
  const wanted = await walDigests(wal, decodeEnvelope);
  const checks: Check[] = [];
  const found: Record<string, readonly string[]> = {};
  const prove = async (name: string, store: Repository | RelationalStore): Promise<void> => {
    say(`comparing ${name}`);
    const relational = "dialect" in store;
    const counted = countWal(wal, relational);
    const streams = differences(counted.counts(), await store.counts());
    const tables = await compare(store, relational ? wanted.relational : wanted.clickhouse);
    checks.push(
      check(`streams_unequal.${name}`, streams.found.length + streams.more, "=", 0),
      check(`tables_unequal.${name}`, tables.tables.length, "=", 0),
    );
    found[name] = [...streams.found, ...tables.tables.map((table) => `table ${table}`)];
    for (const line of streams.found) say(line);
    rows[name] = tables.rows;
  };
  const rows: Record<string, number> = {};
  if (options.clickhouse !== null) {
    await using store = openRepository(options.clickhouse);
    await prove("clickhouse", store);
  }
  if (options.database !== null) {
    await using store = openRelational(options.database);
    await prove(store.dialect, store);
  }
  return result("store verify", checks, { wal_records: wanted.records, rows, differences: found });
}

function countWal(wal: WalReader, relational: boolean): WalCount {
  const counted = new WalCount();
  let next = START.next;
  for (;;) {
    const group = readGroup(wal, { ...START, next });
    if (group === null) return counted;
    next = group.to;
    for (const { records } of group.blocks) {
      for (const record of records) {
        if (!relational) {
          counted.add(record);
          continue;
        }
        const decoded = decodeEnvelope(record.payload);
        const kind = decoded.ok ? decoded.envelope.payload.kind : null;
        if (kind === null || RELATIONAL_TABLES[kind as RelationalKind] !== undefined)
          counted.add(record);
      }
    }
  }
}
