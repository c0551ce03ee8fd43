import { Readable } from "node:stream";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import {
  CLICKHOUSE_CONNECTIONS_MAX,
  INSERT_BYTES_MAX,
  LONG_REQUEST_MS_MAX,
  REQUEST_MS_MAX,
} from "./limits.ts";
import {
  bootstrap,
  convergence,
  type EngineTemplate,
  type Migration,
  migrations,
  PLAIN,
  SCHEMA_MIGRATIONS,
  storedName,
} from "./migrations.ts";
import {
  type ColumnShape,
  type Digest,
  type QueryParams,
  type QueryRow,
  StoreError,
} from "./store.ts";
import { DEFINITIONS, QUARANTINE, TABLES, WAL_BLOCKS } from "./tables.ts";
import { stepsBetween } from "./versions.ts";

export const DATABASE = "tidegate";

/** Columns, as the loader writes them, or rows. */
export type InsertFormat = "Native" | "RowBinary";

/** One insert into one table: whole or not at all, and once however often it is tried. */
export interface Insert {
  readonly table: string;
  /** Names the rows: the same token is the same rows. */
  readonly token: string;
  readonly format: InsertFormat;
  /** Rows in that format: every column of the table, RowBinary in the table's order. */
  readonly body: Buffer;
}

/** What a table holds of one stream and epoch. */
export interface StreamCount {
  readonly stream: string;
  readonly epoch: number;
  readonly rows: number;
  readonly firstWalSeq: number;
  readonly lastWalSeq: number;
  /** Exclusive or of the payload hashes. */
  readonly hash: bigint;
}

export type ExportFormat = "CSVWithNames" | "Parquet";

/** What loading needs of ClickHouse. All calls reject when the server does not answer; nothing is retried here. */
export interface Recording extends AsyncDisposable {
  ping(): Promise<boolean>;
  /**
   * Brings the schema to a version, the newest if none is given, up or down; what is there already is left alone.
   *
   * Errors  StoreError for a database that a later version made
   */
  migrate(to?: number): Promise<void>;
  insert(insert: Insert): Promise<void>;
  /** Highest wal_seq each table of records holds; 0 where it is empty. */
  highest(): Promise<ReadonlyMap<string, number>>;
  /** Highest last_wal_seq of the blocks that are in. */
  highestBlock(): Promise<number>;
  /** Rows, bounds and hash per stream over every table of records. */
  counts(): Promise<readonly StreamCount[]>;
  /** Records held: rows of every table but those that are not of the WAL. */
  records(): Promise<number>;
}

/** The ClickHouse side of the recording. */
export interface Repository extends Recording {
  /** The version in force; 0 for an empty database. */
  version(): Promise<number>;
  /** What the database has: every column of every table of this schema. */
  columns(): Promise<readonly ColumnShape[]>;
  /** Rows and content of one table, or of one partition of it: whatever stands in any column changes it. */
  digest(table: string, partition?: string): Promise<Digest>;
  /** The partitions of a table that hold rows, as `20261127` or `202611`. */
  partitions(table: string): Promise<readonly string[]>;
  /** A query's answer as a file's bytes, in pieces. */
  exportAs(format: ExportFormat, sql: string, params?: QueryParams): Promise<Readable>;
  /** One partition of a table as a Parquet file, in the order of the WAL. */
  exportParquet(table: string, partition: string): Promise<Readable>;
  /**
   * Puts a Parquet file back: into a partition of its own beside the table, and into the table only when it is what
   * `expected` says and the table has nothing of that partition.
   *
   * Errors  StoreError for a file of other rows, and for a partition that is there
   */
  importParquet(table: string, partition: string, file: Readable, expected: Digest): Promise<void>;
  /** Whether a Parquet file holds exactly these rows. */
  checkParquet(table: string, file: Readable, expected: Digest): Promise<boolean>;
  /** Gives up one partition. */
  dropPartition(table: string, partition: string): Promise<void>;
  /** Answers a query; `{name:Type}` in it is a parameter. */
  query(sql: string, params?: QueryParams): Promise<readonly QueryRow[]>;
  /** Runs a statement that answers nothing. */
  command(sql: string): Promise<void>;
}

const RECORD_TABLES = [...Object.values(TABLES).map(({ name }) => name), QUARANTINE];
const UNION = RECORD_TABLES.map(
  (table) =>
    `SELECT '${table}' AS name, stream, stream_epoch, wal_seq, payload_hash FROM ${DATABASE}.${table}`,
).join(" UNION ALL ");

const COLUMNS = new Map(
  DEFINITIONS.map(({ name, columns }) => [name, columns.map((each) => each.name).join(", ")]),
);

function definitionOf(table: string): (typeof DEFINITIONS)[number] {
  const found = DEFINITIONS.find(({ name }) => name === table);
  if (found === undefined) throw new TypeError(`there is no table ${table}`);
  return found;
}

function checkPartition(partition: string): void {
  if (!/^\d{6,8}$/.test(partition))
    throw new TypeError(`partition ${JSON.stringify(partition)}: want 20261127 or 202611`);
}

