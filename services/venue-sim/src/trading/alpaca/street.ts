/** One asset's market as its core hears it: generated, played by a feed, or written by hand. */

import type { SimMarket } from "@tidegate/rust-core";
import { parseScaled } from "../../decimal.ts";
import { AlpacaMarket } from "../../feeds/alpaca/market.ts";
import type { Update } from "../../feeds/binance/market.ts";
import type { TextLevel } from "../../feeds/truth.ts";
import { ALPACA_SCALES } from "../../markets.ts";
import type { Asset } from "./assets.ts";

const STEP_MS = 100;
/** Levels a side of a snapshot. */
const LEVELS = 200;

/** A book written by hand, best levels first. */
export interface WrittenBook {
  readonly bids: readonly TextLevel[];
  readonly asks: readonly TextLevel[];
}

export class Street {
  readonly #asset: Asset;
  readonly #core: SimMarket;
  readonly #market: AlpacaMarket;
  #id = 1;
  #written = false;
  /** Last traded price in ticks; the middle of the first book before a trade. */
  lastTicks: bigint;

  constructor(asset: Asset, core: SimMarket, seed: number, nowMs: number) {
    this.#asset = asset;
    this.#core = core;
    this.#market = new AlpacaMarket(asset.symbol, asset.crypto, seed, STEP_MS, nowMs);
    const { bid } = this.#market.market.touch();
    this.lastTicks = parseScaled(bid[0], ALPACA_SCALES.pxScale) ?? 1n;
    this.#snapshot(this.#market.market.levels(LEVELS), nowMs);
  }

  /** Best prices in ticks, null where a side is empty. */
  touch(): { readonly bid: bigint | null; readonly ask: bigint | null } {
    const said = JSON.parse(this.#core.query('{"what":"touch"}')) as {
      bidPx: string | null;
      askPx: string | null;
    };
    const ticks = (px: string | null) =>
      px === null ? null : parseScaled(px, ALPACA_SCALES.pxScale);
    return { bid: ticks(said.bidPx), ask: ticks(said.askPx) };
  }

  /** What of the generated market is due by `monoMs`, unless the book is written by hand. */
  turn(monoMs: number, nowMs: number): boolean {
    if (this.#written) return false;
    let moved = false;
    for (const update of this.#market.market.due(monoMs)) {
      this.#hear(update, nowMs);
      moved = true;
    }
    return moved;
  }

  #hear(update: Update, nowMs: number): void {
    if (update.kind === "trade") {
      this.trade(update.px, update.qty, update.buyerIsMaker ? "SELL" : "BUY", nowMs);
    } else if (update.kind === "depth") {
      this.#id += 1;
      this.#tell(
        {
          e: "depthUpdate",
          E: nowMs,
          T: nowMs,
          s: this.#asset.symbol,
          U: this.#id,
          u: this.#id,
          ...(this.#asset.crypto ? {} : { pu: this.#id - 1 }),
          b: update.bids,
          a: update.asks,
        },
        nowMs,
      );
    }
  }

  /** Replaces the book; from here on the generated market is silent. */
  write(book: WrittenBook, nowMs: number): void {
    this.#written = true;
    this.#core.resetMarket();
    this.#snapshot(book, nowMs);
  }

  /** A trade of others. */
  trade(px: string, qty: string, aggressor: "BUY" | "SELL", nowMs: number): void {
    this.lastTicks = parseScaled(px, ALPACA_SCALES.pxScale) ?? this.lastTicks;
    this.#id += 1;
    const said = { e: "trade", E: nowMs, T: nowMs, s: this.#asset.symbol, t: this.#id, p: px };
    this.#tell({ ...said, q: qty, m: aggressor === "SELL" }, nowMs);
  }

  #snapshot({ bids, asks }: WrittenBook, nowMs: number): void {
    this.#id += 1;
    this.#tell({ lastUpdateId: this.#id, E: nowMs, T: nowMs, bids, asks }, nowMs);
  }

  #tell(message: unknown, nowMs: number): void {
    this.#core.onMarket(Buffer.from(JSON.stringify(message)), nowMs);
  }
}
