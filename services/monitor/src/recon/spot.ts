/** Binance spot's answers and private events as looks. Texts become integers here; ids stay texts. */

import {
  type Money,
  type PxGrid,
  parseMoney,
  parsePx,
  parseQty,
  type QtyGrid,
} from "@tidegate/contracts";
import { binanceSpot, type RestAnswer, type RestClient } from "@tidegate/venues";
import { type Ask, WANTED, type Weights } from "./cadence.ts";
import type { Balance, Execution, Look, Mark, OpenOrder, Side } from "./types.ts";
import type { Times, VenueSide } from "./venue.ts";

export interface SpotGrid {
  readonly symbol: string;
  readonly px: PxGrid;
  readonly qty: QtyGrid;
}

/** Rows a list of trades may have; one this long may have been cut short. */
export const ROWS_MAX = 1_000;
/** Orders whose two ids are remembered together. */
const IDS_MAX = 100_000;

export type Row = Readonly<Record<string, unknown>>;

/** JSON whose whole numbers that name something are kept as texts: they may be beyond what a number holds. */
export function parsed(body: Uint8Array): unknown {
  const text = Buffer.from(body).toString("utf8");
  return JSON.parse(text.replaceAll(/"(id|orderId|i|t)"\s*:\s*(-?\d+)/g, '"$1":"$2"'));
}

export function textOf(row: Row, name: string): string {
  const value = row[name];
  if (typeof value !== "string") throw new TypeError(`${name}: want a text`);
  return value;
}

export function rowsOf(value: unknown): readonly Row[] {
  if (!Array.isArray(value)) throw new TypeError("want a list");
  return value as readonly Row[];
}

export function sideOf(text: string): Side {
  if (text === "BUY" || text === "SELL") return text;
  throw new TypeError(`side ${text}: want BUY or SELL`);
}

/** Reads one account's answers about one symbol. */
export class SpotReader {
  readonly #grid: SpotGrid;
  /** The venue's order id to ours. */
  readonly #ids = new Map<string, string>();

  constructor(grid: SpotGrid) {
    this.#grid = grid;
  }

  #known(venueOrderId: string, clientOrderId: string): void {
    this.#ids.set(venueOrderId, clientOrderId);
    for (const [oldest] of this.#ids) {
      if (this.#ids.size <= IDS_MAX) break;
      this.#ids.delete(oldest);
    }
  }

