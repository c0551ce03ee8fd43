/** A pair of gateways between a load of orders and a venue: real processes, one folder. */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { ControlClient } from "../../control/client.ts";
import { type GatewayState, gatewayFacts, venueFacts } from "../../sim/facts.ts";
import { makePrincipals } from "../../sim/plan.ts";
import { anyFree } from "../../sim/ports.ts";
import { difference } from "../../sim/verdict.ts";
import { Process } from "../processes.ts";
import type { LoadData, LoadStats } from "./load-worker.ts";
import { VenueTail } from "./venue-tail.ts";

export type NodeName = "a" | "b";
export const NODES: readonly NodeName[] = ["a", "b"];
export const other = (node: NodeName): NodeName => (node === "a" ? "b" : "a");

/** The venue takes any load, and the router's budgets are wide. */
const RATES_SCALE = 1_000;
const WIDE_RATES = [
  ...["--spot-orders-per-10s", "10000", "--spot-weight-per-minute", "0"],
  ...["--usdm-orders-per-10s", "10000", "--usdm-orders-per-minute", "0"],
  ...["--usdm-weight-per-minute", "0"],
];
const WAIT_MS_MAX = 60_000;
/** Records a standby in step may seem to lack: both tell of themselves four times a second. */
const BEHIND_MAX = 2_000;
const HTTP_MS_MAX = 1_000;
const POLL_MS = 20;
const INSTRUMENTS = [1, 2];
/** Who looks at the gateways. */
const PRINCIPAL = "drill";
const KEY = { apiKey: "sim", apiSecret: "sim-secret" } as const;

const controlSocket = (node: NodeName) => `s/control-${node}.sock`;

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

interface PairStats {
  readonly role: string;
  readonly attached: boolean;
  readonly applied: number;
  readonly proven: number;
  readonly takeovers: number;
  readonly journalsSetAside: number;
  readonly commandsDropped: number;
}

export interface NodeState extends GatewayState {
  readonly leads: boolean;
  readonly pair: PairStats;
}

export interface PairOptions {
  readonly perSecond: number;
  /** URL of a Redis that keeps the lease; a file where absent. */
  readonly redisUrl?: (node: NodeName) => string;
}

/** What is left to compare once the load has ended. */
export interface Balance {
  readonly duplicates: number;
  readonly lost: number;
  readonly positionDifference: number;
  readonly unanswered: number;
  readonly contradictions: number;
  readonly orders: number;
  readonly fills: number;
}

export class PairCluster implements AsyncDisposable {
  readonly dir: string;
  readonly #root: string;
  readonly #options: PairOptions;
  readonly #processes = new Map<string, Process>();
  readonly #flag = new SharedArrayBuffer(4);
  #worker: Worker | null = null;
  #workerFault: unknown = null;
  load: LoadStats | null = null;
  venuePort = 0;
  /** Each time a gateway said that it leads, ms of the wall clock. */
  readonly #led: { readonly node: NodeName; readonly atMs: number }[] = [];
  readonly venue: VenueTail;

  private constructor(root: string, options: PairOptions) {
    this.#root = root;
    this.#options = options;
    this.dir = mkdtempSync(join(tmpdir(), "drill-pair-"));
    this.venue = new VenueTail(join(this.dir, "venue/log.ndjson"));
  }

  static async start(root: string, options: PairOptions): Promise<PairCluster> {
    const cluster = new PairCluster(root, options);
    try {
      await cluster.#start();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  #run(label: string, service: string, args: readonly string[]): Process {
    const process = new Process(this.#root, service, this.dir, [
      ...args,
      ...["--state-dir", `state-${label}`, "--log-level", "warn"],
    ]);
    this.#processes.set(label, process);
    return process;
  }

