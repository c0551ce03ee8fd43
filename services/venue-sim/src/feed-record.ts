/** A live market written down as it came, in the form recordings have: it can be replayed afterwards. */

import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { LiveRecord } from "./live.ts";
import type { MarketId } from "./markets.ts";
import { RECORDS_MAX } from "./sample.ts";

/** Bytes that are held back before they are written. */
const HELD_BYTES_MAX = 64 * 1024;

interface Open {
  readonly fd: number;
  held: string[];
  heldBytes: number;
}

/** `feed-<market>.jsonl` in the venue's folder. Together they hold no more than a replay takes; then they end, whole. */
export class FeedRecord {
  readonly #dir: string;
  readonly #clock: { nowMs(): number };
  readonly #recordsMax: number;
  readonly #open = new Map<MarketId, Open>();
  #records = 0;
  #lastMs = 0;

  constructor(dir: string, clock: { nowMs(): number }, recordsMax = RECORDS_MAX) {
    this.#dir = dir;
    this.#clock = clock;
    this.#recordsMax = recordsMax;
  }

  /** Whether something came after the last that had room. */
  get full(): boolean {
    return this.#records > this.#recordsMax;
  }

  add({ market, kind, stream, text }: LiveRecord): void {
    this.#records += 1;
    if (this.full) return;
    // A clock that is set back does not turn the order of what came.
    this.#lastMs = Math.max(this.#lastMs, Math.floor(this.#clock.nowMs()));
    const message = kind === "snapshot" ? text : `{"stream":"${stream}","data":${text}}`;
    const line = `${this.#lastMs}000000 ${message.replace(/[\r\n]+/g, " ")}\n`;
    const file = this.#file(market);
    file.held.push(line);
    file.heldBytes += line.length;
    if (file.heldBytes >= HELD_BYTES_MAX) flush(file);
  }

  #file(market: MarketId): Open {
    let file = this.#open.get(market);
    if (file === undefined) {
      // What an earlier life of the venue wrote stays; the market begins anew with a snapshot.
      file = { fd: openSync(join(this.#dir, `feed-${market}.jsonl`), "a"), held: [], heldBytes: 0 };
      this.#open.set(market, file);
    }
    return file;
  }

  close(): void {
    for (const file of this.#open.values()) {
      flush(file);
      closeSync(file.fd);
    }
    this.#open.clear();
  }
}

function flush(file: Open): void {
  const bytes = Buffer.from(file.held.join(""));
  for (let done = 0; done < bytes.length; ) done += writeSync(file.fd, bytes, done);
  file.held = [];
  file.heldBytes = 0;
}
