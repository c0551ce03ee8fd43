/** The next group of a WAL with its inserts, read where the WAL lies on a disk and sliced there too. */

import type { GroupRequest } from "@tidegate/rust-core";
import {
  type Group,
  type Ledger,
  named,
  readGroup,
  type Sliced,
  slice,
  tables,
  type WalReader,
} from "./core.ts";
import { GROUP_BLOCKS_MAX, GROUP_BYTES_MAX, GROUP_RECORDS_MAX } from "./limits.ts";

/** A group that is ready to go in. */
export interface Ready extends Pick<Group, "from" | "to"> {
  readonly records: number;
  /** When its first record was taken, ns since the Unix epoch. */
  readonly oldestNs: bigint;
  /** Whether a bound ended it: there may be more at once. */
  readonly full: boolean;
  readonly sliced: Sliced;
}

/** A group read from a folder stops growing at the first of these. */
export type Bounds = GroupRequest["bounds"];
export const BOUNDS: Bounds = {
  blocks: GROUP_BLOCKS_MAX,
  records: GROUP_RECORDS_MAX,
  bytes: GROUP_BYTES_MAX,
};

/**
 * The group that begins at `ledger.next`, up to the pending bound or as far as the bounds let it; "nothing" where nothing whole
 * is yet, "damaged" where a sealed segment holds none though it should. Rejects when the disk fails.
 */
export async function nextReady(
  wal: WalReader,
  ledger: Ledger,
  highest: ReadonlyMap<string, number>,
  bounds: Bounds = BOUNDS,
  room?: Buffer,
): Promise<Ready | "nothing" | "damaged"> {
  if (wal.dir === undefined) return atHand(wal, ledger, highest);
  const request = {
    from: ledger.next,
    to: ledger.pendingTo,
    bounds,
    highest: Object.fromEntries(highest),
  };
  const found = await tables().group(wal.dir, request, room);
  if (found.kind !== "group") return found.kind;
  const { from, to, records, oldestNs, full } = found;
  return { from, to, records, oldestNs, full, sliced: named(found, found) };
}

/** The same of a WAL that is no folder, or not all of one. */
function atHand(
  wal: WalReader,
  ledger: Ledger,
  highest: ReadonlyMap<string, number>,
): Ready | "nothing" | "damaged" {
  const group = readGroup(wal, ledger);
  if (group === null) {
    const { next } = ledger;
    return next.segment > 0 && wal.read(next) === "damaged" ? "damaged" : "nothing";
  }
  const { from, to, blocks } = group;
  return {
    from,
    to,
    records: blocks.reduce((sum, { records }) => sum + records.length, 0),
    oldestNs: blocks[0]?.records[0]?.tsNs ?? 0n,
    // What is read in the same turn is not read ahead.
    full: false,
    sliced: slice(group, highest),
  };
}
