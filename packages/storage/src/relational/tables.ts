/** The relational tables: the order path and the audit, made from the contracts' own table of fields. */

import { type FieldKind, PAYLOAD_FIELDS, snakeCase } from "@tidegate/contracts/messages";
import {
  AUDIT_LOG,
  type AuditRow,
  columnName,
  QUARANTINE,
  type QuarantineRow,
  type RecordRow,
  sized,
  spanIdOf,
  traceIdOf,
  type WalPlace,
} from "../tables.ts";

/** `int` is 64 bits signed, `text` UTF-8 without NUL. */
export type ColumnType = "int" | "bool" | "text" | "bytes";
export type Value = number | bigint | boolean | string | Uint8Array;

export interface RelationalColumn<R> {
  readonly name: string;
  readonly type: ColumnType;
  readonly value: (row: R) => Value;
}

export interface RelationalTable<R = RecordRow> {
  readonly name: string;
  readonly columns: readonly RelationalColumn<R>[];
  readonly key: string;
  /** What partitions and retention go by, in ns since the Unix epoch. */
  readonly time: string;
  /** Columns that are looked up by. */
  readonly indexes: readonly string[];
}

/** The kinds of envelope that are kept relationally: orders and all that decides on them. Market data is ClickHouse's. */
export const RELATIONAL_KINDS = [
  "intent",
  "intentReply",
  "orderUpdate",
  "fill",
  "command",
  "report",
  "policyState",
  "positionUpdate",
  "controlEvent",
  "streamGap",
  "streamMark",
] as const;
export type RelationalKind = (typeof RELATIONAL_KINDS)[number];

const column = <R>(
  name: string,
  type: ColumnType,
  value: (row: R) => Value,
): RelationalColumn<R> => ({ name, type, value });

/** 64 bits as the signed integer that has them: neither store has an unsigned one. */
const signed = (value: bigint): bigint => BigInt.asIntN(64, value);

const PLACE: readonly RelationalColumn<{ readonly place: WalPlace }>[] = [
  column("wal_seq", "int", ({ place }) => place.walSeq),
  column("stream", "text", ({ place }) => place.stream),
  column("stream_epoch", "int", ({ place }) => place.epoch),
  column("stream_seq", "int", ({ place }) => place.seq),
  column("ts_wal_ns", "int", ({ place }) => place.tsNs),
  column("payload_hash", "int", ({ place }) => signed(place.payloadHash)),
];

const HEAD: readonly RelationalColumn<RecordRow>[] = [
  column("source", "text", ({ envelope }) => envelope.source),
  column("trace_id", "text", ({ envelope }) => traceIdOf(envelope)),
  column("span_id", "text", ({ envelope }) => spanIdOf(envelope)),
  column("ts_event_ns", "int", ({ envelope }) => envelope.tsEventNs),
  column("ts_recv_ns", "int", ({ envelope }) => envelope.tsRecvNs),
  column("log_seq", "int", ({ envelope }) => envelope.logSeq),
];

/** An id of 128 bits as 32 hex digits; "" for none. */
export const idText = (id: bigint | null): string =>
  id === null ? "" : id.toString(16).padStart(32, "0");

function typed(kind: FieldKind): readonly [ColumnType, (value: unknown) => Value] {
  switch (kind.type) {
    case "u32":
    case "int":
      return ["int", (value) => value as number];
    case "wide":
      return ["int", (value) => signed(value as bigint)];
    case "flag":
      return ["bool", (value) => value as boolean];
    case "intentId":
    case "intentIdOrNull":
      return ["text", (value) => idText(value as bigint | null)];
    case "text":
      return ["text", (value) => value as string];
    case "name":
      return ["text", (value) => (value as string | null) ?? ""];
    case "ints":
      throw new TypeError("a list has no relational column: keep its kind in ClickHouse alone");
  }
}

function recordTable(kind: RelationalKind): RelationalTable {
  const fields = Object.entries(PAYLOAD_FIELDS[kind]);
  const payload = fields.map(([field, { kind: of }]) => {
    const [type, value] = typed(of);
    return column<RecordRow>(columnName(field), type, ({ envelope }) =>
      value((envelope.payload.value as unknown as Record<string, unknown>)[field]),
    );
  });
  return {
    name: snakeCase(kind),
    columns: [...PLACE, ...HEAD, ...payload],
    key: "wal_seq",
    time: "ts_wal_ns",
    indexes: "intentId" in PAYLOAD_FIELDS[kind] ? ["intent_id"] : [],
  };
}

export const RELATIONAL_TABLES = Object.fromEntries(
  RELATIONAL_KINDS.map((kind) => [kind, recordTable(kind)]),
) as Readonly<Record<RelationalKind, RelationalTable>>;

export const RELATIONAL_QUARANTINE: RelationalTable<QuarantineRow> = {
  name: QUARANTINE,
  columns: [
    ...PLACE,
    column("reason", "text", ({ reason }: QuarantineRow) => reason),
    column("payload", "bytes", ({ payload }: QuarantineRow) => payload),
  ],
  key: "wal_seq",
  time: "ts_wal_ns",
  indexes: [],
};

export const RELATIONAL_AUDIT: RelationalTable<AuditRow> = {
  name: AUDIT_LOG,
  columns: [
    column("seq", "int", (row: AuditRow) => row.seq),
    column("ts_ns", "int", (row: AuditRow) => row.tsNs),
    column("mono_ns", "int", (row: AuditRow) => signed(row.monoNs)),
    column("epoch", "int", (row: AuditRow) => row.epoch),
    column("actor", "text", (row: AuditRow) => row.actor),
    column("action", "text", (row: AuditRow) => row.action),
    column("before_hash", "text", (row: AuditRow) => row.beforeHash),
    column("after_hash", "text", (row: AuditRow) => row.afterHash),
    column("reason", "text", (row: AuditRow) => row.reason),
    column("prev", "text", (row: AuditRow) => row.prev),
    column("hash", "text", (row: AuditRow) => row.hash),
  ],
  key: "seq",
  time: "ts_ns",
  indexes: [],
};

/** Tables whose rows come from the WAL. */
export const WAL_TABLES: readonly RelationalTable<never>[] = [
  ...Object.values(RELATIONAL_TABLES),
  RELATIONAL_QUARANTINE,
];
/** Tables that only ever grow: no row is changed, none goes before its years are over. */
export const APPEND_ONLY: readonly RelationalTable<never>[] = [...WAL_TABLES, RELATIONAL_AUDIT];

/** The canonical text of a row, as `digestSql` makes it in the store. */
export function relationalText<R>(table: RelationalTable<R>, row: R): string {
  let all = "";
  for (const { type, value } of table.columns) {
    const each = value(row);
    if (type === "text") all += sized(each);
    else if (type === "bytes") all += Buffer.from(each as Uint8Array).toString("hex");
    else if (type === "bool") all += each === true ? "1" : "0";
    else all += String(each);
    all += ",";
  }
  return all;
}

/** Whether a row can be kept: PostgreSQL's text has no NUL, and what one store cannot keep neither does the other. */
export function keepable(table: RelationalTable, row: RecordRow): boolean {
  return table.columns.every(
    ({ type, value }) => type !== "text" || !(value(row) as string).includes("\0"),
  );
}
