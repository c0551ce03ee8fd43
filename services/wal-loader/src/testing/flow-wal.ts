import { encodeEnvelope } from "@tidegate/contracts";
import { flowRows } from "@tidegate/storage/flow";
import type { WalReader, WalRecord } from "../core.ts";

/** 2026-11-30 23:59:50 UTC: the day goes on into the next month. */
export const FLOW = {
  seed: 11,
  orders: 300,
  marketPerOrder: 3,
  startNs: 1_796_083_190_000_000_000n,
  stepNs: 100_000_000n,
};
const BLOCK_RECORDS = 6;
/** More blocks than the day has. */
export const BLOCKS_MAX = 1_200;

/** A made-up day as one segment, sealed once all of its blocks are visible. */
export function flowWal(visible: () => number = () => Number.MAX_SAFE_INTEGER): WalReader {
  const records: WalRecord[] = [...flowRows(FLOW)].map(({ place, envelope }) => ({
    ...place,
    payload: encodeEnvelope(envelope),
  }));
  const blocks = Math.ceil(records.length / BLOCK_RECORDS);
  return {
    first: () => 1,
    read({ segment, offset }) {
      if (segment !== 1) return null;
      if (offset >= Math.min(blocks, visible())) return visible() >= blocks ? "end" : null;
      const all = records.slice(offset * BLOCK_RECORDS, (offset + 1) * BLOCK_RECORDS);
      const block = { segment: 1, block: offset, crc: offset, records: all };
      return { block, next: { segment: 1, offset: offset + 1 } };
    },
  };
}