  async #start(): Promise<void> {
    const { dir } = this;
    for (const folder of ["s", "state"]) mkdirSync(join(dir, folder), { mode: 0o700 });
    const keys = JSON.stringify({ "binance-spot": KEY, "binance-usdm": KEY });
    writeFileSync(join(dir, "keys.json"), keys, { mode: 0o600 });
    writeFileSync(join(dir, "limits.json"), JSON.stringify(this.#limits()));
    makePrincipals(dir, [[PRINCIPAL, "viewer"]]);
    this.venuePort = await anyFree();
    const sim = this.#run("venue-sim", "venue-sim", [
      ...["--rates-scale", String(RATES_SCALE), "--port", String(this.venuePort)],
    ]);
    await sim.file(join(dir, "state-venue-sim/venue-sim.json"));
    const http = `http://127.0.0.1:${this.venuePort}`;
    const ws = `ws://127.0.0.1:${this.venuePort}`;
    this.#run("market-data", "market-data", [
      ...["--instruments-file", this.#instruments(), "--reconnect-ms-min", "100"],
      ...["--spot-stream-url", ws, "--spot-rest-url", http],
      ...["--usdm-stream-url", ws, "--usdm-rest-url", http],
    ]);
    this.startRouter();
    for (const node of NODES) this.startNode(node);
    await this.until("a leader with a standby", async () => (await this.pair()) !== null);
    this.#startLoad();
    await this.until("prices at the load", () => this.load !== null);
  }

  #instruments(): string {
    return join(this.#root, "config/instruments.json");
  }

  /** The shipped limits, wide enough for the load. */
  #limits(): object {
    const limits = JSON.parse(readFileSync(join(this.#root, "config/limits.json"), "utf8")) as {
      firm: Record<string, number>;
      strategies: Record<string, number>[];
    };
    return {
      ...limits,
      requery_ms: 100,
      firm: { ...limits.firm, open_orders_max: 2_000 },
      strategies: limits.strategies.map((row) => ({
        ...row,
        open_orders_max: 2_000,
        messages_max: 4_096,
      })),
    };
  }

  startRouter(): void {
    const http = `http://127.0.0.1:${this.venuePort}`;
    const ws = `ws://127.0.0.1:${this.venuePort}`;
    this.#run("execution-router", "execution-router", [
      ...["--instruments-file", this.#instruments(), "--keys-file", join(this.dir, "keys.json")],
      ...["--tier", "T0", "--spot-ws-api-url", ws, "--spot-rest-url", http],
      ...["--usdm-ws-api-url", ws, "--usdm-stream-url", ws, "--usdm-rest-url", http],
      ...WIDE_RATES,
    ]);
  }

  startNode(node: NodeName): void {
    const redis = this.#options.redisUrl?.(node);
    const process = this.#run(node, "gateway", [
      ...["--instruments-file", this.#instruments()],
      ...["--limits-file", join(this.dir, "limits.json"), "--tier", "T1"],
      ...["--pair-node", node, "--peer-tail-url", `ipc://s/tail-${other(node)}.sock`],
      ...["--intent-url", `ipc://s/intent-${node}.sock`, "--tail-url", `ipc://s/tail-${node}.sock`],
      ...[
        "--journal-dir",
        `journal/gateway-${node}`,
        "--epoch-file",
        `state/gateway-${node}.epoch`,
      ],
      ...["--latch-file", `state/gateway-${node}.latch`],
      ...["--audit-file", `audit/gateway-${node}.ndjson`, "--control-socket", controlSocket(node)],
      ...(redis === undefined ? ["--lease-file", "state/lease"] : ["--lease-redis-url", redis]),
    ]);
    process.onLine((line) => {
      if (!line.includes('"msg":"leads"')) return;
      const { time } = JSON.parse(line) as { time: string };
      this.#led.push({ node, atMs: Date.parse(time) });
    });
  }

  /** When a gateway first said, since `ms`, that it leads: the router has granted it by then. */
  leadsSince(node: NodeName, ms: number): number | undefined {
    return this.#led.find((each) => each.node === node && each.atMs >= ms)?.atMs;
  }

  #startLoad(): void {
    const table = JSON.parse(readFileSync(this.#instruments(), "utf8")) as { version: number };
    const at = (name: string) => `ipc://${join(this.dir, "s", `${name}.sock`)}`;
    const workerData: LoadData = {
      lane: {
        strategyId: 1,
        sessionEpoch: 1,
        accountId: 1,
        instrumentTableVersion: table.version,
        mdUrl: at("md"),
        intentUrl: at("intent-a"),
        standbyIntentUrl: at("intent-b"),
        topics: INSTRUMENTS.map((id) => `md.${id}.${id}.top.`),
      },
      perSecond: this.#options.perSecond,
      instruments: INSTRUMENTS,
      flag: this.#flag,
    };
    const worker = new Worker(new URL("./load-worker.ts", import.meta.url), { workerData });
    worker.on("message", (stats: LoadStats) => {
      this.load = stats;
    });
    worker.on("error", (error) => {
      this.#workerFault = error;
    });
    this.#worker = worker;
  }

  /** Whether the load trades. */
  trade(on: boolean): void {
    Atomics.store(new Int32Array(this.#flag), 0, on ? 1 : 0);
  }

  /** Orders a second that the load asks for. */
  get perSecond(): number {
    return this.#options.perSecond;
  }

  process(label: string): Process {
    const process = this.#processes.get(label);
    if (process === undefined) throw new Error(`bug: no process is called ${label}`);
    return process;
  }

  signal(label: string, signal: NodeJS.Signals): void {
    this.process(label).child.kill(signal);
  }

  /** `/health` of a process, null while it does not answer. */
  async stats(label: string): Promise<Record<string, unknown> | null> {
    return this.#get(label, "/health").then(
      (body) => (body as { stats?: Record<string, unknown> } | null)?.stats ?? null,
    );
  }

  /** How often the venue's recorded day has begun anew, which ends its sessions. */
  async venueRolls(): Promise<number> {
    return Number((await this.stats("venue-sim"))?.["rolls"]);
  }

  async node(node: NodeName): Promise<NodeState | null> {
    if (!this.process(node).running) return null;
    try {
      const key = join(this.dir, "state", `${PRINCIPAL}.key`);
      const socket = join(this.dir, controlSocket(node));
      const asked = ControlClient.at(socket, "gateway", PRINCIPAL, key).get("/state");
      const answer = await Promise.race([asked, sleep(HTTP_MS_MAX).then(() => null)]);
      return answer?.status === 200 ? (answer.body as unknown as NodeState) : null;
    } catch {
      return null;
    }
  }

  async #get(label: string, path: string): Promise<unknown> {
    const process = this.process(label);
    if (!process.running) return null;
    try {
      const file = join(this.dir, `state-${label}`, `${label}.json`);
      if (!existsSync(file)) return null;
      const { pid, httpPort } = JSON.parse(readFileSync(file, "utf8")) as {
        pid: number;
        httpPort: number;
      };
      if (pid !== process.child.pid) return null;
      const answer = await fetch(`http://127.0.0.1:${httpPort}${path}`, {
        signal: AbortSignal.timeout(HTTP_MS_MAX),
      });
      return await answer.json();
    } catch {
      return null;
    }
  }

  /** The leader, where one leads and the other holds its journal: one that has begun anew is no standby before it has caught up. */
  async pair(): Promise<NodeName | null> {
    const [a, b] = await Promise.all(NODES.map((node) => this.node(node)));
    const holds = (follower: NodeState | null | undefined, leader: NodeState): boolean =>
      follower?.pair?.attached === true && follower.pair.applied + BEHIND_MAX >= leader.journalSeq;
    if (a?.leads === true && holds(b, a)) return "a";
    if (b?.leads === true && holds(a, b)) return "b";
    return null;
  }

  async leader(): Promise<NodeName | null> {
    const [a, b] = await Promise.all(NODES.map((node) => this.node(node)));
    return a?.leads === true ? "a" : b?.leads === true ? "b" : null;
  }

  #alive(): void {
    if (this.#workerFault !== null) throw this.#workerFault;
    for (const [label, process] of this.#processes) {
      const { exitCode } = process.child;
      if (exitCode !== null && exitCode !== 0) {
        throw new Error(`${label} ended by itself: ${process.text.slice(-1_500)}`);
      }
    }
  }

  /** @throws Error when `held` does not come true in time, or a process ended by itself */
  async until(
    what: string,
    held: () => boolean | Promise<boolean>,
    msMax = WAIT_MS_MAX,
  ): Promise<void> {
    const end = performance.now() + msMax;
    while (!(await held())) {
      this.#alive();
      if (performance.now() > end) {
        const states = await Promise.all(NODES.map((node) => this.node(node)));
        const roles = states.map((state) => JSON.stringify(state?.pair ?? null)).join(" ");
        const texts = [...this.#processes].map(([label, p]) => `${label}: ${p.text.slice(-400)}`);
        throw new Error(
          `never: ${what}; ${roles}\n${JSON.stringify(this.load)}\n${texts.join("\n")}`,
        );
      }
      await sleep(POLL_MS);
    }
  }

  /** Ends the load, lets every order end, and compares what everybody says. */
  async settle(): Promise<Balance> {
    this.trade(false);
    await this.until("every intent has its answer", () => this.load?.unanswered === 0);
    let state: NodeState | null = null;
    await this.until("every order has ended", async () => {
      const leader = await this.leader();
      state = leader === null ? null : await this.node(leader);
      return (
        state !== null &&
        state.nonTerminal === 0 &&
        state.unknown === 0 &&
        state.awaitingFills === 0
      );
    });
    const last = state as unknown as NodeState;
    const gateway = gatewayFacts(last);
    const venue = venueFacts(this.venue.path);
    const orders = Object.values(last.orders).reduce((sum, n) => sum + n, 0);
    const accepted = this.load?.accepted ?? 0;
    return {
      duplicates: venue.duplicates,
      // Orders a strategy was promised and nobody knows, and trades of the venue that the gateway does not know.
      lost: Math.max(0, accepted - orders) + Math.max(0, venue.fills - gateway.fills),
      positionDifference: Number(difference(gateway.positions, venue.positions)),
      unanswered: this.load?.unanswered ?? 0,
      contradictions: this.load?.contradictions ?? 0,
      orders: venue.orders,
      fills: venue.fills,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Atomics.store(new Int32Array(this.#flag), 0, 2);
    const worker = this.#worker;
    if (worker !== null) {
      const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      await Promise.race([ended, sleep(3_000)]);
      await worker.terminate();
    }
    for (const process of this.#processes.values()) process.child.kill("SIGCONT");
    await Promise.all(
      [...this.#processes.values()].map((process) => process[Symbol.asyncDispose]()),
    );
    rmSync(this.dir, { recursive: true, force: true });
  }
}
