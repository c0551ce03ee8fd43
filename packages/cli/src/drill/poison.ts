/**
 * `hft drill poison`: a strategy that loops, throws, leaks, floods, prints, reads and connects, beside one that trades. A
 * pair of rounds is the same two strategies once with the deed and once without, the order of the two taking turns.
 */

import { createSocket } from "node:dgram";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { startStrategyRunner } from "@tidegate/strategy-runner";
import { Settings } from "@tidegate/strategy-runner/config";
import { type Result, result } from "../result.ts";
import { sleep } from "../sim/cluster.ts";
import { UsageError } from "../sim/options.ts";
import { NEIGHBOUR, POISON, PoisonCluster } from "./poison-cluster.ts";
import { judge, PAIRS_MIN, p99, type Round } from "./poison-judge.ts";

/** The deeds, and where each is done. */
export const CASES = [
  ...["loop", "throw", "leak-heap", "leak-external", "flood", "output", "files", "network"].map(
    (deed) => ({ deed, isolation: "process" as const }),
  ),
  ...["loop", "throw", "leak-heap"].map((deed) => ({ deed, isolation: "worker" as const })),
];
export const BREAKS = ["no-watchdog", "no-sandbox", "hogs", "gateway-stopped"] as const;
type Plant = (typeof BREAKS)[number];

/** From the moment both may trade until the poisoned one is stopped and its orders are gone. */
const STOP_MS_MAX = 5_000;
/** Book events before the deed, and ms of its session: both trade by then, and the round is being measured. */
const AFTER = 20;
const AFTER_MS = 1_200;
const READY_MS_MAX = 30_000;
const LOOK_MS = 100;
/** Ways out the two fixtures try: nine of files and processes, four of the network. */
const WAYS: Readonly<Record<string, number>> = { files: 9, network: 4 };
const ENDLESS = new Set(["files", "network"]);
const HOGS = 6;

export interface PoisonOptions {
  readonly pairs: number;
  /** How long a round is measured, ms. */
  readonly windowMs: number;
  readonly cases?: readonly string[];
  /** Pairs below which the result fails; the bound of the drill where absent. */
  readonly pairsMin?: number;
  readonly plant: string | null;
  readonly progress?: (line: string) => void;
}

interface Half {
  readonly p99Us: number;
  readonly samples: number;
  readonly looks: number;
  readonly unwell: string[];
  readonly refused: number;
  /** The ways out have been tried. */
  readonly tried: boolean;
  readonly stoppedMs: number;
  readonly escapes: readonly string[];
}

/** What listens for those who get out. */
class Traps implements AsyncDisposable {
  readonly marker: string;
  readonly socket: string;
  port = 0;
  caught: string[] = [];
  readonly #servers: Server[] = [];
  readonly #udp = createSocket("udp4");
  constructor(dir: string) {
    this.marker = join(dir, "config/marker");
    this.socket = join(dir, "s/trap.sock");
  }
  async open(): Promise<this> {
    const server = (name: string) => {
      const made = createServer((socket) => {
        this.caught.push(name);
        socket.destroy();
      });
      this.#servers.push(made);
      return made;
    };
    const tcp = server("tcp");
    await new Promise<void>((done) => tcp.listen(0, "127.0.0.1", done));
    this.port = (tcp.address() as { port: number }).port;
    await new Promise<void>((done) => server("unix").listen(this.socket, done));
    this.#udp.on("message", () => this.caught.push("udp"));
    await new Promise<void>((done) => this.#udp.bind(this.port, "127.0.0.1", done));
    return this;
  }
  /** What was caught since the last call. */
  take(): string[] {
    const all = existsSync(this.marker) ? [...this.caught, "marker"] : this.caught;
    rmSync(this.marker, { force: true });
    this.caught = [];
    return all;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#servers) each.close();
    this.#udp.close();
  }
}

interface StrategyView {
  readonly id: number;
  readonly state: string;
  readonly sweep: string;
  readonly pending: number;
  readonly leftovers: number;
  readonly error: string;
  readonly ready: boolean;
  readonly refusedByGateway?: number;
  readonly cancels?: number;
  readonly network: string;
}

export class PoisonDrill {
  readonly #root: string;
  readonly #cluster: PoisonCluster;
  readonly #traps: Traps;
  readonly #options: PoisonOptions;
  network = "";

