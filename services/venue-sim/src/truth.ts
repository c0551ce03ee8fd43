/**
 * What the venue says happened, from its log alone. The independent oracle of a run's verdict: plain integers here,
 * nothing of the cores under test.
 */

import { existsSync, readFileSync } from "node:fs";
import type { Trade } from "./core.ts";
import { readLog } from "./log.ts";
import { type BookId, bookSpec, type MarketId, type OtherBook } from "./markets.ts";

/** By book; the two markets of the recording are always there. */
export type ByBook<T> = Record<MarketId, T> & Partial<Record<OtherBook, T>>;

export interface TruthFill {
  readonly market: BookId;
  readonly clientOrderId: string;
  readonly tradeId: number;
  readonly side: "BUY" | "SELL";
  readonly pxTicks: bigint;
  readonly qtyLots: bigint;
  readonly notionalE8: bigint;
  readonly feeE8: bigint;
  readonly feeAsset: string;
  readonly maker: boolean;
  readonly timeMs: number;
}

export interface TruthOrder {
  readonly market: BookId;
  readonly clientOrderId: string;
  /** How often an order of this client id was accepted: more than once is a duplicate. */
  readonly count: number;
  readonly qtyLots: bigint;
  readonly cumLots: bigint;
  readonly status: string;
}

export interface VenueTruth {
  /** By client order id. */
  readonly orders: ReadonlyMap<string, TruthOrder>;
  /** Acceptances beyond the first of a client order id, over all ids. */
  readonly duplicates: number;
  /** Those that were taken back are not among them. */
  readonly fills: readonly TruthFill[];
  readonly busts: number;
  /** Σ signed fills, lots, per book. Fees taken from the base asset do not count here; see `cashE8`. */
  readonly positionLots: Readonly<ByBook<bigint>>;
  /**
   * Σ cash legs less fees since the start, 1e-8 of the asset. USD-M: USDT
   * of buys (−) and sells (+) at their full notional, less fees; with the position at its mark this is the profit.
   * Everywhere else: what the balances moved by, of both assets.
   */
  readonly cashE8: Readonly<ByBook<Readonly<Record<string, bigint>>>>;
  /** Σ balance postings, 1e-8: for USD-M realised profit less fees, as the wallet moved. */
  readonly postedE8: Readonly<ByBook<Readonly<Record<string, bigint>>>>;
  readonly openOrders: readonly {
    readonly market: BookId;
    readonly clientOrderId: string;
    readonly leavesLots: bigint;
  }[];
  /** Where the log contradicts itself; empty in a sound log. */
  readonly inconsistencies: readonly string[];
}

function add(into: Record<string, bigint>, asset: string, delta: bigint): void {
  into[asset] = (into[asset] ?? 0n) + delta;
}

function of(books: ByBook<Record<string, bigint>>, book: BookId): Record<string, bigint> {
  const known = books[book];
  if (known !== undefined) return known;
  const made: Record<string, bigint> = {};
  books[book] = made;
  return made;
}

const ENDS = {
  canceled: "CANCELED",
  expired: "EXPIRED",
  replaced: "REPLACED",
  rejected: "REJECTED",
} as const;

