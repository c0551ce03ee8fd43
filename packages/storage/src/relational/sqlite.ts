/** SQLite by Node's own `node:sqlite`: one file, one writer, every commit synced. */

import { hash } from "node:crypto";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { BATCH_ROWS_MAX, SQLITE_BUSY_MS_MAX } from "../limits.ts";
import type { StreamCount } from "../repository.ts";
import { type ColumnShape, StoreError } from "../store.ts";
import type { AuditRow } from "../tables.ts";
import { stepsBetween } from "../versions.ts";
import {
  columnSql,
  digestSql,
  LOAD_POSITION,
  relationalBootstrap,
  relationalMigrations,
} from "./migrations.ts";
import {
  appendOnlyTable,
  byTable,
  checkFollows,
  checkRetention,
  type LoadPosition,
  type RelationalStore,
} from "./store.ts";
import {
  APPEND_ONLY,
  RELATIONAL_AUDIT,
  type RelationalTable,
  type Value,
  WAL_TABLES,
} from "./tables.ts";

const NAME = "SQLite";
const SQLITE_BUSY = 5;
const BUSY_RETRY_MS = 5;

/** Opens a file, or `:memory:`; makes it if it is not there. */
export function openSqlite(path: string): RelationalStore {
  const db = new DatabaseSync(path, { timeout: SQLITE_BUSY_MS_MAX });
  turnToWal(db);
  // A commit that was acknowledged is on the device.
  db.exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
  defineFunctions(db);
  const inserts = new Map<string, StatementSync>();
  const transaction = <T>(act: () => T): T => {
    db.exec("BEGIN IMMEDIATE");
    try {
      const value = act();
      db.exec("COMMIT");
      return value;
    } catch (error) {
      db.exec("ROLLBACK");
      throw error;
    }
  };
  const prepared = (table: RelationalTable<never>, verb: string): StatementSync => {
    const sql = `${verb} INTO ${table.name} (${table.columns.map(({ name }) => name).join(", ")}) VALUES (${table.columns.map(() => "?").join(", ")})`;
    const known = inserts.get(sql);
    if (known !== undefined) return known;
    const made = db.prepare(sql);
    inserts.set(sql, made);
    return made;
  };
  const write = (
    table: RelationalTable<never>,
    rows: readonly unknown[],
    verb = "INSERT",
  ): number => {
    const statement = prepared(table, verb);
    let changes = 0;
    for (const row of rows) {
      const values = table.columns.map(({ value }) => bound(value(row as never)));
      changes += Number(statement.run(...values).changes);
    }
    return changes;
  };
  const all = (sql: string, params: Record<string, string | number | bigint> = {}) => {
    const statement = db.prepare(sql);
    statement.setReadBigInts(true);
    return statement.all(params);
  };
  const position = (): LoadPosition => {
    const [row] = all(`SELECT wal_seq, segment, byte_offset FROM ${LOAD_POSITION}`);
    return {
      walSeq: Number(row?.["wal_seq"]),
      segment: Number(row?.["segment"]),
      offset: Number(row?.["byte_offset"]),
    };
  };
  const version = (): number => {
    const has = all("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'");
    if (has.length === 0) return 0;
    const [row] = all("SELECT coalesce(max(version), 0) AS version FROM schema_migrations");
    return Number(row?.["version"]);
  };
  const columns = (): ColumnShape[] =>
    APPEND_ONLY.flatMap(({ name: table }) =>
      all(`SELECT name, type FROM pragma_table_info('${table}')`).map((row) => ({
        table,
        name: String(row["name"]),
        type: String(row["type"]),
      })),
    );
  return {
    dialect: "sqlite",
    async version() {
      return version();
    },
    async migrate(to) {
      const steps = stepsBetween(NAME, relationalMigrations("sqlite"), version(), to);
      db.exec(relationalBootstrap("sqlite"));
      for (const { migration, up } of steps) {
        transaction(() => {
          const { version: of, name } = migration;
          // Another process may have taken the step since the steps were counted.
          if (up === version() >= of) return;
          for (const sql of up ? migration.up : migration.down) db.exec(sql);
          if (up)
            db.prepare("INSERT INTO schema_migrations VALUES (?, ?, ?)").run(
              of,
              name,
              BigInt(Date.now()) * 1_000_000n,
            );
          else db.prepare("DELETE FROM schema_migrations WHERE version = ?").run(of);
        });
        inserts.clear();
      }
      if (version() < relationalMigrations("sqlite").length) return;
      transaction(() => {
        const held = new Set(columns().map(({ table, name }) => `${table}.${name}`));
        for (const table of APPEND_ONLY) {
          for (const column of table.columns.filter(
            ({ name }) => !held.has(`${table.name}.${name}`),
          )) {
            const zero = { int: "0", bool: "0", text: "''", bytes: "x''" }[column.type];
            db.exec(
              `ALTER TABLE ${table.name} ADD COLUMN ${columnSql("sqlite", column)} DEFAULT ${zero}`,
            );
          }
        }
      });
    },
    async position() {
      return position();
    },
    async insert(batch) {
      checkSize(NAME, batch.records.length + batch.quarantined.length);
      return transaction(() => {
        const held = position();
        if (held.walSeq >= batch.to.walSeq) return "held";
        checkFollows(NAME, held, batch);
        for (const [table, rows] of byTable(batch, held.walSeq)) write(table, rows);
        const { walSeq, segment, offset } = batch.to;
        db.prepare(`UPDATE ${LOAD_POSITION} SET wal_seq = ?, segment = ?, byte_offset = ?`).run(
          walSeq,
          segment,
          offset,
        );
        return "inserted";
      });
    },
    async appendAudit(rows: readonly AuditRow[]) {
      checkSize(NAME, rows.length);
      return transaction(() => write(RELATIONAL_AUDIT, rows, "INSERT OR IGNORE"));
    },
    async columns() {
      return columns();
    },
    async digest(name) {
      const [row] = all(digestSql("sqlite", appendOnlyTable(name)));
      return { rows: Number(row?.["n"]), hash: BigInt(String(row?.["hash"])) };
    },
    async counts() {
      const union = WAL_TABLES.map(
        ({ name }) => `SELECT stream, stream_epoch, wal_seq, payload_hash FROM ${name}`,
      ).join(" UNION ALL ");
      const found = all(
        `SELECT stream, stream_epoch AS epoch, count(*) AS n, min(wal_seq) AS first, max(wal_seq) AS last, xor_sum(payload_hash) AS hash
         FROM (${union}) GROUP BY stream, stream_epoch ORDER BY stream, epoch`,
      );
      return found.map(
        (row): StreamCount => ({
          stream: String(row["stream"]),
          epoch: Number(row["epoch"]),
          rows: Number(row["n"]),
          firstWalSeq: Number(row["first"]),
          lastWalSeq: Number(row["last"]),
          hash: BigInt.asUintN(64, row["hash"] as bigint),
        }),
      );
    },
    async query(sql, params) {
      return all(sql, params);
    },
    async command(sql) {
      db.exec(sql);
    },
    async retain(beforeNs, nowNs) {
      checkRetention(NAME, beforeNs, nowNs);
      return transaction(() => {
        let gone = 0;
        for (const { name, time } of APPEND_ONLY) {
          db.prepare("INSERT INTO retention VALUES (?, ?, ?)").run(name, beforeNs, nowNs);
          gone += Number(db.prepare(`DELETE FROM ${name} WHERE ${time} < ?`).run(beforeNs).changes);
        }
        return gone;
      });
    },
    async partitions() {
      return [];
    },
    async [Symbol.asyncDispose]() {
      db.close();
    },
  };
}

