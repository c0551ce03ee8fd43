/** Orders, trades and balances in the exact keys of the venue. Pure. */

import type { Balances, Order, Trade } from "../../core.ts";
import { averageText, e8Text, parseScaled, scaledText } from "../../decimal.ts";
import type { MarketSpec } from "../../markets.ts";

/** The exec types of the user streams. */
export type ExecType =
  | "NEW"
  | "TRADE"
  | "CANCELED"
  | "EXPIRED"
  | "REJECTED"
  | "TRADE_PREVENTION"
  /** New terms: spot's word, and USD-M's. */
  | "REPLACED"
  | "AMENDMENT";

const zeroPx = (spec: MarketSpec) => scaledText(0n, spec.pxTextScale);
const zeroQty = (spec: MarketSpec) => scaledText(0n, spec.qtyTextScale);

function average(spec: MarketSpec, order: Order): string {
  return averageText(
    BigInt(order.quoteE8),
    parseScaled(order.cum, spec.qtyTextScale) ?? 0n,
    spec.qtyTextScale,
    spec.pxTextScale,
  );
}

/** USD-M names a post-only order LIMIT with GTX, spot LIMIT_MAKER; both as they were sent. */
function common(order: Order) {
  return {
    symbol: order.symbol,
    orderId: order.orderId,
    clientOrderId: order.clientOrderId,
    price: order.price,
    origQty: order.quantity,
    executedQty: order.cum,
    status: order.status,
    timeInForce: order.timeInForce,
    type: order.type,
    side: order.side,
  };
}

/** Spot: an order as order.place (RESULT, FULL) and order.cancel answer it. */
export function spotResult(order: Order, full: boolean): Record<string, unknown> {
  const body = {
    ...common(order),
    orderListId: -1,
    transactTime: order.updateMs,
    origQuoteOrderQty: "0.00000000",
    cummulativeQuoteQty: e8Text(order.quoteE8),
    workingTime: order.timeMs,
    selfTradePreventionMode: "EXPIRE_TAKER",
  };
  if (!full) return body;
  const fills = (order.fills ?? []).map((trade) => ({
    price: trade.px,
    qty: trade.qty,
    commission: trade.fee,
    commissionAsset: trade.feeAsset,
    tradeId: trade.tradeId,
  }));
  return { ...body, fills };
}

export function spotAck(order: Order): Record<string, unknown> {
  return {
    symbol: order.symbol,
    orderId: order.orderId,
    orderListId: -1,
    clientOrderId: order.clientOrderId,
    transactTime: order.updateMs,
  };
}

/** Spot: a cancelled order; `clientOrderId` is the id of the cancel, `origClientOrderId` of the order. */
export function spotCancelled(order: Order, cancelId: string): Record<string, unknown> {
  return {
    ...spotResult(order, false),
    origClientOrderId: order.clientOrderId,
    clientOrderId: cancelId,
  };
}

/** Spot: an amended order as order.amend.keepPriority answers it. */
export function spotAmended(order: Order, executionId: number): Record<string, unknown> {
  return {
    transactTime: order.updateMs,
    executionId,
    amendedOrder: {
      symbol: order.symbol,
      orderId: order.orderId,
      orderListId: -1,
      origClientOrderId: order.clientOrderId,
      clientOrderId: order.clientOrderId,
      price: order.price,
      qty: order.quantity,
      executedQty: order.cum,
      preventedQty: "0.00000000",
      quoteOrderQty: "0.00000000",
      cumulativeQuoteQty: e8Text(order.quoteE8),
      status: order.status,
      timeInForce: order.timeInForce,
      type: order.type,
      side: order.side,
      workingTime: order.timeMs,
      selfTradePreventionMode: "EXPIRE_TAKER",
    },
  };
}

/** Spot: an order as order.status and openOrders answer it. */
export function spotStatus(order: Order): Record<string, unknown> {
  return {
    ...common(order),
    orderListId: -1,
    cummulativeQuoteQty: e8Text(order.quoteE8),
    stopPrice: "0.00000000",
    icebergQty: "0.00000000",
    time: order.timeMs,
    updateTime: order.updateMs,
    isWorking: true,
    workingTime: order.timeMs,
    origQuoteOrderQty: "0.00000000",
    selfTradePreventionMode: "EXPIRE_TAKER",
  };
}

