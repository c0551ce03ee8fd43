/** `hft bench load`: the way from a WAL into ClickHouse beside the same rows from buffers made before, and how soon a record can be queried. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import {
  DEFINITIONS,
  openRepository,
  type Repository,
  startEmbeddedClickHouse,
} from "@tidegate/storage";
import {
  INSERTS_AT_ONCE_MAX,
  Loader,
  nextReady,
  openWal,
  readGroup,
  START,
  type WalReader,
  type WalRecord,
} from "@tidegate/wal-loader/load";
import { check, type Result, result } from "../result.ts";
import { recordDay } from "./record.ts";
import { loadClickHouse, withHome } from "./stores.ts";

/** Mostly market data, as a real day is. */
const MARKET_PER_ORDER = 60;
const RECORDS_PER_ORDER = 60 + 20 + 68 / 7;
const FORMATS = ["Native", "RowBinary", "Parquet"] as const;
type Format = (typeof FORMATS)[number];
/** The form that counts, for it is the fastest; the others are figures of the first rounds. */
const JUDGE = "Native" satisfies Format;
const OTHER_ROUNDS = 3;
/** The service's own setting. */
const POLL_MS = 200;
/** Records each second while the time to queryable is measured. */
const LIVE_RATE = 1_000;
const LIVE_ORDERS = 120;

export interface BenchLoadOptions {
  readonly rows: number;
  readonly rounds: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

interface Buffers {
  readonly table: string;
  readonly token: string;
  readonly body: Readonly<Record<Format, Buffer>>;
}

export async function benchLoad(options: BenchLoadOptions): Promise<Result> {
  const { rows, rounds, seed, say } = options;
  return withHome(async (home) => {
    const started = await startEmbeddedClickHouse({ dataDir: join(home, "clickhouse") });
    if (started.kind === "absent") throw new Error(started.remedy);
    try {
      await using repository = openRepository(started.url);
      await repository.migrate();
      say("recording the rows");
      const flow = { seed, marketPerOrder: MARKET_PER_ORDER, startNs: nowNs(), stepNs: 1_000_000n };
      const orders = Math.ceil(rows / RECORDS_PER_ORDER);
      const { walDir } = await recordDay(home, { ...flow, orders });
      const wal = openWal(walDir);
      const warm = await loadClickHouse(wal, repository, join(home, "ledger-0"));
      say("preparing the buffers");
      const groups = await prepare(started.url, wal);
      const seconds: Record<"loader" | Format, number[]> = {
        loader: [],
        RowBinary: [],
        Native: [],
        Parquet: [],
      };
      for (let round = 1; round <= rounds; round += 1) {
        say(`round ${round} of ${rounds}`);
        const sides: (() => Promise<void>)[] = [
          async () => {
            const loaded = await loadClickHouse(wal, repository, join(home, `ledger-${round}`));
            if (loaded.rows !== warm.rows)
              throw new Error(`${loaded.rows} rows went in, not ${warm.rows}`);
            seconds.loader.push(loaded.seconds);
          },
          ...FORMATS.filter((format) => format === JUDGE || round <= OTHER_ROUNDS).map(
            (format) => async () => {
              seconds[format].push(await send(started.url, groups, format));
              const held = await repository.records();
              if (held !== warm.rows)
                throw new Error(`${format}: ${held} rows are in, not ${warm.rows}`);
            },
          ),
        ];
        // Who goes first alternates: a side meets what the server still has to do from the one before.
        for (const side of round % 2 === 0 ? sides.reverse() : sides) {
          await empty(repository);
          await side();
        }
      }
      say("measuring how soon a record can be queried");
      await empty(repository);
      const live = join(home, "live");
      mkdirSync(live);
      const queryable = await queryableMs(repository, live, seed);
      const rate = (all: readonly number[]): number[] => all.map((s) => Math.round(warm.rows / s));
      // Each round against the prepared side of the same round; the middle one counts.
      const ratios = seconds.loader.map((s, at) => (seconds[JUDGE][at] ?? 0) / s);
      return result(
        "bench load",
        [
          check("vs_prepared", middle(ratios), ">=", 0.8),
          check("queryable_ms_p99", quantile(queryable, 0.99), "<=", 1_000, "ms"),
        ],
        {
          rows: warm.rows,
          loader_rows_per_s: rate(seconds.loader),
          prepared_native_rows_per_s: rate(seconds.Native),
          prepared_rowbinary_rows_per_s: rate(seconds.RowBinary),
          prepared_parquet_rows_per_s: rate(seconds.Parquet),
          vs_prepared_rounds: ratios.map((ratio) => Number(ratio.toFixed(3))),
          bytes: Object.fromEntries(
            FORMATS.map((format) => [
              format,
              groups.flat().reduce((sum, { body }) => sum + body[format].length, 0),
            ]),
          ),
          settings: "fsync_after_insert = 1, fsync_part_directory = 1 in every table of both sides",
          queryable_ms_p50: quantile(queryable, 0.5),
          queryable_ms_max: quantile(queryable, 1),
          queryable_of: queryable.length,
        },
        seed,
      );
    } finally {
      await started.kill();
    }
  });
}

const nowNs = (): bigint => BigInt(Date.now()) * 1_000_000n;
const quantile = (all: readonly number[], q: number): number =>
  [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(q * all.length))] ??
  Number.NaN;
