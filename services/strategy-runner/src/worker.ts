/** The thread of one strategy: it waits in the native lane, never in an event loop. */

import { parentPort, workerData } from "node:worker_threads";
import { defineStrategy, standingLeft, stopGuard } from "@tidegate/strategy-sdk";
import { z } from "zod";
import { InputWriter } from "./inputs.ts";
import { loadStrategy } from "./load.ts";
import {
  Flag,
  ordinal,
  STATS_MS,
  STOP_MS,
  takeParams,
  type WorkerData,
  type WorkerMessage,
} from "./messages.ts";
import { nativePort } from "./port.ts";
import { Pump } from "./pump.ts";

const data = workerData as WorkerData;
const flags = new Int32Array(data.flags);
const say = (message: WorkerMessage): void => parentPort?.postMessage(message);

/** Nothing is traded by it: the host cancels what earlier sessions left, as it does before any strategy quotes. */
const SWEEP = defineStrategy({ id: "sweep", params: z.object({}), onSession() {} });

const standing = data.standing ?? [];
const platform = standing.length === 0 ? SWEEP : stopGuard(standing);
const definition = data.sweep === true ? platform : await loadStrategy(data.file);
const { file, params, instruments, lane, seed } = data;
const { maxIntentsPerEvent, eventBudgetMs, staleEventMs } = data;
const log =
  data.inputLog === undefined
    ? undefined
    : new InputWriter(data.inputLog, {
        ...{ file, params, instruments, lane, seed },
        ...{ maxIntentsPerEvent, eventBudgetMs, staleEventMs },
        featureSetHash: data.featureSetHash ?? null,
        restored: data.restored ?? null,
      });
const clockMs = () => performance.now();
const pump = new Pump({
  definition,
  ...{ params, instruments, lane, seed },
  ...{ maxIntentsPerEvent, eventBudgetMs, staleEventMs },
  elapsedMs: log?.timed(clockMs) ?? clockMs,
  port: nativePort,
  busy: ordinal(flags),
  ...(data.restored === undefined ? {} : { restored: data.restored }),
  ...(data.featureSetHash === undefined ? {} : { featureSetHash: data.featureSetHash }),
  ...(log === undefined ? {} : { log }),
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
    staleEvents: pump.staleEvents,
    lastError:
      log === undefined || log.ended === "" ? host.lastError : `the input log: ${log.ended}`,
    state: host.snapshot(),
    featureSet: { state: host.featureSet, seen: host.featureSetSeen },
    lane: nativePort.stats(),
  });
};

pump.start();
report();
let reportedMs = openedMs;
/** What the dead one left is cancelled, and what its stops are for is held no more. */
const swept = (): boolean => {
  const { host } = pump;
  if (data.sweep !== true || !host.ready) return false;
  if (standing.length === 0) return true;
  const position = (instrument: number) => host.position(instrument);
  return host.pending === 0 && standingLeft(standing, position) === 0;
};
while (Atomics.load(flags, Flag.STOP) === 0 && !swept()) {
  takeParams(flags, parentPort, (params) => pump.reload(params));
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
log?.close();
say({ type: "stopped", pending: pump.host.pending });
