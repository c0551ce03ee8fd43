/** Shioaji's daemon by itself, with books written by hand: what a card plays against. */

import { join } from "node:path";
import type { SimMarketFactory } from "../../core.ts";
import { Host } from "../../feeds/host.ts";
import { CONTRACTS } from "../../feeds/shioaji/contracts.ts";
import { VenueLog } from "../../log.ts";
import { bookSpec, coreConfig, SHIOAJI_SCALES } from "../../markets.ts";
import { newRustMarket } from "../../rust-market.ts";
import { type VenueTruth, venueTruth } from "../../truth.ts";
import { OrderBoard } from "../switches.ts";
import { type Injection, throwSwitch } from "./control.ts";
import { Desk, type Listed } from "./desk.ts";
import { LOT_SHARES } from "./limits.ts";
import { ShioajiSkin } from "./skin.ts";

const TICK_MS = 10;
const OPEN_ORDERS_MAX = 1_000;

export type { Injection } from "./control.ts";
export { REFUSALS } from "./faults.ts";
export { LOT_SHARES, REQUESTS_PER_10S } from "./limits.ts";
export { ACCOUNT_ID, BROKER_ID } from "./messages.ts";

/** A level: price and lots. */
export type Level = readonly [price: string, lots: number];
/** Levels of a book, best first. */
export interface WrittenBook {
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}
const shares = (levels: readonly Level[]) =>
  levels.map(([price, lots]) => [price, String(lots * LOT_SHARES)]);

export interface ShioajiOrdersOptions {
  readonly onFatal: (error: unknown) => void;
  /** `KEY:SECRET` that every request must bear; none where it is left out. */
  readonly bearer?: string;
  readonly newMarket?: SimMarketFactory;
}

/** The stocks, each with a book of its own; the account has a thousand lots of each, and a billion dollars. */
function listed(newMarket: SimMarketFactory): Listed[] {
  return CONTRACTS.filter(({ securityType }) => securityType === "STK").map((contract) => {
    const { code, exchange, step: stepTicks } = contract;
    const { baseAsset, quoteAsset } = bookSpec(`shioaji:${code}`);
    const spec = {
      ...SHIOAJI_SCALES,
      ...{ symbol: code, baseAsset, quoteAsset, makerFeeE8: "0", takerFeeE8: "0" },
      money: "spot" as const,
      balances: { baseE8: "100000000000000", quoteE8: "100000000000000000" },
    };
    return { code, exchange, stepTicks, core: newMarket(coreConfig(spec, OPEN_ORDERS_MAX)) };
  });
}

export class ShioajiOrders implements AsyncDisposable {
  readonly #logPath: string;
  readonly #log: VenueLog;
  readonly #board = new OrderBoard("SHIOAJI");
  readonly #desk: Desk;
  readonly #skin: ShioajiSkin;
  readonly #host: Host;
  readonly #timers = new Set<NodeJS.Timeout>();
  #tick: NodeJS.Timeout | null = null;
  #bookId = 1;
  #port = 0;
  #closed = false;

  private constructor(dir: string, options: ShioajiOrdersOptions) {
    const { onFatal, bearer = null, newMarket = newRustMarket } = options;
    this.#logPath = join(dir, "log.ndjson");
    this.#log = new VenueLog(this.#logPath);
    const board = this.#board;
    this.#desk = new Desk({ log: this.#log, board, stocks: listed(newMarket) });
    this.#skin = new ShioajiSkin({ desk: this.#desk, board, bearer, nowMs: Date.now });
    this.#host = new Host({ skin: this.#skin, board, certificates: null, onError: onFatal });
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
  static async alone(dir: string, options: ShioajiOrdersOptions): Promise<ShioajiOrders> {
    const orders = new ShioajiOrders(dir, options);
    orders.#port = await orders.#host.listen(0);
    return orders;
  }

  get port(): number {
    return this.#port;
  }

  /** Replaces the book of a stock: what rests is matched against it. */
  book(code: string, { bids, asks }: WrittenBook): void {
    const nowMs = Date.now();
    this.#bookId += 1;
    const snapshot = {
      lastUpdateId: this.#bookId,
      E: nowMs,
      T: nowMs,
      bids: shares(bids),
      asks: shares(asks),
    };
    this.#desk.book(code, snapshot, nowMs);
    this.#skin.publish();
  }

  inject(injection: Injection): void {
    throwSwitch(injection, {
      ...{ desk: this.#desk, skin: this.#skin, board: this.#board, nowMs: Date.now },
      later: (ms, act) => {
        const timer = setTimeout(() => {
          this.#timers.delete(timer);
          act();
        }, ms);
        this.#timers.add(timer);
      },
    });
  }

  /** How often each switch really acted. */
  injected(): Readonly<Record<string, number>> {
    return this.#board.injected();
  }

  /** What the venue's own log says; an order is named by its custom field. */
  truth(): VenueTruth {
    return venueTruth(this.#logPath);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#tick !== null) clearTimeout(this.#tick);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#skin.close();
    await this.#host.close();
    this.#log.close();
  }
}
