/** What each store has to hold, told from the WAL alone: rows and content of every table. */

import { hash } from "node:crypto";
import type { Decoded } from "@tidegate/contracts";
import {
  type Digest,
  QUARANTINE,
  QUARANTINE_TABLE,
  RELATIONAL_QUARANTINE,
  RELATIONAL_TABLES,
  type RelationalKind,
  relationalText,
  rowText,
  TABLES,
} from "@tidegate/storage";
import { type Group, isCapture, payloadHash, readGroup, START, type WalReader } from "./core.ts";
import { REASON_CHARS_MAX } from "./limits.ts";
import { batchOf } from "./relational.ts";

export interface WalDigests {
  /** By table. */
  readonly clickhouse: ReadonlyMap<string, Digest>;
  readonly relational: ReadonlyMap<string, Digest>;
  readonly records: number;
}

const first8 = (text: string): bigint => hash("md5", text, "buffer").readBigUInt64BE(0);

class Sums {
  readonly all = new Map<string, Digest>();

  add(table: string, text: string): void {
    const { rows, hash: sum } = this.all.get(table) ?? { rows: 0, hash: 0n };
    this.all.set(table, { rows: rows + 1, hash: BigInt.asUintN(64, sum + first8(text)) });
  }
}

/** Reads a whole WAL that has come to rest. */
export async function walDigests(
  wal: WalReader,
  decode: (payload: Uint8Array) => Decoded,
): Promise<WalDigests> {
  const clickhouse = new Sums();
  const relational = new Sums();
  // Both sides read each record; it is decoded once.
  const decoded = new WeakMap<Uint8Array, Decoded>();
  const once = (payload: Uint8Array): Decoded => {
    const known = decoded.get(payload) ?? decode(payload);
    decoded.set(payload, known);
    return known;
  };
  for (const { name } of [...Object.values(TABLES), QUARANTINE_TABLE])
    clickhouse.all.set(name, { rows: 0, hash: 0n });
  for (const { name } of [...Object.values(RELATIONAL_TABLES), RELATIONAL_QUARANTINE])
    relational.all.set(name, { rows: 0, hash: 0n });
  let records = 0;
  let next = START.next;
  for (;;) {
    const group: Group | null = readGroup(wal, { ...START, next });
    if (group === null) break;
    next = group.to;
    for (const { records: all } of group.blocks) {
      records += all.length;
      for (const record of all) {
        if (isCapture(record)) continue;
        const { payload, ...rest } = record;
        const place = { ...rest, payloadHash: payloadHash(payload) };
        const read = once(payload);
        if (read.ok) {
          const table = TABLES[read.envelope.payload.kind];
          clickhouse.add(table.name, rowText(table, { place, envelope: read.envelope }));
          continue;
        }
        const { code, field } = read.refusal;
        const reason = `${code} ${field}`.slice(0, REASON_CHARS_MAX);
        clickhouse.add(QUARANTINE, rowText(QUARANTINE_TABLE, { place, reason, payload }));
      }
    }
    const batch = batchOf(group, once);
    for (const row of batch.records) {
      const table = RELATIONAL_TABLES[row.envelope.payload.kind as RelationalKind];
      relational.add(table.name, relationalText(table, row));
    }
    for (const row of batch.quarantined)
      relational.add(QUARANTINE, relationalText(RELATIONAL_QUARANTINE, row));
    await new Promise((turn) => setImmediate(turn));
  }
  return { clickhouse: clickhouse.all, relational: relational.all, records };
}

/** The WAL up to a bound, later records left out: what the stores held at that moment. */
export function walUntil(
  wal: WalReader,
  bound: { readonly walSeq?: number; readonly tsNs?: bigint },
): WalReader {
  const within = ({ walSeq, tsNs }: { readonly walSeq: number; readonly tsNs: bigint }): boolean =>
    (bound.walSeq === undefined || walSeq <= bound.walSeq) &&
    (bound.tsNs === undefined || tsNs <= bound.tsNs);
  // A clock that went back must not let later records in again: the first beyond the bound ends it.
  let endedAt = Number.MAX_SAFE_INTEGER;
  return {
    first: () => wal.first(),
    read(at) {
      const found = wal.read(at);
      if (found === null || found === "end" || found === "damaged") return found;
      const { block } = found;
      const out = block.records.find((each) => !within(each));
      if (out !== undefined) endedAt = Math.min(endedAt, out.walSeq);
      const records = block.records.filter(({ walSeq }) => walSeq < endedAt);
      if (records.length === 0) return null;
      return { block: { ...block, records }, next: found.next };
    },
  };
}
