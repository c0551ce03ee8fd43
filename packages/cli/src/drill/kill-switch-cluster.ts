/** The cluster of the kill drill: real processes that are killed, stopped and started again, and the ways to reach each. */

import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Role } from "@tidegate/service-kit/control";
import { binanceUsdm, RestClient } from "@tidegate/venues";
import { ControlClient } from "../control/client.ts";
import { makePrincipals } from "../sim/plan.ts";
import { assignPorts } from "../sim/ports.ts";
import { Process } from "./processes.ts";

const UP_MS_MAX = 60_000;
/** Recorded seconds of the market per wall second. */
const MARKET_SPEED = 0.1;
const PLACE_MS_MAX = 60_000;
/** Resting orders placed at once. */
const LANES = 4;
const NAMES = ["venue-sim", "market-data", "execution-router", "gateway", "monitor"] as const;
export type Name = (typeof NAMES)[number];

/** Who acts in the drill: two who may lift a kill, and the monitor itself. */
const PEOPLE: readonly (readonly [string, Role])[] = [
  ["ann", "risk"],
  ["bob", "risk"],
  ["monitor", "operator"],
];

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export interface Faults {
  /** The router looks for another kill file than the one that is made. */
  readonly wrongFile: boolean;
  /** The monitor's key is one the venue does not know. */
  readonly wrongKey: boolean;
}

export class KillCluster implements AsyncDisposable {
  readonly #root: string;
  readonly dir: string;
  readonly #faults: Faults;
  readonly #limits: string;
  readonly #running = new Map<string, Process>();
  readonly #latchedMs = new Map<string, number>();
  #ports: Record<(typeof NAMES)[number] | "venue", number> | null = null;
  /** Another journal, latch and epoch of the gateway: one that was never told of anything. */
  gatewayFolder = "one";

