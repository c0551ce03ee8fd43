/** Alpaca's answers and trade updates as looks: one stock of one account. */

import {
  type Money,
  type PxGrid,
  type PxTicks,
  parsePx,
  parseQty,
  type QtyLots,
} from "@tidegate/contracts";
import { alpaca, type RestAnswer, type RestClient } from "@tidegate/venues";
import type { Ask, Weights } from "./cadence.ts";
import type { SpotGrid } from "./spot.ts";
import type { Balance, Execution, Look, OpenOrder, Side } from "./types.ts";
import type { Times, VenueSide } from "./venue.ts";

/** What the account's cash is in. */
export const CASH = "USD";
/** Of our own executions the list begins so long before the oldest it covers: the venue's times are its own, ms. */
const BEFORE_MS = 1_000;

/**
 * Alpaca: a request is a request, and the account has 200 a minute. A tenth of them is 20: a list of orders each 5 s leaves
 * five for positions.
 */
export class AlpacaSide implements VenueSide {
  readonly weights: Weights = { orders: 1, balances: 1, executions: 1, cash: 1 };
  readonly wanted = { orders: 5_000, balances: 12_070, executions: 60_000, cash: 60_000 };
  readonly tellsHeld = false;
  /** A page has 100. */
  readonly back = 50;
  readonly #rest: RestClient;
  readonly #grid: SpotGrid;
  readonly #startedMs: number;

  /** `startedMs`: without an execution of ours, those since then are looked at; ms since the Unix epoch. */
  constructor(rest: RestClient, grid: SpotGrid, startedMs: number) {
    this.#rest = rest;
    this.#grid = grid;
    this.#startedMs = startedMs;
  }

  question(what: Ask, from: Execution | null): Promise<RestAnswer> {
    const { account, orders } = alpaca;
    const request = {
      orders: () => orders.openOrdersRequest(),
      balances: () => account.positionsRequest(),
      cash: () => account.accountRequest(),
      executions: () => account.fillsRequest(this.#fromMs(from), null),
    }[what]();
    return this.#rest.send("GET", request.target, null);
  }

  read(what: Ask, body: Uint8Array, from: Execution | null, times: Times): Look {
    switch (what) {
      case "orders":
        return this.#orders(body, times);
      case "executions":
        return this.#executions(body, from, times);
      case "cash": {
        const { cashE8 } = alpaca.account.accountView(objectOf(read(body)));
        const balances = new Map([[CASH, balance(cashE8)]]);
        return { what: "balances", balances, of: { only: CASH }, ...times };
      }
      case "balances": {
        const rows = alpaca.account.positionViews(read(body));
        const balances = new Map(rows.map(({ symbol, qtyE8 }) => [symbol, balance(qtyE8)]));
        return { what: "balances", balances, of: { but: CASH }, ...times };
      }
    }
  }

  hear(body: Uint8Array, atMs: number): readonly Look[] {
    const said = objectOf(read(body));
    const data = said["data"];
    if (said["stream"] !== "trade_updates" || !isObject(data)) return [];
    const order = data["order"];
    if (!isObject(order) || order["symbol"] !== this.#grid.symbol) return [];
    const message = alpaca.session.message(Buffer.from(body), () => this.#scales());
    if (message.kind !== "update") return [];
    const at = { askedMs: atMs, answeredMs: atMs };
    const { clientOrderId, state, side, venueOrderId } = message.order;
    const ended = state !== "PENDING" && state !== "LIVE";
    const open = ended ? null : this.#order(order);
    const looks: Look[] = [{ what: "order event", clientOrderId, open, ...at }];
    const { execution, busted, atNs } = message;
    if (execution === null) return looks;
    const positions = new Map([[this.#grid.symbol, balance(execution.positionE8)]]);
    looks.push({ what: "balance event", balances: positions, ...at });
    // One that was taken back is found by the position and by the list.
    if (busted !== null) return looks;
    const fill: Execution = {
      ...{ execId: execution.executionId, clientOrderId, venueOrderId, side },
      pxTicks: Number(execution.pxTicks) as PxTicks,
      qtyLots: Number(execution.qtyLots) as QtyLots,
      ...{ fee: 0n as Money, feeAsset: CASH, atMs: Number(atNs / 1_000_000n) },
    };
    return [...looks, { what: "execution event", execution: fill, ...at }];
  }

  /** Errors  RangeError, TypeError: a list that is none, or one that may have been cut short */
  #orders(body: Uint8Array, times: Times): Look {
    const rows = listOf(read(body));
    if (rows.length >= alpaca.orders.ORDERS_LISTED_MAX)
      throw new RangeError("the list of orders may be cut short");
    const ours = rows.map(objectOf).filter((row) => row["symbol"] === this.#grid.symbol);
    return { what: "orders", orders: ours.map((row) => this.#order(row)), ...times };
  }

  #executions(body: Uint8Array, from: Execution | null, times: Times): Look {
    const views = alpaca.account.fillViews(read(body), (symbol) =>
      symbol === this.#grid.symbol ? this.#scales() : { pxScale: 18, qtyScale: 18 },
    );
    if (views.length >= alpaca.account.FILLS_PAGE_MAX)
      throw new RangeError("the list of fills may be cut short");
    const executions = views
      .filter(({ symbol }) => symbol === this.#grid.symbol)
      .map((view): Execution => {
        return {
          ...{ execId: view.executionId, clientOrderId: null, venueOrderId: view.venueOrderId },
          ...{ side: view.side as Side, fee: 0n as Money, feeAsset: CASH },
          pxTicks: Number(view.pxTicks) as PxTicks,
          qtyLots: Number(view.qtyLots) as QtyLots,
          atMs: Number(view.atNs / 1_000_000n),
        };
      });
    const mark = { by: "time", ms: this.#fromMs(from) } as const;
    return { what: "executions", from: mark, executions, ...times };
  }

  #fromMs(from: Execution | null): number {
    return (from?.atMs ?? this.#startedMs) - BEFORE_MS;
  }

  /** An open order. One in dollars, or without a price, counts as 0 of it. */
  #order(row: Json): OpenOrder {
    const { px, qty } = this.#grid;
    const of = (name: string): string => {
      const value = row[name];
      return typeof value === "string" ? value : "0";
    };
    return {
      clientOrderId: alpaca.codec.text(row, "client_order_id"),
      side: alpaca.codec.text(row, "side") === "buy" ? "BUY" : "SELL",
      pxTicks: parsePx(of("limit_price"), px),
      qtyLots: parseQty(of("qty"), qty),
      cumLots: parseQty(of("filled_qty"), qty),
    };
  }

  #scales() {
    const { px, qty } = this.#grid;
    return { pxScale: (px as PxGrid).pxScale, qtyScale: qty.qtyScale };
  }
}

type Json = Readonly<Record<string, unknown>>;
const { isObject } = alpaca.codec;

const balance = (total: bigint): Balance => ({ total: total as Money, locked: null });

const read = (body: Uint8Array): unknown =>
  JSON.parse(Buffer.from(body).toString("utf8")) as unknown;

function objectOf(value: unknown): Json {
  if (!isObject(value)) throw new TypeError("want an object");
  return value;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError("want a list");
  return value;
}
