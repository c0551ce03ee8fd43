/** The relational side of the recording as its users see it, whichever store keeps it. */

import { RECORD_YEARS_MIN } from "../limits.ts";
import type { StreamCount } from "../repository.ts";
import {
  type ColumnShape,
  type Digest,
  type QueryParams,
  type QueryRow,
  StoreError,
} from "../store.ts";
import type { AuditRow, QuarantineRow, RecordRow } from "../tables.ts";
import type { Dialect } from "./migrations.ts";
import {
  APPEND_ONLY,
  RELATIONAL_TABLES,
  type RelationalKind,
  type RelationalTable,
} from "./tables.ts";

/** How far the WAL is in: the last record, and where the block after it begins. */
export interface LoadPosition {
  readonly walSeq: number;
  readonly segment: number;
  /** In bytes. */
  readonly offset: number;
}

/** A piece of the WAL, whole: what of it is kept relationally, and where it ends. */
export interface Batch {
  /** First record of the piece, kept or not. */
  readonly firstWalSeq: number;
  readonly to: LoadPosition;
  readonly records: readonly RecordRow[];
  readonly quarantined: readonly QuarantineRow[];
}

/** Orders, fills, positions, commands, reports, limits and audit in a relational store. Calls reject when it does not answer. */
export interface RelationalStore extends AsyncDisposable {
  readonly dialect: Dialect;
  /**
   * Brings the schema to a version, the newest if none is given, up or down, each step in one transaction.
   *
   * Errors  StoreError for a store that a later version made
   */
  migrate(to?: number): Promise<void>;
  /** The version in force; 0 for an empty store. */
  version(): Promise<number>;
  position(): Promise<LoadPosition>;
  /**
   * Brings a piece of the WAL in, in one transaction with the position after it; `held` when it is in already.
   *
   * Errors  StoreError when records between the position and the piece are missing, or the batch is over its bound
   */
  insert(batch: Batch): Promise<"inserted" | "held">;
  /** Appends records of the audit chain; those that are held already are left out. Gives how many went in. */
  appendAudit(rows: readonly AuditRow[]): Promise<number>;
  columns(): Promise<readonly ColumnShape[]>;
  digest(table: string): Promise<Digest>;
  /** Rows, bounds and hash per stream over every table of records. */
  counts(): Promise<readonly StreamCount[]>;
  /** Answers a query; `:name` in it is a parameter. Integers come as bigint. */
  query(sql: string, params?: QueryParams): Promise<readonly QueryRow[]>;
  /** Runs a statement that answers nothing. */
  command(sql: string): Promise<void>;
  /**
   * Gives up the rows of append-only tables before a time, in ns since the Unix epoch; whole partitions where there are
   * some. Gives how many rows went.
   *
   * Errors  StoreError for a time within the years records have to be kept
   */
  retain(beforeNs: bigint, nowNs: bigint): Promise<number>;
  /** Names of the partitions there are; none in a store without them. */
  partitions(): Promise<readonly string[]>;
}

const NS_PER_YEAR = 366n * 86_400n * 1_000_000_000n;

/** The latest time before which rows may go. */
export function retentionBound(nowNs: bigint): bigint {
  return nowNs - BigInt(RECORD_YEARS_MIN) * NS_PER_YEAR;
}

/** @throws StoreError for a time within the years of the law */
export function checkRetention(store: string, beforeNs: bigint, nowNs: bigint): void {
  const bound = retentionBound(nowNs);
  if (beforeNs <= bound) return;
  throw new StoreError(
    store,
    `rows before ${beforeNs} ns were to go`,
    `want a time of at most ${bound} ns: records are kept ${RECORD_YEARS_MIN} years`,
  );
}

/** @throws TypeError for a name that is no table of records */
export function appendOnlyTable(name: string): RelationalTable<never> {
  const table = APPEND_ONLY.find((each) => each.name === name);
  if (table === undefined) throw new TypeError(`there is no table ${JSON.stringify(name)}`);
  return table;
}

/** The rows of a batch by table, those at or below `after` left out; quarantine last. */
export function byTable(
  batch: Batch,
  after: number,
): Map<RelationalTable<never>, readonly (RecordRow | QuarantineRow)[]> {
  const all = new Map<RelationalTable<never>, (RecordRow | QuarantineRow)[]>();
  const put = (table: RelationalTable<never>, row: RecordRow | QuarantineRow): void => {
    if (row.place.walSeq <= after) return;
    const rows = all.get(table);
    if (rows === undefined) all.set(table, [row]);
    else rows.push(row);
  };
  for (const row of batch.records) {
    const table = RELATIONAL_TABLES[row.envelope.payload.kind as RelationalKind];
    if (table === undefined) throw new TypeError(`no table for ${row.envelope.payload.kind}`);
    put(table, row);
  }
  const quarantine = appendOnlyTable("quarantine");
  for (const row of batch.quarantined) put(quarantine, row);
  return all;
}

/** @throws StoreError for a hole before the batch */
export function checkFollows(store: string, held: LoadPosition, batch: Batch): void {
  if (batch.firstWalSeq <= held.walSeq + 1) return;
  throw new StoreError(
    store,
    `it holds the WAL up to ${held.walSeq}, the piece begins at ${batch.firstWalSeq}`,
    "bring the records between in first, or rebuild it with hft store rebuild",
  );
}
