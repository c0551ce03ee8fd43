/** The venue's rate counters of one market: request weight a minute, orders in ten seconds. Fixed windows of the venue clock. */

import type { MarketSpec } from "../../markets.ts";

export interface Usage {
  readonly weight: number;
  readonly orders: number;
}

/** A scripted "too many": until then every request is answered with `status`. */
export interface Block {
  readonly status: 429 | 418;
  readonly untilMs: number;
}

/** A market that allows `scale` times as much, and says so wherever it tells its limits. */
export function scaled(spec: MarketSpec, scale: number): MarketSpec {
  return {
    ...spec,
    weightPerMinuteMax: spec.weightPerMinuteMax * scale,
    ordersPer10sMax: spec.ordersPer10sMax * scale,
  };
}

export class RateCounters {
  readonly #weightMax: number;
  readonly #ordersMax: number;
  #minute = -1;
  #weight = 0;
  #tenSeconds = -1;
  #orders = 0;
  #block: Block | null = null;

  constructor(spec: MarketSpec) {
    this.#weightMax = spec.weightPerMinuteMax;
    this.#ordersMax = spec.ordersPer10sMax;
  }

  #roll(nowMs: number): void {
    const minute = Math.floor(nowMs / 60_000);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#weight = 0;
    }
    const ten = Math.floor(nowMs / 10_000);
    if (ten !== this.#tenSeconds) {
      this.#tenSeconds = ten;
      this.#orders = 0;
    }
  }

  /** Refuses everything until a moment, as a venue does that was asked too often. */
  block(block: Block): void {
    this.#block = block;
  }

  /** The block in force. */
  blocked(nowMs: number): Block | null {
    return this.#block !== null && nowMs < this.#block.untilMs ? this.#block : null;
  }

  /** Takes weight; 0 when within the limit, else the seconds to wait. Refused weight counts too, as at the venue. */
  takeWeight(nowMs: number, weight: number): number {
    this.#roll(nowMs);
    this.#weight += weight;
    return this.#weight <= this.#weightMax ? 0 : Math.ceil((60_000 - (nowMs % 60_000)) / 1_000);
  }

  /** Takes one order; 0 when within the limit, else the seconds to wait. */
  takeOrder(nowMs: number): number {
    this.#roll(nowMs);
    if (this.#orders >= this.#ordersMax) return Math.ceil((10_000 - (nowMs % 10_000)) / 1_000);
    this.#orders += 1;
    return 0;
  }

  /** A filled order no longer counts: the venue limits unfilled ones. */
  onFilled(nowMs: number): void {
    this.#roll(nowMs);
    if (this.#orders > 0) this.#orders -= 1;
  }

  usage(nowMs: number): Usage {
    this.#roll(nowMs);
    return { weight: this.#weight, orders: this.#orders };
  }
}
