/** A peer in Python that runs one round for each word it is sent. */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** What a peer says of itself once everything is in memory and compiled. */
export type Hello = Readonly<Record<string, unknown>> & { readonly version: string };
/** What a round came to. */
export interface Round {
  readonly seconds: number;
  readonly fills: number;
  readonly touch: readonly [number, number];
  readonly [more: string]: unknown;
}

/** Making the day's objects, or compiling, takes longest. */
const LINE_MS_MAX = 300_000;
const TOLD_CHARS_MAX = 4_000;

export class Turns implements Disposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** What it said beside its lines, for the error. */
  #told = "";

  constructor(name: string, python: string, args: readonly string[]) {
    this.#name = name;
    this.#child = spawn(python, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.once("error", (error) => {
      this.#told += error.message;
    });
    // A word sent to a peer that has ended is no fault of ours: the missing line is told.
    this.#child.stdin?.on("error", () => undefined);
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#told = (this.#told + chunk.toString()).slice(-TOLD_CHARS_MAX);
    });
    const input = this.#child.stdout;
    if (input === null) throw new Error(`${name}: its output is no pipe`);
    this.#lines = createInterface({ input })[Symbol.asyncIterator]();
  }

  async #line(): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), LINE_MS_MAX);
    });
    const next = await Promise.race([this.#lines.next(), late]);
    clearTimeout(timer);
    if (next === null) throw new Error(`${this.#name}: no line within ${LINE_MS_MAX} ms`);
    if (next.done === true) throw new Error(`${this.#name} ended: ${this.#told.trim()}`);
    try {
      return JSON.parse(next.value);
    } catch {
      throw new Error(`${this.#name}: no JSON in ${next.value.slice(0, 200)}`);
    }
  }

  /** Awaits its first line. */
  async hello(): Promise<Hello> {
    return (await this.#line()) as Hello;
  }

  /** One round. Errors: the peer ended, is late, or measured nothing. */
  async round(word: string): Promise<Round> {
    this.#child.stdin?.write(`${word}\n`);
    const round = (await this.#line()) as Round;
    if (!(round.seconds > 0)) throw new Error(`${this.#name} ${word}: no time in its line`);
    return round;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}
