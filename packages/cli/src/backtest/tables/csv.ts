/** CSV of tables, plain or gzip: RFC 4180 without line ends inside quotes. */

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import type { Cell } from "./values.ts";

/** Characters of a line; what is longer is no table of prices. */
export const LINE_CHARS_MAX = 65_536;

/** The fields of a line. Errors where a quote is not closed. */
export function fieldsOf(line: string): string[] {
  if (!line.includes('"')) return line.split(",");
  const out: string[] = [];
  const form = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  for (;;) {
    const found = form.exec(line);
    if (found === null) throw new Error("a quote that is not closed, or text beside one");
    out.push(found[1] === undefined ? (found[2] ?? "") : found[1].replaceAll('""', '"'));
    if (found[3] === "") return out;
  }
}

/**
 * The cells of the named columns, row by row, with the number of the line they stand in.
 *
 * Errors  what is off: a cut or damaged gzip stream with the last line that was whole, a line that is too long or has other fields
 *         than the header
 */
export async function* readCsv(
  path: string,
  columns: readonly string[],
  header: readonly string[] | undefined,
): AsyncGenerator<{ readonly at: number; readonly cells: readonly Cell[] }> {
  const file = createReadStream(path);
  const source = path.endsWith(".gz") ? createGunzip() : null;
  const input = source === null ? file : file.pipe(source);
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  // Faults of either stream come to whoever reads the lines; without this they would end the process.
  let fault: Error | null = null;
  for (const stream of source === null ? [file] : [file, source]) {
    stream.once("error", (error: Error) => {
      fault = error;
      lines.close();
    });
  }
  let at = 0;
  let places: number[] | null = null;
  let width = 0;
  const locate = (names: readonly string[]): number[] => {
    width = names.length;
    return columns.map((column) => {
      const place = names.indexOf(column);
      if (place < 0) throw new Error(`no column ${column}; it has ${names.join(", ")}`);
      return place;
    });
  };
  try {
    if (header !== undefined) places = locate(header);
    for await (const text of lines) {
      at += 1;
      if (text.length > LINE_CHARS_MAX) throw new Error(`more than ${LINE_CHARS_MAX} characters`);
      const line = at === 1 ? text.replace(/^\uFEFF/, "") : text;
      if (line === "") continue;
      const fields = fieldsOf(line);
      if (places === null) {
        places = locate(fields);
        continue;
      }
      if (fields.length !== width) {
        throw new Error(`${fields.length} fields, the header has ${width}: is the file cut?`);
      }
      yield { at, cells: places.map((place) => fields[place] ?? null) };
    }
    if (fault !== null) throw fault;
  } catch (cause) {
    const { message } = (fault ?? cause) as Error;
    const remedy = fault === null ? "" : "; fetch the file again";
    throw new Error(`${path}:${at}: ${message}${remedy}`, { cause });
  } finally {
    lines.close();
    file.destroy();
  }
}
