/** A recorded day in three forms that say the same: lines, columns, Parquet. */

import { renameSync, rmSync } from "node:fs";
import { readColumns, writeColumns } from "./columns.ts";
import { readLines, writeLines } from "./lines.ts";
import { type Captured, CaptureError } from "./message.ts";
import { readParquet, writeParquet } from "./parquet.ts";

export { type Captured, CaptureError } from "./message.ts";

const FORMS = {
  ".jsonl": "lines",
  ".jsonl.gz": "lines",
  ".tgc": "columns",
  ".parquet": "parquet",
} as const;
export type Form = (typeof FORMS)[keyof typeof FORMS];

/** The form a file's name stands for. */
export function formOf(path: string): Form {
  for (const [end, form] of Object.entries(FORMS)) if (path.endsWith(end)) return form;
  throw new CaptureError(path, "name", `want one of ${Object.keys(FORMS).join(", ")}`);
}

/** The messages of a capture in any form. */
export function readCapture(path: string): AsyncGenerator<Captured> {
  const form = formOf(path);
  return form === "lines"
    ? readLines(path)
    : form === "columns"
      ? readColumns(path)
      : readParquet(path);
}

/** Writes a capture in the form of the other name; nothing half-written is left under it. Gives the number of messages. */
export async function convertCapture(from: string, to: string): Promise<number> {
  const [messages, form] = [readCapture(from), formOf(to)];
  const beside = `${to}.new`;
  try {
    const count =
      form === "lines"
        ? await writeLines(beside, messages, to.endsWith(".gz"))
        : form === "columns"
          ? await writeColumns(beside, messages)
          : await writeParquet(beside, messages);
    renameSync(beside, to);
    return count;
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}
