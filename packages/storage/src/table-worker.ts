/** The thread that reads a Parquet file for `table.ts`: a damaged page may keep the reader for ever, and a thread can be ended. */

import { parentPort, workerData } from "node:worker_threads";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import {
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
} from "hyparquet";
import { checkSum, groupsOf } from "./capture/parquet.ts";

import type { TableAsk, TableWord } from "./table.ts";

const BATCH_ROWS = 50_000;

/** What a page may be packed with beside Snappy, which the reader brings. A page says its plain length, and is not believed beyond it. */
const COMPRESSORS = {
  GZIP: (packed: Uint8Array, maxOutputLength: number) => gunzipSync(packed, { maxOutputLength }),
  ZSTD: (packed: Uint8Array, maxOutputLength: number) =>
    zstdDecompressSync(packed, { maxOutputLength }),
  BROTLI: (packed: Uint8Array, maxOutputLength: number) =>
    brotliDecompressSync(packed, { maxOutputLength }),
};

/** Times keep all their digits: ns since 1970. */
const TIMES = {
  timestampFromMilliseconds: (value: bigint) => value * 1_000_000n,
  timestampFromMicroseconds: (value: bigint) => value * 1_000n,
  timestampFromNanoseconds: (value: bigint) => value,
};

const { path, columns } = workerData as TableAsk;
const say = (word: TableWord): void => parentPort?.postMessage(word);
/** Resolves when the other side wants more. */
const asked = (): Promise<void> =>
  new Promise((more) => {
    parentPort?.once("message", () => more());
  });

function cellOf(column: string, value: unknown): string | number | bigint | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") {
    return value;
  }
  throw new Error(`column ${column} holds ${typeof value}s: want numbers, texts or times`);
}

async function run(): Promise<void> {
  const file = await asyncBufferFromFile(path);
  checkSum(path);
  const metadata: FileMetaData = await parquetMetadataAsync(file);
  const names = metadata.schema.flatMap(({ name, type }) => (type === undefined ? [] : [name]));
  const missing = columns.find((column) => !names.includes(column));
  if (missing !== undefined) throw new Error(`no column ${missing}; it has ${names.join(", ")}`);
  let begin = 0;
  for (const count of groupsOf(metadata)) {
    const end = begin + count;
    for (; begin < end; begin = Math.min(end, begin + BATCH_ROWS)) {
      const rowEnd = Math.min(end, begin + BATCH_ROWS);
      const rows = (await parquetReadObjects({
        ...{ file, metadata, rowStart: begin, rowEnd, parsers: TIMES, compressors: COMPRESSORS },
        columns: [...new Set(columns)],
      })) as Record<string, unknown>[];
      if (rows.length !== rowEnd - begin) {
        throw new Error(`of rows ${begin + 1} to ${rowEnd} there are ${rows.length}`);
      }
      say({ rows: rows.map((each) => columns.map((column) => cellOf(column, each[column]))) });
      await asked();
    }
  }
  say({ rows: null });
}

await run().catch((cause: unknown) => say({ error: (cause as Error).message }));
parentPort?.close();
