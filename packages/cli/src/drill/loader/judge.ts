/** Whether a store has each record of a WAL once, counted by itself beside the completeness checker. */

import { decodeEnvelope } from "@tidegate/contracts";
import {
  DATABASE,
  QUARANTINE,
  RELATIONAL_TABLES,
  type RelationalKind,
  type RelationalStore,
  type Repository,
  TABLES,
  WAL_BLOCKS,
  WAL_TABLES,
} from "@tidegate/storage";
import { isCapture, openWal, readGroup, START, type WalReader } from "@tidegate/wal-loader/load";
import { verifyStores } from "../../store/verify.ts";

/** What of a WAL at rest each store has to have: the `wal_seq` of each record, and its blocks as `segment block`. */
export interface Wanted {
  readonly clickhouse: readonly string[];
  readonly relational: readonly string[];
  readonly blocks: readonly string[];
  readonly lastWalSeq: number;
}

export interface Found {
  readonly wanted: number;
  /** Rows beyond the first of a record or block. */
  readonly twice: number;
  readonly lost: number;
  /** Rows of what the WAL does not have. */
  readonly strange: number;
}

export async function wantedOf(walDir: string): Promise<Wanted> {
  const wal: WalReader = openWal(walDir);
  const [clickhouse, relational, blocks]: [string[], string[], string[]] = [[], [], []];
  let lastWalSeq = 0;
  let next = START.next;
  for (let group = readGroup(wal, { ...START, next }); group !== null; ) {
    for (const { segment, block, records } of group.blocks) {
      blocks.push(`${segment} ${block}`);
      for (const record of records) {
        lastWalSeq = record.walSeq;
        if (isCapture(record)) continue;
        clickhouse.push(String(record.walSeq));
        const decoded = decodeEnvelope(record.payload);
        const kind = decoded.ok ? (decoded.envelope.payload.kind as RelationalKind) : null;
        if (kind === null || RELATIONAL_TABLES[kind] !== undefined)
          relational.push(String(record.walSeq));
      }
    }
    next = group.to;
    await new Promise((turn) => setImmediate(turn));
    group = readGroup(wal, { ...START, next });
  }
  return { clickhouse, relational, blocks, lastWalSeq };
}

/** Holds what is there against what has to be there, each by its name. */
export function compareNames(wanted: readonly string[], there: readonly string[]): Found {
  const left = new Set(wanted);
  const known = new Set(wanted);
  let [twice, strange] = [0, 0];
  for (const name of there) {
    if (!known.has(name)) strange += 1;
    else if (!left.delete(name)) twice += 1;
  }
  return { wanted: wanted.length, twice, lost: left.size, strange };
}

async function clickhouseRows({ clickhouse, blocks }: Wanted, store: Repository): Promise<Found> {
  const union = [...Object.values(TABLES).map(({ name }) => name), QUARANTINE]
    .map((name) => `SELECT toString(wal_seq) AS name FROM ${DATABASE}.${name}`)
    .join(" UNION ALL ");
  const seqs = (await store.query(union)).map(({ name }) => String(name));
  const held = await store.query(
    `SELECT concat(toString(segment), ' ', toString(block)) AS name FROM ${DATABASE}.${WAL_BLOCKS}`,
  );
  const [rows, ofBlocks] = [
    compareNames(clickhouse, seqs),
    compareNames(
      blocks,
      held.map(({ name }) => String(name)),
    ),
  ];
  return {
    wanted: rows.wanted + ofBlocks.wanted,
    twice: rows.twice + ofBlocks.twice,
    lost: rows.lost + ofBlocks.lost,
    strange: rows.strange + ofBlocks.strange,
  };
}

async function relationalRows({ relational }: Wanted, store: RelationalStore): Promise<Found> {
  const union = WAL_TABLES.map(({ name }) => `SELECT wal_seq AS name FROM ${name}`).join(
    " UNION ALL ",
  );
  const seqs = (await store.query(union)).map(({ name }) => String(name));
  return compareNames(relational, seqs);
}

export interface Judged {
  readonly clickhouse: Found;
  readonly relational: Found;
  /** Streams and tables the completeness checker found unequal. */
  readonly unequal: number;
  readonly differences: readonly string[];
}

export interface Judging {
  readonly walDir: string;
  readonly clickhouseUrl: string;
  readonly databaseUrl: string;
  readonly clickhouse: Repository;
  readonly relational: RelationalStore;
}

/** Holds both stores, at rest, against the WAL: record by record, and by the completeness checker of `hft store verify`. */
export async function judge(judging: Judging, wanted: Wanted): Promise<Judged> {
  const { walDir, clickhouseUrl, databaseUrl, clickhouse, relational } = judging;
  const verified = await verifyStores({
    wal: walDir,
    clickhouse: clickhouseUrl,
    database: databaseUrl,
    until: {},
    say: () => {},
  });
  const differences = Object.values(
    verified.figures["differences"] as Readonly<Record<string, readonly string[]>>,
  ).flat();
  return {
    clickhouse: await clickhouseRows(wanted, clickhouse),
    relational: await relationalRows(wanted, relational),
    unequal: verified.checks.reduce((sum, { value }) => sum + value, 0),
    differences,
  };
}
