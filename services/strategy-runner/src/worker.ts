/** The thread of one strategy: it waits in the native lane, never in an event loop. */

import { parentPort, workerData } from "node:worker_threads";
import { loadStrategy } from "./load.ts";
import { nativePort } from "./port.ts";
import { Pump } from "./pump.ts";
import type { WorkerData, WorkerMessage } from "./service.ts";

/** Statistics go to the main thread this often. */
const STATS_MS = 250;
/** How long a stop waits for the last cancels; what is open then stays with the gateway. */
const STOP_MS = 1_000;

const data = workerData as WorkerData;
const flags = new Int32Array(data.flags);
const say = (message: WorkerMessage): void => parentPort?.postMessage(message);

const definition = await loadStrategy(data.file);
const pump = new Pump({
  definition,
  params: data.params,
  instruments: data.instruments,
  lane: data.lane,
  seed: data.seed,
  maxIntentsPerEvent: data.maxIntentsPerEvent,
  eventBudgetMs: data.eventBudgetMs,
  elapsedMs: () => performance.now(),
  port: nativePort,
  ...(data.featureSetHash === undefined ? {} : { featureSetHash: data.featureSetHash }),
});
const openedMs = performance.now();
const sinceOpenNs = () => Math.round((performance.now() - openedMs) * 1e6);
const report = (): void => {
  const { host } = pump;
  say({
    type: "stats",
    name: definition.id,
    stats: { ...host.stats },
    breaker: host.breaker,
    ready: host.ready,
    pending: host.pending,
    leftovers: host.leftovers,
    unknownEvents: pump.unknownEvents,
    lastError: host.lastError,
    featureSet: { state: host.featureSet, seen: host.featureSetSeen },
    lane: nativePort.stats(),
  });
};

pump.start();
report();
let reportedMs = openedMs;
while (Atomics.load(flags, 0) === 0) {
  pump.run(sinceOpenNs);
  const nowMs = performance.now();
  if (nowMs - reportedMs >= STATS_MS) {
    reportedMs = nowMs;
    report();
  }
}
const stopMs = performance.now() + STOP_MS;
pump.stop(() => performance.now() < stopMs);
report();
pump.close();
say({ type: "stopped", pending: pump.host.pending });
