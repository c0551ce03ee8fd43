/** The versions of the relational schema, one template for PostgreSQL and SQLite. */

import { APPEND_ONLY, RELATIONAL_AUDIT, type RelationalTable, WAL_TABLES } from "./tables.ts";

export type Dialect = "postgresql" | "sqlite";

/** One step between two versions, in both directions; each runs in one transaction with its row of the log. */
export interface RelationalMigration {
  /** From 1 without holes. */
  readonly version: number;
  readonly name: string;
  readonly up: readonly string[];
  readonly down: readonly string[];
}

export const LOAD_POSITION = "load_position";

const TYPES = {
  postgresql: { int: "bigint", bool: "boolean", text: "text", bytes: "bytea" },
  sqlite: { int: "INTEGER", bool: "INTEGER", text: "TEXT", bytes: "BLOB" },
} as const;

/** The type of a column as the store's own catalogue spells it. */
export function typeOf(dialect: Dialect, type: keyof (typeof TYPES)["sqlite"]): string {
  return TYPES[dialect][type];
}

export function columnSql(
  dialect: Dialect,
  { name, type }: RelationalTable<never>["columns"][number],
): string {
  const check = dialect === "sqlite" && type === "bool" ? ` CHECK (${name} IN (0, 1))` : "";
  return `${name} ${typeOf(dialect, type)} NOT NULL${check}`;
}

/** What stands before the first version. */
export function relationalBootstrap(dialect: Dialect): string {
  const { int, text } = TYPES[dialect];
  return (
    `CREATE TABLE IF NOT EXISTS schema_migrations (version ${int} PRIMARY KEY, name ${text} NOT NULL, applied_ns ${int} NOT NULL)` +
    (dialect === "sqlite" ? " STRICT" : "")
  );
}

function createTable(dialect: Dialect, table: RelationalTable<never>): string[] {
  const columns = table.columns.map((each) => columnSql(dialect, each)).join(", ");
  const indexes = [table.time, ...table.indexes].map(
    (name) => `CREATE INDEX ${table.name}_by_${name} ON ${table.name} (${name})`,
  );
  if (dialect === "sqlite") {
    // An INTEGER PRIMARY KEY is the row's own id: the key costs nothing.
    const keyed = columns.replace(
      `${table.key} INTEGER NOT NULL`,
      `${table.key} INTEGER PRIMARY KEY`,
    );
    return [`CREATE TABLE ${table.name} (${keyed}) STRICT`, ...indexes];
  }
  // The key of a partitioned table has to hold what it is partitioned by; a record's time never changes, so that
  // the same record twice is the same key.
  return [
    `CREATE TABLE ${table.name} (${columns}, PRIMARY KEY (${table.key}, ${table.time})) PARTITION BY RANGE (${table.time})`,
    ...indexes,
  ];
}

/** In SQLite a row may be deleted once the store has been told that its time is over, and that only after its years. */
function appendOnly(dialect: Dialect, { name, time }: RelationalTable<never>): string[] {
  if (dialect === "postgresql") {
    return [
      `CREATE TRIGGER ${name}_append_only BEFORE UPDATE OR DELETE ON ${name} FOR EACH ROW EXECUTE FUNCTION tidegate_append_only()`,
      `CREATE TRIGGER ${name}_not_truncated BEFORE TRUNCATE ON ${name} FOR EACH STATEMENT EXECUTE FUNCTION tidegate_append_only()`,
    ];
  }
  return [
    `CREATE TRIGGER ${name}_no_update BEFORE UPDATE ON ${name} BEGIN SELECT RAISE(ABORT, '${name} is append-only'); END`,
    `CREATE TRIGGER ${name}_no_delete BEFORE DELETE ON ${name}
     WHEN OLD.${time} >= coalesce((SELECT max(before_ns) FROM retention WHERE table_name = '${name}'), -9223372036854775808)
     BEGIN SELECT RAISE(ABORT, '${name} is append-only'); END`,
  ];
}

function dropAppendOnly(dialect: Dialect, { name }: RelationalTable<never>): string[] {
  if (dialect === "postgresql") {
    return ["append_only", "not_truncated"].map(
      (each) => `DROP TRIGGER ${name}_${each} ON ${name}`,
    );
  }
  return ["no_update", "no_delete"].map((each) => `DROP TRIGGER ${name}_${each}`);
}

/** The last word on each order and on each position, from all that was ever said of them. */
const ORDERS = `CREATE VIEW orders AS
  SELECT u.intent_id, u.client_order_id, i.account_id, u.instrument_id, u.side, i.order_type, i.tif, u.state, u.reason,
    u.px_ticks, u.qty_lots, u.cum_qty_lots, u.leaves_qty_lots, i.ts_wal_ns AS created_ns, u.ts_wal_ns AS changed_ns, u.wal_seq
  FROM (SELECT *, row_number() OVER (PARTITION BY intent_id ORDER BY wal_seq DESC) AS nth FROM order_update) u
  LEFT JOIN (SELECT *, row_number() OVER (PARTITION BY intent_id ORDER BY wal_seq) AS nth FROM intent) i
    ON i.intent_id = u.intent_id AND i.nth = 1
  WHERE u.nth = 1`;
