/** The cluster of the reconciliation drill: real processes, the venue's real weights, and the hands that make breaks. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Role } from "@tidegate/service-kit/control";
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

/** A stock beside the two of the shipped table: no process of the cluster trades it, the monitor reconciles it. */
const STOCK = {
  ...{ id: 3, venue_id: 3, venue: "ALPACA", symbol: "AAPL", kind: "equity" },
  ...{ base: "AAPL", quote: "USD", px_scale: 2, px_unit: 1, qty_scale: 6, qty_unit: 1 },
  ...{ e8_per_tick_lot: 1, min_qty_lots: 1, max_qty_lots: 1_000_000_000, min_notional_e8: 0 },
};

/** The venues whose accounts are reconciled in the drill. */
export const VENUES = ["spot", "usdm", "alpaca"] as const;
export type DrillVenue = (typeof VENUES)[number];

/** The gateway's own view of one instrument, as far as a break could change it. */
export interface OwnView {
  readonly liveOrders: number;
  readonly fills: number;
  readonly lots: string;
  readonly frozen: boolean;
}

/** What another use of the cluster wants otherwise. */
export interface More {
  /** Recorded seconds of the market per wall second. */
  readonly speed?: number;
  readonly monitor?: Readonly<Record<string, unknown>>;
}

/** What the monitor says of one venue, as far as the drill reads it. */
interface Status {
  readonly whole: boolean;
  readonly asked: { readonly balances: number };
}

export class ReconCluster implements AsyncDisposable {
  readonly dir: string;
  readonly #root: string;
  readonly #plant: Plant | null;
  readonly #reconciled: DrillVenue;
  readonly #more: More;
  readonly #running: Process[] = [];
  #ports: Record<Name | "venue" | "alpaca", number> | null = null;

