/** Results by content address: one file a job, written whole, and a line of each beginning and end. */

import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type BacktestDocument, writeWhole } from "../outcome.ts";
import type { Job } from "./spec.ts";

/** What is kept of a run: its document without the rows, and the returns the trials are compared by. */
export interface JobResult {
  readonly id: string;
  readonly params: unknown;
  readonly seed: number;
  readonly hashes: BacktestDocument["hashes"];
  readonly metrics: BacktestDocument["metrics"];
  readonly audit: boolean;
  readonly exceptions: number;
  /** Of a run over a part of the tapes: what it saw, and its curve as the document has it. */
  readonly period?: BacktestDocument["period"];
  readonly equity?: BacktestDocument["equity"]["rows"];
}

export interface Began {
  readonly what: "began" | "done";
  readonly id: string;
  readonly pid: number;
}

export class Results {
  readonly #dir: string;
  readonly #log: string;

  constructor(dir: string) {
    this.#dir = join(dir, "results");
    this.#log = join(dir, "log.jsonl");
    mkdirSync(this.#dir, { recursive: true });
  }

  path(id: string): string {
    return join(this.#dir, `${id}.json`);
  }

  has(id: string): boolean {
    return existsSync(this.path(id));
  }

  /** Addresses of all results there are. */
  all(): Set<string> {
    return new Set(
      readdirSync(this.#dir).flatMap((name) => {
        const [, id] = /^([0-9a-f]{64})\.json$/.exec(name) ?? [];
        return id === undefined ? [] : [id];
      }),
    );
  }

  /** A line of what happens; one `write` each, so that lines of several workers do not mix. */
  note(what: Began["what"], id: string): void {
    appendFileSync(this.#log, `${JSON.stringify({ what, id, pid: process.pid })}\n`);
  }

  log(): Began[] {
    if (!existsSync(this.#log)) return [];
    return readFileSync(this.#log, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Began);
  }

  write(job: Job, document: BacktestDocument): void {
    const { hashes, metrics, host, instruments, period, equity } = document;
    const value: JobResult = {
      id: job.id,
      params: document.strategy.params,
      seed: job.seed,
      hashes,
      metrics,
      audit: instruments.every(({ audit }) => audit.sound),
      exceptions: host.exceptions,
      ...(job.part === undefined ? {} : { period, equity: equity.rows }),
    };
    writeWhole(this.path(job.id), `${JSON.stringify(value)}\n`);
  }

  read(id: string): JobResult {
    return JSON.parse(readFileSync(this.path(id), "utf8")) as JobResult;
  }
}
