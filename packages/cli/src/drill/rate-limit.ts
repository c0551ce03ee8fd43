/**
 * `hft drill rate-limit`: the real execution-router and a second process of the same account, each pressed far beyond what the
 * venue allows, while the venue now and then says 429 and 418. The venue's own log judges.
 */

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Report } from "@tidegate/contracts";
import { binanceSpot } from "@tidegate/venues";
import { check, type Result, result } from "../result.ts";
import { makeRunDir, removeRunDir, sleep } from "../sim/cluster.ts";
import { UsageError } from "../sim/options.ts";
import { assignPorts } from "../sim/ports.ts";
import { GatewayEnd, orderIds } from "./gateway-end.ts";
import { VenueTail } from "./kill-switch-flow.ts";
import { type Limit, type Request, silences, windows } from "./rate-limit-judge.ts";
import { started, until } from "./started.ts";

const BREAKS = ["greedy", "no-budget", "lost-cancel"] as const;
/** A hundred times what the venue allows. */
const NEW_PER_S = 1_000;
/** Of each ten seconds, so many of acknowledged orders are cancelled; above the reserve of 18. */
const UP_MS_MAX = 60_000;
const SETTLE_MS_MAX = 90_000;
const LIMIT_MS = 10_000;
/** How long an answer may lie unread in a process that is pressed this hard, ms. */
const GRACE_MS = 250;
/** Fewest windows, cancels and blocks that say anything. */
const WINDOWS_MIN = 100;
const CANCELS_MIN = 50;
/** Scripted blocks: when, with what, for how long. */
const BLOCK_EVERY_MS = 12_000;
const BLOCKS = [
  { status: 429, ms: 2_000 },
  { status: 418, ms: 4_000 },
] as const;

export interface RateLimitOptions {
  readonly seconds: number;
  readonly plant: string | null;
  readonly progress: (text: string) => void;
}

/** The gateway's end of the command link, as far as pressure needs one. */
class Pressure implements AsyncDisposable {
  readonly #end: GatewayEnd;
  readonly #pxTicks: () => number;
  #orders = 0;
  /** Client order ids the venue holds, oldest first. */
  readonly #held: string[] = [];
  readonly cancelled = new Map<string, number>();
  readonly reasons = new Map<string, number>();
  granted = false;
  venueUp = false;
  asked = 0;

  private constructor(end: GatewayEnd, pxTicks: () => number) {
    this.#end = end;
    this.#pxTicks = pxTicks;
  }

  static async connect(url: string, pxTicks: () => number): Promise<Pressure> {
    let pressure: Pressure | null = null;
    const end = await GatewayEnd.connect(url, (report) => pressure?.take(report));
    pressure = new Pressure(end, pxTicks);
    return pressure;
  }

  get state(): string {
    return this.#end.state;
  }

  take({ kind, reason, clientOrderId }: Report): void {
    this.reasons.set(`${kind} ${reason}`, (this.reasons.get(`${kind} ${reason}`) ?? 0) + 1);
    if (kind === "GRANTED") this.granted = true;
    if (kind === "VENUE_UP") this.venueUp = true;
    if (kind === "ACK") this.#held.push(clientOrderId);
  }

  grant(): void {
    this.#end.grant();
  }

  order(): void {
    this.#orders += 1;
    const terms = { side: "BUY", orderType: "LIMIT", tif: "GTC", accountId: 1 };
    const size = { pxTicks: this.#pxTicks(), qtyLots: 10 };
    if (this.#end.send({ kind: "NEW", ...orderIds(this.#orders), ...terms, ...size }))
      this.asked += 1;
  }

  /** Cancels the oldest order the venue holds. */
  cancel(): boolean {
    const clientOrderId = this.#held.shift();
    if (clientOrderId === undefined) return false;
    this.cancelled.set(clientOrderId, Date.now());
    // Twice: the second one is folded into the first.
    this.#end.send({ kind: "CANCEL", clientOrderId });
    return this.#end.send({ kind: "CANCEL", clientOrderId });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end[Symbol.asyncDispose]();
  }
}

/** Runs the second process to its end; what it did. */
function second(url: string, seconds: number, plant: string | null) {
  const main = fileURLToPath(new URL("rate-limit-second.ts", import.meta.url));
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", main, url, String(seconds), plant ?? ""],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let text = "";
  child.stdout.on("data", (data: Buffer) => (text += data.toString("utf8")));
  return new Promise<Record<string, number>>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => {
      const last = text.trimEnd().split("\n").at(-1) ?? "";
      if (code === 0) resolve(JSON.parse(last) as Record<string, number>);
      else reject(new Error(`the second process ended with ${code}`));
    });
  });
}

