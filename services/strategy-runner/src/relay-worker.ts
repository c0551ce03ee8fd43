/** The thread of one strategy that runs in a process of its own. */

import { parentPort, workerData } from "node:worker_threads";
import { BatchFlag, Pipe, PipeFault, To } from "./frames.ts";
import {
  Flag,
  ordinal,
  type RelayData,
  STATS_MS,
  STOP_MS,
  takeParams,
  type WorkerMessage,
} from "./messages.ts";
import { nativePort } from "./port.ts";
import { Relay } from "./relay.ts";

const data = workerData as RelayData;
const flags = new Int32Array(data.flags);
const say = (message: WorkerMessage): void => parentPort?.postMessage(message);
const pipe = new Pipe(data.fdIn, data.fdOut);
const busy = ordinal(flags);
const relay = new Relay({
  lane: data.lane,
  pipe,
  port: nativePort,
  pollMs: data.pollMs,
  maxIntentsPerEvent: data.maxIntentsPerEvent,
  busy,
  onStats: (stats) => say({ ...stats, lane: nativePort.stats() }),
});
const openedMs = performance.now();
const sinceOpenNs = () => Math.round((performance.now() - openedMs) * 1e6);
let reportedMs = Number.NEGATIVE_INFINITY;
try {
  busy(true);
  pipe.sendJson(To.RUN, data.run);
  busy(false);
  while (Atomics.load(flags, Flag.STOP) === 0) {
    const nowMs = performance.now();
    const due = nowMs - reportedMs >= STATS_MS;
    if (due) reportedMs = nowMs;
    takeParams(flags, parentPort, (params) => relay.reload(params));
    relay.run(sinceOpenNs, due ? BatchFlag.REPORT : BatchFlag.NONE);
  }
  const stopMs = performance.now() + STOP_MS;
  relay.stop(sinceOpenNs, () => performance.now() < stopMs);
  relay.close();
  say({ type: "stopped", pending: 0 });
} catch (error) {
  // The process is gone or broke a bound: the link ends here, and the runner takes its orders away.
  relay.close();
  const fault = error instanceof PipeFault || (error as { code?: string }).code === "EPIPE";
  if (!fault) throw error;
  say({ type: "gone", why: (error as Error).message });
}
