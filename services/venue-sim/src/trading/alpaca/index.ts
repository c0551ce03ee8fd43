/** The running skin of Alpaca's orders: desk, sockets, timer. */

import { join } from "node:path";
import type { SimMarketFactory } from "../../core.ts";
import type { Certificates } from "../../feeds/certificate.ts";
import { Host } from "../../feeds/host.ts";
import { VenueLog } from "../../log.ts";
import { newRustMarket } from "../../rust-market.ts";
import { OrderBoard } from "../switches.ts";
import type { Permitted } from "./auth.ts";
import type { Book, Injection, Print } from "./control.ts";
import { Desk } from "./desk.ts";
import { type AlpacaRequestLine, AlpacaSkin } from "./skin.ts";

const TICK_MS = 10;

export { uuidOf } from "./assets.ts";
export type { Permitted } from "./auth.ts";
export type { Injection } from "./control.ts";

export interface AlpacaOrdersOptions {
  /** The one log of the venue, the Binance markets' too. */
  readonly log: VenueLog;
  readonly newMarket: SimMarketFactory;
  readonly keys: readonly Permitted[];
  readonly onFatal: (error: unknown) => void;
  readonly port?: number;
  readonly seed?: number;
  /** Dollars the account begins with. */
  readonly cash?: number;
  readonly openOrdersMax?: number;
  readonly ratesScale?: number;
  readonly alwaysOpen?: boolean;
  readonly binaryFrames?: boolean;
  readonly certificates?: Certificates | null;
  /** Wall clock, ms since the Unix epoch. */
  readonly nowMs?: () => number;
  readonly onRequest?: (line: AlpacaRequestLine) => void;
}

export class AlpacaOrders implements AsyncDisposable {
  readonly #skin: AlpacaSkin;
  readonly #host: Host;
  #timer: NodeJS.Timeout | null = null;
  #own: VenueLog | null = null;

  private constructor(options: AlpacaOrdersOptions) {
    const { log, newMarket, keys, onFatal, nowMs = Date.now } = options;
    const board = new OrderBoard("ALPACA");
    const desk = new Desk({
      log,
      newMarket,
      board,
      seed: options.seed ?? 1,
      cashE8: BigInt(options.cash ?? 100_000) * 100_000_000n,
      openOrdersMax: options.openOrdersMax ?? 200,
      alwaysOpen: options.alwaysOpen ?? true,
      nowMs: Math.floor(nowMs()),
    });
    const monoMs = () => performance.now();
    this.#skin = new AlpacaSkin({
      desk,
      board,
      keys,
      ratesScale: options.ratesScale ?? 1,
      binaryFrames: options.binaryFrames ?? true,
      nowMs,
      monoMs,
      ...(options.onRequest === undefined ? {} : { onRequest: options.onRequest }),
    });
    const certificates = options.certificates ?? null;
    this.#host = new Host({ skin: this.#skin, board, certificates, onError: onFatal });
    const turn = (): void => {
      try {
        this.#skin.tick();
        this.#timer = setTimeout(turn, TICK_MS);
      } catch (error) {
        onFatal(error);
      }
    };
    turn();
  }

  /** Listens on loopback; throws what the system says where the port is taken. */
  static async start(options: AlpacaOrdersOptions): Promise<AlpacaOrders> {
    const orders = new AlpacaOrders(options);
    await orders.#host.listen(options.port ?? 0);
    return orders;
  }

  /** The skin by itself, with a log of its own in a folder. */
  static async alone(
    dir: string,
    options: Omit<AlpacaOrdersOptions, "log" | "newMarket"> & { newMarket?: SimMarketFactory },
  ): Promise<AlpacaOrders> {
    const log = new VenueLog(join(dir, "log.ndjson"));
    const orders = await AlpacaOrders.start({ newMarket: newRustMarket, ...options, log });
    orders.#own = log;
    return orders;
  }

  get port(): number {
    return this.#host.port;
  }

  stats(): Record<string, unknown> {
    return this.#skin.stats();
  }

  inject(injection: Injection): void {
    this.#skin.inject(injection);
  }

  book(book: Book): void {
    this.#skin.book(book);
  }

  print(print: Print): void {
    this.#skin.print(print);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#host.close();
    this.#own?.close();
    this.#own = null;
  }
}
