/** `hft drill disk-pressure`: the recorder's disk fills up step by step while the cluster trades. */

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeEnvelope } from "@tidegate/contracts";
import { walVerify } from "@tidegate/rust-core";
import { type VenueTruth, venueTruth } from "@tidegate/venue-sim";
import { ControlClient } from "../control/client.ts";
import { check, type Result, result } from "../result.ts";
import { Cluster, makeRunDir, removeRunDir, sleep } from "../sim/cluster.ts";
import type { GatewayState } from "../sim/facts.ts";
import { PROCESSES, type ProcessName, UsageError } from "../sim/options.ts";
import { clusterPlan } from "../sim/plan.ts";
import { assignPorts } from "../sim/ports.ts";
import { sampleFiles } from "../sim/run.ts";
import { records } from "../wal/records.ts";

const MIB = 2 ** 20;
const DISK_MIB = 64;
/** Tries to fill the disk to a mark while another process writes to it. */
const FILLS_MAX = 10;
const RESERVE_MIB = 8;
/** Free bytes outside the reserve below which each level is entered, and what the drill leaves free to get there. */
const LEVELS = { warn: 40 * MIB, critical: 24 * MIB, halt: 12 * MIB } as const;
const STEPS = [
  ["WARN", 32 * MIB],
  ["CRITICAL", 18 * MIB],
  ["HALT", 6 * MIB],
] as const;
const BREAKS = ["no-policy", "lost-order"] as const;
const READY_MS_MAX = 120_000;
const STEP_MS_MAX = 30_000;
/** How long each level is held while the cluster trades on. */
const HOLD_MS = 6_000;
const STOP_MS_MAX = 20_000;
/** Everything but what needs a database. */
const RUNS = PROCESSES.filter((name) => name !== "wal-loader");
/** Fewest order-path events, and fewest market messages, that say anything. */
const EVENTS_MIN = 1_000;
const FILLS_MIN = 20;

export interface DiskPressureOptions {
  readonly seed: number;
  readonly plant: string | null;
  readonly progress?: (text: string) => void;
}

/** A file system of its own, which only root may make. */
class SmallDisk {
  readonly path: string;
  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    const size = `size=${DISK_MIB}m,mode=0750`;
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", size, "tidegate-drill", path], { stdio: "pipe" });
    } catch (error) {
      const why = error instanceof Error ? error.message.trim().split("\n").at(-1) : String(error);
      throw new Error(
        `cannot mount a tmpfs of ${DISK_MIB} MiB on ${path} (${why}): run the drill as root, in a container with CAP_SYS_ADMIN`,
      );
    }
  }

  free(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Fills the disk with a stranger's file until so much is left; the file grows and shrinks, but is never away. */
  leave(bytes: number, dir: string): void {
    const ballast = join(this.path, dir, "ballast");
    for (let attempt = 1; ; attempt += 1) {
      const held = statSync(ballast, { throwIfNoEntry: false })?.size ?? 0;
      const size = Math.max(1, Math.floor(held + this.free() - bytes));
      try {
        if (size < held) truncateSync(ballast, size);
        else execFileSync("fallocate", ["-l", String(size), ballast], { stdio: "pipe" });
        return;
      } catch (error) {
        // The recorder may have taken what was free a moment ago.
        if (attempt === FILLS_MAX) throw error;
      }
    }
  }

  clear(dir: string): void {
    rmSync(join(this.path, dir, "ballast"), { force: true });
  }

  [Symbol.dispose](): void {
    execFileSync("umount", ["-l", this.path], { stdio: "pipe" });
  }
}

/** What of the order path the WAL holds. */
interface Recorded {
  readonly orders: ReadonlySet<string>;
  readonly fills: ReadonlySet<string>;
  /** `log_seq` of every record of the gateway's journal. */
  readonly journal: ReadonlySet<number>;
}

function recorded(dir: string): Recorded {
  const [orders, fills, journal] = [new Set<string>(), new Set<string>(), new Set<number>()];
  for (const record of records(dir, { stream: "gateway.journal" })) {
    journal.add(record.seq);
    const decoded = decodeEnvelope(record.payload);
    if (!decoded.ok) throw new Error(`journal record ${record.seq}: ${decoded.refusal.code}`);
    const { kind, value } = decoded.envelope.payload;
    if (kind === "command") orders.add(value.clientOrderId);
    if (kind === "report" && value.execId !== "")
      fills.add(fillKey(value.clientOrderId, value.execId));
  }
  return { orders, fills, journal };
}

function fillKey(order: string, exec: string): string {
  // The venue's key is the trade id, with its market or symbol before it.
  return `${order} ${/(\d+)$/.exec(exec)?.[1] ?? exec}`;
}

