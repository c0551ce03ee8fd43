/** What the stores have in common: the words they answer in. */

/** A store that cannot do what was asked: which, what is wrong, and what to do. */
export class StoreError extends Error {
  constructor(store: string, what: string, remedy: string) {
    super(`${store}: ${what}; ${remedy}`);
  }
}

/** One column as a database has it. */
export interface ColumnShape {
  readonly table: string;
  readonly name: string;
  readonly type: string;
}

/** Rows of a table, and the sum modulo 2^64 of the first 8 bytes of MD5 over each row's canonical text. A row twice changes both. */
export interface Digest {
  readonly rows: number;
  readonly hash: bigint;
}

export type QueryValue = string | number | bigint | boolean | null;
export type QueryParams = Readonly<Record<string, string | number | bigint>>;
/** One row of an answer by column; integers of 64 bits as decimal text from ClickHouse, as bigint from the others. */
export type QueryRow = Readonly<Record<string, unknown>>;
