/** Captures as Parquet: `ts_recv_ns` INT64 and `raw` BYTE_ARRAY, for tools that read nothing else. */

import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { fileWriter, parquetWriteRows } from "hyparquet-writer";
import { type Captured, CaptureError } from "./message.ts";

const GROUP_ROWS = 50_000;

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
  });
  return count;
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
  const file = await asyncBufferFromFile(path).catch(fail);
  const metadata = await parquetMetadataAsync(file).catch(fail);
  const total = Number(metadata.num_rows);
  for (let rowStart = 0; rowStart < total; rowStart += GROUP_ROWS) {
    const rowEnd = Math.min(total, rowStart + GROUP_ROWS);
    const rows = await parquetReadObjects({ file, metadata, rowStart, rowEnd, utf8: false }).catch(
      fail,
    );
    for (const { ts_recv_ns: time, raw } of rows as Record<string, unknown>[]) {
      if (typeof time !== "bigint" || !(raw instanceof Uint8Array))
        fail(new Error("a row of other types"));
      else yield { tsRecvNs: time, raw };
    }
  }
}
