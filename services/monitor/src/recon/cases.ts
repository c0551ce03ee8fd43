/** The cases of a venue on the disk: each change is a line, written and synced before anything follows from it. */

import {
  closeSync,
  fdatasyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Case, Execution } from "./types.ts";

/** What a person has taken as the venue's, beside what the journal says of our side. */
export type Taken =
  | { readonly asset: string; readonly by: bigint }
  | { readonly execution: Execution };

export interface Kept {
  /** The last word on each case, oldest first. */
  readonly cases: readonly Case[];
  readonly taken: readonly Taken[];
}

/** Whole numbers of money keep their digits. */
const toText = (_: string, value: unknown): unknown =>
  typeof value === "bigint" ? { $bigint: `${value}` } : value;
const fromText = (_: string, value: unknown): unknown => {
  const text = (value as { $bigint?: unknown } | null)?.$bigint;
  return typeof text === "string" ? BigInt(text) : value;
};

/** Reads the lines of a case file. A last line that was cut off has led to nothing, and is left out. */
export function readCases(text: string): Kept {
  const cases = new Map<number, Case>();
  const taken: Taken[] = [];
  for (const line of text.split("\n").slice(0, -1)) {
    const read = JSON.parse(line, fromText) as { case?: Case; taken?: Taken };
    if (read.case !== undefined) cases.set(read.case.id, read.case);
    if (read.taken !== undefined) taken.push(read.taken);
  }
  return { cases: [...cases.values()].sort((a, b) => a.id - b.id), taken };
}

export class CaseFile {
  readonly #fd: number;
  readonly kept: Kept;

  /** Errors  a file that cannot be read, written or is not of its form, with its path */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.#fd = openSync(path, "a+", 0o600);
    try {
      const text = readFileSync(path, "utf8");
      this.kept = readCases(text);
      // A line that was cut off is taken away, so that the next one is a line of its own.
      ftruncateSync(this.#fd, Buffer.byteLength(text.slice(0, text.lastIndexOf("\n") + 1)));
    } catch (error) {
      closeSync(this.#fd);
      throw new Error(`the case file ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Appends one change; it is on the disk when this returns. */
  append(entry: { readonly case: Case } | { readonly taken: Taken }, atMs: number): void {
    writeSync(this.#fd, `${JSON.stringify({ atMs, ...entry }, toText)}\n`);
    fdatasyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
