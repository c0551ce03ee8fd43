/**
 * `hft drill recon`: six kinds of break between us and a venue, again and again, on a running cluster. The monitor's case file
 * says when each was found, the gateway what it held meanwhile, the venue's log what the looking cost.
 */

import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type ControlAnswer, NotReached } from "../control/client.ts";
import { type Result, result } from "../result.ts";
import { makeRunDir, removeRunDir, sleep } from "../sim/cluster.ts";
import { UsageError } from "../sim/options.ts";
import { windows } from "./rate-limit-judge.ts";
import { type OwnView, type Plant, ReconCluster } from "./recon-cluster.ts";
import { Hand } from "./recon-hand.ts";
import {
  type Break,
  BY_BALANCE,
  type CaseLine,
  detected,
  judge,
  KINDS,
  type Kind,
} from "./recon-judge.ts";
import { until } from "./started.ts";

const PLANTS: readonly Plant[] = ["blind", "no-freeze", "slow", "greedy"];
/** Found later than this is not found; with a planted fault nobody waits so long. */
const FOUND_MS_MAX = 15_000;
const FROZEN_MS_MAX = 1_000;
const SETTLED_MS_MAX = 15_000;
/** A connection that ended under an act is made anew so often. */
const TRIES_MAX = 20;
/** A question of the weight every minute is the venue's own limit. */
const WEIGHT_PER_MINUTE = 6_000;
/** Lots of 0.00001 BTC: above the venue's least notional. */
const BUY_LOTS = 20;
const SELL_LOTS = 10;
const LOT_TEXT = (lots: number) => (lots / 100_000).toFixed(5);

export interface ReconOptions {
  /** Breaks of each kind. */
  readonly breaks: number;
  /** These kinds alone; the checks are of them. */
  readonly kinds?: readonly Kind[];
  readonly plant: string | null;
  readonly progress: (text: string) => void;
}

/** What a break needs to be made, and how it is cleared up. */
interface Made {
  /** What the gateway's view must be in the end, beside what it was. */
  readonly expect: { readonly live: number; readonly fills: number; readonly lots: number };
  /** Ends the break where the venue or a person has to. */
  readonly undo: () => Promise<void>;
}

/** Runs the drill. */
export async function drillRecon(root: string, options: ReconOptions): Promise<Result> {
  const { plant } = options;
  const known = PLANTS.find((each) => each === plant);
  if (plant !== null && known === undefined)
    throw new UsageError(`--break ${plant}: want ${PLANTS.join(", ")}`);
  const dir = makeRunDir(root, { runDir: null });
  let keep = true;
  try {
    await using cluster = new ReconCluster(root, dir, known ?? null);
    const value = await new Drill(cluster, options).run();
    keep = !value.ok && plant === null;
    if (keep) options.progress(`drill: what it left is in ${dir}`);
    return value;
  } finally {
    if (!keep) removeRunDir(root, dir);
  }
}

/** What is made at once: one transfer moves base and quote, and each is a break of its own. */
function together(kinds: readonly Kind[]): readonly (readonly Kind[])[] {
  const drifts = kinds.filter((kind) => BY_BALANCE.includes(kind));
  const others = kinds.filter((kind) => !BY_BALANCE.includes(kind)).map((kind) => [kind]);
  return drifts.length === 0 ? others : [...others, drifts];
}

class Drill {
  readonly #cluster: ReconCluster;
  readonly #options: ReconOptions;
  readonly #breaks: Break[] = [];
  #hand: Hand | null = null;
  #people = 0;

