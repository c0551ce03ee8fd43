/** The two Binance markets by themselves, with books written by hand: what a card plays against. */

import { join } from "node:path";
import type { SimMarketFactory } from "../../core.ts";
import { VenueLog } from "../../log.ts";
import { coreConfig, MARKETS, type MarketId } from "../../markets.ts";
import { newRustMarket } from "../../rust-market.ts";
import { type VenueTruth, venueTruth } from "../../truth.ts";
import type { Permitted } from "./auth.ts";
import { type Injection, type OrderBoards, orderBoards, throwSwitch } from "./control.ts";
import { Venue } from "./desk.ts";
import { VenueServer } from "./skin.ts";

const TICK_MS = 10;
/** More than the venue's own bound of one symbol: a card presses its windows of orders, not this. */
const OPEN_ORDERS_MAX = 1_000;

export { ORDER_SWITCHES, type OrderSwitch } from "../switches.ts";
export type { Injection } from "./control.ts";
export { REFUSALS } from "./faults.ts";

export interface BinanceOrdersOptions {
  readonly keys: readonly Permitted[];
  readonly onFatal: (error: unknown) => void;
  readonly newMarket?: SimMarketFactory;
}

/** Levels of a book, best first, as price and quantity in decimals. */
export interface WrittenBook {
  readonly bids: readonly (readonly [string, string])[];
  readonly asks: readonly (readonly [string, string])[];
}

export class BinanceOrders implements AsyncDisposable {
  readonly #logPath: string;
  readonly #log: VenueLog;
  readonly #venue: Venue;
  readonly #server: VenueServer;
  readonly #boards: OrderBoards = orderBoards();
  readonly #timers = new Set<NodeJS.Timeout>();
  #tick: NodeJS.Timeout | null = null;
  #bookId = 1;
  #skewMs = 0;
  #port = 0;

  private constructor(dir: string, options: BinanceOrdersOptions) {
    const { keys, onFatal, newMarket = newRustMarket } = options;
    this.#logPath = join(dir, "log.ndjson");
    this.#log = new VenueLog(this.#logPath);
    const cores = {
      spot: newMarket(coreConfig(MARKETS.spot, OPEN_ORDERS_MAX)),
      usdm: newMarket(coreConfig(MARKETS.usdm, OPEN_ORDERS_MAX)),
    };
    this.#venue = new Venue(cores, this.#log, keys, (_, bookId) => bookId);
    this.#server = new VenueServer({
      venue: this.#venue,
      nowMs: this.#nowMs,
      onControl: () => this.stats(),
      faults: {
        ackLost: 0,
        ackLostEvents: false,
        depthGap: { spot: 0, usdm: 0 },
        clockSkewMs: 0,
      },
      boards: this.#boards,
      onError: onFatal,
    });
    const turn = (): void => {
      try {
        this.#venue.tick(this.#nowMs());
        this.#server.tick(this.#nowMs());
        this.#server.publishUserEvents();
        this.#tick = setTimeout(turn, TICK_MS);
      } catch (error) {
        onFatal(error);
      }
    };
    turn();
  }

  /** Listens on a free port of loopback; its log is in `dir`. */
  static async alone(dir: string, options: BinanceOrdersOptions): Promise<BinanceOrders> {
    const orders = new BinanceOrders(dir, options);
    orders.#port = await orders.#server.listen(0);
    return orders;
  }

  get port(): number {
    return this.#port;
  }

  readonly #nowMs = (): number => Date.now() + this.#skewMs;

  /** Replaces the book of a market: what rests is matched against it. */
  book(market: MarketId, { bids, asks }: WrittenBook): void {
    const nowMs = this.#nowMs();
    this.#bookId += 1;
    const snapshot = { lastUpdateId: this.#bookId, E: nowMs, T: nowMs, bids, asks };
    this.#venue.resetMarket(market, nowMs);
    this.#venue.onMarket(market, Buffer.from(JSON.stringify(snapshot)), nowMs);
    this.#server.publishUserEvents();
  }

  inject(injection: Injection): void {
    throwSwitch(injection, {
      venue: this.#venue,
      server: this.#server,
      boards: this.#boards,
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

  /** Answers every request of a market with `status` for so long. */
  block(market: MarketId, status: 429 | 418, ms: number): void {
    this.#venue.block(market, status, ms, this.#nowMs());
  }

  /** From now on the venue's clock is so far off. */
  skew(ms: number): void {
    this.#skewMs = ms;
  }

  /** How often each switch of a market really acted. */
  injected(market: MarketId): Readonly<Record<string, number>> {
    return this.#boards[market].injected();
  }

  /** What the venue's own log says. */
  truth(): VenueTruth {
    return venueTruth(this.#logPath);
  }

  stats(): Record<string, unknown> {
    return { spot: this.#venue.stats("spot"), usdm: this.#venue.stats("usdm") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#tick !== null) clearTimeout(this.#tick);
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#server.close();
    this.#log.close();
  }
}
