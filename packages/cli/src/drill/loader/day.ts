/** The WAL of a stand: a day without an end, at a pace loaders keep up with, in segments that do not get old. */

import { recordDay } from "../../store/record.ts";

/** Records a second of the WAL while it is loaded. */
const RATE = 800;
/** Market messages to an order: enough of both for every table to have rows under way. */
const MARKET_PER_ORDER = 10;
/** Segments are sealed, and so renamed under their readers, about as often as faults come. */
const SEGMENT_AGE_MS = 1_000;
const ORDERS = 10_000_000;

export interface DayOptions {
  /** Whether each block is synced before it is acknowledged. */
  readonly powerSafe: boolean;
  readonly signal: AbortSignal;
}

/** Records into `<home>/wal` until it is told to stop. @throws Error when the recorder does not come up or does not settle */
export async function recordStandDay(
  home: string,
  seed: number,
  { powerSafe, signal }: DayOptions,
): Promise<void> {
  const flow = {
    seed,
    orders: ORDERS,
    marketPerOrder: MARKET_PER_ORDER,
    startNs: BigInt(Date.now()) * 1_000_000n,
    stepNs: 1_000_000n,
  };
  const settings = { segmentAgeMs: SEGMENT_AGE_MS, powerSafe };
  await recordDay(home, flow, () => {}, { perSecond: RATE, settings, signal });
}
