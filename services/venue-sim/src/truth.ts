/**
 * What the venue says happened, from its log alone. The independent oracle of a run's verdict: plain integers here,
 * nothing of the cores under test.
 */

import { existsSync, readFileSync } from "node:fs";
import { readLog } from "./log.ts";
import { MARKET_IDS, MARKETS, type MarketId } from "./markets.ts";

export interface TruthFill {
  readonly market: MarketId;
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
  readonly market: MarketId;
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
  readonly fills: readonly TruthFill[];
  /** Σ signed fills, lots, per market. Spot fees taken from the base asset do not count here; see `cashE8`. */
  readonly positionLots: Readonly<Record<MarketId, bigint>>;
  /**
   * Σ cash legs less fees since the start, 1e-8 of the asset. Spot: what the balances moved by (BTC and USDT). USD-M: USDT
   * of buys (−) and sells (+) at their full notional, less fees; with the position at its mark this is the profit.
   */
  readonly cashE8: Readonly<Record<MarketId, Readonly<Record<string, bigint>>>>;
  /** Σ balance postings, 1e-8: for USD-M realised profit less fees, as the wallet moved. */
  readonly postedE8: Readonly<Record<MarketId, Readonly<Record<string, bigint>>>>;
  readonly openOrders: readonly {
    readonly market: MarketId;
    readonly clientOrderId: string;
    readonly leavesLots: bigint;
  }[];
  /** Where the log contradicts itself; empty in a sound log. */
  readonly inconsistencies: readonly string[];
}

function add(into: Record<string, bigint>, asset: string, delta: bigint): void {
  into[asset] = (into[asset] ?? 0n) + delta;
}

/** Folds a log text. */
export function truthOf(text: string): VenueTruth {
  const orders = new Map<string, TruthOrder>();
  const fills: TruthFill[] = [];
  const positionLots: Record<MarketId, bigint> = { spot: 0n, usdm: 0n };
  const cashE8: Record<MarketId, Record<string, bigint>> = { spot: {}, usdm: {} };
  const postedE8: Record<MarketId, Record<string, bigint>> = { spot: {}, usdm: {} };
  const seenTrades = new Set<string>();
  const inconsistencies: string[] = [];
  let duplicates = 0;
  for (const line of readLog(text).lines) {
    if (line.k === "post") {
      add(postedE8[line.m], line.asset, BigInt(line.deltaE8));
      continue;
    }
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
    if (line.k === "end") {
      if (BigInt(line.order.cumLots) !== known.cumLots) {
        inconsistencies.push(
          `line ${line.n}: ${id} ends with ${line.order.cumLots} filled, its fills say ${known.cumLots}`,
        );
      }
      orders.set(id, { ...known, status: line.how === "canceled" ? "CANCELED" : "EXPIRED" });
      continue;
    }
    const { trade } = line;
    const spec = MARKETS[line.m];
    const pxTicks = BigInt(trade.pxTicks);
    const qtyLots = BigInt(trade.qtyLots);
    const notionalE8 = pxTicks * qtyLots * BigInt(spec.e8PerTickLot);
    const key = `${line.m} ${trade.tradeId}`;
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
    const sign = trade.side === "BUY" ? 1n : -1n;
    positionLots[line.m] += sign * qtyLots;
    add(cashE8[line.m], spec.quoteAsset, -sign * notionalE8);
    if (line.m === "spot")
      add(cashE8[line.m], spec.baseAsset, sign * qtyLots * BigInt(spec.baseE8PerLot));
    add(cashE8[line.m], trade.feeAsset, -BigInt(trade.feeE8));
    fills.push({
      market: line.m,
      clientOrderId: id,
      tradeId: trade.tradeId,
      side: trade.side,
      pxTicks,
      qtyLots,
      notionalE8,
      feeE8: BigInt(trade.feeE8),
      feeAsset: trade.feeAsset,
      maker: trade.maker,
      timeMs: trade.timeMs,
    });
  }
  for (const asset of ["BTC", "USDT"]) {
    const legs = cashE8.spot[asset] ?? 0n;
    const posted = postedE8.spot[asset] ?? 0n;
    if (legs !== posted)
      inconsistencies.push(`spot ${asset}: fills say ${legs}, postings say ${posted} (1e-8)`);
  }
  // Flat, the wallet has moved by exactly the cash legs; with a position the open cost lies between them.
  const usdm = MARKET_IDS[1];
  if (positionLots[usdm] === 0n && (cashE8.usdm["USDT"] ?? 0n) !== (postedE8.usdm["USDT"] ?? 0n)) {
    inconsistencies.push(
      `usdm USDT: flat, fills say ${cashE8.usdm["USDT"]}, postings say ${postedE8.usdm["USDT"]} (1e-8)`,
    );
  }
  const openOrders = [...orders.values()]
    .filter(({ status }) => status === "NEW" || status === "PARTIALLY_FILLED")
    .map(({ market, clientOrderId, qtyLots, cumLots }) => ({
      market,
      clientOrderId,
      leavesLots: qtyLots - cumLots,
    }));
  return { orders, duplicates, fills, positionLots, cashE8, postedE8, openOrders, inconsistencies };
}

/** Reads and folds the log at a path; a log that was never begun is an empty truth. */
export function venueTruth(logPath: string): VenueTruth {
  return truthOf(existsSync(logPath) ? readFileSync(logPath, "utf8") : "");
}
