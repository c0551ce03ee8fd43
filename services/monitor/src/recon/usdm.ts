/**
 * Binance USD-M's answers and private events as looks: one symbol of one account.
 *
 * A position has no price of ours and a wallet moves with what it realises. So what is compared as cash is the wallet less
 * what the position has cost, entry price times quantity: it moves with every fill as the quote asset of spot does, and with
 * nothing else. The entry price has so many digits; what they hide of it is the slack.
 */

import { type Money, parseMoney, parsePx, parseQty } from "@tidegate/contracts";
import { binanceUsdm, type RestAnswer, type RestClient } from "@tidegate/venues";
import type { Ask, Weights } from "./cadence.ts";
import { parsed, ROWS_MAX, type Row, rowsOf, type SpotGrid, sideOf, textOf } from "./spot.ts";
import type { Balance, Execution, Look, OpenOrder } from "./types.ts";
import type { Times, VenueSide } from "./venue.ts";

export interface UsdmGrid extends SpotGrid {
  readonly baseAsset: string;
  readonly quoteAsset: string;
  /** 1e-8 of the quote asset in one tick of one whole base asset. */
  readonly e8PerTick: bigint;
}

/** What each question costs at the venue. */
export function usdmWeights(): Weights {
  const { limits, paths } = binanceUsdm;
  const of = (path: string) => limits.restWeight("GET", path, [["symbol", "X"]]);
  return {
    orders: of(paths.openOrders),
    balances: of(paths.account),
    executions: of(paths.trades),
    cash: 0,
  };
}

/** A position as the venue has it. */
interface Held {
  readonly amountE8: bigint;
  /** Entry price in 1e-8. */
  readonly entryE8: bigint;
}

export class UsdmSide implements VenueSide {
  readonly weights = usdmWeights();
  /** Nothing tells what is held for an order, so the list alone finds one that is gone: twice a second, for a weight of 1. */
  readonly wanted = { orders: 500, balances: 4_200, executions: 60_000, cash: 60_000 };
  readonly tellsHeld = false;
  readonly back = 200;
  readonly #rest: RestClient;
  readonly #grid: UsdmGrid;
  /** The position of the last word on it: an event of the wallet alone leaves it out. */
  #held: Held | null = null;

  constructor(rest: RestClient, grid: UsdmGrid) {
    this.#rest = rest;
    this.#grid = grid;
  }