export function usdmOrder(spec: MarketSpec, order: Order): Record<string, unknown> {
  return {
    ...common(order),
    avgPrice: average(spec, order),
    cumQty: order.cum,
    cumQuote: e8Text(order.quoteE8),
    reduceOnly: false,
    closePosition: false,
    positionSide: "BOTH",
    stopPrice: zeroPx(spec),
    workingType: "CONTRACT_PRICE",
    priceProtect: false,
    origType: order.type,
    priceMatch: "NONE",
    selfTradePreventionMode: "EXPIRE_TAKER",
    goodTillDate: 0,
    time: order.timeMs,
    updateTime: order.updateMs,
  };
}

/** One of our trades as myTrades (spot) and userTrades (USD-M) answer it. */
export function tradeBody(spec: MarketSpec, trade: Trade): Record<string, unknown> {
  const body = {
    symbol: spec.symbol,
    id: trade.tradeId,
    orderId: trade.orderId,
    price: trade.px,
    qty: trade.qty,
    quoteQty: e8Text(trade.quoteE8),
    commission: trade.fee,
    commissionAsset: trade.feeAsset,
    time: trade.timeMs,
  };
  return spec.id === "spot"
    ? {
        ...body,
        orderListId: -1,
        isBuyer: trade.side === "BUY",
        isMaker: trade.maker,
        isBestMatch: true,
      }
    : {
        ...body,
        side: trade.side,
        positionSide: "BOTH",
        buyer: trade.side === "BUY",
        maker: trade.maker,
      };
}

export interface Execution {
  readonly exec: ExecType;
  /** The venue's number of this execution, unique within the market. */
  readonly execId: number;
  readonly order: Order;
  readonly trade: Trade | null;
  /** Spot cancels: the id of the cancel request. */
  readonly cancelId: string | null;
  /** USD-M trades: realised profit, 1e-8. */
  readonly realisedE8: bigint;
}

/** Spot executionReport. */
export function executionReport(execution: Execution, nowMs: number): Record<string, unknown> {
  const { exec, execId, order, trade, cancelId } = execution;
  const open = order.status === "NEW" || order.status === "PARTIALLY_FILLED";
  return {
    e: "executionReport",
    E: nowMs,
    s: order.symbol,
    c: cancelId ?? order.clientOrderId,
    S: order.side,
    o: order.type,
    f: order.timeInForce,
    q: order.quantity,
    p: order.price,
    P: "0.00000000",
    F: "0.00000000",
    g: -1,
    C: cancelId === null ? "" : order.clientOrderId,
    x: exec,
    X: order.status,
    r: "NONE",
    i: order.orderId,
    l: trade?.qty ?? "0.00000000",
    z: order.cum,
    L: trade?.px ?? "0.00000000",
    n: trade?.fee ?? "0",
    N: trade?.feeAsset ?? null,
    T: trade?.timeMs ?? order.updateMs,
    t: trade?.tradeId ?? -1,
    I: execId,
    w: open,
    m: trade?.maker ?? false,
    M: false,
    O: order.timeMs,
    Z: e8Text(order.quoteE8),
    Y: e8Text(trade?.quoteE8 ?? "0"),
    Q: "0.00000000",
    W: order.timeMs,
    V: "EXPIRE_TAKER",
  };
}

/** Spot outboundAccountPosition. */
export function outboundAccountPosition(
  spec: MarketSpec,
  balances: Balances,
  nowMs: number,
): Record<string, unknown> {
  const row = (asset: string, totalE8: string, lockedE8: string) => ({
    a: asset,
    f: e8Text(BigInt(totalE8) - BigInt(lockedE8)),
    l: e8Text(lockedE8),
  });
  return {
    e: "outboundAccountPosition",
    E: nowMs,
    u: nowMs,
    B: [
      row(spec.baseAsset, balances.baseE8, balances.baseLockedE8),
      row(spec.quoteAsset, balances.quoteE8, balances.quoteLockedE8),
    ],
  };
}

