import type { Envelope } from "@tidegate/contracts";
import {
  type FieldKind,
  PAYLOAD_FIELDS,
  PAYLOAD_KINDS,
  snakeCase,
} from "@tidegate/contracts/messages";
import type { RowBinaryWriter } from "./row-binary.ts";

/** One column: its type in ClickHouse and how a value of the domain is written. */
export interface Column {
  readonly name: string;
  readonly type: string;
  write(out: RowBinaryWriter, row: RecordRow): void;
}

/** One record of the WAL with what it says. */
export interface RecordRow {
  readonly place: WalPlace;
  readonly envelope: Envelope;
}

/** Where a record stands: in the WAL, and in its stream. */
export interface WalPlace {
  /** From 1 without holes over the whole WAL. */
  readonly walSeq: number;
  readonly stream: string;
  readonly epoch: number;
  readonly seq: number;
  /** ns since the Unix epoch, when the recorder took it. */
  readonly tsNs: bigint;
  /** First 8 bytes of SHA-256 of the payload, little-endian: what completeness is proven by. */
  readonly payloadHash: bigint;
}

export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
}

const hex = (value: bigint, digits: number): string =>
  value === 0n ? "" : value.toString(16).padStart(digits, "0");

const column = (name: string, type: string, write: Column["write"]): Column => ({
  name,
  type,
  write,
});

const PLACE: readonly Column[] = [
  column("wal_seq", "UInt64", (out, { place }) => out.u64(BigInt(place.walSeq))),
  column("stream", "LowCardinality(String)", (out, { place }) => out.text(place.stream)),
  column("stream_epoch", "UInt32", (out, { place }) => out.u32(place.epoch)),
  column("stream_seq", "UInt64", (out, { place }) => out.u64(BigInt(place.seq))),
  column("ts_wal_ns", "Int64", (out, { place }) => out.i64(place.tsNs)),
  column("payload_hash", "UInt64", (out, { place }) => out.u64(place.payloadHash)),
];

const HEAD: readonly Column[] = [
  column("source", "LowCardinality(String)", (out, { envelope }) => out.text(envelope.source)),
  column("trace_id", "String", (out, { envelope }) =>
    out.text(hex((envelope.traceHi << 64n) | envelope.traceLo, 32)),
  ),
  column("span_id", "String", (out, { envelope }) => out.text(hex(envelope.spanId, 16))),
  column("ts_event_ns", "Int64", (out, { envelope }) => out.i64(envelope.tsEventNs)),
  column("ts_recv_ns", "Int64", (out, { envelope }) => out.i64(envelope.tsRecvNs)),
  column("log_seq", "UInt64", (out, { envelope }) => out.u64(BigInt(envelope.logSeq))),
];

const TAKEN = new Set([...PLACE, ...HEAD].map(({ name }) => name));

type Write = (out: RowBinaryWriter, value: unknown) => void;

/** The type of a column and its writer, by the kind of the message's field. */
function typed(kind: FieldKind): readonly [string, Write] {
  switch (kind.type) {
    case "u32":
      return ["UInt32", (out, value) => out.u32(value as number)];
    case "flag":
      return ["Bool", (out, value) => out.u8(value === true ? 1 : 0)];
    case "intentId":
    case "intentIdOrNull": // no id is 0, which no intent has
      return ["UInt128", (out, value) => out.u128((value as bigint | null) ?? 0n)];
    case "int":
      return kind.signed
        ? ["Int64", (out, value) => out.i64(BigInt(value as number))]
        : ["UInt64", (out, value) => out.u64(BigInt(value as number))];
    case "wide":
      return kind.signed
        ? ["Int64", (out, value) => out.i64(value as bigint)]
        : ["UInt64", (out, value) => out.u64(value as bigint)];
    case "ints":
      return [
        kind.signed ? "Array(Int64)" : "Array(UInt64)",
        (out, value) => {
          const all = value as readonly number[];
          out.size(all.length);
          for (const each of all) out.i64(BigInt(each));
        },
      ];
    case "text":
      return ["String", (out, value) => out.text(value as string)];
    case "name":
      return ["LowCardinality(String)", (out, value) => out.text((value as string | null) ?? "")];
  }
}

function recordTable(kind: (typeof PAYLOAD_KINDS)[number]): Table {
  const payload = Object.entries(PAYLOAD_FIELDS[kind]).map(([field, { kind: type }]) => {
    const name = snakeCase(field);
    const [clickhouse, write] = typed(type);
    // A field that is also a column of the place or the head keeps its own value beside it.
    return column(TAKEN.has(name) ? `payload_${name}` : name, clickhouse, (out, { envelope }) => {
      write(out, (envelope.payload.value as unknown as Record<string, unknown>)[field]);
    });
  });
  return { name: snakeCase(kind), columns: [...PLACE, ...HEAD, ...payload] };
}

/** One table for each kind of envelope, by that kind, made from the contracts' own table of fields. */
export const TABLES = Object.fromEntries(
  PAYLOAD_KINDS.map((kind) => [kind, recordTable(kind)]),
) as Readonly<Record<(typeof PAYLOAD_KINDS)[number], Table>>;

/** A record that cannot be read, as it stands, and why. */
export interface QuarantineRow {
  readonly place: WalPlace;
  readonly reason: string;
  readonly payload: Uint8Array;
}

/** One loaded block of a segment: written after its rows. */
export interface BlockRow {
  readonly segment: number;
  readonly block: number;
  readonly firstWalSeq: number;
  readonly lastWalSeq: number;
  readonly rows: number;
  /** CRC of the block in the WAL. */
  readonly hash: number;
}

const QUARANTINE_COLUMNS = [
  ...PLACE.map(({ name, type }) => `${name} ${type}`),
  "reason String",
  "payload String",
];
const BLOCK_COLUMNS = [
  "segment UInt64",
  "block UInt32",
  "first_wal_seq UInt64",
  "last_wal_seq UInt64",
  "rows UInt32",
  "hash UInt32",
];

export const QUARANTINE = "quarantine";
export const WAL_BLOCKS = "wal_blocks";

export function writeRecord(out: RowBinaryWriter, table: Table, row: RecordRow): void {
  for (const each of table.columns) each.write(out, row);
}

export function writeQuarantine(
  out: RowBinaryWriter,
  { place, reason, payload }: QuarantineRow,
): void {
  const head = { place } as RecordRow; // the columns of the place read nothing else
  for (const each of PLACE) each.write(out, head);
  out.text(reason);
  out.blob(payload);
}

export function writeBlock(out: RowBinaryWriter, row: BlockRow): void {
  out.u64(BigInt(row.segment));
  out.u32(row.block);
  out.u64(BigInt(row.firstWalSeq));
  out.u64(BigInt(row.lastWalSeq));
  out.u32(row.rows);
  out.u32(row.hash);
}

/** Every table with its column definitions and its order. */
export interface TableDefinition {
  readonly name: string;
  readonly columns: readonly string[];
  readonly orderBy: string;
}

export const DEFINITIONS: readonly TableDefinition[] = [
  ...Object.values(TABLES).map(({ name, columns }) => ({
    name,
    columns: columns.map((each) => `${each.name} ${each.type}`),
    orderBy: "(stream, stream_epoch, stream_seq, wal_seq)",
  })),
  {
    name: QUARANTINE,
    columns: QUARANTINE_COLUMNS,
    orderBy: "(stream, stream_epoch, stream_seq, wal_seq)",
  },
  { name: WAL_BLOCKS, columns: BLOCK_COLUMNS, orderBy: "(segment, block)" },
];