  constructor(root: string, dir: string, plant: Plant | null, venue: DrillVenue, more: More = {}) {
    this.#root = root;
    this.dir = dir;
    this.#plant = plant;
    this.#reconciled = venue;
    this.#more = more;
    mkdirSync(join(dir, "venue"), { recursive: true });
    const keys = (apiKey: string, apiSecret: string) => {
      const pair = { apiKey, apiSecret };
      return JSON.stringify({ "binance-spot": pair, "binance-usdm": pair });
    };
    const ours = { apiKey: "sim-kill", apiSecret: "sim-kill-secret" };
    const monitorKeys = { "binance-spot": ours, "binance-usdm": ours, alpaca: ours };
    const secret = { mode: 0o600 };
    writeFileSync(join(dir, "state/venue-keys.json"), keys("sim", "sim-secret"), secret);
    writeFileSync(join(dir, "state/kill-keys.json"), JSON.stringify(monitorKeys), secret);
    const opening = JSON.parse(readFileSync(join(root, "config/opening.json"), "utf8")) as object;
    const stock = { alpaca: { AAPL: "0", USD: "100000" } };
    writeFileSync(join(dir, "state/opening.json"), JSON.stringify({ ...opening, ...stock }));
    const table = JSON.parse(readFileSync(join(root, "config/instruments.json"), "utf8"));
    if (venue === "alpaca") table.instruments.push(STOCK);
    writeFileSync(join(dir, "config/instruments.json"), JSON.stringify(table));
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
    this.#ports = await assignPorts([...NAMES, "venue", "alpaca"] as const, 0);
    for (const name of NAMES) {
      const process = await started(this.#root, this.dir, name, this.#config(name));
      this.#running.push(process);
    }
    if (this.#plant === "blind") return;
    await until("the reconciliation compares", UP_MS_MAX, async () => {
      const { status, body } = await this.as("ann", "monitor").get("/recon");
      const venues = Object.values((body["venues"] ?? {}) as Record<string, Status>);
      const compares = (each: Status) => each.whole && each.asked.balances > 0;
      return status === 200 && venues.length > 0 && venues.every(compares);
    });
  }

  #config(name: Name): Readonly<Record<string, unknown>> & { readonly httpPort: number } {
    const ports = this.#ports;
    if (ports === null) throw new Error("the cluster has no ports yet");
    const { http, ws } = this.#venue();
    const httpPort = ports[name];
    const instrumentsFile = join(this.dir, "config/instruments.json");
    switch (name) {
      case "venue-sim":
        return {
          ...{ httpPort, port: ports.venue, speed: this.#more.speed ?? SPEED, requestLog: true },
          ...{ alpaca: this.#reconciled === "alpaca", alpacaPort: ports.alpaca },
        };
      case "market-data":
        return {
          ...{ httpPort, instrumentsFile, reconnectMsMin: 100 },
          ...{ spotStreamUrl: ws, spotRestUrl: http, usdmStreamUrl: ws, usdmRestUrl: http },
        };
      case "execution-router":
        return {
          ...{ httpPort, instrumentsFile, keysFile: "state/venue-keys.json", tier: "T0" },
          ...{ spotWsApiUrl: ws, spotRestUrl: http },
          ...{ usdmWsApiUrl: ws, usdmStreamUrl: ws, usdmRestUrl: http },
        };
      case "gateway":
        return { httpPort, instrumentsFile, limitsFile: join(this.dir, "config/limits.json") };
      case "monitor":
        return { ...this.#monitor(http, ws), httpPort, instrumentsFile };
    }
  }

  #monitor(http: string, ws: string): Readonly<Record<string, unknown>> {
    const keys: Readonly<Record<DrillVenue, object>> = {
      spot: { reconSpotWsApiUrl: ws },
      usdm: { reconUsdmStreamUrl: ws },
      alpaca: {
        reconAlpacaRestUrl: this.alpaca,
        reconAlpacaStreamUrl: this.alpaca.replace("http", "ws"),
      },
    };
    const recon =
      this.#plant === "blind"
        ? {}
        : {
            ...{ reconOpeningFile: "state/opening.json", reconGraveCases: 50 },
            ...keys[this.#reconciled],
          };
    return {
      ...{ haltAfterMs: 0, killKeysFile: "state/kill-keys.json", killSpotRestUrl: http },
      killUsdmRestUrl: http,
      ...{ principalsFile: "state/principals.json", ...recon, ...this.#more.monitor },
      ...(this.#plant === "slow" ? { reconSettleMs: 6_000 } : {}),
      // The planted fault: it believes that the venue allows ten times as much.
      ...(this.#plant === "greedy"
        ? {
            spotWeightPerMinute: 60_000,
            usdmWeightPerMinute: 24_000,
            alpacaRequestsPerMinute: 2_000,
          }
        : {}),
    };
  }

  #venue() {
    const { http } = this;
    return { http, ws: http.replace("http", "ws") };
  }

  /** Where the Binance markets of venue-sim are. */
  get http(): string {
    return `http://127.0.0.1:${this.#ports?.venue ?? 0}`;
  }

  /** And Alpaca's orders. */
  get alpaca(): string {
    return `http://127.0.0.1:${this.#ports?.alpaca ?? 0}`;
  }

  as(person: "ann" | "bob", service: "gateway" | "monitor"): ControlClient {
    return ControlClient.of(this.dir, service, person);
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

  async own(instrument: number): Promise<OwnView> {
    const { body } = await this.see("gateway", "/state");
    const { liveOrders, fills, positions, frozen } = body as {
      liveOrders: number;
      fills: number;
      frozen: number[];
      positions: { instrumentId: number; positionLots: string }[];
    };
    const lots = positions
      .filter(({ instrumentId }) => instrumentId === instrument)
      .reduce((sum, { positionLots }) => sum + BigInt(positionLots), 0n);
    return { liveOrders, fills, lots: `${lots}`, frozen: frozen.includes(instrument) };
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