const POSITIONS = `CREATE VIEW positions AS
  SELECT account_id, strategy_id, instrument_id, position_lots, open_cost_e8, realised_e8, ts_wal_ns AS changed_ns, wal_seq
  FROM (SELECT *, row_number() OVER (PARTITION BY account_id, strategy_id, instrument_id ORDER BY wal_seq DESC) AS nth
    FROM position_update) p
  WHERE nth = 1`;

/** Every version of the schema, oldest first. */
export function relationalMigrations(dialect: Dialect): RelationalMigration[] {
  const { int, text } = TYPES[dialect];
  const strict = dialect === "sqlite" ? " STRICT" : "";
  const drop = (tables: readonly { readonly name: string }[]): string[] =>
    tables.map(({ name }) => `DROP TABLE ${name}`);
  const names = (...all: string[]): { readonly name: string }[] => all.map((name) => ({ name }));
  return [
    {
      version: 1,
      name: "records",
      up: [
        ...WAL_TABLES.flatMap((table) => createTable(dialect, table)),
        // One row: how far the WAL is in, changed in the transaction that brings the rows.
        `CREATE TABLE ${LOAD_POSITION} (id ${int} PRIMARY KEY CHECK (id = 1), wal_seq ${int} NOT NULL, segment ${int} NOT NULL, byte_offset ${int} NOT NULL)${strict}`,
        `INSERT INTO ${LOAD_POSITION} VALUES (1, 0, 0, 0)`,
      ],
      down: drop([...WAL_TABLES, { name: LOAD_POSITION }]),
    },
    {
      version: 2,
      name: "audit",
      up: createTable(dialect, RELATIONAL_AUDIT),
      down: drop([RELATIONAL_AUDIT]),
    },
    {
      version: 3,
      name: "append-only",
      up: [
        `CREATE TABLE retention (table_name ${text} NOT NULL, before_ns ${int} NOT NULL, decided_ns ${int} NOT NULL)${strict}`,
        ...(dialect === "postgresql"
          ? [
              "CREATE FUNCTION tidegate_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
            ]
          : []),
        ...APPEND_ONLY.flatMap((table) => appendOnly(dialect, table)),
        // A trigger against TRUNCATE is not handed down to partitions; those there are get their own.
        ...(dialect === "postgresql"
          ? [
              `DO $$ DECLARE part regclass; BEGIN
               FOR part IN SELECT i.inhrelid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.relkind = 'p' LOOP
                 EXECUTE format('CREATE TRIGGER not_truncated BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION tidegate_append_only()', part);
               END LOOP; END $$`,
            ]
          : []),
      ],
      down: [
        ...APPEND_ONLY.flatMap((table) => dropAppendOnly(dialect, table)),
        ...(dialect === "postgresql" ? ["DROP FUNCTION tidegate_append_only() CASCADE"] : []),
        "DROP TABLE retention",
      ],
    },
    {
      version: 4,
      name: "state",
      up: [ORDERS, POSITIONS],
      down: ["DROP VIEW positions", "DROP VIEW orders"],
    },
    {
      version: 5,
      name: "registry",
      up: [
        // The limits in force and since when; the experiments of research. Neither comes from the WAL.
        `CREATE TABLE limits (version ${int} PRIMARY KEY, sha256 ${text} NOT NULL, document ${text} NOT NULL, owner ${text} NOT NULL, in_force_ns ${int} NOT NULL)${strict}`,
        `CREATE TABLE experiments (id ${text} PRIMARY KEY, strategy ${text} NOT NULL, git_commit ${text} NOT NULL, config_sha256 ${text} NOT NULL, dataset_sha256 ${text} NOT NULL, metrics ${text} NOT NULL, started_ns ${int} NOT NULL, ended_ns ${int} NOT NULL)${strict}`,
      ],
      down: drop(names("experiments", "limits")),
    },
  ];
}

/** The store's own text of a row, hashed: the same as `relationalText`. */
export function digestSql(dialect: Dialect, table: RelationalTable<never>): string {
  const parts = table.columns.map(({ name, type }) => {
    if (type === "text") return `octet_length(${name}) || ':' || ${name} || ','`;
    if (type === "bytes")
      return dialect === "sqlite" ? `lower(hex(${name})) || ','` : `encode(${name}, 'hex') || ','`;
    if (type === "bool" && dialect === "postgresql") return `${name}::int || ','`;
    return `${name} || ','`;
  });
  const text = parts.join(" || ");
  return dialect === "sqlite"
    ? `SELECT count(*) AS n, md5_sum(${text}) AS hash FROM ${table.name}`
    : `SELECT count(*)::text AS n, coalesce(sum(('x' || substr(md5(${text}), 1, 16))::bit(64)::bigint::numeric), 0)::text AS hash FROM ${table.name}`;
}
