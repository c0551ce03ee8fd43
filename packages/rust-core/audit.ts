import { native } from "./native.ts";

/** What the proof of an audit trail found. */
export interface AuditReport {
  readonly ok: boolean;
  /** Records that hold, from the first. */
  readonly records: number;
  readonly segments: number;
  /** Signed checkpoints that hold, and the last record under one. */
  readonly checkpoints: number;
  readonly signedSeq: number;
  readonly unfinishedBytes: number;
  /** The first record that is not what was written. */
  readonly firstBad: { readonly seq: number; readonly what: string } | null;
  /** What is wrong with checkpoints or the second copy. */
  readonly faults: readonly string[];
}

/** One act of a person or a control. Hashes as hex, a zero hash where there is none. */
export interface AuditRecord {
  /** Place in the trail, from 1 without holes. */
  readonly seq: number;
  /** Ns since the Unix epoch. */
  readonly tsUtcNs: bigint;
  /** Ns of CLOCK_MONOTONIC. */
  readonly tsMonoNs: bigint;
  readonly epoch: number;
  readonly actor: string;
  readonly action: string;
  readonly reason: string;
  readonly before: string;
  readonly after: string;
  readonly hash: string;
}

type Row = Omit<AuditRecord, "tsUtcNs" | "tsMonoNs"> & {
  readonly tsUtcNs: string;
  readonly tsMonoNs: string;
};

const verify = native<(dir: string, copy: string | null, key: Uint8Array) => string>("auditVerify");
const read = native<(dir: string, afterSeq: number, max: number) => string>("auditRead");

/**
 * Proves a trail: its chain, its signatures against the 32-byte public key, and its second copy where one is given.
 *
 * Errors  a folder that cannot be read, a key of another length
 */
export function auditVerify(dir: string, copy: string | null, key: Uint8Array): AuditReport {
  return JSON.parse(verify()(dir, copy, key)) as AuditReport;
}

/** Up to `max` records after `afterSeq`, oldest first. Throws where the chain does not hold. */
export function auditRead(dir: string, afterSeq: number, max: number): AuditRecord[] {
  const rows = JSON.parse(read()(dir, afterSeq, max)) as Row[];
  return rows.map((row) => ({
    ...row,
    tsUtcNs: BigInt(row.tsUtcNs),
    tsMonoNs: BigInt(row.tsMonoNs),
  }));
}
