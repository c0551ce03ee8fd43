/** Drills of the gateway pair: its leader dies, hangs, the router dies. */

import { check, type Result, result } from "../../result.ts";
import { UsageError } from "../../sim/options.ts";
import { NODES, type NodeName, other, PairCluster, sleep } from "./cluster.ts";
import { firstSince } from "./venue-tail.ts";

export interface FailoverOptions {
  readonly trials: number;
  readonly perSecond: number;
  readonly seed: number;
  readonly progress?: (line: string) => void;
}

const TRIALS_MAX = 10_000;
/** A failover that takes longer is none. */
const OUTAGE_MS_MAX = 10_000;
const RATE_MIN = 200;
/** Rate is looked at over so long before each fault. */
const RATE_MS = 500;

export function percentiles(values: readonly number[]): { p50: number; p99: number; max: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? Number.NaN };
}

/** A number in [0, 1) from a seed and a place: the same every time. */
export function draw(seed: number, n: number): number {
  let x = (seed * 0x9e37_79b9 + n * 0x85eb_ca6b) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0_aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a_2d97);
  return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
}

export function checked({ trials, perSecond }: FailoverOptions): void {
  if (!Number.isSafeInteger(trials) || trials < 1 || trials > TRIALS_MAX) {
    throw new UsageError(`--trials: want 1 to ${TRIALS_MAX}`);
  }
  if (!(perSecond > 0 && perSecond <= 2_000)) throw new UsageError("--rate: want 1 to 2000");
}

export async function steady(cluster: PairCluster): Promise<NodeName> {
  let leader: NodeName | null = null;
  const inStep = async (): Promise<boolean> => {
    leader = await cluster.pair();
    return leader !== null;
  };
  // A standby that begins anew takes the whole journal; with no orders meanwhile it is not chased by it.
  if (!(await inStep())) cluster.trade(false);
  await cluster.until("a leader with a standby in step", inStep);
  cluster.trade(true);
  await cluster.until(
    "the load trades",
    () => cluster.venue.rate(Date.now(), RATE_MS) > cluster.perSecond / 3,
  );
  return leader as unknown as NodeName;
}

/**
 * From a fault to the first order that the venue accepted at or after `since`, ms: an order that was on its way when the fault
 * struck still arrives after it, and says nothing.
 */
async function outage(
  cluster: PairCluster,
  faultMs: number,
  since: () => number | undefined,
): Promise<number> {
  let endMs: number | undefined;
  const arrived = (): boolean => {
    const sinceMs = since();
    cluster.venue.read();
    endMs = sinceMs === undefined ? undefined : firstSince(cluster.venue.acceptedMs, sinceMs);
    return endMs !== undefined;
  };
  await cluster.until("an order after the fault", arrived, OUTAGE_MS_MAX + 2_000);
  return (endMs ?? Number.NaN) - faultMs;
}

/** `hft drill gateway-kill`: SIGKILL to the leader under load, again and again. */
export async function drillGatewayKill(
  root: string,
  command: string,
  options: FailoverOptions,
): Promise<Result> {
  checked(options);
  const { trials, perSecond, seed, progress } = options;
  await using cluster = await PairCluster.start(root, { perSecond });
  cluster.trade(true);
  const outages: number[] = [];
  /** The worst, and how much of it passed before the other gateway led. */
  let slowest: { ms: number; led_ms: number } | null = null;
  const rates: number[] = [];
  let repeated = 0;
  for (let n = 0; outages.length < trials; n += 1) {
    const rolls = await cluster.venueRolls();
    const leader = await steady(cluster);
    await sleep(RATE_MS + 300 * draw(seed, n));
    const rate = cluster.venue.rate(Date.now(), RATE_MS);
    const faultMs = Date.now();
    cluster.signal(leader, "SIGKILL");
    const ledMs = () => cluster.leadsSince(other(leader), faultMs);
    const ms = await outage(cluster, faultMs, ledMs);
    cluster.startNode(leader);
    // The venue's recorded day began anew meanwhile, with its sessions: the silence was the venue's.
    if ((await cluster.venueRolls()) !== rolls && repeated < trials) {
      repeated += 1;
      continue;
    }
    rates.push(rate);
    outages.push(ms);
    if (ms >= (slowest?.ms ?? 0)) slowest = { ms, led_ms: (ledMs() ?? 0) - faultMs };
    if (outages.length % 10 === 0)
      progress?.(`${outages.length} of ${trials}: ${JSON.stringify(percentiles(outages))}`);
  }
  await steady(cluster);
  const balance = await cluster.settle();
  const ms = percentiles(outages);
  const rate = percentiles(rates.map((r) => -r));
  return result(
    command,
    [
      check("trials", outages.length, ">=", trials),
      check("orders_per_second", -rate.p50, ">=", RATE_MIN),
      check("duplicates", balance.duplicates + balance.contradictions, "=", 0),
      check("lost", balance.lost + balance.unanswered, "=", 0),
      check("position_difference", balance.positionDifference, "=", 0, "lots"),
      check("failover_ms_p50", ms.p50, "<=", 150, "ms"),
      check("failover_ms_p99", ms.p99, "<=", 500, "ms"),
      check("failover_ms_max", ms.max, "<=", 1_000, "ms"),
    ],
    {
      balance,
      load: cluster.load,
      slowest,
      repeated_for_the_venue: repeated,
      outages_ms: outages.toSorted((a, b) => a - b),
    },
    seed,
  );
}

