import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ControlClient } from "../control/client.ts";
import { check, type Result, report, result } from "../result.ts";
import { Cluster, makeRunDir, READY_MS_MAX, removeRunDir, sleep } from "./cluster.ts";
import { type Database, openDatabase } from "./database.ts";
import { clickhouseRows, type GatewayState, gatewayFacts, venueFacts, walFacts } from "./facts.ts";
import {
  PROCESSES,
  type ProcessName,
  parseSimOptions,
  type RawSimOptions,
  type SimOptions,
} from "./options.ts";
import { parsePaperOptions, type RawPaperOptions, reachable } from "./paper.ts";
import { clusterPlan } from "./plan.ts";
import { assignPorts } from "./ports.ts";
import { type ProcessView, renderTable, type TradingView, tradingLine } from "./table.ts";
import { type RunFacts, verdict } from "./verdict.ts";
import { tradingView } from "./view.ts";

/** How often the live table is drawn. */
const LOOK_MS = 500;
/** How often a pipe gets a line. */
const LINE_MS = 5_000;
/** Longest wait for each part of the orderly end. */
const DRAIN_MS_MAX = 20_000;
const STOP_MS_MAX = 10_000;
const LOAD_MS_MAX = 60_000;

/** `hft run sim`: start, trade, kill by plan, drain, prove, report. */
export async function runSim(root: string, raw: RawSimOptions): Promise<void> {
  await runReported(root, parseSimOptions(raw, root, sampleFiles(root)));
}

/** `hft run paper`: the same cluster on a venue's own market, its orders filled by venue-sim on that market's books. */
export async function runPaper(root: string, raw: RawPaperOptions): Promise<void> {
  const options = parsePaperOptions(raw, root);
  if (options.paper.kind === "venue") await reachable(options.paper.urls);
  await runReported(root, options);
}

async function runReported(root: string, options: SimOptions): Promise<void> {
  const runDir = makeRunDir(root, options);
  let keep = options.keep;
  try {
    const value = await new SimRun(root, runDir, options).run();
    keep ||= !value.ok;
    report(value, options.json);
    if (!value.ok) process.stderr.write(`hft: the run's files are kept in ${runDir}\n`);
  } catch (error) {
    keep ||= existsSync(join(runDir, "logs")) && readdirSync(join(runDir, "logs")).length > 0;
    throw error;
  } finally {
    if (!keep && options.runDir === null) removeRunDir(root, runDir);
  }
}

/** One run in a folder that is there; its result, not reported. */
export async function simulate(root: string, runDir: string, options: SimOptions): Promise<Result> {
  return new SimRun(root, runDir, options).run();
}

export function sampleFiles(root: string): string[] {
  const folder = join(root, "data/samples");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl.gz"))
    .sort()
    .map((name) => join(folder, name));
}

class SimRun {
  readonly #root: string;
  readonly #runDir: string;
  readonly #options: SimOptions;
  readonly #cluster: Cluster;
  readonly #stop = new AbortController();
  #database: Database | null = null;
  #control: ControlClient | null = null;
  #startSeconds = 0;
  #pidsTogether = 0;
  #looks = new Map<string, { readonly events: number; readonly atMs: number }>();

  constructor(root: string, runDir: string, options: SimOptions) {
    this.#root = root;
    this.#runDir = runDir;
    this.#options = options;
    this.#cluster = new Cluster(root, runDir);
  }