  /**
   * The list of open orders.
   *
   * Errors  TypeError and the units' own: an answer that cannot be read says nothing
   */
  orders(body: Uint8Array, times: Times): Look {
    const orders = rowsOf(parsed(body)).map((row): OpenOrder => {
      const clientOrderId = textOf(row, "clientOrderId");
      this.#known(textOf(row, "orderId"), clientOrderId);
      return {
        clientOrderId,
        side: sideOf(textOf(row, "side")),
        pxTicks: parsePx(textOf(row, "price"), this.#grid.px),
        qtyLots: parseQty(textOf(row, "origQty"), this.#grid.qty),
        cumLots: parseQty(textOf(row, "executedQty"), this.#grid.qty),
      };
    });
    return { what: "orders", orders, ...times };
  }

  /** The account's balances. Errors as above. */
  balances(body: Uint8Array, times: Times): Look {
    const account = parsed(body) as Row;
    const balances = new Map<string, Balance>();
    for (const row of rowsOf(account["balances"])) {
      const [free, locked] = [parseMoney(textOf(row, "free")), parseMoney(textOf(row, "locked"))];
      balances.set(textOf(row, "asset"), { total: (free + locked) as Money, locked });
    }
    return { what: "balances", balances, of: null, ...times };
  }

  /** The balances an event names; null for an event about anything else. Errors as above. */
  balanceEvent(body: Uint8Array, atMs: number): Look | null {
    const outer = parsed(body) as Row;
    const event = (typeof outer["event"] === "object" ? outer["event"] : outer) as Row;
    if (event["e"] !== "outboundAccountPosition") return null;
    const balances = new Map<string, Balance>();
    for (const row of rowsOf(event["B"])) {
      const [free, locked] = [parseMoney(textOf(row, "f")), parseMoney(textOf(row, "l"))];
      balances.set(textOf(row, "a"), { total: (free + locked) as Money, locked });
    }
    return { what: "balance event", balances, askedMs: atMs, answeredMs: atMs };
  }

  /** Our trades from one id on. Errors as above, and a list that may be cut short: it says nothing of what is missing. */
  executions(body: Uint8Array, from: Mark, times: Times): Look {
    const rows = rowsOf(parsed(body));
    if (rows.length >= ROWS_MAX) throw new TypeError("the list of trades may be cut short");
    const executions = rows.map((row): Execution => {
      const venueOrderId = textOf(row, "orderId");
      return {
        execId: textOf(row, "id"),
        clientOrderId: this.#ids.get(venueOrderId) ?? null,
        venueOrderId,
        side: row["isBuyer"] === true ? "BUY" : "SELL",
        pxTicks: parsePx(textOf(row, "price"), this.#grid.px),
        qtyLots: parseQty(textOf(row, "qty"), this.#grid.qty),
        fee: parseMoney(textOf(row, "commission")),
        feeAsset: textOf(row, "commissionAsset"),
        atMs: Number(row["time"] ?? 0),
      };
    });
    return { what: "executions", from, executions, ...times };
  }

  /**
   * What a private event says: the order after it, and the execution where it is one. Null for an event about anything else.
   * Errors as above.
   */
  event(
    body: Uint8Array,
    atMs: number,
  ): { readonly look: Look; readonly execution: Execution | null } | null {
    const outer = parsed(body) as Row;
    const event = (typeof outer["event"] === "object" ? outer["event"] : outer) as Row;
    if (event["e"] !== "executionReport" || event["s"] !== this.#grid.symbol) return null;
    const { px, qty } = this.#grid;
    // On a cancel `c` is the id of the cancel and `C` that of the order.
    const original = textOf(event, "C");
    const clientOrderId = original === "" ? textOf(event, "c") : original;
    const venueOrderId = textOf(event, "i");
    this.#known(venueOrderId, clientOrderId);
    const side = sideOf(textOf(event, "S"));
    const state = textOf(event, "X");
    const open: OpenOrder | null =
      state === "NEW" || state === "PARTIALLY_FILLED"
        ? {
            ...{ clientOrderId, side, pxTicks: parsePx(textOf(event, "p"), px) },
            qtyLots: parseQty(textOf(event, "q"), qty),
            cumLots: parseQty(textOf(event, "z"), qty),
          }
        : null;
    const execution: Execution | null =
      event["x"] === "TRADE"
        ? {
            ...{ execId: textOf(event, "t"), clientOrderId, venueOrderId, side },
            pxTicks: parsePx(textOf(event, "L"), px),
            qtyLots: parseQty(textOf(event, "l"), qty),
            fee: parseMoney(textOf(event, "n")),
            feeAsset: textOf(event, "N"),
            atMs: Number(event["T"] ?? 0),
          }
        : null;
    const look = { what: "order event" as const, clientOrderId, open };
    return { look: { ...look, askedMs: atMs, answeredMs: atMs }, execution };
  }
}

/** What each question costs at the venue. The account holds the cash too. */
export function spotWeights(): Weights {
  const { limits } = binanceSpot;
  const of = (path: string) => limits.restWeight("GET", path, [["symbol", "X"]]);
  const { openOrders, account, trades } = binanceSpot.paths;
  return { orders: of(openOrders), balances: of(account), executions: of(trades), cash: 0 };
}

/** Binance spot: one symbol of one account. */
export class SpotSide implements VenueSide {
  readonly weights = spotWeights();
  readonly wanted = WANTED;
  readonly tellsHeld = true;
  readonly back = 200;
  readonly #rest: RestClient;
  readonly #symbol: string;
  readonly #reader: SpotReader;

  constructor(rest: RestClient, grid: SpotGrid) {
    this.#rest = rest;
    this.#symbol = grid.symbol;
    this.#reader = new SpotReader(grid);
  }

  question(what: Ask, from: Execution | null): Promise<RestAnswer> {
    const { queries } = binanceSpot;
    if (what === "orders") return queries.openOrders(this.#rest, this.#symbol);
    if (what === "executions")
      return queries.trades(this.#rest, this.#symbol, { fromId: from?.execId ?? "0" });
    return queries.account(this.#rest);
  }

  read(what: Ask, body: Uint8Array, from: Execution | null, times: Times): Look {
    if (what === "orders") return this.#reader.orders(body, times);
    if (what === "executions")
      return this.#reader.executions(body, { by: "id", id: BigInt(from?.execId ?? 0) }, times);
    return this.#reader.balances(body, times);
  }

  hear(body: Uint8Array, atMs: number): readonly Look[] {
    const balances = this.#reader.balanceEvent(body, atMs);
    if (balances !== null) return [balances];
    const heard = this.#reader.event(body, atMs);
    if (heard === null) return [];
    const { look, execution } = heard;
    const at = { askedMs: atMs, answeredMs: atMs };
    return execution === null
      ? [look]
      : [look, { what: "execution event" as const, execution, ...at }];
  }
}