/** Orders and fills of the venue's own log that the WAL does not have. */
function missing(truth: VenueTruth, wal: Recorded): { orders: string[]; fills: string[] } {
  return {
    orders: [...truth.orders.keys()].filter((id) => !wal.orders.has(id)),
    fills: truth.fills
      .map((fill) => fillKey(fill.clientOrderId, String(fill.tradeId)))
      .filter((key) => !wal.fills.has(key)),
  };
}

export async function drillDiskPressure(
  root: string,
  options: DiskPressureOptions,
): Promise<Result> {
  const { plant } = options;
  if (plant !== null && !(BREAKS as readonly string[]).includes(plant)) {
    throw new UsageError(`--break ${plant}: want ${BREAKS.join(" or ")}`);
  }
  const runDir = makeRunDir(root, { runDir: null });
  let keep = true;
  try {
    using disk = new SmallDisk(join(runDir, "disk"));
    const value = await new Drill(root, runDir, disk, options).run();
    keep = !value.ok && plant === null;
    return value;
  } finally {
    if (!keep) removeRunDir(root, runDir);
  }
}

class Drill {
  readonly #root: string;
  readonly #runDir: string;
  readonly #disk: SmallDisk;
  readonly #options: DiskPressureOptions;
  readonly #cluster: Cluster;
  readonly #levels = new Set<string>();
  readonly #wal: string;
  #control: ControlClient | null = null;

  constructor(root: string, runDir: string, disk: SmallDisk, options: DiskPressureOptions) {
    this.#root = root;
    this.#runDir = runDir;
    this.#disk = disk;
    this.#options = options;
    this.#cluster = new Cluster(root, runDir);
    this.#wal = join(disk.path, "wal");
    mkdirSync(this.#wal, { mode: 0o750 });
  }

  #say(text: string): void {
    this.#options.progress?.(`drill: ${text}`);
  }

