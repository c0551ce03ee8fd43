/** `hft backtest sweep`: all runs of a spec over worker processes; what is done stays done. */

import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { deflatedSharpe } from "@tidegate/research";
import { check, type Result, result } from "../../result.ts";
import { UsageError } from "../../sim/options.ts";
import { sha256 } from "../hashes.ts";
import { writeWhole } from "../outcome.ts";
import { checkedParams, modelsHash, prepare } from "../prepare.ts";
import { showProgress } from "../progress.ts";
import { openJobs } from "./open.ts";
import { type JobResult, Results } from "./results.ts";
import { combinations, type Job, jobId, parseSpec, shardOf, wordsFor } from "./spec.ts";

/** Worker processes of one machine. */
export const WORKERS_MAX = 256;
/** A worker that dies is started again; more deaths than this end the sweep. */
const DEATHS_MAX = 20;
const LOOK_MS = 100;
const WORKER = fileURLToPath(new URL("./worker.ts", import.meta.url));

export interface SweepOptions {
  readonly out: string;
  readonly workers: number;
  /** A Redis address, or null for a SQLite file in the folder. */
  readonly redis: string | null;
  readonly shard: { readonly index: number; readonly count: number } | null;
}

/** The jobs of a spec with their addresses; each one's parameters are checked before any runs. */
export async function jobsOf(root: string, file: string): Promise<Job[]> {
  const spec = parseSpec(file, readFileSync(file, "utf8"));
  const all = combinations(spec);
  const [first] = all;
  if (first === undefined) throw new UsageError(`${file}: no run at all`);
  const prepared = await prepare(root, wordsFor(spec, first));
  const { data, code } = prepared.hashes;
  const decides = { data, code, models: modelsHash(prepared) };
  const jobs = new Map<string, Job>();
  for (const { params, seed } of all) {
    const id = jobId(decides, checkedParams(prepared.definition, params), seed);
    if (!jobs.has(id)) jobs.set(id, { id, params, seed });
  }
  return [...jobs.values()];
}

/** Where jobs wait, and who works on them. */
export interface RunJobs {
  readonly root: string;
  /** The sweep spec whose words every job shares. */
  readonly spec: string;
  readonly dir: string;
  readonly workers: number;
  /** The job table: a SQLite file, or a queue on Redis. */
  readonly where: string;
  readonly label: string;
}

/** Refuses a number of workers that is none. */
export function checkWorkers(workers: number): void {
  if (!(Number.isSafeInteger(workers) && workers >= 1 && workers <= WORKERS_MAX)) {
    throw new UsageError(`--workers ${workers}: want 1 to ${WORKERS_MAX}`);
  }
}

/** Runs the jobs that have no result yet over worker processes. Gives how many there were, what failed, and how many workers died. */
export async function runJobs(jobs: readonly Job[], run: RunJobs) {
  const { root, spec, dir, workers, where } = run;
  const had = new Results(dir).all();
  const todo = jobs.filter(({ id }) => !had.has(id));
  const store = await openJobs(where);
  let deaths = 0;
  try {
    await store.add(todo);
    const progress = showProgress(run.label);
    const started = new Set<ChildProcess>();
    let done = 0;
    let dead = 0;
    const start = (): void => {
      const child = fork(WORKER, [root, dir, spec, where], {
        execArgv: ["--disable-warning=ExperimentalWarning"],
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      });
      started.add(child);
      child.on("message", () => {
        done += 1;
        progress((jobs.length - todo.length + done) / Math.max(1, jobs.length));
      });
      child.once("exit", (code) => {
        started.delete(child);
        if (code !== 0) dead += 1;
      });
    };
    const count = Math.min(workers, todo.length);
    for (let n = 0; n < count; n += 1) start();
    while (started.size > 0) {
      await sleep(LOOK_MS);
      for (; dead > deaths; deaths += 1) {
        if (deaths >= DEATHS_MAX)
          throw new Error(`${deaths} workers died: see their last words above`);
        start();
      }
    }
    progress(1);
    return { todo: todo.length, failures: await store.failures(), deaths };
  } finally {
    await store.close();
  }
}

/** Runs what has no result yet. The result's checks are that every job has one and that every run's fills held. */
export async function sweep(root: string, file: string, options: SweepOptions): Promise<Result> {
  const { workers, shard } = options;
  checkWorkers(workers);
  const spec = resolve(file);
  const every = await jobsOf(root, spec);
  const jobs = shard === null ? every : shardOf(every, shard.index, shard.count);
  const dir = resolve(options.out);
  mkdirSync(dir, { recursive: true });
  const results = new Results(dir);
  // Several shards may share a folder, and so each has a table of its own.
  const table = shard === null ? "jobs.sqlite" : `jobs-${shard.index}-of-${shard.count}.sqlite`;
  // Jobs of one sweep share a queue, on however many machines they are worked on.
  const queue = `tidegate-sweep-${sha256(every.map(({ id }) => id).join()).slice(0, 16)}`;
  const where = options.redis === null ? join(dir, table) : `${options.redis}#${queue}`;
  const label = `sweep of ${jobs.length}`;
  const { todo, failures, deaths } = await runJobs(jobs, {
    root,
    spec,
    dir,
    workers,
    where,
    label,
  });
  const now = results.all();
  const found = jobs.flatMap(({ id }) => (now.has(id) ? [results.read(id)] : []));
  const ranked = rank(found);
  writeWhole(join(dir, "sweep.json"), `${JSON.stringify(ranked)}\n`);
  writeFileSync(join(dir, "spec.json"), readFileSync(spec));
  return result(
    "backtest sweep",
    [
      check("jobs_without_result", jobs.length - found.length, "=", 0),
      check("jobs", jobs.length, ">=", 1),
      check("audits_unsound", found.filter(({ audit }) => !audit).length, "=", 0),
    ],
    {
      out: dir,
      had: jobs.length - todo,
      ran: found.length - (jobs.length - todo),
      workers,
      deaths,
      failures: Object.fromEntries(failures),
      best: ranked.slice(0, 5),
    },
  );
}

/**
 * Runs by their Sharpe ratio from sample to sample, the best first, equal ones by address. The deflated ratio counts every job as a try of
 * its own, which is strict where tries resemble each other.
 */
export function rank(found: readonly JobResult[]) {
  const ratios = found.flatMap(({ metrics }) => metrics.perSample.sharpe ?? []);
  const average = ratios.reduce((sum, each) => sum + each, 0) / Math.max(1, ratios.length);
  const variance =
    ratios.reduce((sum, each) => sum + (each - average) ** 2, 0) / Math.max(1, ratios.length - 1);
  return found
    .map(({ id, params, seed, metrics }) => {
      const { sharpe, periods, skewness, kurtosis } = metrics.perSample;
      const known = sharpe !== null && skewness !== null && kurtosis !== null;
      const record = {
        sharpe: sharpe ?? 0,
        count: periods,
        skewness: skewness ?? 0,
        kurtosis: kurtosis ?? 3,
      };
      return {
        id,
        params,
        seed,
        profit: metrics.profit,
        maxDrawdown: metrics.maxDrawdown,
        fills: metrics.fills,
        sharpePerSample: sharpe,
        deflatedSharpe: known
          ? deflatedSharpe(record, { variance, trials: Math.max(1, ratios.length) })
          : null,
      };
    })
    .sort(
      (a, b) =>
        (b.sharpePerSample ?? Number.NEGATIVE_INFINITY) -
          (a.sharpePerSample ?? Number.NEGATIVE_INFINITY) || (a.id < b.id ? -1 : 1),
    );
}
