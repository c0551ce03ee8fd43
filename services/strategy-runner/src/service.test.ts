import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { Settings } from "./config.ts";
import { nextEpoch } from "./epoch.ts";
import { readInstruments, topicsOf } from "./instruments.ts";
import { startStrategyRunner } from "./service.ts";
import { workerLimits } from "./slot.ts";

const dir = mkdtempSync(join(tmpdir(), "runner-"));
afterAll(() => rmSync(dir, { recursive: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
/** The shipped strategy: inside the workspace, so that the test runner's own loader can import it. */
const GOOD = fileURLToPath(new URL("../../../strategies/simple-mm.ts", import.meta.url));

describe("nextEpoch", () => {
  it("rises by one at each start, durably; a damaged file is refused and kept", () => {
    const path = join(dir, "state", "strategy-1.epoch");
    expect([nextEpoch(path), nextEpoch(path), nextEpoch(path)]).toEqual([1, 2, 3]);
    expect(readFileSync(path, "utf8")).toBe("3\n");
    for (const bad of ["", "-1", "1.5", "4294967295", "seven"]) {
      writeFileSync(path, bad);
      expect(() => nextEpoch(path)).toThrow("cannot read the session number");
      expect(readFileSync(path, "utf8")).toBe(bad);
    }
  });
});

describe("the instruments a strategy sees", () => {
  it("come from the table; topics name venue and instrument", () => {
    const { version, instruments } = readInstruments(Settings.parse({}).instrumentsFile);
    expect(version).toBe(1);
    expect(instruments).toEqual([
      { id: 1, venueId: 1, symbol: "BTCUSDT", kind: "spot" },
      { id: 2, venueId: 2, symbol: "BTCUSDT", kind: "perp" },
    ]);
    expect(topicsOf(instruments.slice(1))).toEqual([
      "md.2.2.top.",
      "md.2.2.trade.",
      "md.2.2.status.",
    ]);
  });
});

describe("the runner", () => {
  const silent = { stateDir: join(dir, "state2"), log: () => undefined };
  const config = (over: object) =>
    Settings.parse({ strategies: [{ id: 4, file: GOOD, reviewed: true }], ...over });
  /** A worker's program in place of the real one, which needs the native lane. */
  const program = (name: string, body: string) =>
    pathToFileURL(
      file(name, `import { parentPort, workerData } from "node:worker_threads";\n${body}`),
    );
  const STATS = `const flags = new Int32Array(workerData.flags);
const stats = { events: 5, intents: 2, cancels: 1, fills: 1, refusedByGateway: 0, refusedHere: 0, exceptions: 0, overruns: 0, leftoversCancelled: 0 };
const say = (breaker) => parentPort.postMessage({ type: "stats", name: "good", stats, breaker, ready: true, pending: 0, leftovers: 0, unknownEvents: 0, lastError: "", lane: '{"lag":3,"spans":[{"name":"strategy.decide"}]}' });`;
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  };

  it("gives the worker its lane, a fresh epoch each time, and shows its statistics; a stop is in order", async () => {
    const workerUrl = program(
      "ok.mjs",
      `${STATS}\nsay("NORMAL"); Atomics.wait(flags, 0, 0); parentPort.postMessage({ type: "stopped", pending: 0 });`,
    );
    for (const epoch of [1, 2]) {
      const spans: unknown[] = [];
      const onSpans = (some: readonly unknown[]) => void spans.push(...some);
      const runner = await startStrategyRunner(config({}), { ...silent, workerUrl, onSpans });
      await until(() => runner.stats()["events"] === 5);
      expect(spans).toEqual([{ name: "strategy.decide" }]);
      expect(runner.stats()["strategies"]).toMatchObject([{ lane: { lag: 3 } }]);
      expect(JSON.stringify(runner.stats())).not.toContain("spans");
      expect(runner.stats()).toMatchObject({
        state: "NORMAL",
        intents: 3,
        fills: 1,
        lag: 3,
        strategies: [{ id: 4, epoch, state: "NORMAL", ready: true }],
      });
      await runner[Symbol.asyncDispose]();
      expect(runner.stats()).toMatchObject({ strategies: [{ state: "STOPPED" }] });
    }
  });

  it("a worker that dies or halts makes the runner DEGRADED and leaves the others alone", async () => {
    const errors: string[] = [];
    const workerUrl = program(
      "dies.mjs",
      `${STATS}\nif (workerData.lane.strategyId === 5) throw new Error("boom");\nsay("NORMAL"); setInterval(() => { if (Atomics.load(flags, 0) === 1) { parentPort.postMessage({ type: "stopped", pending: 0 }); process.exit(0); } }, 1);`,
    );
    const strategies = [4, 5].map((id) => ({ id, file: GOOD, reviewed: true }));
    const runner = await startStrategyRunner(config({ strategies }), {
      ...silent,
      workerUrl,
      log: (_, msg, fields) => void errors.push(`${msg} ${String(fields["error"]).split("\n")[0]}`),
    });
    expect(runner.state).toBe("NORMAL");
    const states = () =>
      (runner.stats()["strategies"] as { state: string }[]).map(({ state }) => state);
    await until(() => states().join() === "NORMAL,DEAD");
    expect(runner.state).toBe("DEGRADED");
    expect(errors.join()).toContain("boom");
    await runner[Symbol.asyncDispose]();
    expect(states()).toEqual(["STOPPED", "DEAD"]);
  });

  it("a parameter file is read again: taken, unchanged or refused, and the old stay [B069]", async () => {
    const workerUrl = program(
      "params.mjs",
      `import { receiveMessageOnPort } from "node:worker_threads";
${STATS}
say("NORMAL");
while (Atomics.load(flags, 0) === 0) {
  Atomics.wait(flags, 0, 0, 5);
  if (Atomics.exchange(flags, 2, 0) === 0) continue;
  const { params } = receiveMessageOnPort(parentPort).message;
  parentPort.postMessage({ type: "params", refused: params.edgeTicks < 0 ? "bad params: edgeTicks" : null });
}
parentPort.postMessage({ type: "stopped", pending: 0 });`,
    );
    const paramsFile = file("params.json", '{"edgeTicks":1}');
    const lines: string[] = [];
    const runner = await startStrategyRunner(
      config({ strategies: [{ id: 4, file: GOOD, reviewed: true, paramsFile }] }),
      { ...silent, workerUrl, log: (level, msg) => void lines.push(`${level} ${msg}`) },
    );
    const again = async (text: string) => {
      writeFileSync(paramsFile, text);
      const [{ outcome, why } = { outcome: "none", why: "" }] = await runner.reload();
      return `${outcome} ${why.replace(paramsFile, "FILE")}`.trim();
    };
    expect(await again('{ "edgeTicks": 1 }')).toBe("unchanged");
    expect(await again('{"edgeTicks":2}')).toBe("taken");
    expect(await again('{"edgeTicks":-2}')).toBe("refused bad params: edgeTicks");
    expect(await again("{")).toMatch(
      /^refused cannot read the params in FILE: .*want a JSON object$/,
    );
    expect(await again("[1]")).toBe("refused cannot read the params in FILE: want a JSON object");
    expect(await again(`"${"x".repeat(70_000)}"`)).toContain("at most 65536");
    expect(runner.stats()["strategies"]).toMatchObject([{ reloads: 1 }]);
    expect(lines.filter((line) => line.startsWith("warn"))).toHaveLength(4);
    expect(await again('{"edgeTicks":3}')).toBe("taken");
    expect(runner.stats()["strategies"]).toMatchObject([{ reloads: 2, paramsRefused: "" }]);
    await runner[Symbol.asyncDispose]();
    expect(await again('{"edgeTicks":4}')).toContain("refused the strategy is");
    expect(() =>
      config({ strategies: [{ id: 4, file: GOOD, paramsFile, params: { a: 1 } }] }),
    ).toThrow("want one of them");
  });

  it.each([
    [
      "bad params",
      { strategies: [{ id: 4, file: GOOD, reviewed: true, params: { edgeTicks: -1 } }] },
      "bad params: edgeTicks:",
    ],
    [
      "a missing file",
      { strategies: [{ id: 4, file: "/nonexistent.ts", reviewed: true }] },
      "/nonexistent.ts",
    ],
  ])("%s: nothing starts and no epoch is used", async (_, over, text) => {
    const stateDir = join(dir, "never");
    await expect(startStrategyRunner(config(over), { ...silent, stateDir })).rejects.toThrow(text);
    expect(() => readFileSync(join(stateDir, "strategy-4.epoch"))).toThrow();
  });

  const declares = (name: string, featureSet: string) =>
    file(
      name,
      `export default { id: "declares", params: { safeParse: () => ({ success: true }), parse: () => ({}) }, featureSet: "${featureSet}", onTrade() {} };`,
    );
  const known = [{ name: "lob_shared_v3", hash: 808_661_320 }];

  it.each([
    ["an unknown set", "lob_shared_v9", "there is no such set; there are lob_shared_v3@808661320"],
    ["another hash of the set", "lob_shared_v3@7", "has hash 808661320 here"],
  ])("a strategy built for %s is not started [B073]", async (_, featureSet, text) => {
    const strategies = [
      { id: 4, file: declares(`d${featureSet.length}.mjs`, featureSet), reviewed: true },
    ];
    const stateDir = join(dir, "never");
    const start = startStrategyRunner(config({ strategies }), {
      ...silent,
      stateDir,
      featureSets: () => known,
    });
    await expect(start).rejects.toThrow(text);
    expect(() => readFileSync(join(stateDir, "strategy-4.epoch"))).toThrow();
  });

  it("the worker is told the hash; features of another set halt the strategy and say why once [B073]", async () => {
    const workerUrl = program(
      "features.mjs",
      `${STATS}\nconst tell = (state, seen, lastError) => parentPort.postMessage({ type: "stats", name: "x", stats, breaker: "NORMAL", ready: true, pending: 0, leftovers: 0, unknownEvents: 0, lastError, lane: "{}", featureSet: { state, seen } });
if (workerData.featureSetHash !== 808661320) throw new Error("no hash");
tell("MATCHED", 808661320, ""); tell("MISMATCH", 5, "FEATURE_SET_MISMATCH: x"); tell("MISMATCH", 5, "FEATURE_SET_MISMATCH: x");
Atomics.wait(flags, 0, 0); parentPort.postMessage({ type: "stopped", pending: 0 });`,
    );
    const lines: string[] = [];
    const runner = await startStrategyRunner(
      config({
        strategies: [{ id: 4, file: declares("good.mjs", "lob_shared_v3"), reviewed: true }],
      }),
      {
        ...silent,
        workerUrl,
        featureSets: () => known,
        log: (level, msg) => level !== "info" && lines.push(`${level} ${msg}`),
      },
    );
    await until(() => runner.state === "DEGRADED");
    expect(runner.stats()).toMatchObject({
      strategies: [{ state: "HALTED", featureSet: "MISMATCH", featureSetSeen: 5 }],
    });
    expect(lines).toEqual(["error the strategy is stopped: the features are of another set"]);
    await runner[Symbol.asyncDispose]();
  });

  it("two strategies of one id are refused", () => {
    expect(() =>
      config({
        strategies: [
          { id: 1, file: "a" },
          { id: 1, file: "b" },
        ],
      }),
    ).toThrow("same id");
  });
});

describe("the heap of a worker", () => {
  it("that leaks ends the worker and not the process, however often it is tried", () => {
    const script = `const { Worker } = require("node:worker_threads");
const leak = "const held = []; for (;;) held.push(Array.from({ length: 100_000 }, (_, at) => ({ at })));";
(async () => { for (let n = 0; n < 8; n += 1) {
  const worker = new Worker(leak, { eval: true, resourceLimits: ${JSON.stringify(workerLimits(64))} });
  console.log(await new Promise((end) => worker.on("error", (error) => end(error.code)))); } })();`;
    const { stdout, status } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" });
    expect(status).toBe(0);
    expect(stdout.trim().split("\n")).toEqual(Array(8).fill("ERR_WORKER_OUT_OF_MEMORY"));
  }, 60_000);
});

describe("loadStrategy, as Node runs it", () => {
  const loader = new URL("./load.ts", import.meta.url).href;
  const load = (path: string): string => {
    const script = `import(${JSON.stringify(loader)}).then((m) => m.loadStrategy(${JSON.stringify(path)})).then((s) => console.log(s.id), (e) => console.log(e.message))`;
    return spawnSync(process.execPath, ["-e", script], {
      encoding: "utf8",
      cwd: dir,
    }).stdout.trim();
  };
  const strategy = (first: string) => `${first}
import { defineStrategy } from "@tidegate/strategy-sdk";
import { z } from "zod";
export default defineStrategy({ id: "anywhere", params: z.object({}), onTrade(): void {} });`;

  it("a file anywhere finds the SDK and zod", () => {
    expect(load(file("anywhere.ts", strategy("")))).toBe("anywhere");
  });
  it("a strategy that imports its way out is refused", () => {
    for (const module of ["node:fs", "net", "node:worker_threads"]) {
      expect(load(file("escapes.ts", strategy(`import "${module}";`)))).toContain(
        `may not import ${module}`,
      );
    }
  });
  it("a file that is no strategy is refused by name", () => {
    expect(load(file("none.ts", "export default 5;"))).toContain("none.ts: not a strategy");
    expect(load(file("broken.ts", "export default {"))).toContain("broken.ts");
    expect(load("/nonexistent.ts")).toContain("/nonexistent.ts");
  });
});