  question(what: Ask, from: Execution | null): Promise<RestAnswer> {
    const { queries } = binanceUsdm;
    const { symbol } = this.#grid;
    if (what === "orders") return queries.openOrders(this.#rest, symbol);
    if (what === "executions")
      return queries.trades(this.#rest, symbol, { fromId: from?.execId ?? "0" });
    return queries.account(this.#rest);
  }

  read(what: Ask, body: Uint8Array, from: Execution | null, times: Times): Look {
    switch (what) {
      case "orders":
        return {
          what: "orders",
          orders: rowsOf(parsed(body)).map((row) => this.#order(row)),
          ...times,
        };
      case "executions": {
        const rows = rowsOf(parsed(body));
        if (rows.length >= ROWS_MAX) throw new TypeError("the list of trades may be cut short");
        const mark = { by: "id", id: BigInt(from?.execId ?? 0) } as const;
        const executions = rows.map((row) => this.#trade(row));
        return { what: "executions", from: mark, executions, ...times };
      }
      default:
        return {
          what: "balances",
          balances: this.#account(parsed(body) as Row),
          of: null,
          ...times,
        };
    }
  }

  hear(body: Uint8Array, atMs: number): readonly Look[] {
    const outer = parsed(body) as Row;
    const event = (typeof outer["data"] === "object" ? outer["data"] : outer) as Row;
    const at = { askedMs: atMs, answeredMs: atMs };
    if (event["e"] === "ACCOUNT_UPDATE") {
      const balances = this.#update(event["a"] as Row);
      return balances === null ? [] : [{ what: "balance event", balances, ...at }];
    }
    if (event["e"] !== "ORDER_TRADE_UPDATE") return [];
    const order = event["o"] as Row;
    if (order["s"] !== this.#grid.symbol) return [];
    const { px, qty } = this.#grid;
    const clientOrderId = textOf(order, "c");
    const side = sideOf(textOf(order, "S"));
    const state = textOf(order, "X");
    const open: OpenOrder | null =
      state === "NEW" || state === "PARTIALLY_FILLED"
        ? {
            ...{ clientOrderId, side, pxTicks: parsePx(textOf(order, "p"), px) },
            qtyLots: parseQty(textOf(order, "q"), qty),
            cumLots: parseQty(textOf(order, "z"), qty),
          }
        : null;
    const look: Look = { what: "order event", clientOrderId, open, ...at };
    if (order["x"] !== "TRADE") return [look];
    const execution: Execution = {
      ...{ execId: textOf(order, "t"), clientOrderId, venueOrderId: textOf(order, "i"), side },
      pxTicks: parsePx(textOf(order, "L"), px),
      qtyLots: parseQty(textOf(order, "l"), qty),
      ...{ fee: parseMoney(textOf(order, "n")), feeAsset: textOf(order, "N") },
      atMs: Number(order["T"] ?? 0),
    };
    return [look, { what: "execution event", execution, ...at }];
  }

  #order(row: Row): OpenOrder {
    const { px, qty } = this.#grid;
    return {
      clientOrderId: textOf(row, "clientOrderId"),
      side: sideOf(textOf(row, "side")),
      pxTicks: parsePx(textOf(row, "price"), px),
      qtyLots: parseQty(textOf(row, "origQty"), qty),
      cumLots: parseQty(textOf(row, "executedQty"), qty),
    };
  }

  #trade(row: Row): Execution {
    const { px, qty } = this.#grid;
    return {
      ...{ execId: textOf(row, "id"), clientOrderId: null, venueOrderId: textOf(row, "orderId") },
      side: sideOf(textOf(row, "side")),
      pxTicks: parsePx(textOf(row, "price"), px),
      qtyLots: parseQty(textOf(row, "qty"), qty),
      ...{ fee: parseMoney(textOf(row, "commission")), feeAsset: textOf(row, "commissionAsset") },
      atMs: Number(row["time"] ?? 0),
    };
  }

  #account(account: Row): ReadonlyMap<string, Balance> {
    const { symbol, quoteAsset } = this.#grid;
    const position = rowsOf(account["positions"]).find((row) => row["symbol"] === symbol);
    const wallet = rowsOf(account["assets"]).find((row) => row["asset"] === quoteAsset);
    this.#held =
      position === undefined
        ? { amountE8: 0n, entryE8: 0n }
        : heldOf(textOf(position, "positionAmt"), textOf(position, "entryPrice"));
    const walletE8 = wallet === undefined ? 0n : parseMoney(textOf(wallet, "walletBalance"));
    return this.#balances(walletE8, this.#held);
  }

  /** Of an event both are wanted; null where the position was never told. */
  #update(a: Row): ReadonlyMap<string, Balance> | null {
    const { symbol, quoteAsset } = this.#grid;
    const position = rowsOf(a["P"]).find((row) => row["s"] === symbol);
    if (position !== undefined) this.#held = heldOf(textOf(position, "pa"), textOf(position, "ep"));
    const wallet = rowsOf(a["B"]).find((row) => row["a"] === quoteAsset);
    if (wallet === undefined || this.#held === null) return null;
    return this.#balances(parseMoney(textOf(wallet, "wb")), this.#held);
  }

  #balances(walletE8: bigint, { amountE8, entryE8 }: Held): ReadonlyMap<string, Balance> {
    const { baseAsset, quoteAsset, e8PerTick } = this.#grid;
    const size = amountE8 < 0n ? -amountE8 : amountE8;
    // The entry price is cut off at a tick at the latest.
    const slack = size === 0n ? 0n : (size * e8PerTick) / E8 + 1n;
    const cash = walletE8 - (amountE8 * entryE8) / E8;
    return new Map([
      [baseAsset, { total: amountE8 as Money, locked: null }],
      [quoteAsset, { total: cash as Money, locked: null, slack: slack as Money }],
    ]);
  }
}

const E8 = 100_000_000n;

/** Digits beyond 1e-8 of an entry price are less than the slack. */
function heldOf(amount: string, entry: string): Held {
  const cut = entry.replace(/(\.\d{8})\d+$/, "$1");
  return { amountE8: parseMoney(amount), entryE8: parseMoney(cut) };
}
