/** Alpaca as a card of the execution-router holds it: a stock at sixty thousand dollars, bought in whole shares. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TruthOrder, type VenueTruth, venueTruth } from "@tidegate/venue-sim";
import { AlpacaOrders, type Injection, uuidOf } from "@tidegate/venue-sim/alpaca";
import { type CardVenue, KEY, type Market } from "./router.ts";

const SYMBOL = "AAPL";
const CASH = 100_000_000;
/** Characters of a client order id of ours; what a replacement has beyond them tells its version. */
const ID_LENGTH = 25;
/** The least that may be configured. */
const SETTLES_MS = 12_000;

const ROW = {
  ...{ id: 1, venue_id: 1, venue: "ALPACA", symbol: SYMBOL, kind: "equity", base: SYMBOL },
  ...{ quote: "USD", px_scale: 2, px_unit: 1, qty_scale: 6, qty_unit: 1, e8_per_tick_lot: 1 },
  ...{ min_qty_lots: 1, max_qty_lots: 900_000_000_000, min_notional_e8: 0 },
};

/** One order of ours from all the venue has under its id: versions that never came to be are left out. */
function merged(versions: readonly TruthOrder[]): TruthOrder {
  const [first, ...later] = versions as [TruthOrder, ...TruthOrder[]];
  const stood = [first, ...later.filter(({ status }) => status !== "REJECTED")];
  const last = stood.at(-1) as TruthOrder;
  const cumLots = stood.reduce((sum, each) => sum + each.cumLots, 0n);
  const clientOrderId = first.clientOrderId.slice(0, ID_LENGTH);
  return { ...last, clientOrderId, cumLots, qtyLots: cumLots - last.cumLots + last.qtyLots };
}

/** The venue's log, its orders by our ids. Who was the maker of a fill it does not tell. */
export function byOurIds(truth: VenueTruth): VenueTruth {
  const versions = new Map<string, TruthOrder[]>();
  for (const order of truth.orders.values()) {
    const id = order.clientOrderId.slice(0, ID_LENGTH);
    versions.set(id, [...(versions.get(id) ?? []), order]);
  }
  return {
    ...truth,
    orders: new Map([...versions].map(([id, all]) => [id, merged(all)])),
    fills: truth.fills.map((fill) => ({
      ...fill,
      clientOrderId: fill.clientOrderId.slice(0, ID_LENGTH),
      maker: false,
    })),
  };
}

/** The venue with the folder of its log. */
export class AlpacaCard implements CardVenue {
  readonly orders: AlpacaOrders;
  readonly #logPath: string;

  private constructor(orders: AlpacaOrders, logPath: string) {
    this.orders = orders;
    this.#logPath = logPath;
  }

  static async open(dir: string): Promise<AlpacaCard> {
    const orders = await AlpacaOrders.alone(dir, {
      keys: [{ key: KEY.apiKey, secret: KEY.apiSecret, trade: true }],
      cash: CASH,
      onFatal: (error) => {
        throw error;
      },
    });
    return new AlpacaCard(orders, join(dir, "log.ndjson"));
  }

  get port(): number {
    return this.orders.port;
  }

  truth(): VenueTruth {
    return byOurIds(venueTruth(this.#logPath));
  }

  /** A request of somebody else with the account's key. */
  async byHand(method: "POST" | "DELETE" | "PATCH", path: string, body: object = {}) {
    const headers = { "APCA-API-KEY-ID": KEY.apiKey, "APCA-API-SECRET-KEY": KEY.apiSecret };
    const url = `http://127.0.0.1:${this.port}${path}`;
    const answer = await fetch(url, { method, headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
    return (await answer.json()) as Record<string, unknown>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.orders[Symbol.asyncDispose]();
  }
}

export const ALPACA: Market<AlpacaCard> = {
  ...{ id: `alpaca:${SYMBOL}`, keyName: "alpaca", instrumentId: 1, venueId: 1 },
  unitLots: 1_000_000,
  unit: (units) => String(units),
  ticks: (dollars) => Math.round(dollars * 100),
  price: (dollars) => dollars.toFixed(2),
  ordersPer10s: 144,
  settlesMs: SETTLES_MS,
  execId: ({ tradeId }) => uuidOf("execution", SYMBOL, tradeId),
  open: (dir) => AlpacaCard.open(dir),
  config(port, dir) {
    const instrumentsFile = join(dir, "instruments.json");
    writeFileSync(instrumentsFile, JSON.stringify({ version: 1, instruments: [ROW] }));
    return {
      ...{ instrumentsFile, restSettlesMs: SETTLES_MS },
      ...{ alpacaRestUrl: `http://127.0.0.1:${port}`, alpacaStreamUrl: `ws://127.0.0.1:${port}` },
    };
  },
  book: ({ orders }, book) =>
    orders.book({ symbol: SYMBOL, ...book } as Parameters<AlpacaOrders["book"]>[0]),
  inject: ({ orders }, thrown) => orders.inject(thrown as Injection),
  injected: ({ orders }) => orders.stats()["injected"] as Readonly<Record<string, number>>,
};
