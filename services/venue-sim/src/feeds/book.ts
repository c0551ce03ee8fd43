/** A plain book of absolute sizes by price, in integers. The venue's own; written for clearness, not speed. */

export type IntLevel = readonly [px: number, qty: number];

export class PlainBook {
  readonly #bids = new Map<number, number>();
  readonly #asks = new Map<number, number>();
  /** Sides in order, until the next change of them. */
  #sortedBids: IntLevel[] | null = null;
  #sortedAsks: IntLevel[] | null = null;

  set(side: "bid" | "ask", px: number, qty: number): void {
    const levels = side === "bid" ? this.#bids : this.#asks;
    if (side === "bid") this.#sortedBids = null;
    else this.#sortedAsks = null;
    if (qty === 0) levels.delete(px);
    else levels.set(px, qty);
  }

  qty(side: "bid" | "ask", px: number): number {
    return (side === "bid" ? this.#bids : this.#asks).get(px) ?? 0;
  }

  clear(): void {
    this.#sortedBids = null;
    this.#sortedAsks = null;
    this.#bids.clear();
    this.#asks.clear();
  }

  /** Best first. */
  bids(max: number): IntLevel[] {
    this.#sortedBids ??= [...this.#bids].sort(([a], [b]) => b - a);
    return this.#sortedBids.slice(0, max);
  }

  asks(max: number): IntLevel[] {
    this.#sortedAsks ??= [...this.#asks].sort(([a], [b]) => a - b);
    return this.#sortedAsks.slice(0, max);
  }

  get levels(): number {
    return this.#bids.size + this.#asks.size;
  }
}

/** An integer in units of 10^-scale as decimal text: 123456 at scale 2 is "1234.56". */
export function decimal(units: number, scale: number): string {
  if (scale === 0) return String(units);
  const text = String(Math.abs(units)).padStart(scale + 1, "0");
  return `${units < 0 ? "-" : ""}${text.slice(0, -scale)}.${text.slice(-scale)}`;
}

/** Decimal text in units of 10^-scale; digits beyond the scale must be zeros. */
export function units(text: string, scale: number): number {
  const [, whole, frac = ""] = /^(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === undefined || /[1-9]/.test(frac.slice(scale))) {
    throw new RangeError(`${text} is no decimal of scale ${scale}`);
  }
  return Number(whole + frac.slice(0, scale).padEnd(scale, "0"));
}
