/** A FIX 4.4 venue by itself, with books written by hand: what a card plays against. */

import { join } from "node:path";
import type { SimMarketFactory } from "../../core.ts";
import { VenueLog } from "../../log.ts";
import { bookSpec, type CoreSpec, coreConfig, FIX_SCALES } from "../../markets.ts";
import { newRustMarket } from "../../rust-market.ts";
import { type VenueTruth, venueTruth } from "../../truth.ts";
import { OrderBoard } from "../switches.ts";
import { type Injection, throwSwitch } from "./control.ts";
import { Desk } from "./desk.ts";
import { type Fields, Incoming } from "./messages.ts";
import { FixSkin, type Permitted } from "./skin.ts";

const TICK_MS = 10;
const OPEN_ORDERS_MAX = 1_000;

export type { Injection } from "./control.ts";
export { BUSINESS, REFUSALS } from "./faults.ts";
export { MESSAGES_PER_10S } from "./limits.ts";
export { type Permitted, VENUE_COMP_ID } from "./skin.ts";

/** Levels of a book, best first, as price and quantity in decimals. */
export interface WrittenBook {
  readonly bids: readonly (readonly [string, string])[];
  readonly asks: readonly (readonly [string, string])[];
}

export interface FixOrdersOptions {
  readonly client: Permitted;
  readonly onFatal: (error: unknown) => void;
  readonly newMarket?: SimMarketFactory;
}

/** What the venue lists. */
export const SYMBOL = "BTC/USD";

function coreSpec(symbol: string): CoreSpec {
  const { baseAsset, quoteAsset } = bookSpec(`fix:${symbol}`);
  return {
    ...FIX_SCALES,
    ...{ symbol, money: "spot", baseAsset, quoteAsset },
    ...{ makerFeeE8: "100000", takerFeeE8: "100000" },
    balances: { baseE8: "1000000000", quoteE8: "100000000000000" },
  };
}

export class FixOrders implements AsyncDisposable {
  readonly #logPath: string;
  readonly #log: VenueLog;
  readonly #board = new OrderBoard("FIX");
  readonly #desk: Desk;
  readonly #skin: FixSkin;
  readonly #timers = new Set<NodeJS.Timeout>();
  #tick: NodeJS.Timeout | null = null;
  #bookId = 1;
  #skewMs = 0;
  #port = 0;

  private constructor(dir: string, options: FixOrdersOptions) {
    const { client, onFatal, newMarket = newRustMarket } = options;
    this.#logPath = join(dir, "log.ndjson");
    this.#log = new VenueLog(this.#logPath);
    const markets = { [SYMBOL]: newMarket(coreConfig(coreSpec(SYMBOL), OPEN_ORDERS_MAX)) };
    const board = this.#board;
    this.#desk = new Desk({ log: this.#log, board, markets });
    const { desk, nowMs } = { desk: this.#desk, nowMs: this.#nowMs };
    this.#skin = new FixSkin({ desk, board, client, nowMs, onError: onFatal });
    const turn = (): void => {
      try {
        this.#skin.tick();
        this.#tick = setTimeout(turn, TICK_MS);
      } catch (error) {
        onFatal(error);
      }
    };
    turn();
  }

  /** Listens on a free port of loopback; its log is in `dir`. */
  static async alone(dir: string, options: FixOrdersOptions): Promise<FixOrders> {
    const orders = new FixOrders(dir, options);
    orders.#port = await orders.#skin.listen(0);
    return orders;
  }

  get port(): number {
    return this.#port;
  }

  readonly #nowMs = (): number => Date.now() + this.#skewMs;

  /** Replaces the book: what rests is matched against it. */
  book({ bids, asks }: WrittenBook): void {
    const nowMs = this.#nowMs();
    this.#bookId += 1;
    const snapshot = { lastUpdateId: this.#bookId, E: nowMs, T: nowMs, bids, asks };
    this.#desk.book(SYMBOL, snapshot, nowMs);
    this.#skin.publish();
  }

  /** An order of the account that did not come over the session: to buy at a price, until cancelled. */
  manual(clOrdId: string, price: string, quantity: string): void {
    const terms = [
      [11, clOrdId],
      [55, SYMBOL],
      [54, "1"],
      [38, quantity],
      [40, "2"],
      [44, price],
      [59, "1"],
    ];
    this.#desk.onMessage(new Incoming("D", 0, terms as unknown as Fields), this.#nowMs());
    this.#skin.publish();
  }

  inject(injection: Injection): void {
    throwSwitch(injection, {
      desk: this.#desk,
      skin: this.#skin,
      board: this.#board,
      nowMs: this.#nowMs,
      later: (ms, act) => {
        const timer = setTimeout(() => {
          this.#timers.delete(timer);
          act();
        }, ms);
        this.#timers.add(timer);
      },
    });
  }

  /** From now on the venue's clock is so far off. */
  skew(ms: number): void {
    this.#skewMs = ms;
  }

  /** How often each switch really acted. */
  injected(): Readonly<Record<string, number>> {
    return this.#board.injected();
  }

  /** What the venue's own log says. */
  truth(): VenueTruth {
    return venueTruth(this.#logPath);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#tick !== null) clearTimeout(this.#tick);
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#skin.close();
    this.#log.close();
  }
}
