/** What the loader decides, without clock, socket or file. */

import { hash as digest } from "node:crypto";
import { type ProjectedInsert, type ProjectedRows, Projection } from "@tidegate/rust-core";
import { projectionText, type StreamCount, WAL_BLOCKS } from "@tidegate/storage";
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  DIFFERENCES_MAX,
  GROUP_BLOCKS_MAX,
  GROUP_BYTES_MAX,
  GROUP_RECORDS_MAX,
  STREAMS_MAX,
} from "./limits.ts";

/** One record as the WAL holds it. */
export interface WalRecord {
  readonly walSeq: number;
  readonly stream: string;
  readonly epoch: number;
  readonly seq: number;
  readonly tsNs: bigint;
  /** Bytes of an envelope. */
  readonly payload: Uint8Array;
}

/** One complete block of a segment. */
export interface WalBlock {
  readonly segment: number;
  readonly block: number;
  readonly crc: number;
  readonly records: readonly WalRecord[];
}

/** Where the next block to read begins. */
export interface Position {
  readonly segment: number;
  /** In bytes; 0 is the first block. */
  readonly offset: number;
}

/** The WAL as the loader reads it, sealed segments and the growing one alike. */
export interface WalReader {
  /** The folder itself, where all of it may be read: groups are then read and sliced away from the event loop. */
  readonly dir?: string;
  /** The oldest segment there is; null while there is none. */
  first(): number | null;
  /**
   * The block at a position with the position after it, `end` at the end of a sealed segment, null where nothing whole is
   * yet, `damaged` where a sealed segment holds none though it should.
   */
  read(
    at: Position,
  ): { readonly block: WalBlock; readonly next: Position } | "end" | "damaged" | null;
}

/** Some blocks that are loaded together; where it ends is decided before the first insert, so that a retry has the same rows. */
export interface Group {
  readonly from: Position;
  readonly to: Position;
  readonly blocks: readonly WalBlock[];
  /** Whether a bound ended it: there may be more at once. */
  readonly full: boolean;
}

/** What is known to be in, as the ledger file keeps it. Losing it costs time, never a row. */
export interface Ledger {
  readonly version: 1;
  readonly next: Position;
  readonly lastWalSeq: number;
  /** Of earlier versions, now `ends.ts` has it: the end of the group that was under way; null in a ledger of this one. */
  readonly pendingTo: Position | null;
  /** The same of the group after it, where they kept that. */
  readonly afterTo?: Position | null;
}

export const START: Ledger = {
  version: 1,
  next: { segment: 0, offset: 0 },
  lastWalSeq: 0,
  pendingTo: null,
};

/** A ledger file's content; a new ledger for anything that is none. */
export function parseLedger(text: string): Ledger {
  try {
    const value = JSON.parse(text) as Partial<Ledger>;
    const whole = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0;
    const place = (p: unknown): boolean => {
      const { segment, offset } = (p ?? {}) as Partial<Position>;
      return whole(segment) && whole(offset);
    };
    const sound = value.version === 1 && place(value.next) && whole(value.lastWalSeq);
    const ends = [value.pendingTo, value.afterTo ?? null];
    return sound && ends.every((end) => end === null || place(end)) ? (value as Ledger) : START;
  } catch {
    return START;
  }
}

/** Where to begin: after what the ledger knows, or from the start when the database holds less than the ledger says. */
export function resume(ledger: Ledger, highestBlock: number): Ledger {
  return highestBlock >= ledger.lastWalSeq ? ledger : START;
}

const reached = (at: Position, end: Position | null): boolean =>
  end !== null &&
  (at.segment > end.segment || (at.segment === end.segment && at.offset >= end.offset));

/** The blocks from `ledger.next` on, up to the pending bound or as many as fit; null when there is none. */
export function readGroup(reader: WalReader, ledger: Ledger): Group | null {
  const { pendingTo } = ledger;
  let at = ledger.next;
  if (at.segment === 0) {
    const first = reader.first();
    if (first === null) return null;
    at = { segment: first, offset: 0 };
  }
  const from = at;
  const blocks: WalBlock[] = [];
  let [records, bytes] = [0, 0];
  let full = true;
  while (
    !reached(at, pendingTo) &&
    blocks.length < GROUP_BLOCKS_MAX &&
    records < GROUP_RECORDS_MAX &&
    bytes < GROUP_BYTES_MAX
  ) {
    const found = reader.read(at);
    if (found === null || found === "damaged") {
      full = false;
      break;
    }
    if (found === "end") {
      at = { segment: at.segment + 1, offset: 0 };
      continue;
    }
    blocks.push(found.block);
    records += found.block.records.length;
    for (const { payload } of found.block.records) bytes += payload.length;
    at = found.next;
  }
  return blocks.length === 0 ? null : { from, to: at, blocks, full };
}

