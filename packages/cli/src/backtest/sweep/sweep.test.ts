import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, it } from "vitest";
import { jobManifest } from "./manifest.ts";
import { combinations, JOBS_MAX, type Job, jobId, parseShard, parseSpec, shardOf } from "./spec.ts";
import { openSqliteJobs, processMark } from "./sqlite.ts";
import { ATTEMPTS_MAX } from "./store.ts";

const dir = mkdtempSync(join(tmpdir(), "sweep-"));
afterAll(() => rmSync(dir, { recursive: true }));
const spec = (json: object) =>
  parseSpec("x.json", JSON.stringify({ strategy: "simple-mm", ...json }));

describe("what a sweep is made of", () => {
  it("is every combination of lists and seeds, the seed turning fastest", () => {
    expect(
      combinations(spec({ params: { a: [1, 2], b: "x", c: [true, false] }, seeds: [7, 8] })),
    ).toEqual(
      [1, 2].flatMap((a) =>
        [true, false].flatMap((c) => [7, 8].map((seed) => ({ params: { a, b: "x", c }, seed }))),
      ),
    );
    expect(combinations(spec({}))).toEqual([{ params: {}, seed: 1 }]);
  });

  it("has a bound, and what is no spec is refused by its field", () => {
    const many = Array.from({ length: 400 }, (_, at) => at);
    expect(() => combinations(spec({ params: { a: many, b: many } }))).toThrow(String(JOBS_MAX));
    const seeds = Array.from({ length: JOBS_MAX + 1 }, (_, at) => at);
    expect(() => combinations(spec({ seeds }))).toThrow(String(JOBS_MAX));
    expect(() => combinations(spec({ params: { a: [] } }))).toThrow("params.a: an empty list");
    expect(() => spec({ speed: 1 })).toThrow("x.json:");
    expect(() => parseSpec("x.json", "{")).toThrow("x.json: no JSON");
  });

  it("an address knows data, code, models, parameters and seed, and not the order of keys", () => {
    const of = { data: "d", code: "c", models: "m" };
    const base = jobId(of, { a: 1, b: 2 }, 1);
    expect(jobId(of, { b: 2, a: 1 }, 1)).toBe(base);
    const others = [
      jobId({ ...of, data: "e" }, { a: 1, b: 2 }, 1),
      jobId({ ...of, code: "e" }, { a: 1, b: 2 }, 1),
      jobId({ ...of, models: "e" }, { a: 1, b: 2 }, 1),
      jobId(of, { a: 1, b: 3 }, 1),
      jobId(of, { a: 1, b: 2 }, 2),
    ];
    expect(new Set([base, ...others]).size).toBe(6);
  });

  it("shards are disjoint and together all", () => {
    const jobs = Array.from({ length: 10 }, (_, at) => at);
    const parts = [0, 1, 2].map((index) => shardOf(jobs, index, 3));
    expect(parts.flat().sort((a, b) => a - b)).toEqual(jobs);
    expect(parseShard("2/3")).toEqual({ index: 2, count: 3 });
    for (const bad of ["3/3", "1", "-1/2"]) expect(() => parseShard(bad)).toThrow("--shard");
  });

  it("a Kubernetes Job runs each shard in a pod of its own, and a name that is none is refused", () => {
    const options = {
      ...{ name: "mm", image: "tidegate:0.1.0", shards: 3, claim: "sweeps", spec: "mm.json" },
      ...{ cpu: "1", memory: "2Gi" },
    };
    const { spec: job } = jobManifest(options);
    expect([job.completionMode, job.completions, job.parallelism]).toEqual(["Indexed", 3, 3]);
    const [pod] = job.template.spec.containers;
    expect(pod?.command.at(-1)).toContain('--shard "$JOB_COMPLETION_INDEX/3"');
    expect(pod?.env).toEqual([{ name: "SPEC", value: "/sweep/mm.json" }]);
    expect(() => jobManifest({ ...options, name: "M m" })).toThrow('name "M m"');
    expect(() => jobManifest({ ...options, shards: 0 })).toThrow("shards 0");
  });
});

describe("the job table in SQLite", () => {
  const job = (name: string): Job => ({ id: name.repeat(64).slice(0, 64), params: {}, seed: 1 });
  const jobs = [job("a"), job("b"), job("c")];
  const never = new AbortController().signal;

  it("gives each job once, in order, and keeps what failed with its reason", async () => {
    const store = openSqliteJobs(join(dir, "one.sqlite"));
    await store.add(jobs);
    await store.add(jobs);
    const ran: string[] = [];
    await store.work(async ({ id }) => {
      ran.push(id[0] ?? "");
      if (id.startsWith("b")) throw new Error("no luck");
    }, never);
    expect(ran).toEqual(["a", "b", "c"]);
    expect([...(await store.failures()).values()]).toEqual(["no luck"]);
    // Who asks again for what failed gets it again.
    await store.add([job("b")]);
    await store.work(async ({ id }) => void ran.push(id[0] ?? ""), never);
    expect(ran).toEqual(["a", "b", "c", "b"]);
    await store.close();
  });

  it("gives a dead worker's job out again, and gives up after so many deaths", async () => {
    const path = join(dir, "two.sqlite");
    const store = openSqliteJobs(path);
    await store.add(jobs);
    const db = new DatabaseSync(path);
    // A process of this number that began at another time is another process.
    const dead = `${process.pid}:1`;
    const die = (id: string) =>
      db
        .prepare(
          "UPDATE jobs SET state = 'running', owner = ?, attempts = attempts + 1 WHERE id = ?",
        )
        .run(dead, id);
    die(jobs[0]?.id ?? "");
    for (let n = 0; n < ATTEMPTS_MAX; n += 1) die(jobs[1]?.id ?? "");
    const ran: string[] = [];
    await store.work(async ({ id }) => void ran.push(id[0] ?? ""), never);
    expect(ran).toEqual(["a", "c"]);
    expect([...(await store.failures()).values()]).toEqual([
      `its worker died ${ATTEMPTS_MAX} times`,
    ]);
    db.close();
    await store.close();
  });

  it("a process is known by its number and its start", () => {
    const start = readFileSync("/proc/self/stat", "utf8").split(") ").at(-1)?.split(" ")[19];
    expect(processMark(process.pid)).toBe(`${process.pid}:${start}`);
    expect(processMark(2 ** 22 + 1)).toBe(null);
  });
});
