/** Plain columns as Parquet, for tables that are made whole in memory. */

import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { parquetWriteFile } from "hyparquet-writer";

const TYPES = { double: "DOUBLE", int64: "INT64", bool: "BOOLEAN", text: "STRING" } as const;
const KINDS = { double: "number", int64: "bigint", bool: "boolean", text: "string" } as const;

/** One column: doubles as numbers, 64-bit integers as bigints. */
export interface Column {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  readonly data: readonly (number | bigint | boolean | string)[];
}

/**
 * Writes columns of one length to a file.
 *
 * Errors  RangeError where lengths differ or a value is not of its column's type; what the file system says
 */
export function writeColumns(filename: string, columns: readonly Column[]): void {
  const rows = columns[0]?.data.length ?? 0;
  for (const { name, type, data } of columns) {
    if (data.length !== rows) {
      throw new RangeError(`column ${name}: ${data.length} values; want ${rows}, as the first has`);
    }
    const odd = data.findIndex((value) => typeof value !== KINDS[type]);
    if (odd >= 0) {
      throw new RangeError(`column ${name}, row ${odd}: ${typeof data[odd]}; want ${KINDS[type]}`);
    }
  }
  parquetWriteFile({
    filename,
    columnData: columns.map(({ name, type, data }) => ({
      name,
      data: [...data],
      type: TYPES[type],
    })),
  });
}

/** The rows of a file that {@link writeColumns} wrote. */
export async function readColumns(filename: string): Promise<Record<string, unknown>[]> {
  return (await parquetReadObjects({ file: await asyncBufferFromFile(filename) })) as Record<
    string,
    unknown
  >[];
}
