/** A job store by its address: a SQLite file of this machine, or a Redis that many machines share. */

import type { JobStore } from "./store.ts";

/** `redis://…` or a file. A Redis queue has a name after `#`. */
export async function openJobs(where: string): Promise<JobStore> {
  if (where.startsWith("redis://")) {
    const { openRedisJobs } = await import("./redis.ts");
    return openRedisJobs(where);
  }
  const { openSqliteJobs } = await import("./sqlite.ts");
  return openSqliteJobs(where);
}
