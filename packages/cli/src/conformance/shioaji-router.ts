/** Shioaji as a card of the execution-router holds it: a stock at sixty thousand dollars, bought in board lots. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TruthFill, VenueTruth } from "@tidegate/venue-sim";
import {
  ACCOUNT_ID,
  BROKER_ID,
  type Injection,
  LOT_SHARES,
  ShioajiOrders,
} from "@tidegate/venue-sim/shioaji";
import { orderIds } from "../drill/gateway-end.ts";
import type { CardVenue, Market } from "./router.ts";

const CODE = "2890";
/** The least that may be configured. */
const SETTLES_MS = 12_000;
/** Orders of one card at most. */
const ORDERS_MAX = 1_000;

const ROW = {
  ...{ id: 1, venue_id: 1, venue: "SHIOAJI", symbol: CODE, kind: "equity", base: CODE },
  ...{ quote: "TWD", px_scale: 2, px_unit: 1, qty_scale: 0, qty_unit: LOT_SHARES },
  ...{ e8_per_tick_lot: 1_000_000_000, min_qty_lots: 1, max_qty_lots: 499, min_notional_e8: 0 },
};

/** The custom field an id of ours points to: FNV-1a, six characters of 36. */
export function fieldOf(clientOrderId: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(clientOrderId)) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  }
  return (hash % 36n ** 6n).toString(36).padStart(6, "0");
}

const IDS: ReadonlyMap<string, string> = new Map(
  Array.from({ length: ORDERS_MAX }, (_, n) => {
    const { clientOrderId } = orderIds(n + 1);
    return [fieldOf(clientOrderId), clientOrderId] as const;
  }),
);
const idOf = (field: string): string => IDS.get(field) ?? field;
const lots = (shares: bigint): bigint => shares / BigInt(LOT_SHARES);

/** The venue's log by our ids and in board lots. Who was the maker of a fill it does not tell. */
export function byOurIds(truth: VenueTruth): VenueTruth {
  const { positionLots } = truth;
  return {
    ...truth,
    positionLots: Object.fromEntries(
      Object.entries(positionLots).map(([id, held]) => [
        id,
        id.startsWith("shioaji:") ? lots(held ?? 0n) : held,
      ]),
    ) as VenueTruth["positionLots"],
    orders: new Map(
      [...truth.orders].map(([field, order]) => {
        const clientOrderId = idOf(field);
        const [qtyLots, cumLots] = [lots(order.qtyLots), lots(order.cumLots)];
        return [clientOrderId, { ...order, clientOrderId, qtyLots, cumLots }];
      }),
    ),
    fills: truth.fills.map((fill) => ({
      ...fill,
      clientOrderId: idOf(fill.clientOrderId),
      qtyLots: lots(fill.qtyLots),
      // A fee of nothing is in the money.
      feeAsset: "TWD",
      maker: false,
    })),
    openOrders: truth.openOrders.map((order) => ({
      ...order,
      clientOrderId: idOf(order.clientOrderId),
    })),
  };
}

/** How the router names a deal, but for which of several alike it is. */
export const likeness = ({ clientOrderId, pxTicks, qtyLots, timeMs }: TruthFill): string =>
  `${fieldOf(clientOrderId)}.${pxTicks}.${qtyLots}.${timeMs * 1_000}`;

/** The venue with its log by our ids. */
export class ShioajiCard implements CardVenue {
  readonly orders: ShioajiOrders;

  private constructor(orders: ShioajiOrders) {
    this.orders = orders;
  }

  static async open(dir: string): Promise<ShioajiCard> {
    const onFatal = (error: unknown): never => {
      throw error;
    };
    return new ShioajiCard(await ShioajiOrders.alone(dir, { bearer: "sim:sim-secret", onFatal }));
  }

  get port(): number {
    return this.orders.port;
  }

  truth(): VenueTruth {
    return byOurIds(this.orders.truth());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.orders[Symbol.asyncDispose]();
  }
}

export const SHIOAJI: Market<ShioajiCard> = {
  ...{ id: `shioaji:${CODE}`, keyName: "shioaji", instrumentId: 1, venueId: 1, unitLots: 1 },
  unit: (units) => String(units),
  ticks: (dollars) => Math.round(dollars * 100),
  price: (dollars) => dollars.toFixed(2),
  ordersPer10s: 150,
  settlesMs: SETTLES_MS,
  execId: likeness,
  open: (dir) => ShioajiCard.open(dir),
  config(port, dir) {
    const instrumentsFile = join(dir, "instruments.json");
    writeFileSync(instrumentsFile, JSON.stringify({ version: 1, instruments: [ROW] }));
    return {
      ...{ instrumentsFile, restSettlesMs: SETTLES_MS, shioajiUrl: `http://127.0.0.1:${port}` },
      ...{ shioajiBrokerId: BROKER_ID, shioajiAccountId: ACCOUNT_ID },
    };
  },
  book({ orders }, { bids, asks }) {
    const levels = (side: typeof bids) => side.map(([px, qty]) => [px, Number(qty)] as const);
    orders.book(CODE, { bids: levels(bids), asks: levels(asks) });
  },
  inject: ({ orders }, thrown) => orders.inject(thrown as Injection),
  injected: ({ orders }) => orders.injected(),
};
