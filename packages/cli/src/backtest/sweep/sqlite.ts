/** The job table of one machine: a SQLite file by Node's own driver, one short transaction a step. */

import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import type { Job } from "./spec.ts";
import { ATTEMPTS_MAX, type JobStore } from "./store.ts";

const BUSY_MS_MAX = 10_000;
const IDLE_MS = 50;

/** A process by its number and its start, so that a number that is used again is another process. */
export function processMark(pid: number): string | null {
  try {
    // The name, in parentheses, may hold blanks; the start is the 20th field after it.
    const after = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return after[0] === "Z" ? null : `${pid}:${after[19]}`;
  } catch {
    return null;
  }
}

const alive = (mark: string): boolean => processMark(Number(mark.split(":")[0])) === mark;

export function openSqliteJobs(path: string): JobStore {
  const db = new DatabaseSync(path, { timeout: BUSY_MS_MAX });
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.exec(`CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, place INTEGER NOT NULL, job TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting', owner TEXT, attempts INTEGER NOT NULL DEFAULT 0, fault TEXT
  ) STRICT`);
  db.exec("CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, place)");
  const begin = <T>(act: () => T): T => {
    db.exec("BEGIN IMMEDIATE");
    try {
      const value = act();
      db.exec("COMMIT");
      return value;
    } catch (error) {
      db.exec("ROLLBACK");
      throw error;
    }
  };
  // Who asks for a job has no result of it: what failed, or whose result was taken away, waits again.
  const insert =
    db.prepare(`INSERT INTO jobs (id, place, job) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE
    SET state = 'waiting', owner = NULL, attempts = 0, fault = NULL WHERE state IN ('done', 'failed')`);
  const waiting = db.prepare(
    "SELECT id, job, attempts FROM jobs WHERE state = 'waiting' ORDER BY place LIMIT 1",
  );
  const running = db.prepare("SELECT id, owner FROM jobs WHERE state = 'running'");
  const take = db.prepare(
    "UPDATE jobs SET state = 'running', owner = ?, attempts = attempts + 1 WHERE id = ?",
  );
  const put = db.prepare("UPDATE jobs SET state = ?, owner = NULL, fault = ? WHERE id = ?");
  const mark = processMark(process.pid);
  if (mark === null) throw new Error("cannot read /proc/self/stat: want Linux with /proc mounted");

  /** Gives back what dead workers held; then takes the first that waits. `null` where others still run, `undefined` at the end. */
  const claim = (): Job | null | undefined =>
    begin(() => {
      const held = running.all() as { id: string; owner: string }[];
      for (const { id, owner } of held) if (!alive(owner)) put.run("waiting", null, id);
      for (;;) {
        const next = waiting.get() as { id: string; job: string; attempts: number } | undefined;
        if (next === undefined) return held.some(({ owner }) => alive(owner)) ? null : undefined;
        if (next.attempts >= ATTEMPTS_MAX) {
          put.run("failed", `its worker died ${next.attempts} times`, next.id);
          continue;
        }
        take.run(mark, next.id);
        return JSON.parse(next.job) as Job;
      }
    });

  return {
    async add(jobs) {
      begin(() => {
        for (const [place, job] of jobs.entries()) insert.run(job.id, place, JSON.stringify(job));
      });
    },
    async work(run, stop) {
      while (!stop.aborted) {
        const job = claim();
        if (job === undefined) return;
        if (job === null) {
          // A worker beside this one may still die with a job in its hands.
          await sleep(IDLE_MS);
          continue;
        }
        try {
          await run(job);
          put.run("done", null, job.id);
        } catch (error) {
          put.run("failed", error instanceof Error ? error.message : String(error), job.id);
        }
      }
    },
    async failures() {
      const rows = db.prepare("SELECT id, fault FROM jobs WHERE state = 'failed'").all();
      return new Map((rows as { id: string; fault: string }[]).map(({ id, fault }) => [id, fault]));
    },
    async close() {
      db.close();
    },
  };
}