  constructor(root: string, cluster: PoisonCluster, traps: Traps, options: PoisonOptions) {
    this.#root = root;
    this.#cluster = cluster;
    this.#traps = traps;
    this.#options = options;
  }

  /** One half of a pair. */
  async half(deed: string, isolation: "worker" | "process", poisoned: boolean): Promise<Half> {
    const { dir } = this.#cluster;
    const { plant, windowMs } = this.#options;
    const fixture = (name: string) => join(this.#root, "services/strategy-runner/fixtures", name);
    const open = plant === "no-sandbox" && ENDLESS.has(deed);
    const where = open ? "worker" : isolation;
    const { marker, socket, port } = this.#traps;
    const secret = join(dir, "state/venue-keys.json");
    const config = Settings.parse({
      instrumentsFile: join(this.#root, "config/instruments.json"),
      mdUrl: `ipc://${join(dir, "s/md.sock")}`,
      intentUrl: `ipc://${join(dir, "s/intent.sock")}`,
      ...{ heapMbMax: 64, externalMbMax: 64 },
      strategies: [
        { id: NEIGHBOUR, file: fixture("neighbour.ts"), reviewed: true },
        {
          ...{ id: POISON, file: fixture("poison.ts"), isolation: where },
          reviewed: where === "worker",
          params: {
            ...{
              deed: poisoned ? deed : "good",
              after: AFTER,
              afterMs: AFTER_MS,
              instrument: 2,
              behindTicks: 5_000,
            },
            ...{ secret, marker, socket, port },
          },
        },
      ],
    });
    const tookUs: number[] = [];
    let measuring = false;
    await using runner = await startStrategyRunner(config, {
      stateDir: join(dir, "state"),
      log: () => undefined,
      ...(plant === "no-watchdog" ? { watchdogOff: true } : {}),
      onSpans: (spans, strategyId) => {
        if (!measuring || strategyId !== NEIGHBOUR) return;
        for (const { startNs, endNs } of spans as { startNs: string; endNs: string }[])
          tookUs.push(Number(BigInt(endNs) - BigInt(startNs)) / 1_000);
      },
    });
    const views = () => runner.stats()["strategies"] as readonly StrategyView[];
    const view = (id: number) => views().find((each) => each.id === id);
    const began = performance.now();
    // The neighbour is in the market first; the other is judged from the moment it may trade or is gone.
    while (!(view(NEIGHBOUR)?.ready === true && runner.ready)) {
      if (performance.now() - began > READY_MS_MAX)
        throw new Error(`not ready: ${JSON.stringify(views())}`);
      await sleep(5);
    }
    measuring = true;
    this.network = where === "process" ? (view(POISON)?.network ?? "") : this.network;
    const hogs = poisoned && plant === "hogs" ? Array.from({ length: HOGS }, hog) : [];
    const from = performance.now();
    if (poisoned && plant === "gateway-stopped") {
      this.#cluster.gateway.child.kill("SIGSTOP");
      setTimeout(() => this.#cluster.gateway.child.kill("SIGCONT"), 1_500);
    }
    const ends = poisoned && !ENDLESS.has(deed);
    let tried = false;
    let stoppedMs = Number.POSITIVE_INFINITY;
    let looks = 0;
    const unwell: string[] = [];
    let nextLook = from;
    for (;;) {
      const now = performance.now();
      const bad = view(POISON);
      const gone = bad?.state === "DEAD" ? bad.sweep === "SWEPT" : bad?.state === "HALTED";
      const flat = gone && (bad?.pending ?? 0) === 0 && (bad?.leftovers ?? 0) === 0;
      if (flat && !Number.isFinite(stoppedMs)) stoppedMs = now - from;
      if (now >= nextLook) {
        nextLook = now + LOOK_MS;
        looks += 1;
        const why = await this.#cluster.unwell();
        if (why !== "") unwell.push(why);
      }
      const seen = ends ? Number.isFinite(stoppedMs) : !poisoned || (bad?.cancels ?? 0) > 0;
      tried ||= !ends && poisoned && seen;
      const waiting = !seen && poisoned && now - from < STOP_MS_MAX;
      if (now - from >= windowMs && !waiting) break;
      await sleep(10);
    }
    measuring = false;
    for (const each of hogs) void each.terminate();
    const error = view(POISON)?.error ?? "";
    const escapes = [
      ...this.#traps.take(),
      ...(/ESCAPED: (.*)/.exec(error)?.[1]?.split(", ") ?? []),
    ];
    const refused = view(NEIGHBOUR)?.refusedByGateway ?? 0;
    tookUs.sort((a, b) => a - b);
    return {
      p99Us: p99(tookUs),
      samples: tookUs.length,
      looks,
      unwell,
      refused,
      tried,
      stoppedMs,
      escapes,
    };
  }

  async pair(deed: string, isolation: "worker" | "process", first: boolean): Promise<Round> {
    const halves: Half[] = [];
    for (const poisoned of first ? [true, false] : [false, true]) {
      const half = await this.half(deed, isolation, poisoned);
      halves.push(half);
      const { live, policy } = await this.#cluster.state();
      const left = policy !== "NORMAL" ? `policy ${policy}` : live > 0 ? `${live} orders live` : "";
      if (left !== "") this.#options.progress?.(`${deed} under ${isolation}: ${left} afterwards`);
      if (policy !== "NORMAL") half.unwell.push(`policy ${policy}`);
    }
    const [one, two] = halves as [Half, Half];
    const [bad, good] = first ? [one, two] : [two, one];
    for (const why of good.unwell) this.#options.progress?.(`gateway, without the deed: ${why}`);
    for (const why of bad.unwell) this.#options.progress?.(`gateway, with it: ${why}`);
    const ends = !ENDLESS.has(deed);
    return {
      name: `${deed} under ${isolation}`,
      cleanP99Us: good.p99Us,
      poisonedP99Us: bad.p99Us,
      samples: Math.min(good.samples, bad.samples),
      looks: good.looks + bad.looks,
      unwell: good.unwell.length + bad.unwell.length,
      refused: [good.refused, bad.refused],
      stopped: ends ? bad.stoppedMs <= STOP_MS_MAX : null,
      stoppedMs: bad.stoppedMs,
      ways: bad.tried ? (WAYS[deed] ?? 0) : 0,
      untried: !ends && !bad.tried,
      escapes: [...good.escapes, ...bad.escapes],
    };
  }
}

function hog(): Worker {
  return new Worker("for (;;);", { eval: true });
}

/**
 * Runs the drill.
 *
 * Errors  UsageError: a case or a fault that is none; Error: a process that does not start
 */
export async function drillPoison(root: string, options: PoisonOptions): Promise<Result> {
  const { plant, pairs, progress } = options;
  if (plant !== null && !BREAKS.includes(plant as Plant))
    throw new UsageError(`--break ${plant}: want one of ${BREAKS.join(", ")}`);
  const chosen = CASES.filter(
    ({ deed, isolation }) => options.cases?.includes(`${deed}:${isolation}`) ?? true,
  );
  if (chosen.length === 0 || chosen.length < (options.cases?.length ?? 0)) {
    const all = CASES.map(({ deed, isolation }) => `${deed}:${isolation}`);
    throw new UsageError(`--cases ${options.cases?.join(",")}: want some of ${all.join(", ")}`);
  }
  const dir = mkdtempSync(join(tmpdir(), "drill-poison-"));
  try {
    await using cluster = new PoisonCluster(root, dir);
    await cluster.start();
    await using traps = await new Traps(dir).open();
    const drill = new PoisonDrill(root, cluster, traps, options);
    const rounds: Round[] = [];
    for (let n = 0; n < pairs; n += 1) {
      for (const { deed, isolation } of chosen) {
        const round = await drill.pair(deed, isolation, n % 2 === 1);
        rounds.push(round);
        const ms = Number.isFinite(round.stoppedMs)
          ? `, stopped after ${Math.round(round.stoppedMs)} ms`
          : "";
        progress?.(
          `${n + 1}/${pairs} ${round.name}: p99 ${Math.round(round.cleanP99Us)} -> ${Math.round(round.poisonedP99Us)} us of ${round.samples}${ms}`,
        );
      }
    }
    const { checks, figures } = judge(rounds, options.pairsMin ?? PAIRS_MIN);
    return result("drill poison", checks, { ...figures, network: drill.network, pairs });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
