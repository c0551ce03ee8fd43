import { native } from "./native.ts";

/** One segment file of a WAL. A sealed one never changes again. */
export interface WalSegment {
  /** Place in the WAL, from 1. */
  readonly index: number;
  readonly path: string;
  readonly sealed: boolean;
  readonly bytes: number;
}

/** One record, its payload (an Envelope) a view into the block's bytes. */
export interface WalRecord {
  /** Place in the whole WAL, from 1 without holes. */
  readonly walSeq: number;
  readonly type: "DATA" | "GAP" | "MARK";
  readonly stream: string;
  readonly epoch: number;
  /** Place in the stream; of a gap its last. */
  readonly seq: number;
  /** When the recorder took it, ns since the Unix epoch. */
  readonly tsNs: bigint;
  readonly payload: Buffer;
}

/** A deterministic slice of a segment, at most 256 records: the unit of loading. */
export interface WalBlock {
  readonly kind: "block";
  /** Place in the segment, from 0. */
  readonly index: number;
  /** Checksum of the block; with segment and index the name of its content. */
  readonly crc: number;
  readonly records: readonly WalRecord[];
  /** Offset of the next item. */
  readonly next: number;
}

/** The end of a sealed segment. */
export interface WalFooter {
  readonly kind: "footer";
  readonly records: number;
  readonly blocks: number;
  readonly firstWalSeq: number;
  /** BLAKE3 of everything before the footer, as hex. */
  readonly hash: string;
  readonly streams: readonly {
    readonly name: string;
    readonly epoch: number;
    readonly records: number;
    readonly minSeq: number;
    readonly maxSeq: number;
  }[];
  readonly next: number;
}

/** One epoch of one stream in a WAL. */
export interface WalStreamReport {
  readonly name: string;
  readonly epoch: number;
  /** All records: messages, gaps, marks. */
  readonly records: number;
  /** Messages. */
  readonly data: number;
  /** Messages known to be missing. */
  readonly missing: number;
  /** Sequences that are neither a message nor in a gap. */
  readonly unaccounted: number;
  readonly duplicates: number;
  readonly lastSeq: number;
  /** The publisher ended the epoch in order. */
  readonly closed: boolean;
}

/** What a verification found. */
export interface WalReport {
  readonly ok: boolean;
  readonly records: number;
  readonly segments: number;
  readonly sealed: number;
  readonly blocks: number;
  readonly gapsUnaccounted: number;
  /** Messages inside gap records. */
  readonly gapsAccounted: number;
  readonly duplicates: number;
  readonly unfinishedBytes: number;
  readonly faultsTotal: number;
  /** The first 64 faults, each one line. */
  readonly faults: readonly string[];
  readonly streams: readonly WalStreamReport[];
}

interface NativeItem {
  readonly kind: "block" | "footer" | "end";
  readonly meta: string;
  readonly payloads: Buffer;
  readonly next: number;
}

type RecordMeta = Omit<WalRecord, "tsNs" | "payload"> & {
  readonly tsNs: string;
  readonly offset: number;
  readonly length: number;
};

const segments = native<(dir: string) => string>("walSegments");
const readBlock = native<(path: string, offset: number) => NativeItem>("walReadBlock");
const verify = native<(dir: string) => string>("walVerify");
const verifyAsync = native<(dir: string) => Promise<string>>("walVerifyAsync");

/** The segments of a WAL directory, oldest first. Throws when the directory cannot be read. */
export function walSegments(dir: string): WalSegment[] {
  return JSON.parse(segments()(dir)) as WalSegment[];
}

/**
 * The block or footer at `offset` of a segment, 0 for the first; null where nothing whole stands: the growing end of an open
 * segment, or damage in a sealed one (its last item is a footer).
 */
export function walReadBlock(path: string, offset: number): WalBlock | WalFooter | null {
  const { kind, meta, payloads, next } = readBlock()(path, offset);
  if (kind === "end") return null;
  if (kind === "footer")
    return { kind, ...(JSON.parse(meta) as Omit<WalFooter, "kind" | "next">), next };
  const { index, crc, records } = JSON.parse(meta) as {
    index: number;
    crc: number;
    records: RecordMeta[];
  };
  return {
    kind,
    index,
    crc,
    records: records.map(({ offset: at, length, tsNs, ...rest }) => ({
      ...rest,
      tsNs: BigInt(tsNs),
      payload: payloads.subarray(at, at + length),
    })),
    next,
  };
}

/** Proves a whole WAL: checksums, chain, hashes, footers, and the account of every sequence. Blocks the event loop. */
export function walVerify(dir: string): WalReport {
  return JSON.parse(verify()(dir)) as WalReport;
}

/** The same on a thread of its own. */
export async function walVerifyAsync(dir: string): Promise<WalReport> {
  return JSON.parse(await verifyAsync()(dir)) as WalReport;
}
