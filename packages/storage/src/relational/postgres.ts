/** PostgreSQL 15 or newer: tables partitioned by month, rows as arrays, every commit synced. */

import pg from "pg";
import {
  CONNECT_S_MAX,
  PARTITION_MONTHS_AHEAD,
  POOL_CONNECTIONS_MAX,
  POOL_WAIT_MS_MAX,
  POOL_WAITING_MAX,
  STATEMENT_MS_MAX,
} from "../limits.ts";
import type { StreamCount } from "../repository.ts";
import { type ColumnShape, type QueryRow, StoreError } from "../store.ts";
import { stepsBetween } from "../versions.ts";
import {
  columnSql,
  digestSql,
  LOAD_POSITION,
  relationalBootstrap,
  relationalMigrations,
  typeOf,
} from "./migrations.ts";
import { checkSize } from "./sqlite.ts";
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

const NAME = "PostgreSQL";
/** Serialises migrations of several programs; any number that nobody else uses. */
const MIGRATION_LOCK = 7_430_001;

/** Runs one statement of a transaction. */
type Tx = (sql: string, params?: readonly unknown[]) => Promise<Answer>;
interface Answer {
  readonly rows: readonly QueryRow[];
  readonly count: number;
}

const INT8 = 20;
const INT4 = 23;
/** Every integer as a bigint; everything else as the client has it. */
const types = {
  getTypeParser: (id: number, format?: "text" | "binary") =>
    id === INT8 || id === INT4 ? BigInt : pg.types.getTypeParser(id, format as "text"),
} as pg.CustomTypesConfig;

export interface PostgresOptions {
  readonly connectionsMax?: number;
  readonly waitingMax?: number;
  readonly waitMsMax?: number;
}

