import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { verifySession } from "../../packages/cli/src/replay/verify.ts";
import { makeRunDir } from "../../packages/cli/src/sim/cluster.ts";
import { parseSimOptions } from "../../packages/cli/src/sim/options.ts";
import { sampleFiles, simulate } from "../../packages/cli/src/sim/run.ts";
import { Kind, paramsOf, readInputs } from "../../services/strategy-runner/src/inputs.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
// The path of a socket has 107 bytes at most.
const runDir = mkdtempSync(join(tmpdir(), "tg-rel-"));
afterAll(() => rmSync(runDir, { recursive: true, force: true }));

interface Stats {
  readonly strategies?: readonly {
    readonly intents: number;
    readonly reloads: number;
    readonly paramsRefused: string;
  }[];
}

/** Where the runner of this run answers; null before it does. */
async function runner(): Promise<{
  pid: number;
  told: NonNullable<Stats["strategies"]>[0];
} | null> {
  try {
    const text = readFileSync(join(runDir, "state/strategy-runner.json"), "utf8");
    const { pid, httpPort } = JSON.parse(text) as { pid: number; httpPort: number };
    const answer = await fetch(`http://127.0.0.1:${httpPort}/health`);
    const [told] = ((await answer.json()) as { stats?: Stats }).stats?.strategies ?? [];
    return told === undefined ? null : { pid, told };
  } catch {
    return null;
  }
}

type Told = NonNullable<Awaited<ReturnType<typeof runner>>>;
async function until(holds: (now: Told) => boolean): Promise<Told> {
  for (let look = 0; look < 600; look += 1) {
    const now = await runner();
    if (now !== null && holds(now)) return now;
    await sleep(50);
  }
  throw new Error("it did not come within 30 s");
}

it("a running strategy takes new params on SIGHUP, refuses bad ones, and its session replays the same [B069]", async () => {
  const paramsFile = join(runDir, "params.json");
  const write = (params: object) => writeFileSync(paramsFile, JSON.stringify(params));
  write({ edgeTicks: 0, requoteMs: 100 });
  const raw = {
    ...{ duration: "14", speed: "3", seed: "1", strategy: "simple-mm", capture: true },
    ...{ portBase: "0", clickhouse: "none", runDir },
  };
  const options = { ...parseSimOptions(raw, root, sampleFiles(root)), paramsFile };
  const running = simulate(root, makeRunDir(root, options), options);
  const failed = running.then(
    () => null,
    (error: unknown) => error,
  );
  const { pid } = await until(({ told }) => told.intents >= 6);
  write({ edgeTicks: 3, requoteMs: 100 });
  process.kill(pid, "SIGHUP");
  const taken = await until(({ told }) => told.reloads === 1);
  write({ edgeTicks: -1 });
  process.kill(pid, "SIGHUP");
  const refused = await until(({ told }) => told.paramsRefused !== "");
  expect(refused.told).toMatchObject({ reloads: 1 });
  expect(refused.told.paramsRefused).toContain("bad params: edgeTicks");
  const later = await until(({ told }) => told.intents > taken.told.intents + 4);
  expect(later.pid).toBe(pid);
  expect(await failed).toBe(null);
  expect((await running).checks.filter(({ ok }) => !ok)).toEqual([]);

  const { records } = readInputs(join(runDir, "inputs/strategy-1.1.inputs"));
  const given = records.filter(({ kind }) => kind === Kind.PARAMS);
  expect(given.map(paramsOf)).toEqual([{ edgeTicks: 3, requoteMs: 100 }]);
  const least = { intents: 10, records: 30, marketEvents: 200, strategies: 1, marketSeconds: 10 };
  const value = await verifySession("replay", root, runDir, null, least);
  expect(value.checks.filter(({ ok }) => !ok)).toEqual([]);
}, 180_000);
