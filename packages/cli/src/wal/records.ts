/** Records of a WAL folder, block by block: from its start, from a place in it, from a moment, and as it grows. */

import { decodeEnvelope } from "@tidegate/contracts";
import {
  type WalBlock,
  type WalRecord,
  type WalSegment,
  walReadBlock,
  walSegments,
} from "@tidegate/rust-core";

/** A block and where it stands. */
export interface Placed {
  readonly segment: WalSegment;
  readonly offset: number;
  readonly block: WalBlock;
}

/** Damage met while reading: the segment ends before its footer. The segments after it can still be read. */
export interface Broken {
  readonly segment: WalSegment;
  readonly offset: number;
}

/** The whole blocks of one segment, from `offset` on. `broken` is told where a sealed segment has none and no footer. */
export function* blocks(
  segment: WalSegment,
  offset = 0,
  broken: (where: Broken) => void = () => {},
): Generator<Placed> {
  let at = offset;
  for (;;) {
    const item = walReadBlock(segment.path, at);
    if (item === null && segment.sealed) broken({ segment, offset: at });
    if (item === null || item.kind === "footer") return;
    yield { segment, offset: at, block: item };
    at = item.next;
  }
}

/** First record of a segment; null while it has none. */
function first(segment: WalSegment): WalRecord | null {
  const item = walReadBlock(segment.path, 0);
  return item?.kind === "block" ? (item.records[0] ?? null) : null;
}

/**
 * The last segment whose first record is not beyond `before`, by binary search: segments follow each other in `wal_seq`, and in
 * time as far as the recorder's clock did not step.
 */
export function segmentAt(
  segments: readonly WalSegment[],
  before: (record: WalRecord) => boolean,
): number {
  let [low, high] = [0, segments.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const segment = segments[middle];
    const record = segment === undefined ? null : first(segment);
    if (record !== null && before(record)) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

export interface From {
  /** First `wal_seq` wanted. */
  readonly walSeq?: number;
  /** First moment wanted, ns since the Unix epoch. */
  readonly tsNs?: bigint;
  /** Only streams whose name begins so. */
  readonly stream?: string;
}

/** Every record from a place or moment on, oldest first. */
export function* records(
  dir: string,
  from: From,
  broken: (where: Broken) => void = () => {},
): Generator<WalRecord & { readonly segment: number; readonly block: number }> {
  const all = walSegments(dir);
  const { walSeq = 0, tsNs = null, stream = "" } = from;
  const start = segmentAt(
    all,
    (record) => record.walSeq <= walSeq || (tsNs !== null && record.tsNs <= tsNs),
  );
  for (const segment of all.slice(start)) {
    for (const { block } of blocks(segment, 0, broken)) {
      for (const record of block.records) {
        if (record.walSeq < walSeq || (tsNs !== null && record.tsNs < tsNs)) continue;
        if (record.stream.startsWith(stream))
          yield { ...record, segment: segment.index, block: block.index };
      }
    }
  }
}

/** The last `wal_seq` there is, 0 for none. */
export function lastWalSeq(dir: string): number {
  for (const segment of walSegments(dir).toReversed()) {
    let last = 0;
    for (const { block } of blocks(segment)) last = block.records.at(-1)?.walSeq ?? last;
    if (last > 0) return last;
  }
  return 0;
}

/** Follows a growing WAL: each look reads only the blocks that are new. */
export class Follower {
  readonly #dir: string;
  #next: number;
  #index = 0;
  #offset = 0;

  /** Begins with record `from`. */
  constructor(dir: string, from: number) {
    this.#dir = dir;
    this.#next = from;
  }

  *look(): Generator<WalRecord> {
    const all = walSegments(this.#dir);
    if (this.#index === 0) {
      const at = segmentAt(all, (record) => record.walSeq <= this.#next);
      this.#index = all[at]?.index ?? 0;
    }
    for (const segment of all) {
      if (segment.index < this.#index) continue;
      if (segment.index > this.#index) [this.#index, this.#offset] = [segment.index, 0];
      for (const { block } of blocks(segment, this.#offset)) {
        this.#offset = block.next;
        for (const record of block.records) {
          if (record.walSeq < this.#next) continue;
          this.#next = record.walSeq + 1;
          yield record;
        }
      }
    }
  }
}

/** One record as a line of JSON: its place, and what its envelope says where it is one. */
export function line(
  record: WalRecord & { readonly segment?: number; readonly block?: number },
): string {
  const { payload, ...rest } = record;
  const decoded = decodeEnvelope(payload);
  const content = decoded.ok
    ? { envelope: decoded.envelope }
    : { bytes: payload.length, base64: payload.toString("base64") };
  return JSON.stringify({ ...rest, ...content }, (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
}
