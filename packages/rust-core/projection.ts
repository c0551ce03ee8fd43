import { native } from "./native.ts";
import type { WalRecord } from "./wal.ts";

/** Where the next block of a WAL begins; segment 0 is before the first, offset 0 its first block. */
export interface WalPosition {
  readonly segment: number;
  readonly offset: number;
}

/** One insert: rows of one table in one partition of it. */
export interface ProjectedInsert {
  readonly table: string;
  readonly rows: number;
  readonly lastWalSeq: number;
  /** One block of ClickHouse's Native format. */
  readonly body: Buffer;
  /** First 128 bits of the BLAKE3 of `body`, in hexadecimal. */
  readonly content: string;
}

/** What some blocks come to. */
export interface ProjectedRows {
  /** In the order their first rows came; the table of blocks last. */
  readonly inserts: readonly ProjectedInsert[];
  /** Rows of the quarantine by the code of their refusal. */
  readonly quarantined: Readonly<Record<string, number>>;
  readonly lastWalSeq: number;
}

export interface ProjectedGroup extends ProjectedRows {
  readonly kind: "group";
  readonly from: WalPosition;
  readonly to: WalPosition;
  readonly records: number;
  /** When its first record was taken. */
  readonly oldestNs: bigint;
  /** Whether a bound ended it, so that there may be more at once. */
  readonly full: boolean;
}

export type ProjectedFound =
  | ProjectedGroup
  | { readonly kind: "nothing" }
  | { readonly kind: "damaged" };

export interface GroupRequest {
  readonly from: WalPosition;
  /** Its end where that was fixed before. */
  readonly to: WalPosition | null;
  readonly bounds: { readonly blocks: number; readonly records: number; readonly bytes: number };
  /** Highest `wal_seq` each table holds: what is at or below it is in and left out. */
  readonly highest: Readonly<Record<string, number>>;
}

/** One block that is at hand. */
export interface BlockAtHand {
  readonly segment: number;
  readonly block: number;
  readonly crc: number;
  readonly records: readonly (Omit<WalRecord, "type" | "payload"> & {
    readonly payload: Uint8Array;
  })[];
}

interface Answer {
  readonly meta: string;
  readonly bodies: readonly Buffer[];
}

interface NativeProjection {
  group(dir: string, request: string, room?: Buffer): Promise<Answer>;
  slice(request: string, payloads: Uint8Array): Answer;
}

type Meta = Omit<ProjectedGroup, "kind" | "inserts" | "oldestNs"> & {
  readonly kind: "group" | "nothing" | "damaged";
  readonly oldestNs: string;
  readonly inserts: readonly (Omit<ProjectedInsert, "body"> & { readonly bytes: number })[];
};

const nativeProjection = native<new (tables: string) => NativeProjection>("Projection");

/** The inserts with their bodies, which came by themselves or lie in `room` one after the other. */
function withBodies(
  inserts: Meta["inserts"],
  bodies: readonly Buffer[],
  room?: Buffer,
): ProjectedInsert[] {
  let offset = 0;
  return inserts.map(({ bytes, ...insert }, at) => {
    const body = bodies[at] ?? room?.subarray(offset, offset + bytes);
    if (body?.length !== bytes)
      throw new Error(`bug: the body of insert ${at} has not ${bytes} bytes`);
    offset += bytes;
    return { ...insert, body };
  });
}

/** The tables of a database, and what records of a WAL come to in them. */
export class Projection {
  readonly #native: NativeProjection;

  /**
   * Shape   `tables` is JSON `[{name, holds, partition, columns: [{name, type, path, safe}]}]`, as the crate `projection` tells
   * Errors  Error naming the column that cannot be followed
   */
  constructor(tables: string) {
    this.#native = new (nativeProjection())(tables);
  }

  /**
   * Reads a group from its segments and makes its inserts, both on a thread of the pool. Rejects when the disk fails.
   *
   * Shape   bodies lie in `room` where it holds them: it is the call's until that ends, and the inserts' for as long as they live
   */
  async group(dir: string, request: GroupRequest, room?: Buffer): Promise<ProjectedFound> {
    const { meta, bodies } = await this.#native.group(dir, JSON.stringify(request), room);
    const found = JSON.parse(meta) as Meta;
    if (found.kind !== "group") return { kind: found.kind };
    const { oldestNs, ...rest } = found;
    return {
      ...rest,
      kind: "group",
      oldestNs: BigInt(oldestNs),
      inserts: withBodies(rest.inserts, bodies, room),
    };
  }

  /** Makes the inserts of blocks that are at hand. */
  slice(blocks: readonly BlockAtHand[], highest: Readonly<Record<string, number>>): ProjectedRows {
    const payloads: Uint8Array[] = [];
    let offset = 0;
    const rows = blocks.map(({ segment, block, crc, records }) => ({
      segment,
      block,
      crc,
      records: records.map(({ walSeq, stream, epoch, seq, tsNs, payload }) => {
        const place = { offset, length: payload.length };
        payloads.push(payload);
        offset += payload.length;
        return { walSeq, stream, epoch, seq, tsNs: String(tsNs), ...place };
      }),
    }));
    const request = JSON.stringify({ highest, blocks: rows });
    const { meta, bodies } = this.#native.slice(request, Buffer.concat(payloads));
    const { quarantined, lastWalSeq, inserts } = JSON.parse(meta) as Meta;
    return { quarantined, lastWalSeq, inserts: withBodies(inserts, bodies) };
  }
}