/** Folds a log text. */
export function truthOf(text: string): VenueTruth {
  const orders = new Map<string, TruthOrder>();
  /** By book and trade id; a trade that was taken back is gone from it. */
  const fills = new Map<string, TruthFill>();
  const positionLots: ByBook<bigint> = { spot: 0n, usdm: 0n };
  const cashE8: ByBook<Record<string, bigint>> = { spot: {}, usdm: {} };
  const postedE8: ByBook<Record<string, bigint>> = { spot: {}, usdm: {} };
  const seenTrades = new Set<string>();
  let busts = 0;
  const inconsistencies: string[] = [];
  let duplicates = 0;
  /** Books a fill, or takes it back. */
  const move = (market: BookId, trade: Trade, times: 1n | -1n): TruthFill => {
    const spec = bookSpec(market);
    const [pxTicks, qtyLots] = [BigInt(trade.pxTicks), BigInt(trade.qtyLots)];
    const notionalE8 = pxTicks * qtyLots * BigInt(spec.e8PerTickLot);
    const sign = trade.side === "BUY" ? times : -times;
    const cash = of(cashE8, market);
    positionLots[market] = (positionLots[market] ?? 0n) + sign * qtyLots;
    add(cash, spec.quoteAsset, -sign * notionalE8);
    if (spec.postsAssets) add(cash, spec.baseAsset, sign * qtyLots * BigInt(spec.baseE8PerLot));
    add(cash, trade.feeAsset, -times * BigInt(trade.feeE8));
    const { clientOrderId, tradeId, side, feeAsset, maker, timeMs } = trade;
    return {
      ...{ market, clientOrderId, tradeId, side, pxTicks, qtyLots, notionalE8 },
      ...{ feeE8: BigInt(trade.feeE8), feeAsset, maker, timeMs },
    };
  };
  for (const line of readLog(text).lines) {
    if (line.k === "post") {
      // What came from elsewhere is no leg of a fill.
      if (line.why === "transfer") continue;
      add(of(postedE8, line.m), line.asset, BigInt(line.deltaE8));
      continue;
    }
    if (line.k === "trigger") continue;
    const id = line.order.clientOrderId;
    const known = orders.get(id);
    if (line.k === "order") {
      if (known !== undefined) duplicates += 1;
      orders.set(id, {
        market: line.m,
        clientOrderId: id,
        count: (known?.count ?? 0) + 1,
        qtyLots: BigInt(line.order.qtyLots),
        cumLots: 0n,
        status: "NEW",
      });
      continue;
    }
    if (known === undefined) {
      inconsistencies.push(`line ${line.n}: ${line.k} of ${id}, which was never accepted`);
      continue;
    }
    if (line.k === "amend") {
      orders.set(id, { ...known, qtyLots: BigInt(line.order.qtyLots) });
      if (BigInt(line.order.cumLots) !== known.cumLots)
        inconsistencies.push(`line ${line.n}: ${id} is amended with another filled quantity`);
      continue;
    }
    if (line.k === "end") {
      if (BigInt(line.order.cumLots) !== known.cumLots) {
        inconsistencies.push(
          `line ${line.n}: ${id} ends with ${line.order.cumLots} filled, its fills say ${known.cumLots}`,
        );
      }
      orders.set(id, { ...known, status: ENDS[line.how] });
      continue;
    }
    if (line.k === "correct") {
      const key = `${line.m} ${line.was.tradeId}`;
      if (!fills.delete(key)) {
        inconsistencies.push(`line ${line.n}: correction of ${key}, which is no fill`);
        continue;
      }
      move(line.m, line.was, -1n);
      fills.set(`${line.m} ${line.trade.tradeId}`, move(line.m, line.trade, 1n));
      continue;
    }
    const { trade } = line;
    const spec = bookSpec(line.m);
    const pxTicks = BigInt(trade.pxTicks);
    const qtyLots = BigInt(trade.qtyLots);
    const notionalE8 = pxTicks * qtyLots * BigInt(spec.e8PerTickLot);
    const key = `${line.m} ${trade.tradeId}`;
    if (line.k === "bust") {
      busts += 1;
      if (!fills.delete(key))
        inconsistencies.push(`line ${line.n}: bust of ${key}, which is no fill`);
      else move(line.m, trade, -1n);
      // What was busted neither filled nor can: the size of the order is less by it.
      orders.set(id, {
        ...known,
        cumLots: known.cumLots - qtyLots,
        qtyLots: known.qtyLots - qtyLots,
      });
      continue;
    }
    if (seenTrades.has(key)) inconsistencies.push(`line ${line.n}: trade ${key} twice`);
    seenTrades.add(key);
    if (BigInt(trade.quoteE8) !== notionalE8) {
      inconsistencies.push(
        `line ${line.n}: trade ${key} says ${trade.quoteE8} of quote, px times qty is ${notionalE8}`,
      );
    }
    const cumLots = known.cumLots + qtyLots;
    if (cumLots > known.qtyLots)
      inconsistencies.push(`line ${line.n}: ${id} is filled beyond its size`);
    orders.set(id, {
      ...known,
      cumLots,
      status: cumLots === known.qtyLots ? "FILLED" : "PARTIALLY_FILLED",
    });
    fills.set(key, move(line.m, trade, 1n));
  }
  for (const id of new Set([...Object.keys(cashE8), ...Object.keys(postedE8)]) as Set<BookId>) {
    const { postsAssets, baseAsset, quoteAsset } = bookSpec(id);
    const legs = cashE8[id] ?? {};
    const posted = postedE8[id] ?? {};
    // Flat, a wallet has moved by exactly the cash legs; with a position the open cost lies between them.
    if (!postsAssets && (positionLots[id] ?? 0n) !== 0n) continue;
    for (const asset of postsAssets ? [baseAsset, quoteAsset] : [quoteAsset]) {
      const [said, moved] = [legs[asset] ?? 0n, posted[asset] ?? 0n];
      if (said === moved) continue;
      const flat = postsAssets ? "" : "flat, ";
      inconsistencies.push(
        `${id} ${asset}: ${flat}fills say ${said}, postings say ${moved} (1e-8)`,
      );
    }
  }
  const openOrders = [...orders.values()]
    .filter(({ status }) => status === "NEW" || status === "PARTIALLY_FILLED")
    .map(({ market, clientOrderId, qtyLots, cumLots }) => ({
      market,
      clientOrderId,
      leavesLots: qtyLots - cumLots,
    }));
  return {
    orders,
    duplicates,
    fills: [...fills.values()],
    busts,
    positionLots,
    cashE8,
    postedE8,
    openOrders,
    inconsistencies,
  };
}

/** Reads and folds the log at a path; a log that was never begun is an empty truth. */
export function venueTruth(logPath: string): VenueTruth {
  return truthOf(existsSync(logPath) ? readFileSync(logPath, "utf8") : "");
}
