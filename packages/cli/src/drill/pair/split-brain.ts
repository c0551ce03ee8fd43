/** Drill of the pair's lease: its Redis dies, and a replica that never saw the lease is promoted. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, type Result, result } from "../../result.ts";
import { anyFree } from "../../sim/ports.ts";
import { REDIS, RedisServer } from "../redis-server.ts";
import { NODES, PairCluster, sleep } from "./cluster.ts";
import { checked, type FailoverOptions, steady } from "./failover.ts";

/** Longer than a pair takes to go from one store to the other: five seconds without the store, and the wait of a new holder. */
const SPLIT_MS = 8_000;
/** Two that believe it for longer than the router's word takes to arrive are two leaders. */
const BOTH_MS_MAX = 600;

/** `hft drill split-brain`. */
export async function drillSplitBrain(
  root: string,
  command: string,
  options: FailoverOptions,
): Promise<Result> {
  checked(options);
  if (spawnSync(REDIS, ["--version"]).error !== undefined) {
    throw new Error(`${REDIS} is not here; scripts/test-services install`);
  }
  const { trials, perSecond, seed, progress } = options;
  const dir = mkdtempSync(join(tmpdir(), "drill-redis-"));
  let duplicates = 0;
  let lost = 0;
  let difference = 0;
  let bothMsMax = 0;
  let splits = 0;
  let takeovers = 0;
  try {
    for (let n = 0; n < trials; n += 1) {
      await using first = new RedisServer(await anyFree(), dir);
      await first.ready();
      await using second = new RedisServer(await anyFree(), dir, first.port);
      await second.ready();
      // Each gateway reaches another of the two, as two sides of a cut network would.
      const redisUrl = (node: string) => (node === "a" ? first.url : second.url);
      // A replica refuses writes: the lease is at the first until the replica is promoted.
      await using cluster = await PairCluster.start(root, { perSecond, redisUrl });
      cluster.trade(true);
      await steady(cluster);
      // Cut off, emptied, promoted: it never saw the lease.
      await second.say("REPLICAOF NO ONE");
      await second.say("FLUSHALL");
      splits += 1;
      let bothSince: number | null = null;
      const watch = async (ms: number): Promise<void> => {
        const end = performance.now() + ms;
        while (performance.now() < end) {
          const states = await Promise.all(NODES.map((node) => cluster.node(node)));
          const both = states.filter((state) => state?.leads === true).length > 1;
          if (!both) bothSince = null;
          else {
            bothSince ??= performance.now();
            bothMsMax = Math.max(bothMsMax, performance.now() - bothSince);
          }
          await sleep(20);
        }
      };
      await watch(SPLIT_MS);
      first.kill();
      await watch(SPLIT_MS);
      await steady(cluster);
      const states = await Promise.all(NODES.map((node) => cluster.node(node)));
      takeovers += states.reduce((sum, state) => sum + (state?.pair.takeovers ?? 0), 0) - 1;
      const balance = await cluster.settle();
      duplicates += balance.duplicates + balance.contradictions;
      lost += balance.lost + balance.unanswered;
      difference += balance.positionDifference;
      progress?.(`${n + 1} of ${trials}: ${balance.orders} orders`);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return result(
    command,
    [
      check("splits", splits, ">=", trials),
      check("duplicates", duplicates, "=", 0),
      check("lost", lost, "=", 0),
      check("position_difference", difference, "=", 0, "lots"),
      check("two_dispatchers", bothMsMax > BOTH_MS_MAX ? 1 : 0, "=", 0),
    ],
    { both_believed_ms_max: bothMsMax, takeovers },
    seed,
  );
}
