/** Captures as Parquet: `ts_recv_ns` INT64 and `raw` BYTE_ARRAY, for tools that read nothing else. */

import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import {
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
} from "hyparquet";
import { fileWriter, parquetWriteRows } from "hyparquet-writer";
import { type Captured, CaptureError, MESSAGE_BYTES_MAX, TS_NS_MAX } from "./message.ts";

const GROUP_ROWS = 50_000;
/** Rows of one group of a file that others wrote; a group is held in memory whole. */
const GROUP_ROWS_MAX = 4_000_000;

/**
 * The file's own checksum, as an entry of its metadata: CRC-32 of all its bytes, taken with zeros in place of these digits.
 * Parquet has none of its own, and a reader that believes a damaged page may read for ever.
 */
const SUM_KEY = "tidegate.crc32";
const SUM_DIGITS = 8;
const NO_SUM = "0".repeat(SUM_DIGITS);
/** The entry lies at the end of the footer, so within this much of the end of the file. */
const TAIL_BYTES = 64 << 10;
/** Between key and value stand the header of the value's field and its length. */
const SUM_GAP = 2;

/** Where the digits of the checksum stand and what they are; null in a file without one. */
function sumIn(
  file: number,
  size: number,
): { readonly at: number; readonly digits: string } | null {
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
  readSync(file, tail, 0, tail.length, size - tail.length);
  const key = tail.lastIndexOf(SUM_KEY);
  if (key < 0) return null;
  const from = key + SUM_KEY.length + SUM_GAP;
  const digits = tail.subarray(from, from + SUM_DIGITS).toString("latin1");
  return { at: size - tail.length + from, digits };
}

/** CRC-32 of the file with zeros in place of the digits at `at`, as hex digits. */
function sumOf(file: number, size: number, at: number): string {
  const chunk = Buffer.alloc(1 << 20);
  let sum = 0;
  for (let from = 0; from < size; ) {
    const got = readSync(file, chunk, 0, chunk.length, from);
    if (got === 0) break;
    for (let n = 0; n < SUM_DIGITS; n += 1) {
      const place = at + n - from;
      if (place >= 0 && place < got) chunk[place] = 0x30;
    }
    sum = crc32(chunk.subarray(0, got), sum);
    from += got;
  }
  return sum.toString(16).padStart(SUM_DIGITS, "0");
}

/** Writes the checksum of a finished file into it. */
function seal(path: string): void {
  const file = openSync(path, "r+");
  try {
    const { size } = fstatSync(file);
    const found = sumIn(file, size);
    if (found?.digits !== NO_SUM) {
      throw new CaptureError(path, "parquet", "its metadata has no place for the checksum");
    }
    writeSync(file, sumOf(file, size, found.at), found.at, "latin1");
  } finally {
    closeSync(file);
  }
}

/** Throws where a file has a checksum and is not what it was when that was taken. A file of others has none and is believed. */
export function checkSum(path: string): void {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const found = sumIn(file, size);
    if (found !== null && sumOf(file, size, found.at) !== found.digits) {
      throw new Error("the file is damaged: it does not match its checksum; fetch it again");
    }
  } finally {
    closeSync(file);
  }
}

/** Writes messages as Parquet; gives their number. */
export async function writeParquet(
  path: string,
  messages: AsyncIterable<Captured>,
): Promise<number> {
  let count = 0;
  async function* rows(): AsyncGenerator<{ ts_recv_ns: bigint; raw: Uint8Array }> {
    for await (const { tsRecvNs, raw } of messages) {
      count += 1;
      yield { ts_recv_ns: tsRecvNs, raw: Uint8Array.from(raw) };
    }
  }
  await parquetWriteRows({
    writer: fileWriter(path),
    rows: rows(),
    columns: [
      { name: "ts_recv_ns", type: "INT64" },
      { name: "raw", type: "BYTE_ARRAY" },
    ],
    rowGroupSize: GROUP_ROWS,
    statistics: false,
    kvMetadata: [{ key: SUM_KEY, value: NO_SUM }],
  });
  seal(path);
  return count;
}

/** Rows of each group. Counts that contradict each other would have the file read for ever. */
export function groupsOf({ num_rows: total, row_groups: groups }: FileMetaData): number[] {
  const counts = groups.map(({ num_rows: rows }) => Number(rows));
  const fits = (n: number) => Number.isSafeInteger(n) && n >= 0 && n <= GROUP_ROWS_MAX;
  if (!counts.every(fits)) {
    throw new Error(`a group has more than ${GROUP_ROWS_MAX} rows, or a count that is none`);
  }
  const sum = counts.reduce((all, n) => all + n, 0);
  if (Number(total) !== sum) throw new Error(`its head says ${total} rows, its groups ${sum}`);
  return counts;
}

/** The messages of a Parquet file with these two columns, in order. */
export async function* readParquet(path: string): AsyncGenerator<Captured> {
  const fail = (error: unknown): never => {
    throw new CaptureError(
      path,
      "parquet",
      `${(error as Error).message}; want ts_recv_ns INT64 and raw BYTE_ARRAY`,
    );
  };
  let groups: number[] = [];
  let metadata: FileMetaData | undefined;
  const file = await asyncBufferFromFile(path).catch(fail);
  try {
    checkSum(path);
    metadata = await parquetMetadataAsync(file);
    groups = groupsOf(metadata);
  } catch (error) {
    fail(error);
  }
  let row = 0;
  for (const count of groups) {
    const end = row + count;
    for (let rowStart = row; rowStart < end; rowStart += GROUP_ROWS) {
      const rowEnd = Math.min(end, rowStart + GROUP_ROWS);
      const options = { file, rowStart, rowEnd, utf8: false };
      const rows = await parquetReadObjects({
        ...options,
        ...(metadata === undefined ? {} : { metadata }),
      }).catch(fail);
      if (rows.length !== rowEnd - rowStart) {
        fail(new Error(`of rows ${rowStart} to ${rowEnd} there are ${rows.length}`));
      }
      for (const { ts_recv_ns: time, raw } of rows as Record<string, unknown>[]) {
        const good = typeof time === "bigint" && time >= 0n && time <= TS_NS_MAX;
        if (!good || !(raw instanceof Uint8Array) || raw.length > MESSAGE_BYTES_MAX) {
          fail(new Error(`row ${row} has other types, or a receive time that is none`));
        } else {
          yield { tsRecvNs: time, raw };
        }
        row += 1;
      }
    }
  }
}