/** One insert of a group: the rows of one table that lie in one partition of it, for only within one is an insert whole. */
export interface Slice {
  readonly table: string;
  readonly token: string;
  /** One block of the Native format. */
  readonly body: Buffer;
  readonly rows: number;
  readonly lastWalSeq: number;
}

export interface Sliced {
  readonly slices: readonly Slice[];
  /** Inserted after the slices: the sign that the blocks are in. */
  readonly blocks: Slice | null;
  readonly quarantined: ReadonlyMap<string, number>;
  readonly lastWalSeq: number;
}

/** First 8 bytes of SHA-256, little-endian. */
export function payloadHash(payload: Uint8Array): bigint {
  return digest("sha256", payload, "buffer").readBigUInt64LE(0);
}

/** Names the rows of one insert: a function of their place in the WAL and of their bytes, so never used for others. */
export function token(
  { from, to }: Pick<Group, "from" | "to">,
  { table, content }: Pick<ProjectedInsert, "table" | "content">,
): string {
  return `${from.segment}.${from.offset}-${to.segment}.${to.offset}/${table}/${content}`;
}

/**
 * Whether a record is a raw capture: a venue's bytes, kept in the WAL alone. Gaps and marks of a capture stream are envelopes,
 * which begin with another byte, and are loaded.
 */
export const isCapture = ({ stream, payload }: Pick<WalRecord, "stream" | "payload">): boolean =>
  stream.startsWith("raw.") && payload[0] === 1;

let projection: Projection | undefined;

/** The tables of the database for the crate that writes their rows, made at first use. */
export function tables(): Projection {
  projection ??= new Projection(projectionText());
  return projection;
}

/** Names the inserts of a group. */
export function named(
  group: Pick<Group, "from" | "to">,
  { inserts, quarantined, lastWalSeq }: ProjectedRows,
): Sliced {
  const slices = inserts.map(
    ({ content, ...insert }): Slice => ({
      ...insert,
      token: token(group, { table: insert.table, content }),
    }),
  );
  return {
    slices: slices.filter(({ table }) => table !== WAL_BLOCKS),
    blocks: slices.find(({ table }) => table === WAL_BLOCKS) ?? null,
    quarantined: new Map(Object.entries(quarantined)),
    lastWalSeq,
  };
}

/**
 * The rows of a group by table, without those the database already has (`highest` wal_seq of each table: inserts of a
 * table are whole and in order, so what is at or below it is in). A record that is no envelope goes to quarantine.
 */
export function slice(group: Group, highest: ReadonlyMap<string, number>): Sliced {
  return named(group, tables().slice(group.blocks, Object.fromEntries(highest)));
}

/** Wait before try `attempt` (from 1) in ms: doubling to the bound, spread over its upper half by `random` in [0, 1). */
export function backoffMs(attempt: number, random: number): number {
  const full = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(attempt - 1, 30));
  return Math.round(full / 2 + (full / 2) * random);
}

/** Counts the records of a WAL by stream and epoch, as the database is asked to. */
export class WalCount {
  readonly #streams = new Map<string, StreamCount>();
  /** Records of streams past the bound. */
  leftOff = 0;

  add({ stream, epoch, walSeq, payload }: WalRecord): void {
    if (isCapture({ stream, payload })) return;
    const key = `${epoch} ${stream}`;
    const known = this.#streams.get(key);
    if (known === undefined && this.#streams.size >= STREAMS_MAX) {
      this.leftOff += 1;
      return;
    }
    const rows = (known?.rows ?? 0) + 1;
    const hash = (known?.hash ?? 0n) ^ payloadHash(payload);
    this.#streams.set(key, {
      stream,
      epoch,
      rows,
      firstWalSeq: known?.firstWalSeq ?? walSeq,
      lastWalSeq: walSeq,
      hash,
    });
  }

  counts(): StreamCount[] {
    return [...this.#streams.values()];
  }
}

/** Where WAL and database disagree, stream by stream, in words; `more` beyond the bound. */
export function differences(
  wal: readonly StreamCount[],
  database: readonly StreamCount[],
): { readonly found: readonly string[]; readonly more: number } {
  const key = ({ stream, epoch }: StreamCount): string => `${stream} of epoch ${epoch}`;
  const words = (count: StreamCount | undefined): string =>
    count === undefined
      ? "nothing"
      : `${count.rows} rows ${count.firstWalSeq}..${count.lastWalSeq} hash ${count.hash.toString(16)}`;
  const inWal = new Map(wal.map((count) => [key(count), count]));
  const inDatabase = new Map(database.map((count) => [key(count), count]));
  const all = [...new Set([...inWal.keys(), ...inDatabase.keys()])]
    .map((name) => ({ name, wal: words(inWal.get(name)), database: words(inDatabase.get(name)) }))
    .filter((each) => each.wal !== each.database)
    .map((each) => `${each.name}: WAL has ${each.wal}, the database ${each.database}`);
  return { found: all.slice(0, DIFFERENCES_MAX), more: Math.max(0, all.length - DIFFERENCES_MAX) };
}
