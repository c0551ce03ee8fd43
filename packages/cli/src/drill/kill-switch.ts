/**
 * `hft drill kill-switch`: each of the three hands on the kill, with the two others broken, while a strategy presses order
 * upon order; judged by the venue's own log.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killByFile } from "../control/kill-file.ts";
import { check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";
import { KillCluster, type Name, sleep } from "./kill-switch-cluster.ts";
import { Flow, type LoggedOrder, VenueTail } from "./kill-switch-flow.ts";
import { KILL_PATHS } from "./options.ts";

export const BREAKS = ["wrong-file", "wrong-key"] as const;
type Path = (typeof KILL_PATHS)[number];

const LATCH_MS_MAX = 100;
const MASS_CANCEL_MS_MAX = 2_000;
/** A kill that has not latched by then never will. */
const NEVER_MS = 5_000;
/** Within this the flow's orders must rest at the venue again. */
const FLOW_MS_MAX = 60_000;
/** How long the pressure goes on after everything is cancelled. */
const PRESS_MS = 300;
/** Orders resting before a kill of the flow. */
const OPEN_MIN = 20;
const ORDERS_PER_S = 200;

export interface KillDrillOptions {
  readonly trials: number;
  readonly resting: number;
  readonly plant: string | null;
  readonly paths?: readonly Path[];
  /** Whether the latch is also held against restarts and a promotion; so where absent. */
  readonly restarts?: boolean;
  readonly progress?: (line: string) => void;
}

interface Trial extends Judged {
  readonly path: Path;
  readonly how: string;
  /** From the request to a latch that is on the disk. */
  readonly latchMs: number;
  /** From the request to the end of the last order that was open. */
  readonly massCancelMs: number;
  readonly restingOrders: number;
  readonly notCancelled: number;
  /** Intents handed to the gateway after the latch. */
  readonly pressed: number;
  /** From the hand's latch to the router's, by which nothing leaves any more. */
  readonly closedMs: number;
}

/** What the venue took around a latch. */
export interface Judged {
  /** Orders whose intent came after the latch, or that left after the last hand before the wire had closed. */
  readonly afterLatch: number;
  /** Orders that had left before and came after the latch. */
  readonly underWay: number;
  /** From the latch to the stamp of the last order that left. */
  readonly lastSentMs: number;
  /** From the latch to the last order the venue took. */
  readonly lastOrderMs: number;
}

/**
 * When nothing may leave any more, ms since the Unix epoch. At the router that is its own latch. The gateway's word has a
 * link to cross, and what it gave the router before is on its way to the wire until the router's latch closes too; for that
 * it has the time a latch has, and not longer where it never says so. With the monitor, both others stand still.
 */
export function closed(path: Path, latchedMs: number, routerMs: number | null): number {
  if (path !== "gateway") return latchedMs;
  return Math.min(routerMs ?? Number.POSITIVE_INFINITY, latchedMs + LATCH_MS_MAX);
}

/**
 * Judges what the venue took by its own log. What counts is when an order left, as its signed stamp says: a venue that is
 * busy with ten thousand cancels may take what stood in its socket before the latch long after it.
 */
export function judge(
  orders: readonly LoggedOrder[],
  sentMs: ReadonlyMap<string, number>,
  { askedMs, latchedMs, closedMs }: Readonly<Record<"askedMs" | "latchedMs" | "closedMs", number>>,
): Judged {
  let [afterLatch, underWay, lastSentMs, lastOrderMs] = [0, 0, 0, 0];
  for (const { id, acceptedMs, stampMs } of orders) {
    if (acceptedMs < askedMs) continue;
    lastSentMs = Math.max(lastSentMs, stampMs - latchedMs);
    lastOrderMs = Math.max(lastOrderMs, acceptedMs - latchedMs);
    // A stamp has whole ms.
    const late = stampMs > closedMs || (sentMs.get(id) ?? 0) > latchedMs;
    if (late) afterLatch += 1;
    else if (acceptedMs > latchedMs) underWay += 1;
  }
  return { afterLatch, underWay, lastSentMs, lastOrderMs };
}

