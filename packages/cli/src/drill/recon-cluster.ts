/** The cluster of the reconciliation drill: real processes, the venue's real weights, and the hands that make breaks. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Role } from "@tidegate/service-kit/control";
import { binanceSpot, RestClient } from "@tidegate/venues";
import { type ControlAnswer, ControlClient, NotReached } from "../control/client.ts";
import { sleep } from "../sim/cluster.ts";
import { makePrincipals } from "../sim/plan.ts";
import { assignPorts } from "../sim/ports.ts";
import type { Process } from "./processes.ts";
import { started, until } from "./started.ts";

const NAMES = ["venue-sim", "market-data", "execution-router", "gateway", "monitor"] as const;
export type Name = (typeof NAMES)[number];
export type Plant = "blind" | "no-freeze" | "slow" | "greedy";
const UP_MS_MAX = 60_000;
/** A connection that ended under a look is made anew so often. */
const TRIES_MAX = 20;
/** Recorded seconds of the market per wall second: what is bid far below it stays there. */
const SPEED = 0.05;

/** What the account of venue-sim begins with. */
const OPENING = { BTC: "10", USDT: "1000000" };

/** The gateway's own view, as far as a break could change it. */
export interface OwnView {
  readonly liveOrders: number;
  readonly fills: number;
  readonly lots: string;
  readonly frozen: boolean;
}

export class ReconCluster implements AsyncDisposable {
  readonly dir: string;
  readonly #root: string;
  readonly #plant: Plant | null;
  readonly #running: Process[] = [];
  #ports: Record<Name | "venue", number> | null = null;

  constructor(root: string, dir: string, plant: Plant | null) {
    this.#root = root;
    this.dir = dir;
    this.#plant = plant;
    mkdirSync(join(dir, "venue"), { recursive: true });
    const keys = (apiKey: string, apiSecret: string) =>
      JSON.stringify({ "binance-spot": { apiKey, apiSecret } });
    const secret = { mode: 0o600 };
    writeFileSync(join(dir, "state/venue-keys.json"), keys("sim", "sim-secret"), secret);
    writeFileSync(join(dir, "state/kill-keys.json"), keys("sim-kill", "sim-kill-secret"), secret);
    writeFileSync(join(dir, "state/opening.json"), JSON.stringify({ "binance-spot": OPENING }));
    const monitor: Role = plant === "no-freeze" ? "viewer" : "operator";
    makePrincipals(dir, [
      ["ann", "risk"],
      ["bob", "risk"],
      ["monitor", monitor],
    ]);
    const limits = JSON.parse(readFileSync(join(root, "config/limits.json"), "utf8"));
    // The market stands nearly still: its last touch stays the reference.
    for (const row of limits.instruments) row.reference_age_ms_max = 60_000;
    writeFileSync(join(dir, "config/limits.json"), JSON.stringify(limits));
  }

