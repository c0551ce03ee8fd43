/** What the account owns, from its fills alone: dollars, and a quantity and a cost of each asset. Pure. */

import type { Trade } from "../../core.ts";

/** One position. Quantities and money in 1e-8. */
export interface Holding {
  /** Below 0 for a short position. */
  readonly qtyE8: bigint;
  /** What it cost, signed as the quantity; a close relieves it pro rata. */
  readonly costE8: bigint;
}

const NOTHING: Holding = { qtyE8: 0n, costE8: 0n };
const abs = (value: bigint): bigint => (value < 0n ? -value : value);

/** A position after so much of it was bought (above 0) or sold at a cost of the same sign. */
function moved({ qtyE8, costE8 }: Holding, byE8: bigint, costOfIt: bigint): Holding {
  const after = qtyE8 + byE8;
  if (qtyE8 === 0n || qtyE8 > 0n === byE8 > 0n) return { qtyE8: after, costE8: costE8 + costOfIt };
  if (after === 0n) return NOTHING;
  // Less of it is left, at the price it had.
  if (after > 0n === qtyE8 > 0n) return { qtyE8: after, costE8: (costE8 * after) / qtyE8 };
  // It has turned: what is over was opened at the new price.
  return { qtyE8: after, costE8: (costOfIt * after) / byE8 };
}

export class Holdings {
  #cashE8: bigint;
  readonly #by = new Map<string, Holding>();

  constructor(cashE8: bigint) {
    this.#cashE8 = cashE8;
  }

  get cashE8(): bigint {
    return this.#cashE8;
  }

  of(symbol: string): Holding {
    return this.#by.get(symbol) ?? NOTHING;
  }

  /** Every position that is not nothing. */
  all(): [symbol: string, holding: Holding][] {
    return [...this.#by].filter(([, { qtyE8 }]) => qtyE8 !== 0n);
  }

  /** Shares and dollars that come from elsewhere, at no cost; until this process ends. */
  move(symbol: string, qtyE8: bigint, cashE8: bigint): void {
    this.#cashE8 += cashE8;
    if (qtyE8 !== 0n) this.#by.set(symbol, moved(this.of(symbol), qtyE8, 0n));
  }

  /** Books a fill, or takes it back with `times` -1. `e8PerLot` is one lot in 1e-8. */
  book(symbol: string, trade: Trade, e8PerLot: number, feeInBase: boolean, times: 1n | -1n): void {
    const sign = trade.side === "BUY" ? times : -times;
    const feeE8 = BigInt(trade.feeE8);
    const lots = BigInt(trade.qtyLots) * BigInt(e8PerLot);
    const cost = BigInt(trade.quoteE8);
    this.#cashE8 -= sign * cost + (feeInBase ? 0n : times * feeE8);
    const byE8 = sign * lots - (feeInBase ? times * feeE8 : 0n);
    if (byE8 !== 0n) this.#by.set(symbol, moved(this.of(symbol), byE8, sign * cost));
  }
}

/** Price of a position in 1e-8 of a dollar; 0 of none. */
export function averageE8({ qtyE8, costE8 }: Holding): bigint {
  return qtyE8 === 0n ? 0n : (abs(costE8) * 100_000_000n) / abs(qtyE8);
}