const at = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
};

export async function drillKillSwitch(
  root: string,
  command: string,
  options: KillDrillOptions,
): Promise<Result> {
  const { trials, resting, plant, progress } = options;
  if (plant !== null && !(BREAKS as readonly string[]).includes(plant))
    throw new UsageError(`--break ${plant}: want ${BREAKS.join(" or ")}`);
  if (!(Number.isInteger(trials) && trials >= 1 && trials <= 10_000))
    throw new UsageError("--trials: want 1 to 10000");
  if (!(Number.isInteger(resting) && resting >= 0 && resting <= 12_000))
    throw new UsageError("--resting: want 0 to 12000");
  const paths = options.paths ?? KILL_PATHS;
  const dir = mkdtempSync(join(tmpdir(), "drill-kill-"));
  const faults = { wrongFile: plant === "wrong-file", wrongKey: plant === "wrong-key" };
  try {
    await using cluster = new KillCluster(root, dir, faults);
    return await new KillDrill(cluster, command, { ...options, paths }).run();
  } finally {
    if (process.env["TIDEGATE_KEEP_DRILL"] !== "1") rmSync(dir, { recursive: true, force: true });
    else progress?.(`kept ${dir}`);
  }
}

class KillDrill {
  readonly #cluster: KillCluster;
  readonly #command: string;
  readonly #options: KillDrillOptions & { readonly paths: readonly Path[] };
  readonly #tail: VenueTail;
  readonly #trials: Trial[] = [];
  #flow: Flow | null = null;
  /** Why an instrument was frozen after a lift, each time it was. */
  readonly #frozen: string[] = [];
  #lostAfterRestart = 0;
  #restarts = 0;
  #lostAfterPromotion = 0;
  #promotions = 0;

  constructor(
    cluster: KillCluster,
    command: string,
    options: KillDrillOptions & { readonly paths: readonly Path[] },
  ) {
    this.#cluster = cluster;
    this.#command = command;
    this.#options = options;
    this.#tail = new VenueTail(join(cluster.dir, "venue/log.ndjson"));
  }

  get #pressure(): Flow {
    if (this.#flow === null) throw new Error("the flow has not begun");
    return this.#flow;
  }

  async run(): Promise<Result> {
    const { trials, resting, paths, progress, restarts = true } = this.#options;
    const cluster = this.#cluster;
    await cluster.start("venue-sim");
    for (const name of ["market-data", "execution-router", "gateway"] as const)
      await cluster.start(name);
    this.#flow = await Flow.connect(`ipc://${join(cluster.dir, "s/intent.sock")}`, 1);
    try {
      await this.#priced();
      this.#pressure.press(ORDERS_PER_S);
      for (const path of paths) {
        for (let n = 0; n < trials; n += 1) {
          await this.#flowing();
          await this.#trial(path, n, 0);
        }
        progress?.(`${path}: ${trials} kills, latch p99 ${at(this.#latches(path), 0.99)} ms`);
        if (resting > 0) {
          await this.#flowing();
          await this.#trial(path, trials, resting);
          const last = this.#trials.at(-1);
          progress?.(
            `${path}: ${last?.restingOrders} resting orders, ${last?.notCancelled} left, cancelled after ${last?.massCancelMs} ms`,
          );
        }
        if (!restarts) continue;
        await this.#restart(path);
        progress?.(`${path}: the latch after a restart: ${this.#lostAfterRestart} lost`);
      }
      if (restarts) await this.#promote();
    } finally {
      this.#pressure.rest();
      await this.#pressure[Symbol.asyncDispose]();
    }
    return this.#result();
  }