/** USD-M ORDER_TRADE_UPDATE. */
export function orderTradeUpdate(
  spec: MarketSpec,
  execution: Execution,
  nowMs: number,
): Record<string, unknown> {
  const { exec, order, trade, realisedE8 } = execution;
  return {
    e: "ORDER_TRADE_UPDATE",
    T: trade?.timeMs ?? order.updateMs,
    E: nowMs,
    o: {
      s: order.symbol,
      c: order.clientOrderId,
      S: order.side,
      o: order.type,
      f: order.timeInForce,
      q: order.quantity,
      p: order.price,
      ap: average(spec, order),
      sp: zeroPx(spec),
      x: exec,
      X: order.status,
      i: order.orderId,
      l: trade?.qty ?? zeroQty(spec),
      z: order.cum,
      L: trade?.px ?? zeroPx(spec),
      ...(trade === null ? {} : { N: trade.feeAsset, n: trade.fee }),
      T: trade?.timeMs ?? order.updateMs,
      t: trade?.tradeId ?? 0,
      b: "0",
      a: "0",
      m: trade?.maker ?? false,
      R: false,
      wt: "CONTRACT_PRICE",
      ot: order.type,
      ps: "BOTH",
      cp: false,
      rp: e8Text(realisedE8),
      pP: false,
      si: 0,
      ss: 0,
      V: "EXPIRE_TAKER",
      pm: "NONE",
      gtd: 0,
    },
  };
}

/** Text of a signed number of lots. */
export function positionText(spec: MarketSpec, lots: number): string {
  return scaledText(BigInt(lots), spec.qtyScale);
}

/** USD-M ACCOUNT_UPDATE after trades. */
export function accountUpdate(
  spec: MarketSpec,
  balances: Balances,
  nowMs: number,
): Record<string, unknown> {
  const wallet = e8Text(balances.walletE8 ?? "0");
  return {
    e: "ACCOUNT_UPDATE",
    T: nowMs,
    E: nowMs,
    a: {
      m: "ORDER",
      B: [{ a: spec.quoteAsset, wb: wallet, cw: wallet, bc: "0" }],
      P: [
        {
          s: spec.symbol,
          pa: positionText(spec, balances.positionLots),
          ep: balances.entryPx ?? "0",
          cr: e8Text(balances.realisedE8 ?? "0"),
          up: "0",
          mt: "cross",
          iw: "0",
          ps: "BOTH",
        },
      ],
    },
  };
}

/** USD-M account rows of /fapi/v2/account and positionRisk. */
export function usdmPosition(
  spec: MarketSpec,
  balances: Balances,
  nowMs: number,
): Record<string, unknown> {
  return {
    symbol: spec.symbol,
    positionAmt: positionText(spec, balances.positionLots),
    entryPrice: balances.entryPx ?? "0",
    unRealizedProfit: "0.00000000",
    leverage: "20",
    marginType: "cross",
    positionSide: "BOTH",
    updateTime: nowMs,
  };
}

export function accountBody(
  spec: MarketSpec,
  balances: Balances,
  nowMs: number,
): Record<string, unknown> {
  if (spec.id === "spot") {
    const row = (asset: string, totalE8: string, lockedE8: string) => ({
      asset,
      free: e8Text(BigInt(totalE8) - BigInt(lockedE8)),
      locked: e8Text(lockedE8),
    });
    return {
      makerCommission: 10,
      takerCommission: 10,
      canTrade: true,
      canWithdraw: false,
      canDeposit: false,
      updateTime: nowMs,
      accountType: "SPOT",
      balances: [
        row(spec.baseAsset, balances.baseE8, balances.baseLockedE8),
        row(spec.quoteAsset, balances.quoteE8, balances.quoteLockedE8),
      ],
      permissions: ["SPOT"],
    };
  }
  const wallet = e8Text(balances.walletE8 ?? "0");
  return {
    canTrade: true,
    totalWalletBalance: wallet,
    // Without a margin model everything in the wallet is free and nothing is held.
    assets: [
      {
        asset: spec.quoteAsset,
        walletBalance: wallet,
        unrealizedProfit: e8Text("0"),
        marginBalance: wallet,
        initialMargin: e8Text("0"),
        availableBalance: wallet,
        updateTime: nowMs,
      },
    ],
    positions: [usdmPosition(spec, balances, nowMs)],
  };
}