  constructor(cluster: ReconCluster, options: ReconOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  async run(): Promise<Result> {
    const { breaks, plant, progress, kinds = KINDS } = this.#options;
    await this.#cluster.start();
    await using hand = await Hand.connect(`ipc://${join(this.#cluster.dir, "s/intent.sock")}`, 1);
    this.#hand = hand;
    await until("the strategy's link is in step", 10_000, () => hand.state === "SYNCED");
    await until(
      "the market has a touch",
      10_000,
      async () => (await this.#cluster.touch()).ask > 0,
    );
    const bounds = await this.#bounds();
    for (let round = 0; round < breaks; round += 1) {
      for (const some of together(kinds)) await this.#made(some, round);
      this.#cluster.alive();
      if ((round + 1) % 10 === 0) progress(`drill: ${round + 1} breaks of each kind`);
    }
    const share = this.#share();
    const { checks, figures } = judge(
      { breaks: this.#breaks, kinds, each: breaks },
      bounds,
      share.most / WEIGHT_PER_MINUTE,
    );
    const shown = plant === null ? {} : { planted: plant };
    return result("drill recon", checks, {
      ...{ ...figures, ...shown, breaks: this.#breaks.length, recon_questions: share.judged },
    });
  }

  async #bounds() {
    if (this.#options.plant === "blind") return { ordersMs: 1_000, positionsMs: 5_000 };
    const { body } = await this.#cluster.as("ann", "monitor").get("/recon");
    return body["bounds"] as { readonly ordersMs: number; readonly positionsMs: number };
  }

  /** One break from its making to its sign-off, or the two that one transfer makes. */
  async #made(kinds: readonly Kind[], round: number): Promise<void> {
    const { progress } = this.#options;
    const prepared = await this.#prepare(kinds, round);
    const before = await this.#cluster.own();
    const from = Date.now();
    const made = await prepared();
    const found = await this.#watch(kinds, from, before);
    const frozen = await this.#frozen();
    await made.undo();
    const settled = await this.#settle();
    const after = await this.#cluster.own();
    const { live, fills, lots } = made.expect;
    const right =
      after.liveOrders === before.liveOrders + live &&
      after.fills === before.fills + fills &&
      BigInt(after.lots) === BigInt(before.lots) + BigInt(lots);
    if (!settled || !right)
      progress(
        `drill: ${kinds.join()} ${round}: settled ${settled}, before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`,
      );
    const silently = found.silently || !right;
    for (const [at, kind] of kinds.entries())
      this.#breaks.push({ kind, atMs: from, detectedMs: found.atMs[at] ?? null, frozen, silently });
    await this.#thaw();
  }

  /** Waits for a case of each; sees whether the gateway's view changes before there is one. */
  async #watch(kinds: readonly Kind[], from: number, before: OwnView) {
    const wait = this.#options.plant === "blind" ? 2_000 : FOUND_MS_MAX;
    const end = performance.now() + wait;
    let silently = false;
    for (;;) {
      const own = await this.#cluster.own();
      const lines = this.#lines();
      const atMs = kinds.map((kind) => detected(lines, kind, from));
      if (!atMs.includes(null) || performance.now() > end) return { atMs, silently };
      const booked = own.fills !== before.fills || own.lots !== before.lots;
      // The order whose fill is missed is our own act.
      const moved = !kinds.includes("fill_missing") && own.liveOrders !== before.liveOrders;
      const told = atMs.some((each) => each !== null);
      if ((booked || moved) && !told) silently = true;
      await sleep(10);
    }
  }

  async #frozen(): Promise<boolean> {
    const end = performance.now() + FROZEN_MS_MAX;
    while (performance.now() < end) {
      if ((await this.#cluster.own()).frozen) return true;
      await sleep(10);
    }
    return false;
  }

  /** Signs every case once both sides agree. */
  async #settle(): Promise<boolean> {
    if (this.#options.plant === "blind") return true;
    const end = performance.now() + SETTLED_MS_MAX;
    while (performance.now() < end) {
      const cases = await this.#cases();
      if (cases.length === 0) return true;
      for (const { id, state } of cases)
        if (state === "AGREED") await this.#sign(id, "both sides agree");
      await sleep(50);
    }
    // What is left would be taken for the next break's.
    for (const { id } of await this.#cases()) await this.#sign(id, "the drill goes on");
    return false;
  }

  async #cases(): Promise<{ id: number; kind: string; state: string }[]> {
    const { body } = await this.#cluster.see("monitor", "/recon/cases");
    return body["open"] as { id: number; kind: string; state: string }[];
  }

  async #sign(id: number, reason: string): Promise<void> {
    await this.#act("monitor", "ann", "/recon/sign", { case: id, reason });
  }

  /** One act of a person, again where it came too fast. */
  async #act(
    service: "gateway" | "monitor",
    person: "ann" | "bob",
    path: string,
    body: object,
  ): Promise<ControlAnswer> {
    const key = randomUUID();
    for (let tries = 1; ; tries += 1) {
      try {
        const answer = await this.#cluster.as(person, service).post(path, body, key);
        if (answer.status !== 429) return answer;
      } catch (error) {
        // Under the same key it has no second effect.
        if (!(error instanceof NotReached) || tries > TRIES_MAX) throw error;
      }
      await sleep(100);
    }
  }

  /** Two persons. */
  async #thaw(): Promise<void> {
    const body = { instrument: 1, reason: "the cases are signed" };
    for (const person of ["ann", "bob"] as const)
      await this.#act("gateway", person, "/control/thaw", body);
    await until("the instrument is thawed", 5_000, async () => !(await this.#cluster.own()).frozen);
  }

  /** What the monitor's key cost the venue: the dearest minute. */
  #share() {
    const path = join(this.#cluster.dir, "venue/requests.ndjson");
    const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
    const limit = { name: "recon", windowMs: 60_000, max: WEIGHT_PER_MINUTE };
    return windows(
      lines.map((line) => JSON.parse(line)),
      { ...limit, of: ({ key, weight }) => (key === "sim-kill" ? weight : 0) },
    );
  }

  #lines(): CaseLine[] {
    const path = join(this.#cluster.dir, "recon/binance-spot.ndjson");
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
    // Breaks are made one after the other: what tells of one is among the newest.
    return lines.slice(-100).map((line) => JSON.parse(line) as CaseLine);
  }

  get #orders(): Hand {
    if (this.#hand === null) throw new Error("the drill has no strategy yet");
    return this.#hand;
  }

  /** Everything up to the break; what it gives makes it. */
  async #prepare(kinds: readonly Kind[], round: number): Promise<() => Promise<Made>> {
    const nothing = { live: 0, fills: 0, lots: 0 };
    switch (kinds[0]) {
      case "order_unknown": {
        const id = this.#person();
        const price = (((await this.#cluster.touch()).bid * 0.95) / 100).toFixed(2);
        return async () => {
          const terms = { side: "BUY", type: "LIMIT", timeInForce: "GTC", price };
          const size = { quantity: LOT_TEXT(BUY_LOTS), newClientOrderId: id };
          await this.#cluster.atVenue("POST", { ...terms, ...size });
          const undo = () => this.#cluster.atVenue("DELETE", { origClientOrderId: id });
          return { expect: nothing, undo };
        };
      }
      case "order_gone":
        return this.#gone();
      case "fill_missing":
        return this.#missing(round);
      case "external_trade": {
        const id = this.#person();
        return async () => {
          const terms = { side: "BUY", type: "MARKET", quantity: LOT_TEXT(SELL_LOTS) };
          await this.#cluster.atVenue("POST", { ...terms, newClientOrderId: id });
          return { expect: nothing, undo: () => this.#adopt() };
        };
      }
      default:
        return this.#drift({
          baseE8: kinds.includes("position_drift") ? 1_000 + round : 0,
          quoteE8: kinds.includes("cash_drift") ? -(100_000 + round) : 0,
        });
    }
  }

  #person(): string {
    this.#people += 1;
    return `person-${this.#people}`;
  }

  /** An order of ours that rests, and that somebody else cancels while nobody is told. */
  async #gone(): Promise<() => Promise<Made>> {
    const before = await this.#cluster.own();
    const pxTicks = Math.floor((await this.#cluster.touch()).bid * 0.99);
    const id = await this.#orders.order({ side: "BUY", pxTicks, qtyLots: BUY_LOTS });
    await until("the order rests", 5_000, async () => {
      return (await this.#cluster.own()).liveOrders === before.liveOrders + 1;
    });
    // The ack is in the journal, and with the monitor, before anybody cancels.
    await sleep(400);
    return async () => {
      await this.#cluster.control({ switch: "gap", count: 1 });
      await this.#cluster.atVenue("DELETE", { origClientOrderId: id });
      const expect = { live: -1, fills: 0, lots: 0 };
      return { expect, undo: async () => undefined };
    };
  }

  /** An order of ours that fills at once, and whose events nobody is told. */
  async #missing(round: number): Promise<() => Promise<Made>> {
    const sells = round % 2 === 1;
    const touch = await this.#cluster.touch();
    const wish = sells
      ? ({ side: "SELL", pxTicks: touch.bid - 50, qtyLots: SELL_LOTS } as const)
      : ({ side: "BUY", pxTicks: touch.ask + 50, qtyLots: BUY_LOTS } as const);
    return async () => {
      // That it was taken, and that it has filled.
      await this.#cluster.control({ switch: "gap", count: 2 });
      await this.#orders.order(wish);
      const lots = sells ? -SELL_LOTS : BUY_LOTS;
      return { expect: { live: 0, fills: 1, lots }, undo: async () => undefined };
    };
  }

  /** Money that moves without a word on the stream. Moved back with one. */
  async #drift(by: { readonly baseE8: number; readonly quoteE8: number }) {
    const move = (sign: 1 | -1, told: boolean) =>
      this.#cluster.control({
        ...{ fault: "transfer", told },
        ...{ baseE8: String(sign * by.baseE8), quoteE8: String(sign * by.quoteE8) },
      });
    // At another moment of the account's period each time.
    await sleep(Math.floor(Math.random() * 1_000));
    return async (): Promise<Made> => {
      await move(1, false);
      const expect = { live: 0, fills: 0, lots: 0 };
      return { expect, undo: () => move(-1, true) };
    };
  }

  /** Two persons take somebody else's execution for what it is; the account says that nothing else is different. */
  async #adopt(): Promise<void> {
    if (this.#options.plant === "blind") return;
    for (const { id, kind } of await this.#cases()) {
      if (kind !== "EXECUTION_MISSING_HERE") continue;
      const body = { case: id, reason: "a trade by hand" };
      for (const person of ["ann", "bob"] as const)
        await this.#act("monitor", person, "/recon/adopt", body);
    }
    await this.#cluster.control({ fault: "transfer", told: true });
  }
}