  async run(): Promise<Result> {
    const onSignal = (): void => this.#stop.abort();
    process.once("SIGINT", onSignal);
    process.once("SIGTERM", onSignal);
    try {
      await this.#start();
      await this.#trade();
      return await this.#end();
    } finally {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
      await this.#cluster.supervisor.stopAll(STOP_MS_MAX);
      await this.#database?.close();
      // Sockets and the lock files beside them may only be taken away when no end is left that could hold them.
      rmSync(join(this.#runDir, "s"), { recursive: true, force: true });
    }
  }

  async #start(): Promise<void> {
    const launchedMs = Number(process.env["HFT_STARTED_MS"] ?? Date.now());
    const began = performance.now() - (Date.now() - launchedMs);
    const names = [...PROCESSES, "venue", "feed", "clickhouse", "clickhouse-tcp"] as const;
    const ports = await assignPorts(names, this.#options.portBase);
    const database = openDatabase(
      this.#options,
      this.#runDir,
      ports.clickhouse,
      ports["clickhouse-tcp"],
    );
    const plan = clusterPlan({
      root: this.#root,
      runDir: this.#runDir,
      options: this.#options,
      ports,
    });
    this.#control = ControlClient.of(this.#runDir, "gateway", "run-sim");
    if (plan.feed !== null) {
      this.#cluster.startFeed(plan.feed, plan.env);
      await this.#cluster.untilFeed(performance.now() + READY_MS_MAX);
    }
    // Of a session that is to be run again nothing may reach a strategy that the recorder has not heard.
    const afterRecorder = this.#options.capture === true ? ["strategy-runner"] : [];
    const first = PROCESSES.filter(
      (name) => name !== "wal-loader" && !afterRecorder.includes(name),
    );
    for (const name of first) this.#cluster.start(name, plan.configs[name], plan.env);
    this.#database = await database;
    if (this.#database.note !== null) process.stderr.write(`hft: ${this.#database.note}\n`);
    const loader = {
      ...plan.configs["wal-loader"],
      ...(this.#database.url === null ? {} : { clickhouseUrl: this.#database.url }),
    };
    this.#cluster.start("wal-loader", loader, plan.env);
    if (afterRecorder.length > 0) {
      await this.#cluster.untilReady(first, performance.now() + READY_MS_MAX);
      this.#cluster.start("strategy-runner", plan.configs["strategy-runner"], plan.env);
    }
    await this.#cluster.untilReady(PROCESSES, performance.now() + READY_MS_MAX);
    this.#startSeconds = (performance.now() - began) / 1000;
    const pids = PROCESSES.map((name) => this.#cluster.supervisor.pid(name)).filter(
      (pid) => pid !== null,
    );
    this.#pidsTogether = new Set(pids).size;
    process.stderr.write(
      `hft: eight processes ready ${this.#startSeconds.toFixed(1)} s after the command\n`,
    );
  }

  /** Trades for the wall seconds asked for, killing by plan, showing what happens. */
  async #trade(): Promise<void> {
    const { durationS, chaos } = this.#options;
    const began = performance.now();
    const kills = [...chaos].sort((a, b) => a.atS - b.atS);
    const screen = process.stdout.isTTY && !this.#options.json;
    let drawn = 0;
    let lineMs = Number.NEGATIVE_INFINITY;
    while (!this.#stop.signal.aborted) {
      const elapsedS = (performance.now() - began) / 1000;
      if (elapsedS >= durationS) break;
      for (let next = kills[0]; next !== undefined && next.atS <= elapsedS; next = kills[0]) {
        kills.shift();
        process.stderr.write(
          `hft: killing ${next.process} (pid ${this.#cluster.supervisor.pid(next.process)})\n`,
        );
        this.#cluster.supervisor.kill(next.process);
      }
      if (screen) {
        const text = renderTable(await this.#processViews(), await this.#tradingView(elapsedS));
        if (drawn > 0) process.stdout.write(`\x1b[${drawn}A\x1b[0J`);
        process.stdout.write(`${text}\n`);
        drawn = text.split("\n").length;
      } else if (performance.now() - lineMs >= LINE_MS) {
        lineMs = performance.now();
        process.stderr.write(`${tradingLine(await this.#tradingView(elapsedS))}\n`);
      }
      await sleep(Math.min(LOOK_MS, Math.max(0, durationS * 1000 - (performance.now() - began))));
    }
  }

  async #processViews(): Promise<ProcessView[]> {
    return Promise.all(
      PROCESSES.map(async (name): Promise<ProcessView> => {
        const probe = await this.#cluster.probe(name);
        const restarts = this.#cluster.supervisor.restarts(name).all;
        if (probe === null) {
          return {
            name,
            pid: null,
            state: "down",
            rate: null,
            lag: null,
            p50Us: null,
            p99Us: null,
            restarts,
          };
        }
        const number = (value: unknown): number | null =>
          typeof value === "number" ? value : null;
        const events = number(probe.stats["events"]);
        const look = this.#looks.get(name);
        const atMs = performance.now();
        const rate =
          events === null || look === undefined || events < look.events
            ? null
            : ((events - look.events) * 1000) / (atMs - look.atMs);
        if (events !== null) this.#looks.set(name, { events, atMs });
        const latency = (probe.stats["latency"] ?? {}) as Record<string, unknown>;
        return {
          name,
          pid: probe.pid,
          state: probe.state,
          rate,
          lag: number(probe.stats["lag"]),
          p50Us: number(latency["p50"]),
          p99Us: number(latency["p99"]),
          restarts,
        };
      }),
    );
  }

  async #gatewayState(): Promise<GatewayState | null> {
    const answer = await this.#control?.get("/state").catch(() => null);
    return answer?.status === 200 ? (answer.body as unknown as GatewayState) : null;
  }

  async #tradingView(elapsedS: number): Promise<TradingView> {
    return tradingView(elapsedS, this.#options.durationS, await this.#gatewayState());
  }

  /** Waits until `holds` or the bound; false when it did not hold in time. */
  async #until(holds: () => Promise<boolean>, msMax: number): Promise<boolean> {
    const deadline = performance.now() + msMax;
    while (!(await holds())) {
      if (performance.now() > deadline) return false;
      await sleep(50);
    }
    return true;
  }

  async #stopOne(name: ProcessName): Promise<void> {
    if (!(await this.#cluster.supervisor.stop(name, STOP_MS_MAX))) {
      process.stderr.write(
        `hft: ${name} did not stop in order; see ${this.#cluster.supervisor.logPath(name)}\n`,
      );
    }
  }

  /** Strategies first, then orders, then everything that only watches; and the proof. */
  async #end(): Promise<Result> {
    const { supervisor } = this.#cluster;
    // A process killed near the end must be back, or its part of the proof would be missing.
    await this.#cluster.untilReady(PROCESSES, performance.now() + READY_MS_MAX);
    process.stderr.write("hft: draining\n");
    const router = await this.#cluster.probe("execution-router");
    await this.#stopOne("strategy-runner");
    await this.#drain();
    await this.#stopOne("market-data");
    await this.#until(async () => {
      const [recorder, state] = [await this.#cluster.probe("recorder"), await this.#gatewayState()];
      return state !== null && Number(recorder?.stats["journalSeq"]) >= state.journalSeq;
    }, DRAIN_MS_MAX);
    const state = await this.#gatewayState();
    if (state === null)
      throw new Error(
        `the gateway did not tell its state at the end; see ${supervisor.logPath("gateway")}`,
      );
    for (const name of ["gateway", "execution-router", "recorder"] as const)
      await this.#stopOne(name);
    const wal = walFacts(join(this.#runDir, "wal"));
    const rows = await this.#loaded(wal.records);
    for (const name of ["wal-loader", "monitor", "venue-sim"] as const) await this.#stopOne(name);
    const restarts = PROCESSES.map((name) => supervisor.restarts(name));
    const facts: RunFacts = {
      gateway: gatewayFacts(state),
      venue: venueFacts(join(this.#runDir, "venue/log.ndjson")),
      wal,
      clickhouseRows: rows,
      processes: this.#pidsTogether,
      restarts: restarts.reduce((sum, each) => sum + each.all, 0),
      restartsUnasked: restarts.reduce((sum, each) => sum + each.unasked, 0),
      killsPlanned: this.#options.chaos.length,
    };
    const { durationS, speed, strategy, data } = this.#options;
    const shipped =
      strategy === join(this.#root, "strategies/simple-mm.ts") &&
      data.join() === sampleFiles(this.#root).join();
    const checks = verdict(facts, { minutes: (durationS * speed) / 60, shipped });
    if (this.#stop.signal.aborted) checks.push(check("interrupted", 1, "=", 0));
    return result(
      this.#options.paper === undefined ? "run sim" : "run paper",
      checks,
      this.#figures(facts, router?.stats ?? {}, state),
      this.#options.seed,
    );
  }

  /** Tells the gateway to drain until it says that every order is terminal; a killed gateway is told again. */
  async #drain(): Promise<void> {
    const done = await this.#until(async () => {
      await this.#control
        ?.post("/control/drain", { reason: "the run ends" })
        .catch(() => undefined);
      const state = await this.#gatewayState();
      return state !== null && state.nonTerminal === 0 && state.awaitingFills === 0;
    }, DRAIN_MS_MAX);
    if (!done) process.stderr.write("hft: not every order became terminal in time\n");
  }

  /** Rows in ClickHouse once the loader has caught up with the sealed WAL; null without ClickHouse. */
  async #loaded(records: number): Promise<number | null> {
    const url = this.#database?.url ?? null;
    if (url === null) return null;
    let rows = 0;
    await this.#until(async () => {
      rows = await clickhouseRows(url);
      return rows >= records;
    }, LOAD_MS_MAX);
    return rows;
  }