export async function drillRateLimit(root: string, options: RateLimitOptions): Promise<Result> {
  const { plant, seconds } = options;
  if (plant !== null && !(BREAKS as readonly string[]).includes(plant))
    throw new UsageError(`--break ${plant}: want ${BREAKS.join(", ")}`);
  const dir = makeRunDir(root, { runDir: null });
  let keep = true;
  try {
    const value = await press(root, dir, options);
    keep = !value.ok && plant === null;
    if (keep) options.progress(`drill: what it left is in ${dir}`);
    return value;
  } finally {
    if (!keep) removeRunDir(root, dir);
  }

  async function press(root: string, dir: string, { progress }: RateLimitOptions) {
    mkdirSync(join(dir, "venue"), { recursive: true });
    const ports = await assignPorts(["venue-sim", "execution-router", "venue"] as const, 0);
    const http = `http://127.0.0.1:${ports.venue}`;
    const pair = { apiKey: "sim", apiSecret: "sim-secret" };
    writeFileSync(join(dir, "state/venue-keys.json"), JSON.stringify({ "binance-spot": pair }), {
      mode: 0o600,
    });
    const { ordersPer10s, weightPerMinute } = binanceSpot.limits.limits;
    await using venue = await started(root, dir, "venue-sim", {
      ...{ httpPort: ports["venue-sim"], port: ports.venue, speed: 0.1, requestLog: true },
      openOrdersMax: 16_384,
    });
    await using router = await started(root, dir, "execution-router", {
      ...{ httpPort: ports["execution-router"], tier: "T0", keysFile: "state/venue-keys.json" },
      instrumentsFile: join(root, "config/instruments.json"),
      ...{ spotWsApiUrl: `ws://127.0.0.1:${ports.venue}`, spotRestUrl: http },
      // The planted fault: it believes that the venue allows ten times as much.
      spotOrdersPer10s: plant === "greedy" ? 10 * ordersPer10s : ordersPer10s,
    });
    const bid = await restingPrice(http);
    await using pressure = await Pressure.connect(
      `ipc://${join(dir, "s/command.sock")}`,
      () => bid,
    );
    await until("the router's link is in step", UP_MS_MAX, () => pressure.state === "SYNCED");
    pressure.grant();
    await until("the router is granted and its venue up", UP_MS_MAX, () => {
      return pressure.granted && pressure.venueUp;
    });
    progress(
      `drill: ${seconds} s of ${NEW_PER_S} orders a second and a second process beside them`,
    );
    const other = second(http, seconds, plant);
    const began = performance.now();
    let [owed, last, blocks, cancelOwed] = [0, began, 0, 0];
    while (performance.now() - began < seconds * 1_000) {
      await sleep(5);
      const now = performance.now();
      owed += ((now - last) * NEW_PER_S) / 1_000;
      // First within what stays for cancels, then above it: all at once.
      const within = now - began < (seconds * 1_000) / 2;
      cancelOwed += ((now - last) * (within ? 1.5 : 12)) / 1_000;
      last = now;
      for (; owed >= 1; owed -= 1) pressure.order();
      for (; cancelOwed >= 1; cancelOwed -= 1) if (!pressure.cancel()) break;
      if (now - began > BLOCK_EVERY_MS * (blocks + 1) - BLOCK_EVERY_MS / 2) {
        const { status, ms } = BLOCKS[blocks % BLOCKS.length] ?? BLOCKS[0];
        blocks += 1;
        const fault = { fault: "rate_limit", market: "spot", status, ms };
        await fetch(`${http}/_sim`, { method: "POST", body: JSON.stringify(fault) });
        progress(`drill: the venue says ${status} for ${ms} ms`);
      }
    }
    const did = await other;
    progress("drill: the pressure ends; every cancel has to reach the venue");
    const tail = new VenueTail(join(dir, "venue/log.ndjson"));
    const dropped = (): string[] => {
      tail.read();
      return [...pressure.cancelled.keys()].filter((id) => tail.open.has(id));
    };
    const end = performance.now() + (plant === null ? SETTLE_MS_MAX : LIMIT_MS);
    while (dropped().length > 0 && performance.now() < end) await sleep(100);
    const left = plant === "lost-cancel" ? ["planted"] : dropped();
    const stats = await routerStats(ports["execution-router"]);
    if (!venue.running || !router.running)
      throw new Error(`a process ended: ${venue.text.slice(-500)} ${router.text.slice(-500)}`);
    return judge(left);

    function judge(left: readonly string[]): Result {
      const requests = requestLines(join(dir, "venue/requests.ndjson"));
      const limits: readonly Limit[] = [
        { name: "orders_10s", windowMs: LIMIT_MS, max: ordersPer10s, of: (r) => r.orders },
        { name: "weight_60s", windowMs: 60_000, max: weightPerMinute, of: (r) => r.weight },
        {
          name: "weight_60s_second_process",
          ...{ windowMs: 60_000, max: weightPerMinute / 10 },
          of: (r) => (r.key === "sim-kill" ? r.weight : 0),
        },
      ];
      const held = limits.map((limit) => ({ name: limit.name, ...windows(requests, limit) }));
      const quiet = silences(requests, GRACE_MS);
      const delays = [...pressure.cancelled]
        .map(([id, atMs]) => (tail.orders.get(id)?.endedMs ?? Number.NaN) - atMs)
        .filter((ms) => Number.isFinite(ms))
        .sort((a, b) => a - b);
      const at = (share: number) => delays[Math.floor((delays.length - 1) * share)] ?? Number.NaN;
      const over = held.reduce((sum, each) => sum + each.over, 0);
      return result(
        "drill rate-limit",
        [
          check("windows_over_limit", over, "=", 0),
          check(
            "windows_over_limit_of",
            Math.min(...held.map(({ judged }) => judged)),
            ">=",
            WINDOWS_MIN,
          ),
          check("cancels_dropped", left.length, "=", 0),
          check("cancels_dropped_of", pressure.cancelled.size, ">=", CANCELS_MIN),
          check("early_sends", quiet.early, "=", 0),
          check("injected_429", quiet.met["429"], ">=", 1),
          check("injected_418", quiet.met["418"], ">=", 1),
          check(
            "orders_pressed_per_limit",
            pressure.asked / seconds / (ordersPer10s / 10),
            ">=",
            50,
          ),
        ],
        {
          windows: held,
          limits: { ordersPer10s, weightPerMinute },
          sent_within_grace: quiet.crossed,
          grace_ms: GRACE_MS,
          cancel_delay_ms: { p50: at(0.5), p99: at(0.99), max: at(1) },
          seconds,
          orders_asked: pressure.asked,
          orders_at_the_venue: tail.orders.size,
          reports: Object.fromEntries(pressure.reasons),
          second_process: did,
          router: stats,
        },
      );
    }
  }
}