  #latches(path: Path): number[] {
    return this.#trials.filter((each) => each.path === path).map(({ latchMs }) => latchMs);
  }

  /** One per cent below the market: it rests, and is within the collar. */
  async #priced(): Promise<void> {
    await this.#cluster.until("the gateway has a price", 60_000, async () => {
      const references = (await this.#cluster.state())["references"] as Record<string, unknown>;
      const px = Number(references?.["2"]);
      if (!(px > 0)) return false;
      this.#pressure.price(Math.floor(px * 0.99 * 10));
      return true;
    });
  }

  /** The flow trades: the gateway is NORMAL and the venue holds orders of it. */
  async #flowing(): Promise<void> {
    await this.#priced();
    const since = Date.now();
    const rests = (): boolean => {
      this.#tail.read();
      const fresh = [...this.#tail.open].filter((id) => {
        const order = this.#tail.orders.get(id);
        return order !== undefined && order.acceptedMs >= since;
      });
      return fresh.length >= OPEN_MIN;
    };
    await this.#explained("the flow's orders rest at the venue", rests);
  }

  /** Waits for something, and when it never comes says how everything stood. */
  async #explained(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const before = new Map(this.#pressure.answers);
    try {
      await this.#cluster.until(what, FLOW_MS_MAX, holds);
    } catch (error) {
      const { policy, unknown, frozen, leads, liveOrders, outbox } = await this.#cluster.state();
      const { venues, killed, openOrders, rateRefused } = await this.#cluster.router();
      const answers = [...this.#pressure.answers].map(
        ([reason, count]) => `${reason} ${count - (before.get(reason) ?? 0)}`,
      );
      const stood = {
        policy,
        unknown,
        frozen,
        leads,
        liveOrders,
        outbox,
        venues,
        killed,
        openOrders,
      };
      throw new Error(
        `${(error as Error).message}; link ${this.#pressure.state}; answers since: ${answers.join(", ")}; ${JSON.stringify({ ...stood, rateRefused })}`,
      );
    }
  }

  async #trial(path: Path, n: number, resting: number): Promise<void> {
    const cluster = this.#cluster;
    if (resting > 0) {
      // The flow rests meanwhile: the venue has enough to do.
      this.#pressure.rest();
      await cluster.rest(resting, "30000.00", `rest-${path}-${n}`);
      this.#pressure.press(ORDERS_PER_S);
      await this.#flowing();
    }
    this.#tail.read();
    const killed = await this.#kill(path, n, resting > 0);
    const open = new Set(this.#tail.open);
    await this.#emptied();
    // What this path has left is counted before those come back that would cancel it too.
    const left = this.#tail.open.size;
    await this.#resumeStopped(path);
    await sleep(PRESS_MS);
    this.#tail.read();
    this.#record(path, killed, open, left);
    await this.#lift(path);
  }

  /** Kills by one path, the two others broken; gives when it was asked for and when the latch was on the disk. */
  async #kill(
    path: Path,
    n: number,
    dead: boolean,
  ): Promise<{ how: string; askedMs: number; latchedMs: number }> {
    const cluster = this.#cluster;
    const reason = `drill ${path} ${n}`;
    if (path === "gateway") {
      // The monitor is not running; the router's file and signal are not used.
      const askedMs = Date.now();
      const answer = await cluster.as("ann", "gateway").post("/control/kill", { reason });
      if (answer.status !== 200) throw new Error(`kill: ${JSON.stringify(answer.body)}`);
      return { how: "http", askedMs, latchedMs: await this.#latchedAt("gateway", askedMs) };
    }
    if (path === "router") {
      // The monitor is not running, and nobody may ask the gateway: its principals are gone, or it hangs.
      const ways = ["file", "signal", "file, gateway hung"] as const;
      const how = ways[n % ways.length] ?? "file";
      this.#lockGateway();
      if (how === "file, gateway hung" || dead) cluster.signal("gateway", "SIGSTOP");
      const askedMs = Date.now();
      if (how === "signal") cluster.signal("execution-router", "SIGUSR2");
      else killByFile(cluster.dir, reason);
      return { how, askedMs, latchedMs: await this.#latchedAt("execution-router", askedMs) };
    }
    // Gateway and router hang, or are dead.
    if (!cluster.isUp("monitor")) await cluster.start("monitor");
    for (const name of ["gateway", "execution-router"] as const) {
      if (dead) await cluster.kill(name);
      else cluster.signal(name, "SIGSTOP");
    }
    const askedMs = Date.now();
    const answer = await cluster.as("ann", "monitor").post("/kill", { reason });
    if (answer.status !== 200) throw new Error(`kill: ${JSON.stringify(answer.body)}`);
    const how = dead ? "http, others dead" : "http, others hung";
    return { how, askedMs, latchedMs: await this.#latchedAt("monitor", askedMs) };
  }

  /** When the process says that its latch is on the disk. One that never says so is a finding, not an error of the drill. */
  async #latchedAt(name: Name, askedMs: number): Promise<number> {
    const end = performance.now() + NEVER_MS;
    for (;;) {
      const at = this.#cluster.latchedMs(name, askedMs);
      if (at !== null) return at;
      if (performance.now() > end) return Date.now();
      await sleep(1);
    }
  }

  #lockGateway(): void {
    const path = join(this.#cluster.dir, "state/principals.json");
    this.#principals = readFileSync(path, "utf8");
    writeFileSync(path, JSON.stringify({ version: 1, principals: [] }));
  }
  #principals: string | null = null;

  #unlockGateway(): void {
    if (this.#principals === null) return;
    writeFileSync(join(this.#cluster.dir, "state/principals.json"), this.#principals);
    this.#principals = null;
  }

  /** Waits until the venue holds nothing any more, for as long as a mass cancel may take and more. */
  async #emptied(): Promise<void> {
    const end = performance.now() + 3 * MASS_CANCEL_MS_MAX;
    for (;;) {
      this.#tail.read();
      if (this.#tail.open.size === 0 || performance.now() > end) return;
      await sleep(5);
    }
  }

  /** Those that hung go on where they were, with whatever they still wanted to send. */
  async #resumeStopped(path: Path): Promise<void> {
    const cluster = this.#cluster;
    if (path === "gateway") return;
    for (const name of ["gateway", "execution-router"] as const) {
      if (cluster.isUp(name)) cluster.signal(name, "SIGCONT");
      else if (path === "monitor") await cluster.start(name, "answers");
    }
  }

  #record(
    path: Path,
    killed: { how: string; askedMs: number; latchedMs: number },
    open: ReadonlySet<string>,
    left: number,
  ): void {
    const { how, askedMs, latchedMs } = killed;
    const flow = this.#pressure;
    const routerMs = this.#cluster.latchedMs("execution-router", askedMs);
    const closedMs = closed(path, latchedMs, routerMs);
    const judged = judge([...this.#tail.orders.values()], flow.sentMs, {
      askedMs,
      latchedMs,
      closedMs,
    });
    let massCancelMs = 0;
    let notCancelled = 0;
    for (const id of open) {
      const endedMs = this.#tail.orders.get(id)?.endedMs ?? null;
      if (endedMs === null) notCancelled += 1;
      else massCancelMs = Math.max(massCancelMs, endedMs - askedMs);
    }
    // What arrived between the look and the latch counts too.
    notCancelled = Math.max(notCancelled, left, this.#tail.open.size);
    this.#trials.push({
      path,
      how,
      latchMs: latchedMs - askedMs,
      massCancelMs,
      restingOrders: open.size,
      notCancelled,
      ...judged,
      pressed: flow.pressedSince(latchedMs),
      closedMs: closedMs - latchedMs,
    });
    // Judged once: a later trial starts from an empty slate.
    this.#tail.forget();
    flow.forget();
  }

  /** Lifts every kill there is: two principals each, the file first. */
  async #lift(path: Path): Promise<void> {
    const cluster = this.#cluster;
    this.#unlockGateway();
    rmSync(join(cluster.dir, "state/kill"), { force: true });
    if (path === "monitor") {
      for (const person of ["ann", "bob"] as const)
        await cluster.as(person, "monitor").post("/unkill", { reason: "drill" });
    }
    await cluster.until("both are up", 60_000, async () => {
      const policy = await cluster.policy();
      return policy !== "gone" && policy !== "?";
    });
    const lifted = async (): Promise<boolean> => {
      const policy = await cluster.policy();
      if (policy === "KILLED") {
        for (const person of ["ann", "bob"] as const)
          await cluster.as(person, "gateway").post("/control/unkill", { reason: "drill" });
        await sleep(150);
      } else if (policy === "DEGRADE") {
        // A process that was cut off in the act may find an order it has to ask a person about.
        const { policy: why } = await cluster.state();
        this.#frozen.push(String((why as { detail?: string } | undefined)?.detail));
        await cluster.as("ann", "gateway").post("/control/resume", { reason: "drill" });
        await sleep(150);
      }
      return (await cluster.policy()) === "NORMAL" && (await cluster.router())["killed"] === null;
    };
    await this.#explained("the kill is lifted", lifted);
    // The flow's link may have lost its peer; it comes back by itself.
    await cluster.until("the flow is in step", 60_000, () => this.#pressure.state === "SYNCED");
    await this.#priced();
  }

  /** Kills once more, kills both processes with SIGKILL, starts them again, and presses: nothing may leave. */
  async #restart(path: Path): Promise<void> {
    const cluster = this.#cluster;
    await this.#flowing();
    await this.#kill(path, 0, false);
    this.#unlockGateway();
    for (const name of ["gateway", "execution-router"] as const) await cluster.kill(name);
    if (path === "monitor") await cluster.kill("monitor");
    await this.#venueEmpty();
    this.#tail.forget();
    const pressedFrom = Date.now();
    // The file that made it goes: the latch alone has to hold.
    rmSync(join(cluster.dir, "state/kill"), { force: true });
    if (path === "monitor") await cluster.start("monitor");
    for (const name of ["execution-router", "gateway"] as const) await cluster.start(name);
    await sleep(3 * PRESS_MS);
    this.#tail.read();
    const orders = [...this.#tail.orders.values()].filter((o) => o.acceptedMs > pressedFrom);
    const router = (await cluster.router())["killed"] !== null;
    const held = (await cluster.policy()) === "KILLED" && router;
    this.#restarts += 1;
    this.#lostAfterRestart += held && orders.length === 0 ? 0 : 1;
    this.#tail.forget();
    this.#pressure.forget();
    await this.#lift(path);
    if (path === "monitor") await cluster.kill("monitor");
  }

  /** What a path that is cut off by the restart has left at the venue is taken away by hand. */
  async #venueEmpty(): Promise<void> {
    await this.#cluster.cancelAll();
    this.#tail.read();
  }

  /** A gateway that was never told of the kill takes the lead: the router tells it, and nothing leaves. */
  async #promote(): Promise<void> {
    const cluster = this.#cluster;
    await this.#flowing();
    const kill = await cluster.as("ann", "gateway").post("/control/kill", { reason: "promotion" });
    if (kill.status !== 200) throw new Error(`kill: ${JSON.stringify(kill.body)}`);
    await cluster.until(
      "the router holds it",
      5_000,
      async () => (await cluster.router())["killed"] !== null,
    );
    await cluster.kill("gateway");
    await this.#emptied();
    this.#tail.forget();
    const from = Date.now();
    cluster.gatewayFolder = "two";
    await cluster.start("gateway");
    await sleep(3 * PRESS_MS);
    this.#tail.read();
    const orders = [...this.#tail.orders.values()].filter((o) => o.acceptedMs > from);
    const leads = (await cluster.state())["leads"] === true;
    const held = (await cluster.policy()) === "KILLED";
    this.#promotions += 1;
    this.#lostAfterPromotion += leads && held && orders.length === 0 ? 0 : 1;
  }

  #result(): Result {
    const { trials, resting, paths } = this.#options;
    const all = this.#trials;
    const sum = (of: (trial: Trial) => number) => all.reduce((total, each) => total + of(each), 0);
    const max = (of: (trial: Trial) => number) => Math.max(0, ...all.map(of));
    const big = all.filter((each) => each.restingOrders >= resting && resting > 0);
    const exercised = new Set(all.map(({ path }) => path)).size;
    const of = (path: Path) => {
      const mine = all.filter((each) => each.path === path);
      const latch = mine.map(({ latchMs }) => latchMs);
      const cancel = mine.map(({ massCancelMs }) => massCancelMs);
      return {
        kills: mine.length,
        how: Object.fromEntries(
          [...Map.groupBy(mine, ({ how }) => how)].map(([how, rows]) => [how, rows.length]),
        ),
        latch_ms: { p50: at(latch, 0.5), p99: at(latch, 0.99), max: Math.max(...latch) },
        mass_cancel_ms: { p50: at(cancel, 0.5), p99: at(cancel, 0.99), max: Math.max(...cancel) },
        router_latched_ms_max: Math.max(...mine.map(({ closedMs }) => closedMs)),
        last_sent_ms_max: Math.max(...mine.map(({ lastSentMs }) => lastSentMs)),
        last_order_ms_max: Math.max(...mine.map(({ lastOrderMs }) => lastOrderMs)),
        under_way: mine.reduce((total, each) => total + each.underWay, 0),
        after_latch: mine.reduce((total, each) => total + each.afterLatch, 0),
        not_cancelled: mine.reduce((total, each) => total + each.notCancelled, 0),
        many: mine
          .filter((each) => each.restingOrders >= resting && resting > 0)
          .map(({ restingOrders, massCancelMs, how }) => ({ restingOrders, massCancelMs, how })),
      };
    };
    const checks = [
      check(
        "orders_after_latch",
        sum((t) => t.afterLatch),
        "=",
        0,
        "orders",
      ),
      check(
        "orders_after_latch_of",
        sum((t) => t.pressed),
        ">=",
        Math.min(1_000, trials * 100),
        "intents",
      ),
      check(
        "latch_ms_p99",
        at(
          all.map(({ latchMs }) => latchMs),
          0.99,
        ),
        "<=",
        LATCH_MS_MAX,
        "ms",
      ),
      check("latch_ms_p99_of", all.length, ">=", paths.length * trials, "kills"),
      check(
        "mass_cancel_ms_max",
        max((t) => t.massCancelMs),
        "<=",
        MASS_CANCEL_MS_MAX,
        "ms",
      ),
      check(
        "not_cancelled",
        sum((t) => t.notCancelled),
        "=",
        0,
        "orders",
      ),
      check(
        "not_cancelled_of",
        sum((t) => t.restingOrders),
        ">=",
        Math.max(1, resting) * paths.length,
        "orders",
      ),
      check("paths_not_exercised", paths.length - exercised, "=", 0, "paths"),
      check("paths_not_exercised_of", paths.length, ">=", 1, "paths"),
      check("latch_lost_after_restart", this.#lostAfterRestart, "=", 0, "restarts"),
      check("latch_lost_after_restart_of", this.#restarts, ">=", paths.length, "restarts"),
      check("latch_lost_after_promotion", this.#lostAfterPromotion, "=", 0, "promotions"),
      check("latch_lost_after_promotion_of", this.#promotions, ">=", 1, "promotions"),
    ];
    return result(
      this.#command,
      checks,
      {
        paths: Object.fromEntries(paths.map((path) => [path, of(path)])),
        resting_orders: big.map(({ path, restingOrders }) => ({ path, restingOrders })),
        orders_per_s: ORDERS_PER_S,
        answers: Object.fromEntries(this.#pressure.answers),
        instruments_frozen: this.#frozen,
        tier: "T2",
        venue_log: existsSync(join(this.#cluster.dir, "venue/log.ndjson")),
      },
      null,
    );
  }
}
