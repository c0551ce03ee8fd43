/**
 * The program of a strategy's process: it has two pipes, the strategy's file, and nothing else. What it says is not
 * trusted; the rules it keeps here are kept again by the relay, the watchdog and the gateway.
 */

import { EVENT_DOUBLES, type StrategyLaneConfig } from "@tidegate/rust-core/strategy-layout";
import type { InstrumentInfo } from "@tidegate/strategy-sdk";
import { BatchFlag, From, INTENT_BYTES, Pipe, PipeFault, To } from "./frames.ts";
import { loadStrategy } from "./load.ts";
import type { StrategyPort } from "./port.ts";
import { Pump } from "./pump.ts";

/** Where the runner puts the pipes. */
const FD_IN = 3;
const FD_OUT = 4;

/** What it is told to load, as JSON. */
export interface Load {
  readonly file: string;
  /** What stands in it: the process may not read it itself. */
  readonly text: string;
  readonly params: unknown;
}
/** What it says of the strategy it has loaded. */
export interface Hello {
  readonly error: string | null;
  readonly name: string;
  readonly featureSet: string | null;
  readonly timerMs: number | null;
  readonly stateVersion: number | null;
}
/** What it is told to run with. */
export interface Run {
  readonly instruments: readonly InstrumentInfo[];
  readonly lane: StrategyLaneConfig;
  readonly seed: number;
  readonly maxIntentsPerEvent: number;
  readonly eventBudgetMs: number;
  readonly staleEventMs: number;
  readonly featureSetHash: number | null;
  readonly restored: string | null;
}

const pipe = new Pipe(FD_IN, FD_OUT);
const want = (kind: number) => {
  const frame = pipe.receive();
  if (frame.kind !== kind) throw new PipeFault(`frame ${frame.kind} came, want ${kind}`);
  return frame;
};

const load = pipe.json(want(To.LOAD)) as Load;
const loaded = await loadStrategy(load.file, load.text)
  .then((definition) => {
    const checked = definition.params.safeParse(load.params);
    if (checked.success) return { definition, error: null };
    const what = checked.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    return { definition: null, error: `bad params: ${what.join("; ")}` };
  })
  .catch((error: unknown) => ({
    definition: null,
    error: error instanceof Error ? error.message : String(error),
  }));
const { definition } = loaded;
const hello: Hello = {
  error: loaded.error,
  name: definition?.id ?? "",
  featureSet: definition?.featureSet ?? null,
  timerMs: definition?.timerMs ?? null,
  stateVersion: definition?.stateVersion ?? null,
};
pipe.sendJson(From.HELLO, hello);
if (definition === null) process.exit(1);

const run = pipe.json(want(To.RUN)) as Run;
let batchNs = 0;
let batchMs = performance.now();
let flag: number = BatchFlag.NONE;
let first = true;
let views: { in: Float64Array; out: Float64Array } | null = null;

const report = (): void => {
  const { host } = pump;
  pipe.sendJson(From.STATS, {
    type: "stats",
    name: definition.id,
    stats: { ...host.stats },
    breaker: host.breaker,
    ready: host.ready,
    pending: host.pending,
    leftovers: host.leftovers,
    unknownEvents: pump.unknownEvents,
    staleEvents: pump.staleEvents,
    lastError: host.lastError.slice(0, 4_096),
    state: host.snapshot(),
    featureSet: { state: host.featureSet, seen: host.featureSetSeen },
  });
};

const port: StrategyPort = {
  open: (_, inEvents, outIntent) => {
    views = { in: inEvents, out: outIntent };
  },
  poll() {
    if (!first) {
      if (flag === BatchFlag.REPORT || flag === BatchFlag.STOP) report();
      pipe.send(From.DONE, pump.host.pending === 0 ? 1 : 0);
    }
    first = false;
    let frame = pipe.receive();
    for (; frame.kind === To.PARAMS; frame = pipe.receive()) {
      pipe.sendJson(From.PARAMS, { refused: pump.reload(pipe.json(frame)) });
    }
    if (frame.kind !== To.BATCH) throw new PipeFault(`frame ${frame.kind} came, want ${To.BATCH}`);
    batchNs = frame.a;
    batchMs = performance.now();
    flag = frame.b;
    const doubles = frame.bytes / 8;
    views?.in.set(pipe.doubles.subarray(0, doubles));
    return doubles / EVENT_DOUBLES;
  },
  submit() {
    const { buffer, byteOffset } = views?.out ?? new Float64Array(INTENT_BYTES / 8);
    pipe.send(From.INTENT, 0, 0, new Uint8Array(buffer, byteOffset, INTENT_BYTES));
    return want(To.ANSWER).a;
  },
  stats: () => "{}",
  close: () => undefined,
};

const pump: Pump = new Pump({
  definition,
  params: load.params,
  instruments: run.instruments,
  lane: run.lane,
  seed: run.seed,
  maxIntentsPerEvent: run.maxIntentsPerEvent,
  eventBudgetMs: run.eventBudgetMs,
  staleEventMs: run.staleEventMs,
  elapsedMs: () => performance.now(),
  port,
  ...(run.restored === null ? {} : { restored: run.restored }),
  ...(run.featureSetHash === null ? {} : { featureSetHash: run.featureSetHash }),
});
const nowNs = (): number => Math.round(batchNs + (performance.now() - batchMs) * 1e6);

pump.start();
while (flag !== BatchFlag.STOP) pump.run(nowNs);
// The runner ends the wait: it closes the pipe when nothing is open or it has waited long enough.
pump.stop(() => true);
report();
pipe.send(From.DONE, 1);
