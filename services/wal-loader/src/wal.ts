/** The recorder's segments through the addon. */

import { type WalSegment, walReadBlock, walSegments } from "@tidegate/rust-core";
import type { Position, WalReader } from "./core.ts";

const gone = (error: unknown): boolean =>
  /ENOENT|No such file|not found/i.test((error as Error).message);

/** Reads a WAL directory that another process is writing. A directory that is not there yet has no segment. */
export function openWal(dir: string): WalReader {
  let known = new Map<number, WalSegment>();
  const look = (): void => {
    try {
      known = new Map(walSegments(dir).map((segment) => [segment.index, segment]));
    } catch (error) {
      if (!gone(error)) throw error;
      known = new Map();
    }
  };
  const read = ({ segment: index, offset }: Position): ReturnType<WalReader["read"]> => {
    const segment = known.get(index);
    if (segment === undefined) return null;
    const item = walReadBlock(segment.path, offset);
    if (item === null) return segment.sealed ? "damaged" : null;
    if (item.kind === "footer") return "end";
    const { index: block, crc, records, next } = item;
    return {
      block: { segment: index, block, crc, records },
      next: { segment: index, offset: next },
    };
  };
  return {
    dir,
    first() {
      look();
      return known.size === 0 ? null : Math.min(...known.keys());
    },
    read(at) {
      try {
        const found = read(at);
        if (found !== null) return found;
      } catch (error) {
        if (!gone(error)) throw error;
      }
      // Nothing there, or sealed (and so renamed) since the last look: look again, once.
      look();
      try {
        return read(at);
      } catch (error) {
        if (gone(error)) return null;
        throw error;
      }
    },
  };
}
