/**
 * Asks a venue what it holds, on its own key and its own tenth of the account's request weight, and gives the answers to the
 * core.
 *
 * Looks are equally spaced. Every fifth is the account: its totals are positions and cash, and what it holds for open orders
 * is a word on them too. The others list the open orders. Once a minute the executions since the last known one are listed.
 * Binance spot, weight a minute: 51 lists of 6, 13 accounts of 20, and 20; 586 of the 600 that are a tenth of 6,000.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { BudgetSpent, binanceSpot, type RestAnswer, type RestClient } from "@tidegate/venues";
import type { Recon } from "./core.ts";
import type { SpotReader } from "./spot.ts";
import type { Effect, Look } from "./types.ts";

/** Between two looks. A look, its answer and the time our own word may take stay below a second. */
export const LOOK_EVERY_MS = 940;
/** Every so-manieth look is the account. Five of them stay below five seconds. */
export const ACCOUNT_EVERY = 5;
/** From one answer to the next question: no two are in one window of the venue's. */
export const EXECUTIONS_EVERY_MS = 60_000;
/** How often suspects are looked through. */
const TICK_MS = 5;

export interface ReconcilerParts {
  readonly recon: Recon;
  readonly reader: SpotReader;
  /** With the monitor's own budget: it holds back what would pass the slice. */
  readonly rest: RestClient;
  readonly symbol: string;
  /** The first execution that is compared. */
  readonly fromExecId: bigint;
  readonly onEffect: (effect: Effect) => void;
  readonly onFault: (what: string, error: unknown) => void;
  readonly nowMs?: () => number;
}

export interface ReconcilerStats {
  readonly looks: Readonly<Record<"orders" | "balances" | "executions", number>>;
  readonly failed: number;
  readonly heldBack: number;
  /** Longest time between two answers that say what orders are open, and what is held, ms. */
  readonly ordersGapMsMax: number;
  readonly balancesGapMsMax: number;
}

/** The looks at one symbol of one account, until it is stopped. */
export class Reconciler implements AsyncDisposable {
  readonly #parts: ReconcilerParts;
  readonly #nowMs: () => number;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>[];
  readonly #looks = { orders: 0, balances: 0, executions: 0 };
  readonly #gaps = { orders: 0, balances: 0 };
  readonly #lastMs: { orders: number | null; balances: number | null } = {
    orders: null,
    balances: null,
  };
  #failed = 0;
  #heldBack = 0;
  #fromExecId: bigint;
  /** Asked for out of turn: the next look is this one. */
  #ordersWanted = false;

  constructor(parts: ReconcilerParts) {
    this.#parts = parts;
    this.#nowMs = parts.nowMs ?? (() => performance.now());
    this.#fromExecId = parts.fromExecId;
    this.#running = [this.#cycle(), this.#executions(), this.#ticks()];
  }

  stats(): ReconcilerStats {
    return {
      looks: { ...this.#looks },
      failed: this.#failed,
      heldBack: this.#heldBack,
      ordersGapMsMax: this.#gaps.orders,
      balancesGapMsMax: this.#gaps.balances,
    };
  }

  /** What the private stream brought. */
  event(body: Uint8Array): void {
    try {
      const now = this.#nowMs();
      const said = this.#parts.reader.event(body, now);
      if (said === null) return;
      this.#take(said.look);
      const { execution } = said;
      if (execution !== null)
        this.#take({ what: "execution event", execution, askedMs: now, answeredMs: now });
    } catch (error) {
      this.#failed += 1;
      this.#parts.onFault("private event", error);
    }
  }

  /** After a reconnect nothing of what was missed is known: everything is looked at anew. */
  async afterReconnect(): Promise<void> {
    await this.#orders();
    await this.#balances();
    await this.#askExecutions();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#running);
  }

  #take(look: Look): void {
    for (const effect of this.#parts.recon.look(look)) this.#effect(effect);
  }

  #effect(effect: Effect): void {
    if (effect.kind === "ask" && effect.what === "orders") this.#ordersWanted = true;
    else this.#parts.onEffect(effect);
  }

  async #asked(
    what: "orders" | "balances" | "executions",
    ask: () => Promise<RestAnswer>,
    read: (body: Uint8Array, times: { askedMs: number; answeredMs: number }) => Look,
  ): Promise<Look | null> {
    const askedMs = this.#nowMs();
    try {
      const answer = await ask();
      const answeredMs = this.#nowMs();
      if (answer.status !== 200) {
        const text = Buffer.from(answer.body.subarray(0, 200)).toString("utf8");
        throw new Error(`status ${answer.status}: ${text}`);
      }
      const look = read(answer.body, { askedMs, answeredMs });
      this.#looks[what] += 1;
      if (what !== "executions") {
        const last = this.#lastMs[what];
        if (last !== null) this.#gaps[what] = Math.max(this.#gaps[what], answeredMs - last);
        this.#lastMs[what] = answeredMs;
      }
      this.#take(look);
      return look;
    } catch (error) {
      if (this.#stop.signal.aborted) return null;
      if (error instanceof BudgetSpent) this.#heldBack += 1;
      else this.#failed += 1;
      this.#parts.onFault(what, error);
      return null;
    }
  }

  #orders(): Promise<Look | null> {
    const { rest, symbol, reader } = this.#parts;
    this.#ordersWanted = false;
    return this.#asked(
      "orders",
      () => binanceSpot.queries.openOrders(rest, symbol, this.#stop.signal),
      (body, times) => reader.orders(body, times),
    );
  }

  #balances(): Promise<Look | null> {
    const { rest, reader } = this.#parts;
    return this.#asked(
      "balances",
      () => binanceSpot.queries.account(rest, this.#stop.signal),
      (body, times) => reader.balances(body, times),
    );
  }

  async #askExecutions(): Promise<void> {
    const { rest, symbol, reader } = this.#parts;
    const fromId = this.#fromExecId;
    const look = await this.#asked(
      "executions",
      () => binanceSpot.queries.trades(rest, symbol, { fromId: String(fromId) }, this.#stop.signal),
      (body, times) => reader.executions(body, fromId, times),
    );
    if (look?.what !== "executions") return;
    // The newest is asked for again: the next list shows by it that nothing lies between.
    const newest = look.executions.at(-1);
    if (newest !== undefined) this.#fromExecId = BigInt(newest.execId);
  }

  async #cycle(): Promise<void> {
    let due = this.#nowMs();
    for (let turn = 0; !this.#stop.signal.aborted; turn += 1) {
      const account = turn % ACCOUNT_EVERY === ACCOUNT_EVERY - 1;
      const asked = account ? this.#balances() : this.#orders();
      // An account whose holds do not fit our orders is followed by the list at once.
      const followed = asked.then(() => (account && this.#ordersWanted ? this.#orders() : null));
      this.#running.push(followed.finally(() => this.#forget(followed)));
      due += LOOK_EVERY_MS;
      await this.#pause(due - this.#nowMs());
    }
  }

  #forget(done: Promise<unknown>): void {
    const at = this.#running.indexOf(done);
    if (at >= 0) this.#running.splice(at, 1);
  }

  async #executions(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#askExecutions();
      await this.#pause(EXECUTIONS_EVERY_MS);
    }
  }

  async #ticks(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const effect of this.#parts.recon.tick(this.#nowMs())) this.#effect(effect);
      await this.#pause(TICK_MS);
    }
  }

  async #pause(ms: number): Promise<void> {
    try {
      await sleep(Math.max(0, ms), undefined, { signal: this.#stop.signal });
    } catch {
      // Stopped.
    }
  }
}
