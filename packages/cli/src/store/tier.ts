/** `hft store tier` and `restore`: whole days of market data as Parquet files beside a manifest, and back. */

import { createHash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import {
  MARKET_DAYS_MIN,
  MARKET_KINDS,
  openRepository,
  partitionOf,
  type Repository,
  TABLES,
} from "@tidegate/storage";
import { z } from "zod";
import { check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";

const NS_PER_DAY = 86_400_000_000_000n;
const MANIFEST = "manifest.json";
const Entry = z.strictObject({
  table: z.string(),
  partition: z.string(),
  file: z.string(),
  rows: z.number().int().positive(),
  /** The table's digest of these rows, hex. */
  digest: z.string(),
  bytes: z.number().int().positive(),
  sha256: z.string(),
});
const Manifest = z.strictObject({ version: z.literal(1), entries: z.array(Entry) });
type ManifestEntry = z.output<typeof Entry>;

export interface TierOptions {
  readonly clickhouse: string;
  readonly to: string;
  /** Whole days of market data that stay. */
  readonly keepDays: number;
  /** Gives the partitions up once their file is proven. */
  readonly drop: boolean;
  readonly nowNs: bigint;
  readonly say: (line: string) => void;
}

/** Writes each older day of each market table to a file, proves the file by reading it back, then gives the day up if asked to. */
export async function tier(options: TierOptions): Promise<Result> {
  const { to, keepDays, drop, nowNs, say } = options;
  if (drop && keepDays < MARKET_DAYS_MIN)
    throw new UsageError(`--keep-days ${keepDays}: want at least ${MARKET_DAYS_MIN} with --drop`);
  mkdirSync(to, { recursive: true });
  const known = readManifest(to);
  await using store = openRepository(options.clickhouse);
  const bound = String(partitionOf("day", nowNs - BigInt(keepDays) * NS_PER_DAY));
  let [files, wrong, dropped, rows] = [0, 0, 0, 0];
  for (const kind of MARKET_KINDS) {
    const table = TABLES[kind].name;
    for (const partition of await store.partitions(table)) {
      if (partition >= bound) continue;
      say(`${table} ${partition}`);
      const entry = await writePartition(store, to, table, partition);
      const stream = createReadStream(join(to, entry.file));
      const digest = { rows: entry.rows, hash: BigInt(`0x${entry.digest}`) };
      files += 1;
      rows += entry.rows;
      if (!(await store.checkParquet(table, stream, digest))) {
        wrong += 1;
        continue;
      }
      known.set(entry.file, entry);
      writeManifest(to, known);
      if (!drop) continue;
      // Rows that came in while the file was written would go with it.
      const now = await store.digest(table, partition);
      if (now.rows !== digest.rows || now.hash !== digest.hash) {
        wrong += 1;
        continue;
      }
      await store.dropPartition(table, partition);
      dropped += 1;
    }
  }
  return result("store tier", [check("files_unproven", wrong, "=", 0)], {
    files_unproven_of: files,
    rows,
    partitions_dropped: dropped,
  });
}

async function writePartition(
  store: Repository,
  to: string,
  table: string,
  partition: string,
): Promise<ManifestEntry> {
  const { rows, hash } = await store.digest(table, partition);
  const file = `${table}/${partition}.parquet`;
  const path = join(to, file);
  mkdirSync(dirname(path), { recursive: true });
  await pipeline(await store.exportParquet(table, partition), createWriteStream(`${path}.new`));
  synced(`${path}.new`);
  renameSync(`${path}.new`, path);
  synced(dirname(path));
  const { bytes, sha256 } = await fileHash(path);
  return { table, partition, file, rows, digest: hash.toString(16), bytes, sha256 };
}

/** Puts every file of a manifest back that the tables have nothing of. */
export async function restoreTier(
  from: string,
  clickhouse: string,
  say: (line: string) => void,
): Promise<Result> {
  const manifest = readManifest(from);
  if (manifest.size === 0)
    throw new UsageError(`--from ${from}: there is no ${MANIFEST} with files`);
  await using store = openRepository(clickhouse);
  await store.migrate();
  let [wrong, rows] = [0, 0];
  for (const entry of manifest.values()) {
    say(`${entry.table} ${entry.partition}`);
    const { sha256 } = await fileHash(join(from, entry.file));
    if (sha256 !== entry.sha256) {
      say(`${entry.file} is damaged: its SHA-256 is ${sha256}, the manifest says ${entry.sha256}`);
      wrong += 1;
      continue;
    }
    const expected = { rows: entry.rows, hash: BigInt(`0x${entry.digest}`) };
    const stream = createReadStream(join(from, entry.file));
    await store.importParquet(entry.table, entry.partition, stream, expected);
    const held = await store.digest(entry.table, entry.partition);
    if (held.rows !== expected.rows || held.hash !== expected.hash) wrong += 1;
    rows += held.rows;
  }
  return result("store restore", [check("files_not_restored", wrong, "=", 0)], {
    files_not_restored_of: manifest.size,
    rows,
  });
}

function readManifest(folder: string): Map<string, ManifestEntry> {
  const path = join(folder, MANIFEST);
  if (!existsSync(path)) return new Map();
  const read = Manifest.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (!read.success) throw new UsageError(`${path}: ${z.prettifyError(read.error)}`);
  return new Map(read.data.entries.map((entry) => [entry.file, entry]));
}

function writeManifest(folder: string, entries: ReadonlyMap<string, ManifestEntry>): void {
  const path = join(folder, MANIFEST);
  const text = JSON.stringify({ version: 1, entries: [...entries.values()] }, null, 1);
  writeFileSync(`${path}.new`, `${text}\n`);
  synced(`${path}.new`);
  renameSync(`${path}.new`, path);
  synced(folder);
}

/** Brings a file, or a folder's names, to the device. */
export function synced(path: string): void {
  const file = openSync(path, "r");
  fsyncSync(file);
  closeSync(file);
}

export async function fileHash(
  path: string,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const digest = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    digest.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: digest.digest("hex") };
}