/** @throws StoreError for a batch over its bound */
export function checkSize(store: string, rows: number): void {
  if (rows <= BATCH_ROWS_MAX) return;
  throw new StoreError(store, `a batch of ${rows} rows`, `want at most ${BATCH_ROWS_MAX}`);
}

// SQLite does not wait for another process that turns the same fresh file: its busy timeout holds for the statements after.
function turnToWal(db: DatabaseSync): void {
  const untilMs = performance.now() + SQLITE_BUSY_MS_MAX;
  for (;;)
    try {
      db.exec("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > untilMs) {
        db.close();
        throw error;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_RETRY_MS);
    }
}

/** SQLITE_BUSY with any of its extensions (sqlite.org/rescode.html). */
function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === "number" && (code & 0xff) === SQLITE_BUSY;
}

// A number goes to SQLite as a double, which a STRICT column of integers takes back exactly up to 2^53.
function bound(value: Value): number | bigint | string | Uint8Array {
  return typeof value === "boolean" ? (value ? 1 : 0) : value;
}

function defineFunctions(db: DatabaseSync): void {
  db.aggregate("md5_sum", {
    start: () => 0n,
    step: (sum: bigint, text) =>
      BigInt.asUintN(64, sum + hash("md5", String(text), "buffer").readBigUInt64BE(0)),
    result: (sum: bigint) => String(sum),
  });
  db.aggregate("xor_sum", {
    start: () => 0n,
    step: (sum: bigint, value) => sum ^ BigInt(value as bigint),
    result: (sum: bigint) => BigInt.asIntN(64, sum),
    useBigIntArguments: true,
  });
}
