/** The cluster of the poison drill: venue, feed, router and gateway as processes, and the market they stand in. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ControlClient } from "../control/client.ts";
import { makePrincipals } from "../sim/plan.ts";
import { assignPorts } from "../sim/ports.ts";
import type { Process } from "./processes.ts";
import { started } from "./started.ts";

const NAMES = ["venue-sim", "market-data", "execution-router", "gateway"] as const;
type Name = (typeof NAMES)[number];
/** Recorded seconds of the market per wall second. */
const SPEED = 4;
const LOOK_MS_MAX = 1_000;

/** Numbers of the two strategies. */
export const NEIGHBOUR = 1;
export const POISON = 2;

export class PoisonCluster implements AsyncDisposable {
  readonly dir: string;
  readonly #root: string;
  readonly #running = new Map<Name, Process>();
  ports: Record<Name | "venue", number> | null = null;

  constructor(root: string, dir: string) {
    this.#root = root;
    this.dir = dir;
    // As the units have it: what is ours is no other user's to look into.
    for (const folder of ["s", "state", "config", "venue"])
      mkdirSync(join(dir, folder), { mode: 0o700 });
    const pair = { apiKey: "sim", apiSecret: "sim-secret" };
    const keys = JSON.stringify({ "binance-spot": pair, "binance-usdm": pair });
    writeFileSync(join(dir, "state/venue-keys.json"), keys, { mode: 0o600 });
    makePrincipals(dir, [["ann", "risk"]]);
    const limits = JSON.parse(readFileSync(join(root, "config/limits.json"), "utf8"));
    limits.firm.open_orders_max = 4_000;
    const [row] = limits.strategies;
    limits.strategies = [NEIGHBOUR, POISON].map((strategy_id) => ({
      ...{ ...row, strategy_id, open_orders_max: 1_000, messages_max: 4_000 },
      duplicates: { count_max: 4_000, window_ms: 1_000 },
    }));
    for (const each of limits.instruments)
      Object.assign(each, { reference_age_ms_max: 5_000, slippage_bps: 500, collar_bps: 500 });
    writeFileSync(join(dir, "config/limits.json"), JSON.stringify(limits));
  }

  async start(): Promise<void> {
    this.ports = await assignPorts([...NAMES, "venue"] as const, 0);
    const { ports } = this;
    const http = `http://127.0.0.1:${ports.venue}`;
    const ws = `ws://127.0.0.1:${ports.venue}`;
    const instrumentsFile = join(this.#root, "config/instruments.json");
    const configs: Readonly<Record<Name, Readonly<Record<string, unknown>>>> = {
      "venue-sim": { port: ports.venue, speed: SPEED, ratesScale: 100, openOrdersMax: 8_192 },
      "market-data": {
        ...{ instrumentsFile, reconnectMsMin: 100 },
        ...{ spotStreamUrl: ws, spotRestUrl: http, usdmStreamUrl: ws, usdmRestUrl: http },
      },
      "execution-router": {
        ...{ instrumentsFile, keysFile: "state/venue-keys.json", deadManMs: 0 },
        ...{ spotWsApiUrl: ws, spotRestUrl: http },
        ...{ usdmWsApiUrl: ws, usdmStreamUrl: ws, usdmRestUrl: http },
        ...{ usdmOrdersPer10s: 10_000, usdmOrdersPerMinute: 60_000 },
        ...{ spotWeightPerMinute: 600_000, usdmWeightPerMinute: 240_000 },
      },
      gateway: { instrumentsFile, limitsFile: join(this.dir, "config/limits.json") },
    };
    for (const name of NAMES)
      this.#running.set(
        name,
        await started(this.#root, this.dir, name, { ...configs[name], httpPort: ports[name] }),
      );
  }

  get gateway(): Process {
    const found = this.#running.get("gateway");
    if (found === undefined) throw new Error("the gateway was not started");
    return found;
  }

  /** Why the gateway is not well, "" where it is. */
  async unwell(): Promise<string> {
    if (!this.gateway.running) return "it has ended";
    try {
      const url = `http://127.0.0.1:${this.ports?.gateway ?? 0}/ready`;
      const answer = await fetch(url, { signal: AbortSignal.timeout(LOOK_MS_MAX) });
      return answer.status === 200 ? "" : `ready answers ${answer.status}: ${await answer.text()}`;
    } catch (error) {
      return `no answer within ${LOOK_MS_MAX} ms: ${(error as Error).message}`;
    }
  }

  /** Orders the gateway holds as live, and its policy. */
  async state(): Promise<{ readonly live: number; readonly policy: string }> {
    const { body } = await ControlClient.of(this.dir, "gateway", "ann").get("/state");
    const { liveOrders, policy } = body as { liveOrders: number; policy?: { state?: string } };
    return { live: liveOrders, policy: policy?.state ?? "?" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [...this.#running.values()].toReversed()) {
      if (each.running) each.child.kill("SIGCONT");
      await each[Symbol.asyncDispose]();
    }
  }
}