  async run(): Promise<Result> {
    try {
      await this.#start();
      return await this.#press();
    } finally {
      await this.#cluster.supervisor.stopAll(STOP_MS_MAX);
      rmSync(join(this.#runDir, "s"), { recursive: true, force: true });
    }
  }

  async #start(): Promise<void> {
    const ports = await assignPorts([...PROCESSES, "venue"] as const, 0);
    const plan = clusterPlan({
      root: this.#root,
      runDir: this.#runDir,
      ports,
      options: {
        durationS: 600,
        speed: 5,
        seed: this.#options.seed,
        data: sampleFiles(this.#root),
        strategy: join(this.#root, "strategies/simple-mm.ts"),
        keep: false,
        json: true,
        chaos: [],
        portBase: 0,
        runDir: null,
        clickhouse: "none",
        otlp: null,
      },
    });
    this.#control = ControlClient.of(this.#runDir, "gateway", "run-sim");
    const off = this.#options.plant === "no-policy";
    const recorder = {
      ...plan.configs.recorder,
      walDir: this.#wal,
      segmentBytes: MIB,
      compression: "none",
      diskWarnBytes: off ? 0 : LEVELS.warn,
      diskCriticalBytes: off ? 0 : LEVELS.critical,
      diskHaltBytes: off ? 0 : LEVELS.halt,
      reserveBytes: off ? 0 : RESERVE_MIB * MIB,
      dropAtWarn: ["raw", "depth"],
    };
    for (const name of RUNS) {
      this.#cluster.start(name, name === "recorder" ? recorder : plan.configs[name], plan.env);
    }
    await this.#cluster.untilReady(RUNS, performance.now() + READY_MS_MAX);
    this.#say("the cluster trades");
  }

  async #recorder(): Promise<Readonly<Record<string, unknown>>> {
    const stats = (await this.#cluster.probe("recorder"))?.stats ?? {};
    if (typeof stats["disk"] === "string") this.#levels.add(stats["disk"]);
    return stats;
  }

  async #gateway(): Promise<GatewayState | null> {
    const answer = await this.#control?.get("/state").catch(() => null);
    return answer?.status === 200 ? (answer.body as unknown as GatewayState) : null;
  }

  async #until(msMax: number, holds: () => Promise<boolean>): Promise<boolean> {
    const end = performance.now() + msMax;
    while (!(await holds())) {
      if (performance.now() > end) return false;
      await sleep(50);
    }
    return true;
  }

  /** Watches for a while; what the recorder writes meanwhile may move the level on. */
  async #hold(ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (performance.now() < end) {
      await this.#recorder();
      await sleep(100);
    }
  }

  async #press(): Promise<Result> {
    await this.#until(STEP_MS_MAX, async () => (await this.#recorder())["disk"] === "OK");
    await this.#hold(HOLD_MS);
    const reached: Record<string, number> = {};
    for (const [level, free] of STEPS) {
      const began = performance.now();
      this.#disk.leave(free, "wal");
      const seen = await this.#until(
        STEP_MS_MAX,
        async () => (await this.#recorder())["disk"] === level,
      );
      reached[level] = seen ? Math.round(performance.now() - began) : -1;
      this.#say(seen ? `${level} with ${free / MIB} MiB free` : `${level} was not seen`);
      if (level !== "HALT") await this.#hold(HOLD_MS);
      if (!seen) break;
    }
    const halted = await this.#until(STEP_MS_MAX, async () => {
      await this.#recorder();
      const state = await this.#gateway();
      return state?.policy.state === "HALT" && (state.replies["HALT"] ?? 0) > 0;
    });
    const refusals = (await this.#gateway())?.replies["HALT"] ?? 0;
    this.#say(
      `the gateway is ${halted ? "halted" : "NOT halted"}, ${refusals} intents refused for it`,
    );
    // Then somebody else takes all of it, the reserve too: what is refused must wait, not be lost.
    this.#disk.leave(0, "wal");
    await this.#hold(HOLD_MS);
    const full = await this.#recorder();
    const freeWhenFull = this.#disk.free();
    this.#disk.clear("wal");
    const back = await this.#until(
      STEP_MS_MAX,
      async () => (await this.#recorder())["disk"] === "OK",
    );
    this.#say(back ? "space is back, the level is OK" : "the level did not come back to OK");
    await this.#hold(HOLD_MS);
    return this.#judge({ reached, refusals, full, freeWhenFull, back });
  }

  async #stop(name: ProcessName): Promise<void> {
    await this.#cluster.supervisor.stop(name, STOP_MS_MAX);
  }

  async #judge(seen: {
    readonly reached: Readonly<Record<string, number>>;
    readonly refusals: number;
    readonly full: Readonly<Record<string, unknown>>;
    readonly freeWhenFull: number;
    readonly back: boolean;
  }): Promise<Result> {
    await this.#stop("strategy-runner");
    await this.#drain();
    await this.#stop("market-data");
    await this.#until(STEP_MS_MAX, async () => {
      const [stats, state] = [await this.#recorder(), await this.#gateway()];
      return state !== null && Number(stats["journalSeq"]) >= state.journalSeq;
    });
    const state = await this.#gateway();
    const stats = await this.#recorder();
    for (const name of ["gateway", "execution-router", "recorder", "venue-sim"] as const)
      await this.#stop(name);
    const restarts = this.#cluster.supervisor.restarts("recorder").all;
    const truth = venueTruth(join(this.#runDir, "venue/log.ndjson"));
    const wal = recorded(this.#wal);
    const report = walVerify(this.#wal);
    writeFileSync(join(this.#runDir, "wal-report.json"), JSON.stringify(report, null, 2));
    const lost = missing(truth, wal);
    if (this.#options.plant === "lost-order") lost.orders.push("planted");
    const journalSeq = state?.journalSeq ?? 0;
    const unrecorded = Math.max(0, journalSeq - wal.journal.size);
    const market = report.streams.filter(({ name }) => /^(md|raw)\./.test(name));
    const messages = market.reduce((sum, each) => sum + each.lastSeq, 0);
    const unmarked = report.gapsUnaccounted + report.duplicates + report.faultsTotal;
    const events = journalSeq + truth.orders.size;
    return result(
      "drill disk-pressure",
      [
        check("levels_seen", this.#levels.size, "=", 4),
        check("orders_lost", lost.orders.length + unrecorded, "=", 0),
        check("orders_lost_of", events, ">=", EVENTS_MIN),
        check("fills_lost", lost.fills.length, "=", 0),
        // Fills are what a strategy happens to get: every one there was is looked for.
        check("fills_lost_of", truth.fills.length, ">=", FILLS_MIN),
        check("market_data_gaps_unmarked", unmarked, "=", 0),
        check("market_data_gaps_unmarked_of", messages, ">=", EVENTS_MIN),
        check("market_data_left_out", report.gapsAccounted, ">", 0),
        check("gateway_refusals_for_halt", seen.refusals, ">", 0),
        check("recorder_restarts", restarts, "=", 0),
        check("levels_back_to_ok", Number(seen.back), "=", 1),
      ],
      {
        levels: [...this.#levels],
        reached_ms: seen.reached,
        journal_records: journalSeq,
        journal_recorded: wal.journal.size,
        venue_orders: truth.orders.size,
        venue_fills: truth.fills.length,
        market_messages: messages,
        market_left_out: report.gapsAccounted,
        thinned: stats["thinned"] ?? null,
        writes_refused_by_the_full_disk: seen.full["refusedWrites"] ?? null,
        free_bytes_when_full: seen.freeWhenFull,
        first_lost: lost.orders[0] ?? lost.fills[0] ?? "",
        disk_mib: DISK_MIB,
        segment_bytes: MIB,
      },
      this.#options.seed,
    );
  }

  async #drain(): Promise<void> {
    await this.#until(STEP_MS_MAX, async () => {
      await this.#control
        ?.post("/control/drain", { reason: "the drill ends" })
        .catch(() => undefined);
      const state = await this.#gateway();
      return state !== null && state.nonTerminal === 0 && state.awaitingFills === 0;
    });
  }
}