/** A price far below the market: what is bid there rests. */
async function restingPrice(http: string): Promise<number> {
  let ticks = 0;
  await until("the venue has a book", UP_MS_MAX, async () => {
    const answer = await fetch(`${http}/api/v3/depth?symbol=BTCUSDT&limit=5`);
    if (answer.status !== 200) return false;
    const { bids } = (await answer.json()) as { bids: [string, string][] };
    const best = bids[0]?.[0];
    if (best === undefined) return false;
    // Ticks of 0.01; five percent away.
    ticks = Math.floor(Number(best) * 0.95) * 100;
    return true;
  });
  return ticks;
}

async function routerStats(port: number): Promise<Readonly<Record<string, unknown>>> {
  const answer = await fetch(`http://127.0.0.1:${port}/health`);
  const { stats } = (await answer.json()) as { stats: Record<string, unknown> };
  const wanted = [
    "rateRefused",
    "blocks",
    "budgets",
    "cancelsSent",
    "placed",
    "queries",
    "unknown",
  ];
  return Object.fromEntries(wanted.map((name) => [name, stats[name]]));
}

function requestLines(path: string): Request[] {
  if (!existsSync(path)) throw new Error(`${path}: the venue wrote no request log`);
  const lines = readFileSync(path, "utf8").split("\n");
  // A line cut off by the end of the process is none.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Request);
}
