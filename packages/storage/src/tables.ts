import type { Envelope } from "@tidegate/contracts";
import {
  type FieldKind,
  PAYLOAD_FIELDS,
  PAYLOAD_KINDS,
  snakeCase,
} from "@tidegate/contracts/messages";

/** One column of rows `R`: its type in ClickHouse, where its value comes from, and its canonical text, which digests are made of. */
export interface Column<R = RecordRow> {
  readonly name: string;
  readonly type: string;
  /** Where the writer, which is the crate `projection`, finds the value. */
  readonly path: string;
  /** Whether readers hold it as a number: a record with one beyond 2^53-1 goes to quarantine. */
  readonly safe: boolean;
  /** The value as the domain has it. */
  value(row: R): unknown;
  text(row: R): string;
  /** The expression of ClickHouse that gives `text`. */
  readonly textSql: string;
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

/** What one partition holds: a day of market data, a month of everything that is kept for years. */
export type PartitionUnit = "day" | "month";

export interface Table<R = RecordRow> {
  readonly name: string;
  readonly columns: readonly Column<R>[];
  readonly orderBy: string;
  /** null = one partition. */
  readonly partition: { readonly unit: PartitionUnit; readonly column: string } | null;
}

const hex = (value: bigint, digits: number): string =>
  value === 0n ? "" : value.toString(16).padStart(digits, "0");

/** A text with its length in bytes before it, so that two texts in a row never read as two others. */
export const sized = (value: unknown): string => {
  const text = (value as string | null) ?? "";
  return `${Buffer.byteLength(text)}:${text}`;
};

interface Typed {
  readonly type: string;
  readonly safe: boolean;
  readonly text: (value: unknown) => string;
  readonly sql: (name: string) => string;
}

const number = (type: string, safe = false): Typed => ({
  type,
  safe,
  text: String,
  sql: (name) => `toString(${name})`,
});
const INT64 = number("Int64");
const UINT64 = number("UInt64");
const UINT32 = number("UInt32");
const SAFE_INT64 = number("Int64", true);
const SAFE_UINT64 = number("UInt64", true);
// No id is 0, which no intent has.
const ID: Typed = { ...number("UInt128"), text: (value) => String(value ?? 0n) };
const FLAG: Typed = {
  type: "Bool",
  safe: false,
  text: (value) => (value === true ? "1" : "0"),
  sql: (name) => `toString(toUInt8(${name}))`,
};
const text = (type: string): Typed => ({
  type,
  safe: false,
  text: sized,
  sql: (name) => `toString(length(${name})), ':', ${name}`,
});
const TEXT = text("String");
const NAME = text("LowCardinality(String)");
const BYTES: Typed = {
  type: "String",
  safe: false,
  text: (value) => Buffer.from(value as Uint8Array).toString("hex"),
  sql: (name) => `lower(hex(${name}))`,
};
const list = (type: string): Typed => ({
  type,
  safe: true,
  text: (value) => `[${(value as readonly number[]).join(",")}]`,
  sql: (name) => `toString(${name})`,
});

function column<R>(
  name: string,
  typed: Typed,
  path: string,
  value: (row: R) => unknown,
): Column<R> {
  return {
    name,
    type: typed.type,
    path,
    safe: typed.safe,
    value,
    text: (row) => typed.text(value(row)),
    textSql: typed.sql(name),
  };
}

const PLACE: readonly Column<{ readonly place: WalPlace }>[] = [
  column("wal_seq", SAFE_UINT64, "place.wal_seq", ({ place }) => place.walSeq),
  column("stream", NAME, "place.stream", ({ place }) => place.stream),
  column("stream_epoch", UINT32, "place.epoch", ({ place }) => place.epoch),
  column("stream_seq", SAFE_UINT64, "place.seq", ({ place }) => place.seq),
  column("ts_wal_ns", INT64, "place.ts_ns", ({ place }) => place.tsNs),
  column("payload_hash", UINT64, "place.payload_hash", ({ place }) => place.payloadHash),
];

/** The trace of an envelope as 32 hex digits, "" for none. */
export const traceIdOf = ({ traceHi, traceLo }: Envelope): string =>
  hex((traceHi << 64n) | traceLo, 32);
/** Its span as 16. */
export const spanIdOf = ({ spanId }: Envelope): string => hex(spanId, 16);

const HEAD: readonly Column[] = [
  column("source", NAME, "envelope.source", ({ envelope }) => envelope.source),
  column("trace_id", TEXT, "envelope.trace_id", ({ envelope }) => traceIdOf(envelope)),
  column("span_id", TEXT, "envelope.span_id", ({ envelope }) => spanIdOf(envelope)),
  column("ts_event_ns", INT64, "envelope.ts_event_ns", ({ envelope }) => envelope.tsEventNs),
  column("ts_recv_ns", INT64, "envelope.ts_recv_ns", ({ envelope }) => envelope.tsRecvNs),
  column("log_seq", SAFE_UINT64, "envelope.log_seq", ({ envelope }) => envelope.logSeq),
];

const TAKEN = new Set([...PLACE, ...HEAD].map(({ name }) => name));

/** How a message's field is kept, by its kind. */
function typed(kind: FieldKind): Typed {
  switch (kind.type) {
    case "u32":
      return UINT32;
    case "flag":
      return FLAG;
    case "intentId":
    case "intentIdOrNull":
      return ID;
    case "int":
      return kind.signed ? SAFE_INT64 : SAFE_UINT64;
    case "wide":
      return kind.signed ? INT64 : UINT64;
    case "ints":
      return list(kind.signed ? "Array(Int64)" : "Array(UInt64)");
    case "text":
      return TEXT;
    case "name":
      return NAME;
  }
}

/** The column of a message's field: a field that is also a column of the place or the head keeps its own value beside it. */
export function columnName(field: string): string {
  const name = snakeCase(field);
  return TAKEN.has(name) ? `payload_${name}` : name;
}

/** Kinds a venue sends by the million; everything else is of the order path and kept for years. */
export const MARKET_KINDS: ReadonlySet<PayloadKind> = new Set<PayloadKind>([
  "bookTop",
  "bookDepth",
  "trade",
  "instrumentStatus",
]);

const BY_STREAM = "(stream, stream_epoch, stream_seq, wal_seq)";

function recordTable(kind: PayloadKind): Table {
  const payload = Object.entries(PAYLOAD_FIELDS[kind]).map(([field, { kind: type }]) =>
    column<RecordRow>(
      columnName(field),
      typed(type),
      `${snakeCase(kind)}.${snakeCase(field)}`,
      ({ envelope }) => (envelope.payload.value as unknown as Record<string, unknown>)[field],
    ),
  );
  return {
    name: snakeCase(kind),
    columns: [...PLACE, ...HEAD, ...payload],
    orderBy: BY_STREAM,
    partition: { unit: MARKET_KINDS.has(kind) ? "day" : "month", column: "ts_wal_ns" },
  };
}

/** One table for each kind of envelope, by that kind, made from the contracts' own table of fields. */
export const TABLES = Object.fromEntries(
  PAYLOAD_KINDS.map((kind) => [kind, recordTable(kind)]),
) as Readonly<Record<PayloadKind, Table>>;

type PayloadKind = (typeof PAYLOAD_KINDS)[number];

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

/** One act of a person or a process that changed what the cluster may do, as the audit chain holds it. */
export interface AuditRow {
  /** From 1 without holes over the whole chain. */
  readonly seq: number;
  /** ns since the Unix epoch. */
  readonly tsNs: bigint;
  readonly monoNs: bigint;
  readonly epoch: number;
  readonly actor: string;
  readonly action: string;
  /** Hashes as hex: of what was changed before and after, of the record before this one, of this one. */
  readonly beforeHash: string;
  readonly afterHash: string;
  readonly reason: string;
  readonly prev: string;
  readonly hash: string;
}

export const QUARANTINE = "quarantine";
export const WAL_BLOCKS = "wal_blocks";
export const AUDIT_LOG = "audit_log";

export const QUARANTINE_TABLE: Table<QuarantineRow> = {
  name: QUARANTINE,
  columns: [
    ...PLACE,
    column("reason", TEXT, "quarantine.reason", ({ reason }: QuarantineRow) => reason),
    column("payload", BYTES, "quarantine.payload", ({ payload }: QuarantineRow) => payload),
  ],
  orderBy: BY_STREAM,
  partition: { unit: "month", column: "ts_wal_ns" },
};

export const BLOCK_TABLE: Table<BlockRow> = {
  name: WAL_BLOCKS,
  columns: [
    column("segment", SAFE_UINT64, "block.segment", (row: BlockRow) => row.segment),
    column("block", UINT32, "block.block", (row: BlockRow) => row.block),
    column("first_wal_seq", SAFE_UINT64, "block.first_wal_seq", (row: BlockRow) => row.firstWalSeq),
    column("last_wal_seq", SAFE_UINT64, "block.last_wal_seq", (row: BlockRow) => row.lastWalSeq),
    column("rows", UINT32, "block.rows", (row: BlockRow) => row.rows),
    column("hash", UINT32, "block.hash", (row: BlockRow) => row.hash),
  ],
  orderBy: "(segment, block)",
  partition: null,
};

export const AUDIT_TABLE: Table<AuditRow> = {
  name: AUDIT_LOG,
  columns: [
    column("seq", SAFE_UINT64, "audit.seq", (row: AuditRow) => row.seq),
    column("ts_ns", INT64, "audit.ts_ns", (row: AuditRow) => row.tsNs),
    column("mono_ns", UINT64, "audit.mono_ns", (row: AuditRow) => row.monoNs),
    column("epoch", UINT32, "audit.epoch", (row: AuditRow) => row.epoch),
    column("actor", NAME, "audit.actor", (row: AuditRow) => row.actor),
    column("action", NAME, "audit.action", (row: AuditRow) => row.action),
    column("before_hash", TEXT, "audit.before_hash", (row: AuditRow) => row.beforeHash),
    column("after_hash", TEXT, "audit.after_hash", (row: AuditRow) => row.afterHash),
    column("reason", TEXT, "audit.reason", (row: AuditRow) => row.reason),
    column("prev", TEXT, "audit.prev", (row: AuditRow) => row.prev),
    column("hash", TEXT, "audit.hash", (row: AuditRow) => row.hash),
  ],
  orderBy: "seq",
  partition: { unit: "month", column: "ts_ns" },
};

/** The canonical text of a row; its digest is the first 8 bytes of MD5 over it. */
export function rowText<R>(table: Table<R>, row: R): string {
  let all = "";
  for (const each of table.columns) all += `${each.text(row)},`;
  return all;
}

/** A table whatever its rows. */
export interface TableDefinition {
  readonly name: string;
  readonly columns: readonly Pick<Column, "name" | "type" | "textSql">[];
  readonly orderBy: string;
  readonly partition: Table["partition"];
}

/** Every table of ClickHouse. */
export const DEFINITIONS: readonly TableDefinition[] = [
  ...Object.values(TABLES),
  QUARANTINE_TABLE,
  BLOCK_TABLE,
  AUDIT_TABLE,
];

/** The tables of the WAL as the crate `projection` wants them described. */
export function projectionText(): string {
  const described = (holds: string, { name, partition, columns }: Table<never>) => ({
    name,
    holds,
    partition: partition?.unit ?? null,
    columns: columns.map(({ name, type, path, safe }) => ({ name, type, path, safe })),
  });
  return JSON.stringify([
    ...PAYLOAD_KINDS.map((kind) => described(snakeCase(kind), TABLES[kind])),
    described("quarantine", QUARANTINE_TABLE),
    described("blocks", BLOCK_TABLE),
  ]);
}
