/** How many rows a second a recorder writes in the busiest minute of a recorded day. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readCapture } from "@tidegate/storage/capture";
import { sampleFiles } from "../../sim/run.ts";

const NS_PER_MINUTE = 60_000_000_000n;
/** A quiet book's touch is published again each 400 ms. */
const REPEATS_PER_MINUTE = 150;
const RECORDED_DAY = "binance-raw-2024-08";

export interface Busiest {
  readonly rowsPerSecond: number;
  /** Messages of that minute over all streams. */
  readonly messages: number;
  /** Its beginning, UTC. */
  readonly minute: string;
  readonly files: number;
  readonly of: string;
}

/** The captures of the recorded day: those of the reference data where it is at hand, else the samples of this checkout. */
export function dayFiles(root: string, data: string | undefined): string[] {
  const folder = data === undefined || data === "" ? "" : join(data, RECORDED_DAY);
  if (!existsSync(folder)) return sampleFiles(root);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl.gz"))
    .sort()
    .map((name) => join(folder, name));
}

/**
 * The minute in which most messages were received, all streams at once. Of a venue's message at most one row is written (the
 * touch of a ticker, a trade, or the depth of a diff); a quiet book's repeated touch comes on top for each capture. So the rate
 * is an upper bound.
 */
export async function busiestMinute(files: readonly string[]): Promise<Busiest> {
  const minutes = new Map<bigint, number>();
  for (const file of files) {
    for await (const { tsRecvNs } of readCapture(file)) {
      const minute = tsRecvNs / NS_PER_MINUTE;
      minutes.set(minute, (minutes.get(minute) ?? 0) + 1);
    }
  }
  let [at, messages] = [0n, 0];
  for (const [minute, count] of minutes) if (count > messages) [at, messages] = [minute, count];
  const rows = messages + files.length * REPEATS_PER_MINUTE;
  return {
    rowsPerSecond: rows / 60,
    messages,
    minute: new Date(Number(at) * 60_000).toISOString(),
    files: files.length,
    of: files[0]?.includes(RECORDED_DAY) ? RECORDED_DAY : "data/samples",
  };
}