  async start(): Promise<void> {
    this.#ports = await assignPorts([...NAMES, "venue"] as const, 0);
    for (const name of NAMES) {
      const process = await started(this.#root, this.dir, name, this.#config(name));
      this.#running.push(process);
    }
    if (this.#plant === "blind") return;
    await until("the reconciliation compares", UP_MS_MAX, async () => {
      const { status, body } = await this.as("ann", "monitor").get("/recon");
      const asked = body["asked"] as { balances?: number } | undefined;
      return status === 200 && body["whole"] === true && (asked?.balances ?? 0) > 0;
    });
  }

  #config(name: Name): Readonly<Record<string, unknown>> & { readonly httpPort: number } {
    const ports = this.#ports;
    if (ports === null) throw new Error("the cluster has no ports yet");
    const { http, ws } = this.#venue();
    const httpPort = ports[name];
    const instrumentsFile = join(this.#root, "config/instruments.json");
    switch (name) {
      case "venue-sim":
        return { httpPort, port: ports.venue, speed: SPEED, requestLog: true };
      case "market-data":
        return {
          ...{ httpPort, instrumentsFile, reconnectMsMin: 100 },
          ...{ spotStreamUrl: ws, spotRestUrl: http, usdmStreamUrl: ws, usdmRestUrl: http },
        };
      case "execution-router":
        return {
          ...{ httpPort, instrumentsFile, keysFile: "state/venue-keys.json", tier: "T0" },
          ...{ spotWsApiUrl: ws, spotRestUrl: http },
        };
      case "gateway":
        return { httpPort, instrumentsFile, limitsFile: join(this.dir, "config/limits.json") };
      case "monitor":
        return { ...this.#monitor(http, ws), httpPort, instrumentsFile };
    }
  }

  #monitor(http: string, ws: string): Readonly<Record<string, unknown>> {
    const recon =
      this.#plant === "blind"
        ? {}
        : { reconSpotWsApiUrl: ws, reconOpeningFile: "state/opening.json", reconGraveCases: 50 };
    return {
      ...{ haltAfterMs: 0, killKeysFile: "state/kill-keys.json", killSpotRestUrl: http },
      ...{ principalsFile: "state/principals.json", ...recon },
      ...(this.#plant === "slow" ? { reconSettleMs: 6_000 } : {}),
      // The planted fault: it believes that the venue allows ten times as much.
      ...(this.#plant === "greedy" ? { spotWeightPerMinute: 60_000 } : {}),
    };
  }

  #venue() {
    const port = this.#ports?.venue ?? 0;
    return { http: `http://127.0.0.1:${port}`, ws: `ws://127.0.0.1:${port}` };
  }

  as(person: "ann" | "bob", service: "gateway" | "monitor"): ControlClient {
    return ControlClient.of(this.dir, service, person);
  }

  /** One request of a person with the account's own key, as from the venue's page. */
  async atVenue(
    method: "GET" | "POST" | "DELETE",
    params: Readonly<Record<string, string>>,
  ): Promise<void> {
    const key = { key: "sim", secret: () => "sim-secret" };
    const rest = new RestClient({ baseUrl: this.#venue().http, key });
    const all = Object.entries({ symbol: "BTCUSDT", ...params });
    const { status, body } = await rest.ask(method, binanceSpot.paths.order, all, "signed");
    if (status !== 200) throw new Error(`the venue: ${Buffer.from(body).toString("utf8")}`);
  }

  /** Throws a switch of the simulator, or makes a fault. */
  async control(request: Readonly<Record<string, unknown>>): Promise<void> {
    const sent = { method: "POST", body: JSON.stringify({ market: "spot", ...request }) };
    const answer = await fetch(`${this.#venue().http}/_sim`, sent);
    if (answer.status !== 200) throw new Error(`venue-sim: ${await answer.text()}`);
  }

  /** Best bid and ask in ticks of 0.01. */
  async touch(): Promise<{ readonly bid: number; readonly ask: number }> {
    const answer = await fetch(`${this.#venue().http}/api/v3/depth?symbol=BTCUSDT&limit=5`);
    const { bids, asks } = (await answer.json()) as Record<"bids" | "asks", [string, string][]>;
    const ticks = (row: [string, string] | undefined) => Math.round(Number(row?.[0]) * 100);
    return { bid: ticks(bids?.[0]), ask: ticks(asks?.[0]) };
  }

  /** A look; a connection that ended under it is made anew. */
  async see(service: "gateway" | "monitor", path: string): Promise<ControlAnswer> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.as("ann", service).get(path);
      } catch (error) {
        if (!(error instanceof NotReached) || tries > TRIES_MAX) throw error;
        await sleep(100);
      }
    }
  }

  async own(): Promise<OwnView> {
    const { body } = await this.see("gateway", "/state");
    const { liveOrders, fills, positions, frozen } = body as {
      liveOrders: number;
      fills: number;
      frozen: number[];
      positions: { instrumentId: number; positionLots: string }[];
    };
    const lots = positions
      .filter(({ instrumentId }) => instrumentId === 1)
      .reduce((sum, { positionLots }) => sum + BigInt(positionLots), 0n);
    return { liveOrders, fills, lots: `${lots}`, frozen: frozen.includes(1) };
  }

  /** Errors  a process that has ended, with its last words */
  alive(): void {
    for (const each of this.#running)
      if (!each.running) throw new Error(`${each.name} ended: ${each.text.slice(-1_500)}`);
  }

  /** The end of what a process has written. */
  words(name: Name): string {
    return this.#running.find((each) => each.name === name)?.text ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#running.toReversed()) await each[Symbol.asyncDispose]();
  }
}
