import type { Insert, Recording, StreamCount } from "@tidegate/storage";

/** What one insert does in the model: works, fails before it is in, or is in and its answer is lost. */
export type Fate = "works" | "refused" | "answer lost";

/** A database as the loader counts on it: whole inserts, tokens that may be forgotten, tables that can be asked. */
export class ModelRepository implements Recording {
  readonly inserts: Insert[] = [];
  readonly tokens = new Set<string>();
  readonly tables = new Map<string, number[]>();
  fate: () => Fate = () => "works";
  /** wal_seq of the rows of an insert: all the model keeps of them. */
  rowsOf: (insert: Insert) => number[];

  constructor(rowsOf: (insert: Insert) => number[]) {
    this.rowsOf = rowsOf;
  }

  async ping(): Promise<boolean> {
    return true;
  }
  async migrate(): Promise<void> {}

  async insert(insert: Insert): Promise<void> {
    const fate = this.fate();
    if (fate === "refused") throw new Error("connection refused");
    if (!this.tokens.has(insert.token)) {
      this.tokens.add(insert.token);
      // The body is the loader's again once it is acknowledged.
      this.inserts.push({ ...insert, body: Buffer.from(insert.body) });
      this.tables.set(insert.table, [
        ...(this.tables.get(insert.table) ?? []),
        ...this.rowsOf(insert),
      ]);
    }
    if (fate === "answer lost") throw new Error("socket hang up");
  }

  /** As a power cut does. */
  forgetTokens(): void {
    this.tokens.clear();
  }

  async highest(): Promise<ReadonlyMap<string, number>> {
    return new Map(
      [...this.tables]
        .filter(([name]) => name !== "wal_blocks")
        .map(([name, rows]) => [name, Math.max(0, ...rows)]),
    );
  }
  async highestBlock(): Promise<number> {
    return Math.max(0, ...(this.tables.get("wal_blocks") ?? []));
  }
  async counts(): Promise<readonly StreamCount[]> {
    return [];
  }
  async records(): Promise<number> {
    return this.rows().length;
  }
  /** Every wal_seq of the tables of records, sorted. */
  rows(): number[] {
    return [...this.tables]
      .filter(([name]) => name !== "wal_blocks")
      .flatMap(([, rows]) => rows)
      .sort((a, b) => a - b);
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}