  constructor(root: string, dir: string, faults: Faults) {
    this.#root = root;
    this.dir = dir;
    this.#faults = faults;
    for (const folder of ["s", "state", "config"]) mkdirSync(join(dir, folder), { mode: 0o700 });
    const key = (apiKey: string, apiSecret: string) => {
      const pair = { apiKey, apiSecret };
      return JSON.stringify({ "binance-spot": pair, "binance-usdm": pair });
    };
    const secret = { mode: 0o600 };
    writeFileSync(join(dir, "state/venue-keys.json"), key("sim", "sim-secret"), secret);
    const own = faults.wrongKey ? "stranger" : "sim-kill";
    writeFileSync(join(dir, "state/kill-keys.json"), key(own, "sim-kill-secret"), secret);
    makePrincipals(dir, PEOPLE);
    const limits = JSON.parse(readFileSync(join(root, "config/limits.json"), "utf8"));
    limits.firm.open_orders_max = 4_000;
    Object.assign(limits.strategies[0], {
      ...{ open_orders_max: 4_000, messages_max: 4_000 },
      // The flow asks for the same again and again.
      duplicates: { count_max: 4_000, window_ms: 1_000 },
    });
    for (const row of limits.instruments) {
      Object.assign(row, { reference_age_ms_max: 5_000, position_lots_max: 1_000_000 });
      row.exposure_e8_max = 20_000_000_000_000;
    }
    this.#limits = join(dir, "config/limits.json");
    writeFileSync(this.#limits, JSON.stringify(limits));
  }

  async ports() {
    this.#ports ??= await assignPorts([...NAMES, "venue"] as const, 0);
    return this.#ports;
  }

  async #config(name: Name): Promise<object> {
    const ports = await this.ports();
    const http = `http://127.0.0.1:${ports.venue}`;
    const ws = `ws://127.0.0.1:${ports.venue}`;
    const instrumentsFile = join(this.#root, "config/instruments.json");
    const httpPort = ports[name];
    switch (name) {
      case "venue-sim":
        // Slow: each message of the market is held against every resting order, and there are ten thousand.
        return {
          ...{ httpPort, port: ports.venue, speed: MARKET_SPEED },
          ...{ openOrdersMax: 16_384, ratesScale: 100 },
        };
      case "market-data":
        return {
          ...{ httpPort, instrumentsFile, reconnectMsMin: 100 },
          ...{ spotStreamUrl: ws, spotRestUrl: http, usdmStreamUrl: ws, usdmRestUrl: http },
        };
      case "execution-router":
        return {
          ...{ httpPort, instrumentsFile, keysFile: "state/venue-keys.json" },
          ...{ spotWsApiUrl: ws, spotRestUrl: http },
          ...{ usdmWsApiUrl: ws, usdmStreamUrl: ws, usdmRestUrl: http },
          // As many times as the venue of the drill allows.
          ...{ usdmOrdersPer10s: 10_000, usdmOrdersPerMinute: 60_000 },
          ...{ spotWeightPerMinute: 600_000, usdmWeightPerMinute: 240_000 },
          // Not this switch is on trial, and a venue busy with ten thousand orders would set it off.
          deadManMs: 0,
          ...(this.#faults.wrongFile ? { killFile: "state/elsewhere" } : {}),
        };
      case "gateway":
        return {
          ...{ httpPort, instrumentsFile, limitsFile: this.#limits },
          journalDir: `journal/gateway-${this.gatewayFolder}`,
          latchFile: `state/gateway-${this.gatewayFolder}.latch`,
        };
      case "monitor":
        return {
          ...{ httpPort, instrumentsFile, haltAfterMs: 0, killKeysFile: "state/kill-keys.json" },
          ...{ killSpotRestUrl: http, killUsdmRestUrl: http },
          ...{ spotWeightPerMinute: 600_000, usdmWeightPerMinute: 240_000 },
          principalsFile: "state/principals.json",
        };
    }
  }

  /** Starts a process and waits until it answers as `ready` wants. */
  async start(name: Name, ready: "answers" | "ready" = "ready"): Promise<void> {
    const file = join(this.dir, "config", `${name}.json`);
    writeFileSync(file, JSON.stringify(await this.#config(name)));
    const started = new Process(this.#root, name, this.dir, [], {
      TIDEGATE_CONFIG: file,
      TIDEGATE_DIE_WITH_PARENT: "1",
      NODE_COMPILE_CACHE: join(this.#root, ".tools/compile-cache"),
    });
    this.#running.set(name, started);
    started.onLine((line) => this.#onLine(name, line));
    const port = (await this.ports())[name];
    await this.until(`${name} is up`, UP_MS_MAX, async () => {
      if (!started.running) throw new Error(`${name} ended: ${started.text.slice(-1_500)}`);
      try {
        const path = ready === "ready" ? "ready" : "live";
        const answer = await fetch(`http://127.0.0.1:${port}/${path}`);
        const body = (await answer.json()) as { pid?: number; state?: string };
        return answer.status === 200 && body.state !== "STARTING";
      } catch {
        return false;
      }
    });
  }

  /** The line that says a latch is held names the moment at which it was on the disk. */
  #onLine(name: Name, line: string): void {
    if (!line.includes('"killed"')) return;
    try {
      const { msg, latchedNs } = JSON.parse(line) as { msg?: string; latchedNs?: string };
      if (msg === "killed" && latchedNs !== undefined)
        this.#latchedMs.set(name, Number(BigInt(latchedNs) / 1_000n) / 1_000);
    } catch {
      // No line of the log.
    }
  }

  /** When a process last said that it holds its latch, from a moment on; null where it has not. */
  latchedMs(name: Name, sinceMs: number): number | null {
    const at = this.#latchedMs.get(name);
    return at !== undefined && at >= sinceMs ? at : null;
  }

  process(name: Name): Process {
    const found = this.#running.get(name);
    if (found === undefined) throw new Error(`${name} was not started`);
    return found;
  }

  isUp(name: Name): boolean {
    return this.#running.get(name)?.running === true;
  }

  signal(name: Name, signal: NodeJS.Signals): void {
    this.process(name).child.kill(signal);
  }

  /** SIGKILL, and waits for its end. */
  async kill(name: Name): Promise<void> {
    const { child } = this.process(name);
    if (!this.process(name).running) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  as(person: "ann" | "bob", service: "gateway" | "monitor"): ControlClient {
    return ControlClient.of(this.dir, service, person);
  }

  async state(): Promise<Readonly<Record<string, unknown>>> {
    return (await this.as("ann", "gateway").get("/state")).body;
  }

  async policy(): Promise<string> {
    try {
      const policy = (await this.state())["policy"] as { state?: string } | undefined;
      return policy?.state ?? "?";
    } catch {
      return "gone";
    }
  }

  /** The router's own word, over its health page. */
  async router(): Promise<Readonly<Record<string, unknown>>> {
    const port = (await this.ports())["execution-router"];
    const answer = await fetch(`http://127.0.0.1:${port}/health`);
    return ((await answer.json()) as { stats: Record<string, unknown> }).stats;
  }

  async until(what: string, msMax: number, holds: () => boolean | Promise<boolean>): Promise<void> {
    const end = performance.now() + msMax;
    while (!(await holds())) {
      if (performance.now() > end) throw new Error(`never within ${msMax} ms: ${what}`);
      await sleep(10);
    }
  }

  #trading(): Promise<RestClient> {
    return this.ports().then(
      ({ venue }) =>
        new RestClient({
          baseUrl: `http://127.0.0.1:${venue}`,
          key: { key: "sim", secret: () => "sim-secret" },
          answerMsMax: PLACE_MS_MAX,
        }),
    );
  }

  /** Takes away what rests, as a person with the venue's own page would. */
  async cancelAll(): Promise<void> {
    await binanceUsdm.queries.cancelAll(await this.#trading(), "BTCUSDT");
  }

  /** So many resting orders of nobody in the cluster: a strategy on another host, a person, an earlier day. */
  async rest(count: number, price: string, tag: string): Promise<void> {
    const rest = await this.#trading();
    let next = 0;
    const place = async (id: string): Promise<void> => {
      const params = [
        ["symbol", "BTCUSDT"],
        ["side", "BUY"],
        ["type", "LIMIT"],
        ["timeInForce", "GTC"],
        ["price", price],
        ["quantity", "0.001"],
        ["newClientOrderId", id],
      ] as const;
      for (;;) {
        const { status, body } = await rest.ask("POST", "/fapi/v1/order", params, "signed");
        if (status === 200) return;
        const text = Buffer.from(body).toString("utf8");
        // Overloaded, or answered too late for its stamp: both say that nothing was done.
        if (status !== 503 && !text.includes('"code":-1021'))
          throw new Error(`a resting order was refused: ${text}`);
        await sleep(50);
      }
    };
    const lane = async (): Promise<void> => {
      for (let n = next++; n < count; n = next++) await place(`${tag}-${n}`);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#running.keys()) {
      const process = this.#running.get(name);
      if (process?.running === true) process.child.kill("SIGCONT");
    }
    await Promise.all([...this.#running.values()].map((each) => each[Symbol.asyncDispose]()));
  }
}