const middle = (all: readonly number[]): number => quantile(all, 0.5);

async function empty(repository: Repository): Promise<void> {
  for (const { name } of DEFINITIONS)
    await repository.command(`TRUNCATE TABLE tidegate.${name} SYNC`);
}

/** Every insert the loader makes of the WAL, in each format, each group's together; the server itself writes the formats. */
async function prepare(url: string, wal: WalReader): Promise<Buffers[][]> {
  const groups: Buffers[][] = [];
  let ledger = START;
  for (;;) {
    const ready = await nextReady(wal, ledger, new Map());
    if (typeof ready === "string") return groups;
    const first = ledger.lastWalSeq + 1;
    const { slices, blocks, lastWalSeq } = ready.sliced;
    ledger = { ...START, next: ready.to, lastWalSeq };
    const all: Buffers[] = [];
    for (const each of [...slices, ...(blocks === null ? [] : [blocks])]) {
      const seq = each.table === "wal_blocks" ? "last_wal_seq" : "wal_seq";
      const as = async (format: Format): Promise<Buffer> => {
        const sql = `SELECT * FROM tidegate.${each.table} WHERE ${seq} BETWEEN ${first} AND ${each.lastWalSeq} ORDER BY ${seq} FORMAT ${format}`;
        const answer = await fetch(url, { method: "POST", body: sql });
        if (!answer.ok) throw new Error(await answer.text());
        return Buffer.from(await answer.arrayBuffer());
      };
      const body = {
        RowBinary: await as("RowBinary"),
        Native: await as("Native"),
        Parquet: await as("Parquet"),
      };
      all.push({ table: each.table, token: each.token, body });
    }
    groups.push(all);
  }
}

/** Sends prepared buffers with the loader's settings and as many at once; gives the seconds it took. */
async function send(url: string, groups: readonly Buffers[][], format: Format): Promise<number> {
  const client = createClient({
    url,
    max_open_connections: INSERTS_AT_ONCE_MAX,
    log: { level: ClickHouseLogLevel.OFF },
    keep_alive: { enabled: true, idle_socket_ttl: 1_500 },
  });
  const began = performance.now();
  for (const group of groups) {
    const blocks = group.filter(({ table }) => table === "wal_blocks");
    const rest = group.filter(({ table }) => table !== "wal_blocks");
    for (const some of [...chunks(rest, INSERTS_AT_ONCE_MAX), blocks]) {
      await Promise.all(
        some.map(async ({ table, token, body }) => {
          const answer = await client.exec({
            query: `INSERT INTO tidegate.${table} FORMAT ${format}`,
            values: Readable.from([body[format]], { objectMode: false }),
            clickhouse_settings: {
              insert_deduplication_token: `${format}/${token}`,
              insert_deduplicate: 1,
              max_insert_block_size: "1048576",
              min_insert_block_size_rows: "0",
              min_insert_block_size_bytes: "0",
              max_insert_threads: "1",
              wait_end_of_query: 1,
            },
          });
          for await (const _ of answer.stream) {
            // The end of the answer is the acknowledgement.
          }
        }),
      );
    }
  }
  const seconds = (performance.now() - began) / 1_000;
  await client.close();
  return seconds;
}

function chunks<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, at) =>
    all.slice(at * size, (at + 1) * size),
  );
}

/** From the recorder's taking of each record to the acknowledgement of its insert, in ms, while records keep coming. */
async function queryableMs(repository: Repository, home: string, seed: number): Promise<number[]> {
  const flow = {
    seed,
    orders: LIVE_ORDERS,
    marketPerOrder: MARKET_PER_ORDER,
    startNs: nowNs(),
    stepNs: 100_000_000n,
  };
  const walDir = join(home, "wal");
  /** Last record of each group and when it was acknowledged, ms since the Unix epoch. */
  const loaded: { readonly lastWalSeq: number; readonly atMs: number }[] = [];
  const loader = new Loader({
    wal: openWal(walDir),
    repository,
    ledgerDir: join(home, "ledger"),
    nowNs,
    random: Math.random,
    pause: (ms) => sleep(ms),
    onLoaded: ({ lastWalSeq }) => {
      loaded.push({ lastWalSeq, atMs: Date.now() });
    },
  });
  let recording = true;
  const done = recordDay(home, flow, () => {}, { perSecond: LIVE_RATE }).finally(() => {
    recording = false;
  });
  while (recording || loader.stats().lag > 0) {
    if (!(await loader.step())) await sleep(POLL_MS);
  }
  while (await loader.step());
  const { sent } = await done;
  const found: number[] = [];
  let group = 0;
  for (const { walSeq, tsNs } of records(openWal(walDir))) {
    while ((loaded[group]?.lastWalSeq ?? walSeq) < walSeq) group += 1;
    const atMs = loaded[group]?.atMs;
    if (atMs !== undefined) found.push(atMs - Number(tsNs / 1_000n) / 1_000);
  }
  // Beside what was sent the recorder's own marks are in.
  if (found.length < sent) throw new Error(`${found.length} records became queryable of ${sent}`);
  return found;
}

/** Every record of a WAL at rest. */
function* records(wal: WalReader): Generator<WalRecord> {
  let ledger = START;
  for (let group = readGroup(wal, ledger); group !== null; group = readGroup(wal, ledger)) {
    for (const block of group.blocks) yield* block.records;
    ledger = { ...START, next: group.to };
  }
}
