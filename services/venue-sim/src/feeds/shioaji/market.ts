/** One contract's generated market as the daemon's events: ticks, five levels a side, and the wide quote. */

import { GeneratedMarket, type TradeUpdate } from "../binance/market.ts";
import { decimal } from "../book.ts";
import { hash32, Random } from "../random.ts";
import type { TextLevel } from "../truth.ts";
import type { Contract } from "./contracts.ts";

export const LEVELS = 5;
const TAIPEI_MS = 8 * 3_600_000;
const STEP_MS = 125;
/** The generated market walks in steps and wants room below it. */
const LIFT = 1_000_000;

/** The venue's local date and time, to the microsecond; `ns` are whole microseconds. */
export function taipei(ns: bigint): { date: string; time: string } {
  const text = new Date(Number(ns / 1_000_000n) + TAIPEI_MS).toISOString();
  const micros = String((ns / 1_000n) % 1_000_000n).padStart(6, "0");
  return { date: text.slice(0, 10), time: `${text.slice(11, 19)}.${micros}` };
}

/** Decimal text without zeros at its end, as the daemon prints it. */
const trim = (text: string) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

type Event = Readonly<Record<string, unknown>>;

export class ShioajiMarket {
  readonly contract: Contract;
  readonly market: GeneratedMarket;
  #totalVolume = 0;
  #totalAmount = 0;
  #open = "";
  #high = 0;
  #low = Number.POSITIVE_INFINITY;

  constructor(contract: Contract, seed: number) {
    this.contract = contract;
    const { code } = contract;
    const spec = { symbol: code, pair: code, base: code, quote: "TWD", startPx: LIFT };
    const scales = { pxScale: 0, qtyScale: 0, pxText: 0, qtyText: 0 };
    this.market = new GeneratedMarket(
      { ...spec, ...scales },
      new Random(seed ^ hash32(code)),
      STEP_MS,
    );
  }

  #units(px: string): number {
    const { step, startSteps } = this.contract;
    return (Number(px) - LIFT + startSteps) * step;
  }

  #px(px: string): string {
    return trim(decimal(this.#units(px), this.contract.pxScale));
  }

  /** The best five levels a side, as printed. Prices stay above zero as long as the walk does. */
  levels(): { bids: TextLevel[]; asks: TextLevel[] } {
    const { bids, asks } = this.market.levels(LEVELS);
    const text = ([px, qty]: TextLevel): TextLevel => [this.#px(px), qty];
    const real = ([px]: TextLevel) => this.#units(px) > 0;
    return { bids: bids.filter(real).map(text), asks: asks.filter(real).map(text) };
  }

  #flags(): Event {
    return this.contract.securityType === "STK"
      ? { suspend: false, simtrade: false, intraday_odd: false }
      : { simtrade: false };
  }

  /** Five levels a side. `crossed`: the best bid lies above the best ask. */
  bidask(ns: bigint, crossed: boolean): Event {
    const { bids, asks } = this.levels();
    const bidPrice = bids.map(([px]) => px);
    if (crossed) bidPrice[0] = this.#px(this.market.crossing()[0]);
    const volumes = (levels: readonly TextLevel[]) => levels.map(([, qty]) => Number(qty));
    const zeros = () => Array<number>(LEVELS).fill(0);
    const futures = this.contract.securityType === "FUT";
    const sum = (all: readonly number[]) => all.reduce((total, each) => total + each, 0);
    const [bidVolume, askVolume] = [volumes(bids), volumes(asks)];
    return {
      code: this.contract.code,
      ...taipei(ns),
      ...(futures ? { bid_total_vol: sum(bidVolume), ask_total_vol: sum(askVolume) } : {}),
      bid_price: bidPrice,
      bid_volume: bidVolume,
      diff_bid_vol: zeros(),
      ask_price: asks.map(([px]) => px),
      ask_volume: askVolume,
      diff_ask_vol: zeros(),
      ...(futures
        ? {
            first_derived_bid_price: "0",
            first_derived_ask_price: "0",
            first_derived_bid_vol: 0,
            first_derived_ask_vol: 0,
            underlying_price: "0",
          }
        : {}),
      ...this.#flags(),
    };
  }

  /** A trade; `total_volume` rises by its volume, the one continuity a reader can check. */
  tick(trade: TradeUpdate, ns: bigint): Event {
    const futures = this.contract.securityType === "FUT";
    const units = this.#units(trade.px);
    const close = this.#px(trade.px);
    const volume = 1 + (trade.id % 9);
    this.#totalVolume += volume;
    this.#totalAmount += units * volume;
    this.#open ||= close;
    this.#high = Math.max(this.#high, units);
    this.#low = Math.min(this.#low, units);
    const { pxScale } = this.contract;
    const text = (value: number) => trim(decimal(Math.round(value), pxScale));
    const sides = { bid_side_total_vol: this.#totalVolume, ask_side_total_vol: this.#totalVolume };
    const common = {
      code: this.contract.code,
      ...taipei(ns),
      open: this.#open,
      avg_price: text(this.#totalAmount / this.#totalVolume),
      close,
      high: text(this.#high),
      low: text(this.#low),
      amount: text(units * volume),
      total_amount: text(this.#totalAmount),
      volume,
      total_volume: this.#totalVolume,
      tick_type: trade.buyerIsMaker ? 2 : 1,
      chg_type: 2,
      price_chg: "0",
      ...sides,
    };
    if (futures) return { ...common, underlying_price: "0", pct_chg: "0", simtrade: false };
    return {
      ...common,
      pct_chg: 0,
      bid_side_total_cnt: 1,
      ask_side_total_cnt: 1,
      closing_oddlot_shares: 0,
      closing_oddlot_close: null,
      fixed_trade_vol: 0,
      ...this.#flags(),
    };
  }

  /** The wide quote: the last tick's totals beside the five levels. */
  quote(ns: bigint): Event {
    const { bids, asks } = this.levels();
    const close = bids[0]?.[0] ?? "0";
    return {
      ...this.bidask(ns, false),
      close,
      open: this.#open || close,
      ask_count: asks.length,
      total_volume: this.#totalVolume,
    };
  }

  get totalVolume(): number {
    return this.#totalVolume;
  }
}
