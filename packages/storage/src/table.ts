/** Columns of Parquet files that others wrote, as plain cells. */

import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import {
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
} from "hyparquet";
import { checkSum, groupsOf } from "./capture/parquet.ts";

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

/**
 * The cells of the named columns, row by row, from 1: numbers, 64-bit integers and times (ns since 1970) as bigints, texts, null.
 *
 * Errors  what is off, with file and row: no Parquet file, a column that is not there or of another kind, groups that contradict
 *         each other, a damaged page
 */
export async function* readTable(
  path: string,
  columns: readonly string[],
): AsyncGenerator<{
  readonly at: number;
  readonly cells: readonly (string | number | bigint | null)[];
}> {
  let row = 0;
  try {
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
        for (const each of rows) {
          row += 1;
          yield { at: row, cells: columns.map((column) => cellOf(column, each[column])) };
        }
      }
    }
  } catch (cause) {
    throw new Error(
      `${path}:${row}: ${(cause as Error).message}; want a whole Parquet file: fetch or make it again`,
      { cause },
    );
  }
}

function cellOf(column: string, value: unknown): string | number | bigint | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") {
    return value;
  }
  throw new Error(`column ${column} holds ${typeof value}s: want numbers, texts or times`);
}
