import { Readable } from "node:stream";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { INSERT_BYTES_MAX, REQUEST_MS_MAX } from "./limits.ts";
import { type EngineTemplate, migrations } from "./migrations.ts";
import { DEFINITIONS, QUARANTINE, TABLES, WAL_BLOCKS } from "./tables.ts";

export const DATABASE = "tidegate";

/** One insert into one table: whole or not at all, and once however often it is tried. */
export interface Insert {
  readonly table: string;
  /** Names the rows: the same token is the same rows. */
  readonly token: string;
  /** RowBinary in the order of the table's columns. */
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

/** The ClickHouse side of the recording. All calls reject when the server does not answer; nothing is retried here. */
export interface Repository extends AsyncDisposable {
  ping(): Promise<boolean>;
  migrate(): Promise<void>;
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

const RECORD_TABLES = [...Object.values(TABLES).map(({ name }) => name), QUARANTINE];
const UNION = RECORD_TABLES.map(
  (table) =>
    `SELECT '${table}' AS name, stream, stream_epoch, wal_seq, payload_hash FROM ${DATABASE}.${table}`,
).join(" UNION ALL ");

const COLUMNS = new Map(
  DEFINITIONS.map(({ name, columns }) => [
    name,
    columns.map((each) => each.split(" ")[0]).join(", "),
  ]),
);

/** Opens the repository at an http(s) URL; the first call connects. */
export function openRepository(
  url: string,
  template: EngineTemplate = { kind: "plain" },
): Repository {
  const client = createClient({
    url,
    request_timeout: REQUEST_MS_MAX,
    max_open_connections: 4,
    // What fails is thrown, and logged by who catches it.
    log: { level: ClickHouseLogLevel.OFF },
    keep_alive: { enabled: true, idle_socket_ttl: 1_500 },
    clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
  });
  const rows = async <T>(query: string): Promise<T[]> =>
    (await client.query({ query, format: "JSONEachRow" })).json<T>();
  return {
    async ping() {
      return (await client.ping()).success;
    },
    async migrate() {
      const held = await rows<{ name: string }>(
        `SELECT concat(table, '.', name) AS name FROM system.columns WHERE database = '${DATABASE}'`,
      );
      const known = new Set(held.map(({ name }) => name));
      const wanted = DEFINITIONS.flatMap(({ name, columns }) =>
        columns.map((each) => `${name}.${each.split(" ")[0]}`),
      );
      if (wanted.every((name) => known.has(name))) return;
      for (const query of migrations(DATABASE, template)) await client.command({ query });
    },
    async insert({ table, token, body }) {
      const columns = COLUMNS.get(table);
      if (columns === undefined) throw new TypeError(`there is no table ${table}`);
      if (body.length > INSERT_BYTES_MAX)
        throw new RangeError(`insert of ${body.length} bytes, want at most ${INSERT_BYTES_MAX}`);
      const answer = await client.exec({
        query: `INSERT INTO ${DATABASE}.${table} (${columns}) FORMAT RowBinary`,
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
    [Symbol.asyncDispose]: () => client.close(),
  };
}
