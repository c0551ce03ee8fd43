/** Our side of a reconciliation, as it is told: orders, executions, balances, and when each was last touched. */

import type { Money, QtyLots } from "@tidegate/contracts";
import {
  type Balance,
  belongs,
  type Execution,
  type Mark,
  type OpenOrder,
  type OurSide,
  type ReconRules,
} from "./types.ts";

/** Executions kept; older ones are no longer compared. */
export const EXECUTIONS_MAX = 100_000;
/** Subjects whose last touch is remembered; one forgotten was touched longer ago than any answer takes. */
export const TOUCHED_MAX = 100_000;
/** Totals kept of each asset; of one that moved oftener between two looks the oldest are forgotten. */
export const TOTALS_MAX = 1_024;

export interface BookRules extends Pick<ReconRules, "baseAsset" | "quoteAsset"> {
  /** 1e-8 of the base asset in one lot, and of the quote asset in one tick times one lot. */
  readonly baseE8PerLot: bigint;
  readonly quoteE8PerTickLot: bigint;
}

/** Our side of one spot instrument. */
export class OurBook implements OurSide {
  readonly #rules: BookRules;
  readonly #nowMs: () => number;
  readonly #orders = new Map<string, OpenOrder>();
  readonly #executions = new Map<string, Execution>();
  readonly #totals = new Map<string, bigint>();
  /** Of each asset, what its total was before each of the last changes, and when that ended, oldest first. */
  readonly #were = new Map<string, { readonly total: bigint; readonly untilMs: number }[]>();
  readonly #touched = new Map<string, readonly [last: number, before: number]>();

  constructor(
    rules: BookRules,
    totals: Readonly<Record<string, bigint>>,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#rules = rules;
    this.#nowMs = nowMs;
    for (const [asset, total] of Object.entries(totals)) this.#totals.set(asset, total);
  }

  get orders(): ReadonlyMap<string, OpenOrder> {
    return this.#orders;
  }

  execution(execId: string): Execution | undefined {
    return this.#executions.get(execId);
  }

  *executionsFrom(mark: Mark): Iterable<Execution> {
    for (const execution of this.#executions.values())
      if (belongs(mark, execution)) yield execution;
  }

  held(orders: Iterable<OpenOrder>): ReadonlyMap<string, bigint> {
    const { baseAsset, quoteAsset, baseE8PerLot, quoteE8PerTickLot } = this.#rules;
    const held = new Map<string, bigint>();
    for (const { side, pxTicks, qtyLots, cumLots } of orders) {
      const left = BigInt(qtyLots - cumLots);
      const [asset, of] =
        side === "SELL"
          ? [baseAsset, left * baseE8PerLot]
          : [quoteAsset, left * BigInt(pxTicks) * quoteE8PerTickLot];
      held.set(asset, (held.get(asset) ?? 0n) + of);
    }
    return held;
  }

  /** Totals, and what our open orders hold of them. */
  get balances(): ReadonlyMap<string, Balance> {
    const held = this.held(this.#orders.values());
    const row = ([asset, total]: [string, bigint]): [string, Balance] => [
      asset,
      { total: total as Money, locked: (held.get(asset) ?? 0n) as Money },
    ];
    return new Map([...this.#totals].map(row));
  }

  touchedMs(subject: string): readonly [last: number, before: number] {
    return this.#touched.get(subject) ?? [0, 0];
  }

  stoodAt(asset: string, total: bigint, slack: bigint, sinceMs: number): boolean {
    const fits = (each: bigint) => each - total <= slack && total - each <= slack;
    return (
      fits(this.#totals.get(asset) ?? 0n) ||
      (this.#were.get(asset) ?? []).some((each) => each.untilMs >= sinceMs && fits(each.total))
    );
  }

  #touch(...subjects: readonly string[]): void {
    const now = this.#nowMs();
    for (const subject of new Set(subjects)) {
      const [last] = this.touchedMs(subject);
      this.#touched.delete(subject);
      this.#touched.set(subject, [now, last]);
    }
    for (const [oldest] of this.#touched) {
      if (this.#touched.size <= TOUCHED_MAX) break;
      this.#touched.delete(oldest);
    }
  }

  /** An order is sent: from before its bytes leave. */
  sent(order: OpenOrder): void {
    this.#orders.set(order.clientOrderId, order);
    this.#touch(order.clientOrderId);
  }

  /** The venue has taken it: a list from before that does not show it. */
  acked(clientOrderId: string): void {
    if (this.#orders.has(clientOrderId)) this.#touch(clientOrderId);
  }

  /** It has ended. */
  ended(clientOrderId: string): void {
    this.#orders.delete(clientOrderId);
    this.#touch(clientOrderId);
  }

  /** Its price or quantity is another now. */
  replaced(order: OpenOrder): void {
    if (!this.#orders.has(order.clientOrderId)) return;
    this.sent(order);
  }

  /** An execution, booked once by its id; false where it is booked already. */
  executed(execution: Execution): boolean {
    if (this.#executions.has(execution.execId)) return false;
    this.#executions.set(execution.execId, execution);
    this.#move(execution, 1n);
    const { clientOrderId, qtyLots } = execution;
    const order = clientOrderId === null ? undefined : this.#orders.get(clientOrderId);
    if (order !== undefined) {
      const cumLots = (order.cumLots + qtyLots) as QtyLots;
      if (cumLots >= order.qtyLots) this.ended(order.clientOrderId);
      else this.sent({ ...order, cumLots });
    }
    if (this.#executions.size > EXECUTIONS_MAX) {
      const [oldest] = this.#executions.keys();
      if (oldest !== undefined) this.#executions.delete(oldest);
    }
    return true;
  }

  /** The venue has taken an execution back: what it moved is moved back, once. */
  undone(execId: string): boolean {
    const known = this.#executions.get(execId);
    if (known === undefined) return false;
    this.#executions.delete(execId);
    this.#move(known, -1n);
    return true;
  }

  /** The execution so many before the newest; null where there are none. */
  recent(back: number): Execution | null {
    const all = [...this.#executions.values()];
    return all.at(-Math.min(all.length, back)) ?? null;
  }

  /** A compensating entry that somebody has signed. */
  adjusted(asset: string, by: bigint): void {
    this.#add(asset, by);
    this.#touch(asset);
  }

  /** Moves both assets and the fee's, forwards or back; an asset that is both moves once. */
  #move({ execId, side, qtyLots, pxTicks, feeAsset, fee }: Execution, sign: bigint): void {
    const { baseAsset, quoteAsset, baseE8PerLot, quoteE8PerTickLot } = this.#rules;
    const way = side === "BUY" ? sign : -sign;
    const paid = (asset: string) => (asset === feeAsset ? -sign * fee : 0n);
    this.#add(baseAsset, way * BigInt(qtyLots) * baseE8PerLot + paid(baseAsset));
    const quote = way * BigInt(qtyLots) * BigInt(pxTicks) * quoteE8PerTickLot;
    this.#add(quoteAsset, paid(quoteAsset) - quote);
    if (feeAsset !== baseAsset && feeAsset !== quoteAsset) this.#add(feeAsset, -sign * fee);
    this.#touch(execId, baseAsset, quoteAsset, feeAsset);
  }

  #add(asset: string, by: bigint): void {
    const total = this.#totals.get(asset) ?? 0n;
    const were = this.#were.get(asset) ?? [];
    if (were.length === 0) this.#were.set(asset, were);
    were.push({ total, untilMs: this.#nowMs() });
    if (were.length > TOTALS_MAX) were.shift();
    this.#totals.set(asset, total + by);
  }
}