/** `hft drill gateway-hang`: SIGSTOP to the leader for half a second to five, then SIGCONT. */
export async function drillGatewayHang(
  root: string,
  command: string,
  options: FailoverOptions,
): Promise<Result> {
  checked(options);
  const { trials, perSecond, seed, progress } = options;
  await using cluster = await PairCluster.start(root, { perSecond });
  cluster.trade(true);
  const outages: number[] = [];
  let attempts = 0;
  let fenced = 0;
  let sentByResumed = 0;
  for (let n = 0; n < trials; n += 1) {
    const leader = await steady(cluster);
    await sleep(200 * draw(seed, 3 * n + 1));
    const pauseMs = 500 + 4_500 * draw(seed, 3 * n);
    const before = Number((await cluster.stats("execution-router"))?.["fenced"] ?? 0);
    const epochBefore = Number((await cluster.stats("execution-router"))?.["leaderEpoch"] ?? 0);
    const faultMs = Date.now();
    cluster.signal(leader, "SIGSTOP");
    await sleep(pauseMs);
    const router = await cluster.stats("execution-router");
    const tookOver = Number(router?.["leaderEpoch"] ?? 0) > epochBefore;
    cluster.signal(leader, "SIGCONT");
    const resumedMs = Date.now();
    // Where nobody took over by then the one that paused goes on.
    const since = () => cluster.leadsSince(other(leader), faultMs) ?? resumedMs;
    if (pauseMs > 1_000) outages.push(await outage(cluster, faultMs, since));
    await steady(cluster);
    const resumed = await cluster.node(leader);
    const after = Number((await cluster.stats("execution-router"))?.["fenced"] ?? 0);
    fenced += after - before;
    attempts += after - before + (resumed?.pair.commandsDropped ?? 0);
    if (tookOver && resumed?.leads === true) {
      // It may lead again only by a later grant, never by the one it had.
      const epoch = Number((await cluster.stats("execution-router"))?.["leaderEpoch"] ?? 0);
      if (epoch <= epochBefore + 1) sentByResumed += 1;
    }
    progress?.(`${n + 1} of ${trials}: paused ${Math.round(pauseMs)} ms, took over ${tookOver}`);
  }
  const balance = await cluster.settle();
  const ms = percentiles(outages);
  return result(
    command,
    [
      check("trials", trials, ">=", 1),
      check("failover_ms_p99", ms.p99, "<=", 1_200, "ms"),
      check("resumed_leader_attempts", attempts, ">", 0),
      check("orders_from_resumed_leader", sentByResumed + balance.duplicates, "=", 0),
      check("lost", balance.lost + balance.unanswered, "=", 0),
      check("position_difference", balance.positionDifference, "=", 0, "lots"),
    ],
    { balance, fenced, failovers: outages.length, failover_ms: ms, load: cluster.load },
    seed,
  );
}

/** `hft drill router-kill`: SIGKILL to the execution-router under load. */
export async function drillRouterKill(
  root: string,
  command: string,
  options: FailoverOptions,
): Promise<Result> {
  checked(options);
  const { trials, perSecond, seed, progress } = options;
  await using cluster = await PairCluster.start(root, { perSecond });
  cluster.trade(true);
  const outages: number[] = [];
  let twoDispatchers = 0;
  for (let n = 0; n < trials; n += 1) {
    await steady(cluster);
    await sleep(300 * draw(seed, n));
    const faultMs = Date.now();
    cluster.signal("execution-router", "SIGKILL");
    await cluster.until("it is gone", () => !cluster.process("execution-router").running);
    cluster.startRouter();
    const startedMs = Date.now();
    outages.push(await outage(cluster, faultMs, () => startedMs));
    const states = await Promise.all(NODES.map((node) => cluster.node(node)));
    // Both may believe it for a moment; the router takes the commands of one.
    if (states.filter((state) => state?.leads === true).length > 1) {
      await sleep(500);
      const again = await Promise.all(NODES.map((node) => cluster.node(node)));
      if (again.filter((state) => state?.leads === true).length > 1) twoDispatchers += 1;
    }
    if (n % 10 === 9) progress?.(`${n + 1} of ${trials}`);
  }
  const balance = await cluster.settle();
  return result(
    command,
    [
      check("trials", outages.length, ">=", trials),
      check("duplicates", balance.duplicates + balance.contradictions, "=", 0),
      check("lost", balance.lost + balance.unanswered, "=", 0),
      check("position_difference", balance.positionDifference, "=", 0, "lots"),
      check("two_dispatchers", twoDispatchers, "=", 0),
    ],
    { balance, outage_ms: percentiles(outages), load: cluster.load },
    seed,
  );
}
