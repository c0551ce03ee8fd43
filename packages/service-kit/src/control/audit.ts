/**
 * The audit trail: one line of JSON a record, each with the hash of the one before it, on the disk before what it tells
 * of has effect. An altered, missing or reordered record breaks the chain where it stands; a cut-off end shows where a
 * later copy of the head (`head()`, in the journal and in every answer) is not in it.
 */

import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { ServiceFault } from "../faults.ts";
import { AUDIT_ROWS_MAX } from "./limits.ts";

/** What one record tells; `seq`, time and hashes are added. Values are texts and whole numbers. */
export interface AuditBody {
  /** Principal, or the name of the process itself. */
  readonly actor: string;
  readonly role: string;
  /** Method and route. */
  readonly action: string;
  /** `asked` before the effect, `done` or `refused` after. */
  readonly phase: "asked" | "done" | "refused";
  readonly status: number;
  readonly key: string;
  readonly body: string;
  readonly detail: string;
}
export interface AuditRecord extends AuditBody {
  readonly seq: number;
  /** ns since the Unix epoch as decimal text. */
  readonly tsNs: string;
  readonly prev: string;
  readonly hash: string;
}

export const AUDIT_START = "0".repeat(64);

/** Keys in one order, so that the same record has the same bytes everywhere. */
const ORDER = [
  "seq",
  "tsNs",
  "actor",
  "role",
  "action",
  "phase",
  "status",
  "key",
  "body",
  "detail",
] as const;

/** SHA-256 of the hash before and the record's canonical bytes. */
export function auditHash(prev: string, record: Omit<AuditRecord, "prev" | "hash">): string {
  const canonical = JSON.stringify(ORDER.map((name) => record[name]));
  return createHash("sha256").update(prev).update("\n").update(canonical).digest("hex");
}

export interface AuditRead {
  readonly records: readonly AuditRecord[];
  /** The first record that does not follow, with why; null when all do. */
  readonly broken: { readonly seq: number; readonly why: string } | null;
  /** Bytes of the whole records. */
  readonly bytes: number;
  /** A last line without its end: a write the process died in, of which nobody was told. */
  readonly torn: boolean;
}

/** Reads and checks a trail. */
export function readAudit(bytes: Buffer): AuditRead {
  const records: AuditRecord[] = [];
  let prev = AUDIT_START;
  let from = 0;
  for (;;) {
    const end = bytes.indexOf(0x0a, from);
    if (end < 0) return { records, broken: null, bytes: from, torn: from < bytes.length };
    const seq = records.length + 1;
    const broken = (why: string): AuditRead => ({
      records,
      broken: { seq, why },
      bytes: from,
      torn: false,
    });
    let record: AuditRecord;
    try {
      record = JSON.parse(bytes.toString("utf8", from, end)) as AuditRecord;
    } catch {
      return broken("it is no JSON");
    }
    if (record?.seq !== seq) return broken(`it has number ${String(record?.seq)}`);
    if (record.prev !== prev) return broken("it does not follow the one before it");
    if (record.hash !== auditHash(prev, record)) return broken("its hash is not of what it says");
    const canonical = `${JSON.stringify(record)}\n`;
    if (Buffer.compare(bytes.subarray(from, end + 1), Buffer.from(canonical)) !== 0)
      return broken("its bytes are not in the one form of a record");
    records.push(record);
    prev = record.hash;
    from = end + 1;
  }
}

/** A trail that is written. */
export class Audit {
  readonly #path: string;
  readonly #fd: number;
  #seq: number;
  #prev: string;

  /**
   * Opens the trail, made where there is none; checks it whole and cuts off a torn last line.
   *
   * Errors  `ServiceFault`: it cannot be read or written, or it is broken; it is then left as it is
   */
  constructor(path: string) {
    this.#path = path;
    try {
      mkdirSync(dirname(path), { recursive: true });
      const fresh = !existsSync(path);
      const read = readAudit(fresh ? Buffer.alloc(0) : readFileSync(path));
      if (read.broken !== null) {
        throw new ServiceFault(
          `the audit trail ${path} is broken at record ${read.broken.seq}: ${read.broken.why}; keep it as evidence, find out who changed it, and start with another file`,
        );
      }
      this.#fd = openSync(path, "a", 0o640);
      if (read.torn) ftruncateSync(this.#fd, read.bytes);
      fsyncSync(this.#fd);
      if (fresh) syncFolder(dirname(path));
      this.#seq = read.records.length;
      this.#prev = read.records.at(-1)?.hash ?? AUDIT_START;
    } catch (error) {
      if (error instanceof ServiceFault) throw error;
      throw new ServiceFault(`cannot open the audit trail ${path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** Number and hash of the last record. */
  head(): { readonly seq: number; readonly hash: string } {
    return { seq: this.#seq, hash: this.#prev };
  }

  /**
   * Writes one record and waits for the disk.
   *
   * Errors  the disk refuses; nothing may have effect then but a kill
   */
  append(body: AuditBody, nowMs: number): { readonly seq: number; readonly hash: string } {
    const seq = this.#seq + 1;
    const tsNs = String(BigInt(Math.round(nowMs)) * 1_000_000n);
    const { actor, role, action, phase, status, key, detail } = body;
    const fields = { seq, tsNs, actor, role, action, phase, status, key, body: body.body, detail };
    const hash = auditHash(this.#prev, fields);
    const line = Buffer.from(`${JSON.stringify({ ...fields, prev: this.#prev, hash })}\n`);
    for (let done = 0; done < line.length; ) done += writeSync(this.#fd, line, done);
    fdatasyncSync(this.#fd);
    this.#seq = seq;
    this.#prev = hash;
    return { seq, hash };
  }

  /** Records after `afterSeq`, at most `AUDIT_ROWS_MAX`, with the head. */
  rows(afterSeq: number): {
    readonly records: readonly AuditRecord[];
    readonly head: { readonly seq: number; readonly hash: string };
  } {
    const { records } = readAudit(readFileSync(this.#path));
    return { records: records.slice(afterSeq, afterSeq + AUDIT_ROWS_MAX), head: this.head() };
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function syncFolder(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
