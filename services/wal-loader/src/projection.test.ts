/** What the crate writes against what the domain says: every column of every kind, read back by another hand. */

import { fileURLToPath } from "node:url";
import { decodeEnvelope, encodeEnvelope } from "@tidegate/contracts";
import { PAYLOAD_KINDS } from "@tidegate/contracts/messages";
import { walSegments } from "@tidegate/rust-core";
import {
  type Column,
  QUARANTINE_TABLE,
  type RecordRow,
  TABLES,
  type Table,
} from "@tidegate/storage";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tidegate } from "../../../packages/contracts/src/gen/messages.js";
import { anyEnvelope, envelopeOf } from "../../../packages/contracts/src/testing/arbitrary.ts";
import {
  type Group,
  isCapture,
  payloadHash,
  readGroup,
  START,
  slice,
  type WalRecord,
} from "./core.ts";
import { nextReady } from "./next.ts";
import { readNative } from "./testing/native.ts";
import { openWal } from "./wal.ts";

const T0 = 1_796_083_100_000_000_000n;
const NONE = new Map<string, number>();
/** Two sealed segments that a test of the crate `wal` keeps byte by byte. */
const GOLDEN = fileURLToPath(
  new URL("../../../packages/rust-core/crates/wal/golden", import.meta.url),
);

const records = (payloads: readonly Uint8Array[]): WalRecord[] =>
  payloads.map((payload, at) => ({
    walSeq: at + 1,
    stream: ["md.1.1.top.", "raw.spot.", "gateway.journal"][at % 3] as string,
    epoch: 3,
    seq: 5 * at,
    tsNs: T0 + BigInt(at),
    payload,
  }));

const groupOf = (all: readonly WalRecord[]): Group => ({
  from: { segment: 1, offset: 0 },
  to: { segment: 1, offset: 1 },
  blocks: [{ segment: 1, block: 0, crc: 9, records: all }],
  full: false,
});

/** A value as its column holds it. */
function held(type: string, value: unknown): unknown {
  switch (type) {
    case "Int64":
    case "UInt64":
      return BigInt(value as number | bigint);
    case "UInt128":
      return (value as bigint | null) ?? 0n;
    case "Array(Int64)":
    case "Array(UInt64)":
      return (value as readonly number[]).map(BigInt);
    case "String":
    case "LowCardinality(String)":
      return Buffer.from((value as string | Uint8Array | null) ?? "");
    default:
      return value;
  }
}

const rowOf = <R>({ columns }: Table<R>, row: R): unknown[] =>
  columns.map(({ type, value }: Column<R>) => held(type, value(row)));

/** The rows of each table as the domain has them. */
function wanted(all: readonly WalRecord[]): Map<string, unknown[][]> {
  const tables = new Map<string, unknown[][]>();
  for (const record of all) {
    if (isCapture(record)) continue;
    const { payload, ...rest } = record;
    const place = { ...rest, payloadHash: payloadHash(payload) };
    const decoded = decodeEnvelope(payload);
    const [name, row] = decoded.ok
      ? recordRow({ place, envelope: decoded.envelope })
      : [
          QUARANTINE_TABLE.name,
          rowOf(QUARANTINE_TABLE, {
            place,
            reason: `${decoded.refusal.code} ${decoded.refusal.field}`,
            payload,
          }),
        ];
    tables.set(name, [...(tables.get(name) ?? []), row]);
  }
  return tables;
}

function recordRow(row: RecordRow): [string, unknown[]] {
  const table = TABLES[row.envelope.payload.kind];
  return [table.name, rowOf(table, row)];
}

/** The rows of each insert, and that its columns are the table's. */
function written(group: Group): Map<string, unknown[][]> {
  const tables = new Map<string, unknown[][]>();
  for (const { table, body, rows } of slice(group, NONE).slices) {
    const columns = readNative(body);
    const { columns: of } = [...Object.values(TABLES), QUARANTINE_TABLE].find(
      ({ name }) => name === table,
    ) as Pick<Table, "columns">;
    expect(columns.map(({ name, type }) => `${name} ${type}`)).toEqual(
      of.map(({ name, type }) => `${name} ${type}`),
    );
    expect(columns.map(({ values }) => values.length)).toEqual(of.map(() => rows));
    const own = Array.from({ length: rows }, (_, row) => columns.map(({ values }) => values[row]));
    tables.set(table, [...(tables.get(table) ?? []), ...own]);
  }
  return tables;
}

