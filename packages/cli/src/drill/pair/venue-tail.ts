/** Reads the venue's own log as it grows: when it accepted which order. */

import { closeSync, existsSync, openSync, readSync } from "node:fs";

const CHUNK = 1 << 16;

interface Line {
  readonly k: string;
  readonly ts: number;
}

/** Times of the orders the venue accepted, ms of the wall clock, in their order. */
export class VenueTail {
  readonly path: string;
  #fd: number | null = null;
  #at = 0;
  #rest = "";
  readonly acceptedMs: number[] = [];

  constructor(path: string) {
    this.path = path;
  }

  /** Takes what the log has more than before. */
  read(): void {
    if (this.#fd === null) {
      if (!existsSync(this.path)) return;
      this.#fd = openSync(this.path, "r");
    }
    const buffer = Buffer.alloc(CHUNK);
    for (;;) {
      const bytes = readSync(this.#fd, buffer, 0, CHUNK, this.#at);
      if (bytes === 0) break;
      this.#at += bytes;
      const lines = (this.#rest + buffer.toString("utf8", 0, bytes)).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const text of lines) {
        const line = JSON.parse(text) as Line;
        if (line.k === "order") this.acceptedMs.push(line.ts);
      }
    }
  }

  /** Orders accepted a second over the last `ms`. */
  rate(nowMs: number, ms: number): number {
    this.read();
    let n = 0;
    for (let at = this.acceptedMs.length - 1; at >= 0; at -= 1) {
      if ((this.acceptedMs[at] ?? 0) < nowMs - ms) break;
      n += 1;
    }
    return (n * 1_000) / ms;
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}

/**
 * When the venue accepted the first order at or after `sinceMs`, undefined while it has not.
 *
 * @param acceptedMs times of acceptance, rising
 */
export function firstSince(acceptedMs: readonly number[], sinceMs: number): number | undefined {
  const before = acceptedMs.findLastIndex((ms) => ms < sinceMs);
  return acceptedMs[before + 1];
}
