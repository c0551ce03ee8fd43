/** Where jobs wait, and what workers and coordinator may ask of it. */

import type { Job } from "./spec.ts";

export interface JobStore {
  /** Adds jobs that have no result; one that failed, or was done, is to be run again. */
  add(jobs: readonly Job[]): Promise<void>;
  /**
   * Runs jobs one by one until none is left for this worker. A job whose worker died is given out again; `run` decides by the content
   * address whether anything is left to do.
   */
  work(run: (job: Job) => Promise<void>, stop: AbortSignal): Promise<void>;
  /** What failed so far, by job. */
  failures(): Promise<ReadonlyMap<string, string>>;
  close(): Promise<void>;
}

/** How often a job is given out before it counts as failed: its worker died each time, or it threw. */
export const ATTEMPTS_MAX = 3;