const same = (all: readonly WalRecord[]): void => {
  expect(written(groupOf(all))).toEqual(wanted(all));
};

describe("the columns the crate writes are the domain's [A36]", () => {
  it.each(PAYLOAD_KINDS)("of any %s", (kind) => {
    fc.assert(
      fc.property(fc.array(envelopeOf(kind), { minLength: 1, maxLength: 4 }), (all) =>
        same(records(all.map(encodeEnvelope))),
      ),
      { numRuns: 40 },
    );
  });

  it("of any mixture, damaged bytes and raw captures among them", () => {
    const damaged = fc
      .tuple(anyEnvelope, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat({ max: 3 }))
      .map(([envelope, at, change, how]) => {
        const bytes = Buffer.from(encodeEnvelope(envelope));
        if (how === 0) return bytes;
        if (how === 1) return bytes.subarray(0, at % bytes.length);
        if (how === 2) return Buffer.concat([Buffer.from([1]), bytes]);
        bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ change;
        return bytes;
      });
    fc.assert(
      fc.property(fc.array(damaged, { maxLength: 20 }), (all) => same(records(all))),
      { numRuns: 150 },
    );
  });

  it("a count no reader holds exactly goes to quarantine by the name the decoder gives it", () => {
    const Wire = tidegate.envelope.v1.Envelope;
    const most = { low: -1, high: -1, unsigned: true };
    const trade = encodeEnvelope(
      fc.sample(envelopeOf("trade"), { numRuns: 1, seed: 1 })[0] as never,
    );
    const top = encodeEnvelope(
      fc.sample(envelopeOf("bookTop"), { numRuns: 1, seed: 1 })[0] as never,
    );
    const changed = (bytes: Uint8Array, change: (wire: never) => void): Uint8Array => {
      const wire = Wire.decode(bytes);
      change(wire as never);
      return Wire.encode(wire).finish();
    };
    const all = records([
      changed(trade, (wire: { trade: Record<string, unknown> }) => {
        wire.trade["tradeId"] = most;
      }),
      changed(top, (wire: { bookTop: Record<string, unknown> }) => {
        wire.bookTop["venueSeq"] = { low: 0, high: 0x20_0000, unsigned: true };
      }),
      changed(top, (wire: { logSeq: unknown; bookTop: Record<string, unknown> }) => {
        wire.logSeq = most;
        wire.bookTop["venueSeq"] = most;
      }),
      trade,
      top,
    ]);
    same(all);
    expect(Object.fromEntries(slice(groupOf(all), NONE).quarantined)).toEqual({
      INTEGER_UNSAFE: 3,
    });
  });
});

describe("a group read by the crate", () => {
  it("is the group read block by block: the same bounds, tokens and bytes, and the same ends", async () => {
    expect(walSegments(GOLDEN).length).toBeGreaterThan(1);
    const wal = openWal(GOLDEN);
    const { dir: _, ...atHand } = wal;
    let ledger = START;
    let groups = 0;
    for (;;) {
      const [one, other] = [
        await nextReady(wal, ledger, NONE),
        await nextReady(atHand, ledger, NONE),
      ];
      if (typeof one === "string" || typeof other === "string") {
        expect(one).toBe(other);
        break;
      }
      groups += 1;
      expect({ ...one, full: false }).toEqual(other);
      const first = readGroup(atHand, { ...ledger, pendingTo: one.to });
      expect(first?.blocks.at(-1)?.records.at(-1)?.walSeq).toBe(one.sliced.lastWalSeq);
      ledger = { ...START, next: one.to, lastWalSeq: one.sliced.lastWalSeq };
    }
    expect(groups).toBeGreaterThan(0);
  });

  it("is the same in a room that is given, and outside of one that is too small", async () => {
    const wal = openWal(GOLDEN);
    const alone = await nextReady(wal, START, NONE);
    if (typeof alone === "string") throw new Error(alone);
    const bodies = alone.sliced.slices.concat(alone.sliced.blocks ?? []).map(({ body }) => body);
    const bytes = Buffer.concat(bodies);
    for (const [size, used] of [
      [bytes.length, true],
      [bytes.length - 1, false],
      [0, false],
    ] as const) {
      const room = Buffer.alloc(size);
      expect(await nextReady(wal, START, NONE, undefined, room)).toEqual(alone);
      expect(room.equals(bytes)).toBe(used);
    }
  });

  it("has nothing where there is no folder", async () => {
    expect(await nextReady(openWal("/nowhere/at/all"), START, NONE)).toBe("nothing");
  });
});
