/** `hft drill sweep`: a sweep is killed half way and taken up again; what was done must not be done again, nor come out otherwise. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RedisServer } from "../../drill/redis-server.ts";
import { check, type Result, result } from "../../result.ts";
import { UsageError } from "../../sim/options.ts";
import { anyFree } from "../../sim/ports.ts";
import { Results } from "./results.ts";

const PLANTS = ["forget", "result"] as const;
type Plant = (typeof PLANTS)[number];
const SWEEP_MS_MAX = 1_200_000;
const LOOK_MS = 5;
const CASES_MIN = 1_000;

export interface SweepDrillOptions {
  /** Runs of each sweep. */
  readonly jobs: number;
  readonly plant: string | null;
  readonly progress: (line: string) => void;
  /** Job tables and numbers of workers to drill; all of them unless told. */
  readonly kinds?: readonly ("sqlite" | "redis")[];
  readonly workers?: readonly number[];
}

/** One sweep as its own process group, so that coordinator and workers die at one blow. */
function start(root: string, args: readonly string[]): ChildProcess {
  const main = join(root, "packages/cli/src/main.ts");
  const words = ["--disable-warning=ExperimentalWarning", main, "backtest", "sweep", ...args];
  return spawn(process.execPath, words, { detached: true, stdio: ["ignore", "ignore", "pipe"] });
}

async function finished(child: ChildProcess): Promise<void> {
  let said = "";
  child.stderr?.on("data", (data: Buffer) => {
    said = (said + data.toString("utf8")).slice(-2_000);
  });
  const late = setTimeout(() => kill(child), SWEEP_MS_MAX);
  const [code] = (await once(child, "exit")) as [number | null];
  clearTimeout(late);
  if (code !== 0) throw new Error(`a sweep ended with ${code}: ${said}`);
}

function kill(child: ChildProcess): void {
  if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
}

/** Contents of all results by address. */
function contents(dir: string): Map<string, string> {
  const results = new Results(dir);
  return new Map([...results.all()].map((id) => [id, readFileSync(results.path(id), "utf8")]));
}

export async function drillSweep(root: string, options: SweepDrillOptions): Promise<Result> {
  const { jobs, plant, progress } = options;
  if (!(Number.isSafeInteger(jobs) && jobs >= 4 && jobs <= 10_000)) {
    throw new UsageError(`--jobs ${jobs}: want 4 to 10000`);
  }
  if (plant !== null && !PLANTS.includes(plant as Plant)) {
    throw new UsageError(`--break ${plant}: want ${PLANTS.join(" or ")}`);
  }
  const has = spawnSync("redis-server", ["--version"]).error === undefined;
  if (!has) throw new Error("redis-server is not here; scripts/test-services install");
  const dir = mkdtempSync(join(tmpdir(), "tidegate-sweep-"));
  const rounds: Record<string, unknown>[] = [];
  let [unequal, compared, recomputed, completed, missing] = [0, 0, 0, 0, 0];
  try {
    const spec = join(dir, "spec.json");
    const requoteMs = Array.from({ length: Math.ceil(jobs / 2) }, (_, at) => 50 + 5 * at);
    const seeds = [1, 2];
    // The smaller of the samples: what is drilled is the sweep, not the engine.
    const data = [`1=${join(root, "data/samples/binance-spot-btcusdt.jsonl.gz")}`];
    const params = { requoteMs };
    writeFileSync(spec, JSON.stringify({ strategy: "simple-mm", data, params, seeds }));
    const whole = join(dir, "whole");
    progress("one sweep without a kill, to compare with");
    await finished(start(root, [spec, "--out", whole, "--workers", "2"]));
    const want = contents(whole);
    for (const kind of options.kinds ?? (["sqlite", "redis"] as const)) {
      for (const workers of options.workers ?? [1, 2]) {
        const out = join(dir, `${kind}-${workers}`);
        await using redis = kind === "redis" ? new RedisServer(await anyFree(), dir) : null;
        await redis?.ready();
        const address = redis === null ? [] : ["--redis", redis.url];
        const args = [spec, "--out", out, "--workers", String(workers), ...address];
        const results = new Results(out);
        const child = start(root, args);
        const gone = once(child, "exit");
        while (results.all().size < want.size / 2 && child.exitCode === null) await sleep(LOOK_MS);
        kill(child);
        await gone;
        const before = results.all();
        const lines = results.log().length;
        if (plant === "forget") {
          for (const id of [...before].slice(0, 1)) rmSync(results.path(id));
        }
        const began = performance.now();
        await finished(start(root, args));
        const again = results
          .log()
          .slice(lines)
          .filter(({ what, id }) => what === "began" && before.has(id)).length;
        const got = contents(out);
        if (plant === "result") {
          for (const id of [...got.keys()].slice(0, 1)) got.set(id, `${got.get(id)} `);
        }
        const other = [...want].filter(([id, text]) => got.get(id) !== text).length;
        const round = {
          ...{ kind, workers, jobs: want.size, doneBefore: before.size, again, unequal: other },
          resumeMs: Math.round(performance.now() - began),
        };
        progress(JSON.stringify(round));
        rounds.push(round);
        unequal += other;
        compared += want.size;
        recomputed += again;
        completed += before.size;
        missing += want.size - got.size;
      }
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return result(
    "drill sweep",
    [
      check("results_unequal", unequal, "=", 0),
      check("results_unequal_of", compared, ">=", CASES_MIN),
      check("completed_recomputed", recomputed, "=", 0),
      check("completed_recomputed_of", completed, ">=", CASES_MIN),
      check(
        "killed_before_the_end",
        rounds.filter(({ doneBefore, jobs: all }) => Number(doneBefore) < Number(all)).length,
        "=",
        rounds.length,
      ),
      check("results_missing", missing, "=", 0),
    ],
    { rounds },
    1,
  );
}
