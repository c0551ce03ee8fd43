/**
 * Where each group ends, decided once for all loaders of a folder and for all times: a group that two of them take, or that is
 * tried again after a crash, has the same rows both times, so that its insert tokens are the same.
 *
 * File    `<folder>/<segment>`, one for each segment in which groups begin; appended to, never changed
 * Line    `\n<offset> <end's segment> <end's offset> .`; the first for an offset counts, and what is no whole line counts nothing
 */

import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, readSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Position } from "./core.ts";
import { END_SEGMENTS_HELD } from "./limits.ts";

export interface Ends {
  /** Where the group that begins there ends; null where that is not decided. */
  find(from: Position): Position | null;
  /** Proposes an end and gives the one that counts. What it gives is on the device. */
  agree(from: Position, to: Position): Promise<Position>;
  /** Gives up what was decided of groups that begin before a segment, because the WAL has it no more. */
  forget(before: number): void;
}

interface Held {
  /** Bytes of the file that were read. */
  at: number;
  readonly ends: Map<number, Position>;
}

const NAME = /^\d{10}$/;
const LINE = /^(\d{1,15}) (\d{1,10}) (\d{1,15}) \.$/;

export class GroupEnds implements Ends {
  readonly #dir: string;
  readonly #held = new Map<number, Held>();

  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true });
  }

  #path(segment: number): string {
    return join(this.#dir, String(segment).padStart(10, "0"));
  }

  find({ segment, offset }: Position): Position | null {
    return this.#look(segment).get(offset) ?? null;
  }

  async agree(from: Position, to: Position): Promise<Position> {
    await using file = await open(this.#path(from.segment), "a", 0o640);
    const fresh = (await file.stat()).size === 0;
    // One write to the end of a file is not mixed with another's. The line end comes first: what a crash tore stays alone.
    await file.write(`\n${from.offset} ${to.segment} ${to.offset} .`);
    await file.datasync();
    if (fresh) {
      await using dir = await open(this.#dir, "r");
      await dir.sync();
    }
    const end = this.find(from);
    if (end === null)
      throw new Error(`${this.#path(from.segment)}: a line that was written is not there`);
    return end;
  }

  forget(before: number): void {
    for (const name of readdirSync(this.#dir))
      if (NAME.test(name) && Number(name) < before) rmSync(join(this.#dir, name), { force: true });
  }

  /** What the file says by now; it only grows, so only what is new is read. */
  #look(segment: number): ReadonlyMap<number, Position> {
    const held = this.#held.get(segment) ?? { at: 0, ends: new Map<number, Position>() };
    // Put anew at the end, so that the one longest not asked for is the first to go.
    this.#held.delete(segment);
    this.#held.set(segment, held);
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= END_SEGMENTS_HELD) break;
      this.#held.delete(oldest);
    }
    let file: number;
    try {
      file = openSync(this.#path(segment), "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return held.ends;
      throw error;
    }
    try {
      const size = fstatSync(file).size;
      const bytes = Buffer.alloc(Math.max(0, size - held.at));
      const count = readSync(file, bytes, 0, bytes.length, held.at);
      const lines = bytes.toString("latin1", 0, count).split("\n");
      const last = lines.at(-1) ?? "";
      for (const line of lines) {
        const [, offset, toSegment, toOffset] = LINE.exec(line) ?? [];
        if (offset === undefined || held.ends.has(Number(offset))) continue;
        held.ends.set(Number(offset), { segment: Number(toSegment), offset: Number(toOffset) });
      }
      // A last line that is not whole may be one that is being written.
      held.at += LINE.test(last) ? count : count - last.length;
    } finally {
      closeSync(file);
    }
    return held.ends;
  }
}