/** Opens the repository at an http(s) URL; the first call connects. */
export function openRepository(url: string, template: EngineTemplate = PLAIN): Repository {
  const open = (request_timeout: number) =>
    createClient({
      url,
      request_timeout,
      max_open_connections: CLICKHOUSE_CONNECTIONS_MAX,
      // What fails is thrown, and logged by who catches it.
      log: { level: ClickHouseLogLevel.OFF },
      keep_alive: { enabled: true, idle_socket_ttl: 1_500 },
      clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
    });
  const client = open(REQUEST_MS_MAX);
  const patient = open(LONG_REQUEST_MS_MAX);
  const rows = async <T>(query: string): Promise<T[]> =>
    (await client.query({ query, format: "JSONEachRow" })).json<T>();
  const version = async (): Promise<number> => {
    const [has] = await rows<{ n: string }>(
      `SELECT count() AS n FROM system.tables WHERE database = '${DATABASE}' AND name = '${SCHEMA_MIGRATIONS}'`,
    );
    if (Number(has?.n ?? 0) === 0) return 0;
    const [row] = await rows<{ version: string | number | null }>(
      `SELECT max(version) AS version FROM (SELECT version FROM ${DATABASE}.${SCHEMA_MIGRATIONS} GROUP BY version HAVING sum(change) > 0)`,
    );
    return Number(row?.version ?? 0);
  };
  const log = async ({ version: of, name }: Migration, change: 1 | -1): Promise<void> => {
    const at = `${Date.now()}000000`;
    await patient.command({
      query: `INSERT INTO ${DATABASE}.${storedName(template, SCHEMA_MIGRATIONS)} VALUES (${of}, '${name}', ${change}, ${at})`,
    });
  };
  const digestOf = async (table: string, held: string, where = ""): Promise<Digest> => {
    const parts = definitionOf(table).columns.map(({ textSql }) => `${textSql}, ','`);
    const answer = await patient.query({
      query: `SELECT count() AS rows, sum(reinterpretAsUInt64(reverse(substring(MD5(concat(${parts.join(", ")})), 1, 8)))) AS hash FROM ${DATABASE}.${held}${where}`,
      format: "JSONEachRow",
    });
    const [row] = await answer.json<{ rows: string; hash: string }>();
    return { rows: Number(row?.rows ?? 0), hash: BigInt(row?.hash ?? 0) };
  };
  /** Runs `act` with the rows of a file in a table `<table>_tier` of the same shape. */
  const beside = async <T>(table: string, file: Readable, act: () => Promise<T>): Promise<T> => {
    definitionOf(table);
    const name = `${DATABASE}.${table}_tier`;
    const drop = () => patient.command({ query: `DROP TABLE IF EXISTS ${name} SYNC` });
    await drop();
    await patient.command({
      query: `CREATE TABLE ${name} AS ${DATABASE}.${storedName(template, table)}`,
    });
    try {
      const answer = await patient.exec({
        query: `INSERT INTO ${name} FORMAT Parquet`,
        values: file,
        clickhouse_settings: { wait_end_of_query: 1 },
      });
      for await (const _ of answer.stream) {
        // The end of the answer is the acknowledgement.
      }
      return await act();
    } finally {
      await drop();
    }
  };
  return {
    async ping() {
      return (await client.ping()).success;
    },
    version,
    async migrate(to) {
      const all = migrations(DATABASE, template);
      const found = await version();
      const steps = stepsBetween("ClickHouse", all, found, to);
      if (found === 0 && steps.length > 0) {
        const fresh = (await this.columns()).length === 0;
        for (const query of bootstrap(DATABASE, template)) await patient.command({ query });
        if (fresh && steps.length === all.length) {
          // Nothing has to be carried from version to version: the newest is made at once.
          for (const query of convergence(DATABASE, template)) await patient.command({ query });
          for (const { migration } of steps) await log(migration, 1);
          return;
        }
      }
      for (const { migration, up } of steps) {
        for (const query of up ? migration.up : migration.down) await patient.command({ query });
        await log(migration, up ? 1 : -1);
      }
      if (to !== undefined && to < all.length) return;
      const known = new Set((await this.columns()).map(({ table, name }) => `${table}.${name}`));
      const wanted = DEFINITIONS.flatMap(({ name, columns }) =>
        columns.map((each) => `${name}.${each.name}`),
      );
      if (wanted.every((name) => known.has(name))) return;
      for (const query of convergence(DATABASE, template)) await patient.command({ query });
    },
    async insert({ table, token, format, body }) {
      const columns = COLUMNS.get(table);
      if (columns === undefined) throw new TypeError(`there is no table ${table}`);
      if (body.length > INSERT_BYTES_MAX)
        throw new RangeError(`insert of ${body.length} bytes, want at most ${INSERT_BYTES_MAX}`);
      const answer = await client.exec({
        query: `INSERT INTO ${DATABASE}.${storedName(template, table)} (${columns}) FORMAT ${format}`,
        values: Readable.from([body], { objectMode: false }),
        clickhouse_settings: {
          insert_deduplication_token: token,
          insert_deduplicate: 1,
          // One block, one part: the insert is whole or not there.
          max_insert_block_size: "1048576",
          min_insert_block_size_rows: "0",
          min_insert_block_size_bytes: "0",
          max_insert_threads: "1",
          wait_end_of_query: 1,
        },
      });
      for await (const _ of answer.stream) {
        // An insert says nothing; the end of the answer is the acknowledgement.
      }
    },
    async highest() {
      const found = await rows<{ name: string; last: string }>(
        `SELECT name, max(wal_seq) AS last FROM (${UNION}) GROUP BY name`,
      );
      return new Map(found.map(({ name, last }) => [name, Number(last)]));
    },
    async highestBlock() {
      const [row] = await rows<{ last: string }>(
        `SELECT max(last_wal_seq) AS last FROM ${DATABASE}.${WAL_BLOCKS}`,
      );
      return Number(row?.last ?? 0);
    },
    async counts() {
      const found = await rows<
        Record<"stream" | "epoch" | "rows" | "first" | "last" | "hash", string>
      >(
        `SELECT stream, stream_epoch AS epoch, count() AS rows, min(wal_seq) AS first, max(wal_seq) AS last,
         groupBitXor(payload_hash) AS hash FROM (${UNION}) GROUP BY stream, stream_epoch ORDER BY stream, epoch`,
      );
      return found.map((row) => ({
        stream: row.stream,
        epoch: Number(row.epoch),
        rows: Number(row.rows),
        firstWalSeq: Number(row.first),
        lastWalSeq: Number(row.last),
        hash: BigInt(row.hash),
      }));
    },
    async records() {
      const [row] = await rows<{ rows: string }>(`SELECT count() AS rows FROM (${UNION})`);
      return Number(row?.rows ?? 0);
    },
    async columns() {
      const found = await rows<ColumnShape>(
        `SELECT table, name, type FROM system.columns WHERE database = '${DATABASE}' ORDER BY table, position`,
      );
      return found.filter(({ table }) => COLUMNS.has(table));
    },
    digest: (table, partition) =>
      digestOf(
        table,
        table,
        partition === undefined ? "" : ` WHERE _partition_id = '${partition}'`,
      ),
    async partitions(table) {
      definitionOf(table);
      const found = await rows<{ id: string }>(
        `SELECT DISTINCT partition_id AS id FROM system.parts WHERE active AND rows > 0 AND database = '${DATABASE}' AND table = '${storedName(template, table)}' ORDER BY id`,
      );
      return found.map(({ id }) => id).filter((id) => id !== "all");
    },
    async exportParquet(table, partition) {
      definitionOf(table);
      checkPartition(partition);
      return this.exportAs(
        "Parquet",
        `SELECT * FROM ${DATABASE}.${table} WHERE _partition_id = '${partition}' ORDER BY wal_seq`,
      );
    },
    async exportAs(format, query, params) {
      const answer = await patient.exec({
        query: `${query} FORMAT ${format}`,
        clickhouse_settings: { output_format_parquet_compression_method: "zstd" },
        ...(params === undefined ? {} : { query_params: { ...params } }),
      });
      return answer.stream;
    },
    async checkParquet(table, file, expected) {
      const { rows: held, hash } = await beside(table, file, () =>
        digestOf(table, `${table}_tier`),
      );
      return held === expected.rows && hash === expected.hash;
    },
    async importParquet(table, partition, file, expected) {
      checkPartition(partition);
      const stored = storedName(template, table);
      await beside(table, file, async () => {
        const { rows: held, hash } = await digestOf(table, `${table}_tier`);
        if (held !== expected.rows || hash !== expected.hash)
          throw new StoreError(
            "ClickHouse",
            `the file for ${table} ${partition} holds other rows than its manifest says`,
            "take another copy of it",
          );
        if ((await digestOf(table, table, ` WHERE _partition_id = '${partition}'`)).rows > 0)
          throw new StoreError(
            "ClickHouse",
            `${table} has rows of partition ${partition}`,
            "drop the partition first, or leave it as it is",
          );
        // Whole parts change their table at once: no half of a partition is ever there.
        await patient.command({
          query: `ALTER TABLE ${DATABASE}.${stored} ATTACH PARTITION ID '${partition}' FROM ${DATABASE}.${table}_tier`,
        });
      });
    },
    async dropPartition(table, partition) {
      definitionOf(table);
      checkPartition(partition);
      await patient.command({
        query: `ALTER TABLE ${DATABASE}.${storedName(template, table)} DROP PARTITION ID '${partition}'`,
      });
    },
    async query(query, params) {
      const answer = await patient.query({
        query,
        format: "JSONEachRow",
        ...(params === undefined ? {} : { query_params: { ...params } }),
      });
      return answer.json<QueryRow>();
    },
    async command(query) {
      await patient.command({ query });
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await patient.close();
    },
  };
}
