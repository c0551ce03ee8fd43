/**
 * A kill latch: one block of one file, written in place and synced before anything acts on it, so that a full disk
 * cannot keep a kill from being latched. Two words are known; whatever else the file holds counts as killed. The hot
 * loops write the same form.
 */

import { fdatasyncSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";

export const LATCH_BYTES = 4_096;

/** Who killed, why and when (ns since the Unix epoch, decimal text). */
export interface Held {
  readonly by: string;
  readonly reason: string;
  readonly tsNs: string;
}

const flat = (text: string, max: number): string => {
  let cut = text.replaceAll(/[\t\n]/g, " ");
  while (Buffer.byteLength(cut) > max) cut = cut.slice(0, -1);
  return cut;
};

/** What a latch file says; `undefined` where it says nothing, null where it is clear. */
export function parseLatch(bytes: Buffer): Held | null | undefined {
  if (bytes.length !== LATCH_BYTES) return undefined;
  const text = bytes.toString("utf8");
  const [, line, rest] = /^([^\n]*)\n( *)$/.exec(text) ?? [];
  if (line === undefined || rest === undefined) return undefined;
  if (line === "CLEAR") return null;
  const [word, tsNs, by, reason, more] = line.split("\t");
  const known = word === "KILLED" && /^\d{1,19}$/.test(tsNs ?? "");
  if (!known || tsNs === undefined || by === undefined || reason === undefined) return undefined;
  return more === undefined ? { by, reason, tsNs } : undefined;
}

export class Latch {
  readonly #path: string;
  #fd: number | null = null;
  #held: Held | null;

  /** Opens the latch, made clear where there is none. It never throws: one that cannot be read or written is held. */
  constructor(path: string, nowMs: number) {
    this.#path = path;
    try {
      this.#held = this.#load();
    } catch (error) {
      const reason = `the latch ${path}: ${(error as Error).message}`;
      this.#held = { by: "latch", reason, tsNs: `${Math.round(nowMs)}000000` };
    }
  }

  #load(): Held | null {
    mkdirSync(dirname(this.#path), { recursive: true });
    try {
      this.#fd = openSync(this.#path, "r+");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      this.#fd = openSync(this.#path, "wx+", 0o600);
      this.#write(null);
      fsyncSync(openSync(dirname(this.#path), "r"));
      return null;
    }
    const bytes = Buffer.alloc(LATCH_BYTES + 1);
    const said = parseLatch(bytes.subarray(0, readSync(this.#fd, bytes, 0, bytes.length, 0)));
    if (said === undefined) throw new Error("it holds neither KILLED nor CLEAR");
    return said;
  }

  get held(): Held | null {
    return this.#held;
  }

  /** Holds it, on disk first; the first kill stands. Gives why the disk refused, or null: it is held all the same. */
  hold(by: string, reason: string, nowMs: number): string | null {
    if (this.#held !== null) return null;
    const tsNs = `${Math.round(nowMs)}000000`;
    const held: Held = { by: flat(by, 64), reason: flat(reason, 256), tsNs };
    let fault: string | null = null;
    try {
      this.#write(held);
    } catch (error) {
      fault = (error as Error).message;
    }
    this.#held = held;
    return fault;
  }

  /** Lets go, on disk first; throws when the disk refuses, and stays held. */
  lift(): void {
    if (this.#held === null) return;
    this.#write(null);
    this.#held = null;
  }

  #write(held: Held | null): void {
    this.#fd ??= openSync(this.#path, "r+");
    const line = held === null ? "CLEAR\n" : `KILLED\t${held.tsNs}\t${held.by}\t${held.reason}\n`;
    const block = Buffer.alloc(LATCH_BYTES, " ");
    block.write(line);
    for (let done = 0; done < block.length; )
      done += writeSync(this.#fd, block, done, block.length - done, done);
    fdatasyncSync(this.#fd);
  }
}
