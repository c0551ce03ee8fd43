/** Columns of Parquet files that others wrote, as plain cells. */

import { Worker } from "node:worker_threads";

export type TableCell = string | number | bigint | null;
/** What the reading thread is given. */
export interface TableAsk {
  readonly path: string;
  readonly columns: readonly string[];
}
/** What it says: a batch, the end, or what is wrong. */
export type TableWord =
  | { readonly rows: readonly (readonly TableCell[])[] | null }
  | { readonly error: string };

/** Seconds in which a batch of rows must come; one takes a fraction of one. */
export const BATCH_SECONDS_MAX = 30;
/** Heap of the reading thread: a damaged length must not take the machine's. */
const HEAP_MB_MAX = 2_048;

const READER = new URL("./table-worker.ts", import.meta.url);
export interface TableLimits {
  readonly secondsMax?: number;
  /** The program of the reading thread; tests pass one that never answers. */
  readonly reader?: URL;
}

/** The next word of the thread, or why none will come. Seconds are counted by a timer's turns, so that a stopped process loses one, not all. */
function nextWord(worker: Worker, secondsMax: number): Promise<TableWord> {
  return new Promise((done) => {
    let seconds = 0;
    const failed = ({ message }: Error) => end({ error: message });
    const gone = () => end({ error: "its reader ended" });
    const end = (word: TableWord): void => {
      clearInterval(timer);
      worker.off("message", end).off("error", failed).off("exit", gone);
      done(word);
    };
    const timer = setInterval(() => {
      seconds += 1;
      if (seconds > secondsMax) end({ error: `no rows for ${secondsMax} s: a page is damaged` });
    }, 1_000);
    worker.on("message", end).on("error", failed).on("exit", gone);
  });
}

/**
 * The cells of the named columns, row by row, from 1: numbers, 64-bit integers and times (ns since 1970) as bigints, texts, null. Two
 * batches of rows are held at most.
 *
 * Errors  what is off, with file and last whole row: no Parquet file, a column that is not there or of another kind, groups that
 *         contradict each other, a page that cannot be read or keeps the reader
 */
export async function* readTable(
  path: string,
  columns: readonly string[],
  { secondsMax = BATCH_SECONDS_MAX, reader = READER }: TableLimits = {},
): AsyncGenerator<{ readonly at: number; readonly cells: readonly TableCell[] }> {
  const ask: TableAsk = { path, columns };
  const worker = new Worker(reader, {
    workerData: ask,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
  });
  let row = 0;
  try {
    for (;;) {
      const word = await nextWord(worker, secondsMax);
      if ("error" in word) {
        throw new Error(
          `${path}:${row}: ${word.error}; want a whole Parquet file: fetch or make it again`,
        );
      }
      if (word.rows === null) return;
      for (const cells of word.rows) {
        row += 1;
        yield { at: row, cells };
      }
      worker.postMessage("more");
    }
  } finally {
    await worker.terminate();
  }
}
