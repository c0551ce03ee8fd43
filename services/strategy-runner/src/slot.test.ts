import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { Settings } from "./config.ts";
import { startStrategyRunner } from "./service.ts";
import { readState, writeState } from "./state.ts";

const dir = mkdtempSync(join(tmpdir(), "slot-"));
afterAll(() => rmSync(dir, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
const keeper = (version: number): string =>
  file(
    `keeper-${version}.mjs`,
    `export default { id: "keeper", stateVersion: ${version}, params: { safeParse: () => ({ success: true }), parse: () => ({}) }, onTrade() {} };`,
  );
/** A worker's program in place of the real one, which needs the native lane. */
const program = (name: string, body: string): URL =>
  pathToFileURL(
    file(
      name,
      `import { parentPort, workerData } from "node:worker_threads";
const flags = new Int32Array(workerData.flags);
const stats = { events: 0, intents: 0, cancels: 0, fills: 0, leftoversCancelled: 7 };
const tell = (more) => parentPort.postMessage({ type: "stats", name: "keeper", stats, breaker: "NORMAL", ready: true, pending: 3, leftovers: 0, unknownEvents: 0, lastError: "", lane: "{}", ...more });
const stopped = () => parentPort.postMessage({ type: "stopped", pending: 0 });
${body}`,
    ),
  );
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((done) => setTimeout(done, 5));
};
const start = (workerUrl: URL, over: object = {}, stateDir = join(dir, "state"), version = 1) =>
  startStrategyRunner(
    Settings.parse({
      strategies: [{ id: 4, file: keeper(version), reviewed: true }],
      watchdogMs: 100,
      ...over,
    }),
    { stateDir, log: () => undefined, workerUrl },
  );
const only = (runner: { stats(): Record<string, unknown> }) =>
  (runner.stats()["strategies"] as Record<string, unknown>[])[0] ?? {};

describe("a strategy that dies [A12]", () => {
  const dies = program(
    "dies.mjs",
    `if (workerData.sweep) { tell({ pending: 0, epoch: workerData.lane.sessionEpoch }); stopped(); }
else { tell({}); setTimeout(() => { throw new Error("boom"); }, 20); }`,
  );
  it("has its orders cancelled by a session of its own number that comes after it, and stays dead", async () => {
    await using runner = await start(dies, {}, join(dir, "swept"));
    await until(() => only(runner)["sweep"] === "SWEPT");
    expect(only(runner)).toMatchObject({
      state: "DEAD",
      epoch: 2,
      pending: 0,
      leftoversCancelled: 7,
    });
    expect(readFileSync(join(dir, "swept/strategy-4.epoch"), "utf8")).toBe("2\n");
  });
  it("keeps them where the settings say so", async () => {
    await using runner = await start(dies, { onDeath: "keep" }, join(dir, "kept"));
    await until(() => only(runner)["state"] === "DEAD");
    expect(only(runner)).toMatchObject({ sweep: "KEPT", epoch: 1 });
  });
  it("a worker that stays in a batch is ended by the watchdog; one that is only slow between two is not", async () => {
    const loops = program(
      "loops.mjs",
      `if (workerData.sweep) { tell({}); stopped(); }
else { tell({}); Atomics.store(flags, 1, 5); for (;;); }`,
    );
    await using runner = await start(loops, {}, join(dir, "loops"));
    await until(() => only(runner)["state"] === "DEAD");
    expect(only(runner)["error"]).toContain("did not come back from a batch within 100 ms");
    const idle = program("idle.mjs", "tell({}); Atomics.wait(flags, 0, 0); stopped();");
    await using other = await start(idle, {}, join(dir, "idle"));
    await until(() => only(other)["state"] === "NORMAL");
    await new Promise((done) => setTimeout(done, 400));
    expect(only(other)["state"]).toBe("NORMAL");
  });
});

describe("a state that outlives its process [B027]", () => {
  it("is written when it changes, given back at the next start, and refused by another version", async () => {
    const keeps = program(
      "keeps.mjs",
      `tell({ state: JSON.stringify({ best: 5, was: workerData.restored ?? null }) }); Atomics.wait(flags, 0, 0); stopped();`,
    );
    const path = join(dir, "state/strategy-4.state");
    const owner = { name: "keeper", stateVersion: 1 };
    {
      await using _first = await start(keeps);
      await until(() => existsSync(path));
      expect(readState(path, owner)).toBe('{"best":5,"was":null}');
    }
    {
      await using _again = await start(keeps);
      await until(() => readState(path, owner)?.includes('best\\":5') === true);
    }
    await expect(start(keeps, {}, join(dir, "state"), 2)).rejects.toThrow(
      "it is of keeper version 1, wanted is keeper version 2",
    );
  });
  it("that is damaged is refused and left as it is", () => {
    const path = file("damaged.state", "{");
    const owner = { name: "x", stateVersion: 1 };
    expect(() => readState(path, owner)).toThrow("it is no JSON; run the strategy it is of");
    expect(readFileSync(path, "utf8")).toBe("{");
    writeState(path, owner, "[1]");
    expect(readState(path, owner)).toBe("[1]");
    expect(readState(join(dir, "none"), owner)).toBeNull();
    writeFileSync(path, JSON.stringify({ ...owner, state: 5 }));
    expect(() => readState(path, owner)).toThrow("cannot restore");
  });
});
