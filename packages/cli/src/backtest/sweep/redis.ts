/** Jobs of many machines: a BullMQ queue on Redis. Only addresses and parameters go through it; results are files. */

import { setTimeout as sleep } from "node:timers/promises";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import type { Job } from "./spec.ts";
import { ATTEMPTS_MAX, type JobStore } from "./store.ts";

/** A worker that says nothing for so long is dead, and its job is given out again. A run lets its timers have their turn. */
const LOCK_MS = 10_000;
const LOOK_FOR_DEAD_MS = 2_000;
const LOOK_MS = 100;
const ADD_BATCH = 1_000;

/** `redis://host:port#queue`. Errors where the queue has no name or the server does not answer. */
export async function openRedisJobs(where: string): Promise<JobStore> {
  const [url = "", name] = where.split("#");
  if (name === undefined || name === "") throw new Error(`${where}: want a queue's name after #`);
  const connect = async (): Promise<Redis> => {
    const redis = new Redis(url, { maxRetriesPerRequest: null, lazyConnect: true });
    let fault = "";
    redis.on("error", (error) => {
      fault = error.message;
    });
    try {
      await redis.connect();
    } catch (cause) {
      redis.disconnect();
      throw new Error(`cannot reach Redis at ${url}: ${fault || String(cause)}`, { cause });
    }
    return redis;
  };
  const connection = await connect();
  const queue = new Queue<Job>(name, { connection });
  return {
    async add(jobs) {
      for (let from = 0; from < jobs.length; from += ADD_BATCH) {
        const part = jobs.slice(from, from + ADD_BATCH);
        // What failed before is asked for again: it is taken away, else its address would stand for it.
        for (const job of await queue.getFailed(0, -1)) {
          if (part.some(({ id }) => id === job.id)) await job.remove();
        }
        await queue.addBulk(
          part.map((job) => ({
            name: "run",
            data: job,
            opts: { jobId: job.id, attempts: 1, removeOnComplete: true },
          })),
        );
      }
    },
    async work(run, stop) {
      const own = await connect();
      const worker = new Worker<Job>(name, (job) => run(job.data), {
        connection: own,
        concurrency: 1,
        lockDuration: LOCK_MS,
        stalledInterval: LOOK_FOR_DEAD_MS,
        maxStalledCount: ATTEMPTS_MAX - 1,
      });
      worker.on("error", (error) => process.stderr.write(`sweep: ${error.message}\n`));
      try {
        while (!stop.aborted) {
          const {
            waiting = 0,
            active = 0,
            delayed = 0,
          } = await queue.getJobCounts("waiting", "active", "delayed");
          if (waiting + active + delayed === 0) return;
          await sleep(LOOK_MS);
        }
      } finally {
        await worker.close();
        own.disconnect();
      }
    },
    async failures() {
      const failed = await queue.getFailed(0, -1);
      return new Map(failed.map(({ id, failedReason }) => [id ?? "", failedReason ?? ""]));
    },
    async close() {
      await queue.close();
      connection.disconnect();
    },
  };
}