  #figures(
    facts: RunFacts,
    router: Readonly<Record<string, unknown>>,
    state: GatewayState,
  ): Record<string, unknown> {
    const built = join(this.#root, ".tools/done/build_seconds");
    return {
      mode: this.#options.paper === undefined ? "sim" : "paper",
      ...(this.#options.paper === undefined ? {} : { feed: this.#options.paper }),
      latency_us: router["latency_us"] ?? {},
      tier: state.tier,
      replies: state.replies,
      order_states: state.orders,
      books: state.positions,
      build_seconds: existsSync(built) ? Number(readFileSync(built, "utf8")) : null,
      start_seconds: Number(this.#startSeconds.toFixed(3)),
      fills: facts.venue.fills,
      orders: facts.venue.orders,
      intents: facts.gateway.intents,
      wal_records: facts.wal.records,
      clickhouse_rows: facts.clickhouseRows,
      gaps_accounted: facts.wal.gapsAccounted,
      positions: Object.fromEntries(
        [...facts.venue.positions].map(([id, lots]) => [id, String(lots)]),
      ),
      cash_e8: Object.fromEntries(
        [...facts.venue.cash].map(([asset, value]) => [asset, String(value)]),
      ),
      kills: this.#options.chaos,
      restarts: Object.fromEntries(
        PROCESSES.map((name) => [name, this.#cluster.supervisor.restarts(name).all]),
      ),
      exits: this.#cluster.exits,
      duration_s: this.#options.durationS,
      speed: this.#options.speed,
      cores: availableParallelism(),
    };
  }
}