/** Opens the store at a URL `postgres://user@host:port/database`; the first call connects. */
export function openPostgres(url: string, options: PostgresOptions = {}): RelationalStore {
  const connectionsMax = options.connectionsMax ?? POOL_CONNECTIONS_MAX;
  const pool = new pg.Pool({
    connectionString: url,
    max: connectionsMax,
    connectionTimeoutMillis: CONNECT_S_MAX * 1_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: STATEMENT_MS_MAX,
    application_name: "tidegate",
    types,
  });
  // An idle connection that breaks is made anew when it is needed; the caller who needs it hears what is wrong then.
  pool.on("error", () => {});
  const gate = new Gate(
    connectionsMax,
    options.waitingMax ?? POOL_WAITING_MAX,
    options.waitMsMax ?? POOL_WAIT_MS_MAX,
  );
  const known = new Set<string>();
  const ask =
    (client: pg.Pool | pg.PoolClient): Tx =>
    async (text, params = []) => {
      const { rows, rowCount } = await client.query<QueryRow>(text, [...params]);
      return { rows, count: rowCount ?? 0 };
    };
  const rows = (query: string, params: readonly unknown[] = []): Promise<readonly QueryRow[]> =>
    gate.run(async () => (await ask(pool)(query, params)).rows);
  const transaction = <T>(act: (tx: Tx) => Promise<T>): Promise<T> =>
    gate.run(async () => {
      const client = await pool.connect();
      // A connection that breaks in the middle fails the statement under way; without this it would end the process too.
      const broken = (): void => {};
      client.on("error", broken);
      try {
        await client.query("BEGIN");
        const value = await act(ask(client));
        await client.query("COMMIT");
        client.off("error", broken);
        client.release();
        return value;
      } catch (error) {
        // The connection goes with the transaction: what state it is in nobody knows.
        client.release(true);
        throw error;
      }
    });
  const version = async (): Promise<number> => {
    const [has] = await rows("SELECT to_regclass('schema_migrations') IS NOT NULL AS has");
    if (has?.["has"] !== true) return 0;
    const [row] = await rows("SELECT coalesce(max(version), 0) AS version FROM schema_migrations");
    return Number(row?.["version"]);
  };
  const columns = async (): Promise<ColumnShape[]> => {
    const found = await rows(
      `SELECT table_name AS table, column_name AS name, data_type AS type FROM information_schema.columns
       WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position`,
    );
    const own = new Set(APPEND_ONLY.map(({ name }) => name));
    return (found as unknown as ColumnShape[]).filter(({ table }) => own.has(table));
  };
  return {
    dialect: "postgresql",
    version,
    async migrate(to) {
      await rows(relationalBootstrap("postgresql"));
      const all = relationalMigrations("postgresql");
      const found = await version();
      for (const { migration, up } of stepsBetween(NAME, all, found, to)) {
        await transaction(async (tx) => {
          await tx(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
          const { version: of, name } = migration;
          const { rows: held } = await tx(`SELECT 1 FROM schema_migrations WHERE version = ${of}`);
          // Another program may have gone first.
          if (held.length === (up ? 1 : 0)) return;
          for (const each of up ? migration.up : migration.down) await tx(each);
          await (up
            ? tx("INSERT INTO schema_migrations VALUES ($1, $2, $3)", [
                of,
                name,
                BigInt(Date.now()) * 1_000_000n,
              ])
            : tx("DELETE FROM schema_migrations WHERE version = $1", [of]));
        });
        known.clear();
      }
      if ((await version()) < all.length) return;
      await transaction(async (tx) => {
        for (const table of APPEND_ONLY) {
          const added = table.columns.map((column) => {
            const zero = { int: "0", bool: "false", text: "''", bytes: "''" }[column.type];
            return `ADD COLUMN IF NOT EXISTS ${columnSql("postgresql", column)} DEFAULT ${zero}`;
          });
          await tx(`ALTER TABLE ${table.name} ${added.join(", ")}`);
          const now = new Date();
          for (let ahead = 0; ahead <= PARTITION_MONTHS_AHEAD; ahead += 1) {
            const month = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead);
            await makePartition(tx, table, BigInt(month) * 1_000_000n, known);
          }
        }
      });
    },
    async position() {
      return positionOf(await rows(POSITION));
    },
    async insert(batch) {
      checkSize(NAME, batch.records.length + batch.quarantined.length);
      const made = new Set<string>();
      const outcome = await transaction(async (tx) => {
        // The lock on the one row of the position is what keeps two loaders apart.
        const held = positionOf((await tx(`${POSITION} FOR UPDATE`)).rows);
        if (held.walSeq >= batch.to.walSeq) return "held" as const;
        checkFollows(NAME, held, batch);
        for (const [table, of] of byTable(batch, held.walSeq)) {
          for (const month of new Set(of.map(({ place }) => monthStart(place.tsNs))))
            await makePartition(tx, table, month, new Set([...known]), made);
          await write(tx, table, of);
        }
        const { walSeq, segment, offset } = batch.to;
        await tx(`UPDATE ${LOAD_POSITION} SET wal_seq = $1, segment = $2, byte_offset = $3`, [
          walSeq,
          segment,
          offset,
        ]);
        return "inserted" as const;
      });
      for (const name of made) known.add(name);
      return outcome;
    },
    async appendAudit(all) {
      checkSize(NAME, all.length);
      const made = new Set<string>();
      const count = await transaction(async (tx) => {
        for (const month of new Set(all.map(({ tsNs }) => monthStart(tsNs))))
          await makePartition(tx, RELATIONAL_AUDIT, month, known, made);
        return write(tx, RELATIONAL_AUDIT, all, true);
      });
      for (const name of made) known.add(name);
      return count;
    },
    columns,
    async digest(name) {
      const table = appendOnlyTable(name);
      return transaction(async (tx) => {
        await tx("SET LOCAL statement_timeout = 0");
        const [row] = (await tx(digestSql("postgresql", table))).rows;
        const hash = BigInt.asUintN(64, BigInt(String(row?.["hash"])));
        return { rows: Number(row?.["n"]), hash };
      });
    },
    async counts() {
      const union = WAL_TABLES.map(
        ({ name }) => `SELECT stream, stream_epoch, wal_seq, payload_hash FROM ${name}`,
      ).join(" UNION ALL ");
      const found = await rows(
        `SELECT stream, stream_epoch AS epoch, count(*) AS n, min(wal_seq) AS first, max(wal_seq) AS last, bit_xor(payload_hash) AS hash
         FROM (${union}) AS every GROUP BY stream, stream_epoch ORDER BY stream COLLATE "C", epoch`,
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
    async query(query, params = {}) {
      const names: string[] = [];
      const numbered = query.replaceAll(/(?<!:):([a-z_]+)/g, (_, name: string) => {
        if (!(name in params)) throw new StoreError(NAME, `no value for :${name}`, "give one");
        if (!names.includes(name)) names.push(name);
        return `$${names.indexOf(name) + 1}`;
      });
      return rows(
        numbered,
        names.map((name) => params[name] ?? null),
      );
    },
    async command(query) {
      await rows(query);
    },
    async retain(beforeNs, nowNs) {
      checkRetention(NAME, beforeNs, nowNs);
      let gone = 0;
      for (const { name } of APPEND_ONLY) {
        const found = await rows(
          `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = '${name}'::regclass`,
        );
        for (const { name: partition } of found) {
          const month = Number(String(partition).slice(-6));
          const end = BigInt(Date.UTC(Math.floor(month / 100), month % 100)) * 1_000_000n;
          if (end > beforeNs) continue;
          gone += await transaction(async (tx) => {
            const [row] = (await tx(`SELECT count(*) AS n FROM ${partition}`)).rows;
            await tx("INSERT INTO retention VALUES ($1, $2, $3)", [name, end, nowNs]);
            await tx(`DROP TABLE ${partition}`);
            return Number(row?.["n"]);
          });
          known.delete(String(partition));
        }
      }
      return gone;
    },
    async partitions() {
      const found = await rows(
        `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
         WHERE p.relkind = 'p' ORDER BY 1`,
      );
      return found.map(({ name }) => String(name));
    },
    async [Symbol.asyncDispose]() {
      await pool.end();
    },
  };
}

const POSITION = `SELECT wal_seq, segment, byte_offset FROM ${LOAD_POSITION}`;

function positionOf([row]: readonly QueryRow[]): LoadPosition {
  return {
    walSeq: Number(row?.["wal_seq"]),
    segment: Number(row?.["segment"]),
    offset: Number(row?.["byte_offset"]),
  };
}

/** The first instant of the month a time falls into. */
function monthStart(tsNs: bigint): bigint {
  const date = new Date(Number(tsNs / 1_000_000n));
  return BigInt(Date.UTC(date.getUTCFullYear(), date.getUTCMonth())) * 1_000_000n;
}

async function makePartition(
  tx: Tx,
  table: RelationalTable<never>,
  monthNs: bigint,
  known: ReadonlySet<string>,
  made: Set<string> = known as Set<string>,
): Promise<void> {
  const date = new Date(Number(monthNs / 1_000_000n));
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  const name = `${table.name}_${year * 100 + month + 1}`;
  if (known.has(name) || made.has(name)) return;
  const end = BigInt(Date.UTC(year, month + 1)) * 1_000_000n;
  const [held] = (await tx("SELECT to_regclass($1) IS NOT NULL AS has", [name])).rows;
  if (held?.["has"] !== true) {
    await tx(
      `CREATE TABLE ${name} PARTITION OF ${table.name} FOR VALUES FROM (${monthNs}) TO (${end})`,
    );
    // A trigger against TRUNCATE is not handed down to partitions, unlike one against UPDATE and DELETE.
    await tx(
      `DO $$ BEGIN IF to_regproc('tidegate_append_only') IS NOT NULL THEN
         CREATE TRIGGER not_truncated BEFORE TRUNCATE ON ${name} FOR EACH STATEMENT EXECUTE FUNCTION tidegate_append_only();
       END IF; END $$`,
    );
  }
  made.add(name);
}

/**
 * Inserts rows as one statement with one array for each column; gives how many went in.
 */
async function write(
  tx: Tx,
  table: RelationalTable<never>,
  rows: readonly unknown[],
  orLeaveOut = false,
): Promise<number> {
  const names = table.columns.map(({ name }) => name).join(", ");
  const arrays = table.columns.map(
    ({ type }, at) => `$${at + 1}::text::${typeOf("postgresql", type)}[]`,
  );
  const done = await tx(
    `INSERT INTO ${table.name} (${names}) SELECT * FROM unnest(${arrays.join(", ")})${orLeaveOut ? " ON CONFLICT DO NOTHING" : ""}`,
    table.columns.map(({ value }) => `{${rows.map((row) => element(value(row as never))).join()}}`),
  );
  return done.count;
}

/** A value as an array's element in PostgreSQL's own text form. */
function element(value: Value): string {
  if (typeof value === "string") return `"${value.replaceAll(/["\\]/g, "\\$&")}"`;
  if (typeof value === "boolean") return value ? "t" : "f";
  if (value instanceof Uint8Array) return `"\\\\x${Buffer.from(value).toString("hex")}"`;
  return String(value);
}

/** Lets in as many callers as there are connections, holds some for a while, and refuses the rest at once. */
class Gate {
  readonly #max: number;
  readonly #waitingMax: number;
  readonly #waitMsMax: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(max: number, waitingMax: number, waitMsMax: number) {
    this.#max = max;
    this.#waitingMax = waitingMax;
    this.#waitMsMax = waitMsMax;
  }

  async run<T>(act: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#max) await this.#turn();
    else this.#running += 1;
    try {
      return await act();
    } finally {
      // A caller that waits takes the place over; nobody slips in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= this.#waitingMax) {
      throw new StoreError(
        NAME,
        `all ${this.#max} connections are taken and ${this.#waiting.length} callers wait`,
        "ask less at once, or find the query that holds them in pg_stat_activity",
      );
    }
    return new Promise((done, refuse) => {
      const late = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        refuse(
          new StoreError(
            NAME,
            `no connection came free within ${this.#waitMsMax} ms`,
            "find the query that holds them in pg_stat_activity",
          ),
        );
      }, this.#waitMsMax);
      const go = (): void => {
        clearTimeout(late);
        done();
      };
      this.#waiting.push(go);
    });
  }
}
