/** Orders, positions and the account in the exact keys of the venue. Amounts are texts without needless zeros. Pure. */

import { scaledText } from "../../decimal.ts";
import { ALPACA_SCALES } from "../../markets.ts";
import type { Asset } from "./assets.ts";
import { averageE8, type Holding } from "./holdings.ts";

export type Status =
  | "accepted"
  | "pending_new"
  | "new"
  | "partially_filled"
  | "filled"
  | "canceled"
  | "expired"
  | "replaced"
  | "pending_cancel"
  | "pending_replace"
  | "rejected";

export type OrderType = "market" | "limit" | "stop" | "stop_limit";
export type TimeInForce = "day" | "gtc" | "opg" | "cls" | "ioc" | "fok";

/** One order as the venue knows it. Times in ms since the Unix epoch. */
export interface HeldOrder {
  /** Rises by one with each order of the account. */
  readonly n: number;
  readonly id: string;
  readonly clientOrderId: string;
  readonly asset: Asset;
  readonly side: "buy" | "sell";
  readonly type: OrderType;
  readonly tif: TimeInForce;
  /** Lots of `ALPACA_SCALES`. */
  readonly qtyLots: bigint;
  /** What was asked for in dollars, where no quantity was. */
  readonly notional: string | null;
  /** As they were sent. */
  readonly limitPrice: string | null;
  readonly stopPrice: string | null;
  readonly extendedHours: boolean;
  readonly intent: string;
  readonly createdMs: number;
  readonly replaces: string | null;
  /** The core's number; 0 before it was given to the core. */
  coreId: number;
  status: Status;
  filledLots: bigint;
  quoteE8: bigint;
  updatedMs: number;
  filledMs: number | null;
  expiredMs: number | null;
  canceledMs: number | null;
  failedMs: number | null;
  replacedMs: number | null;
  replacedBy: string | null;
}

/** Whether the order can still fill. */
export const isOpen = ({ status }: HeldOrder): boolean =>
  status === "accepted" ||
  status === "pending_new" ||
  status === "new" ||
  status === "partially_filled" ||
  status === "pending_cancel" ||
  status === "pending_replace";

/** Without the zeros a number does not need. */
export function trimmed(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
export const lotsText = (lots: bigint): string => trimmed(scaledText(lots, ALPACA_SCALES.qtyScale));
export const e8Trimmed = (e8: bigint): string => trimmed(scaledText(e8, 8));
/** Dollars to the cent, towards zero. */
export const dollars = (e8: bigint): string => trimmed(scaledText(e8 / 1_000_000n, 2));

/** RFC 3339 with as many digits as the venue has. */
export const timeText = (epochMs: number): string =>
  new Date(epochMs).toISOString().replace("Z", "000Z");
const timeOrNull = (epochMs: number | null): string | null =>
  epochMs === null ? null : timeText(epochMs);

/** Price a quantity filled at on average, four digits, null of nothing. */
function averageText(order: HeldOrder): string | null {
  if (order.filledLots === 0n) return null;
  const scale = 10n ** BigInt(ALPACA_SCALES.qtyScale);
  return trimmed(scaledText((order.quoteE8 * scale) / order.filledLots / 10_000n, 4));
}

/** How long a good-till-cancelled order may stand. */
const GTC_DAYS = 90;
const DAY_MS = 86_400_000;

export function orderBody(order: HeldOrder): Record<string, unknown> {
  const { asset } = order;
  return {
    id: order.id,
    client_order_id: order.clientOrderId,
    created_at: timeText(order.createdMs),
    updated_at: timeText(order.updatedMs),
    submitted_at: timeText(order.createdMs),
    filled_at: timeOrNull(order.filledMs),
    expired_at: timeOrNull(order.expiredMs),
    canceled_at: timeOrNull(order.canceledMs),
    failed_at: timeOrNull(order.failedMs),
    replaced_at: timeOrNull(order.replacedMs),
    replaced_by: order.replacedBy,
    replaces: order.replaces,
    asset_id: asset.id,
    symbol: asset.symbol,
    asset_class: asset.crypto ? "crypto" : "us_equity",
    notional: order.notional,
    qty: order.notional === null ? lotsText(order.qtyLots) : null,
    filled_qty: lotsText(order.filledLots),
    filled_avg_price: averageText(order),
    order_class: asset.crypto ? "" : "simple",
    order_type: order.type,
    type: order.type,
    side: order.side,
    position_intent: order.intent,
    time_in_force: order.tif,
    limit_price: order.limitPrice,
    stop_price: order.stopPrice,
    status: order.status,
    extended_hours: order.extendedHours,
    legs: null,
    trail_percent: null,
    trail_price: null,
    hwm: null,
    subtag: null,
    source: null,
    expires_at: timeText(order.createdMs + (order.tif === "gtc" ? GTC_DAYS : 1) * DAY_MS),
  };
}

/** What a trade update says beside the order. */
export interface Update {
  readonly event: string;
  readonly executionId: string;
  readonly atMs: number;
  /** As of the event. */
  readonly order: Record<string, unknown>;
  readonly fill?: { readonly price: string; readonly qty: string; readonly positionQty: string };
  /** Of a bust: the execution that was taken back. */
  readonly previousExecutionId?: string;
}

export function updateBody(update: Update): Record<string, unknown> {
  const { fill, previousExecutionId } = update;
  return {
    stream: "trade_updates",
    data: {
      event: update.event,
      execution_id: update.executionId,
      timestamp: timeText(update.atMs),
      ...(fill === undefined
        ? {}
        : { price: fill.price, qty: fill.qty, position_qty: fill.positionQty }),
      ...(previousExecutionId === undefined ? {} : { previous_execution_id: previousExecutionId }),
      order: update.order,
    },
  };
}

/** One fill of the account. */
export interface FillRecord {
  readonly id: string;
  /** The core's number, unique within an asset. */
  readonly tradeId: number;
  readonly order: HeldOrder;
  readonly final: boolean;
  readonly px: string;
  readonly qty: string;
  readonly cumLots: bigint;
  readonly leavesLots: bigint;
  readonly atMs: number;
}

export function activityBody(fill: FillRecord): Record<string, unknown> {
  const stamp = new Date(fill.atMs).toISOString().replace(/[-T:.Z]/g, "");
  return {
    id: `${stamp}::${fill.id}`,
    activity_type: "FILL",
    transaction_time: timeText(fill.atMs),
    type: fill.final ? "fill" : "partial_fill",
    price: trimmed(fill.px),
    qty: trimmed(fill.qty),
    side: fill.order.side,
    symbol: fill.order.asset.symbol,
    leaves_qty: lotsText(fill.leavesLots),
    order_id: fill.order.id,
    cum_qty: lotsText(fill.cumLots),
    order_status: fill.final ? "filled" : "partially_filled",
  };
}

const ratio = (of: bigint, whole: bigint): string =>
  whole === 0n ? "0" : trimmed(scaledText((of * 1_000_000n) / whole, 6));
const abs = (value: bigint): bigint => (value < 0n ? -value : value);

/** What a position is worth at a price in 1e-8, signed as it, in 1e-8. */
export const worthE8 = (holding: Holding, priceE8: bigint): bigint =>
  (holding.qtyE8 * priceE8) / 100_000_000n;

export function positionBody(
  asset: Asset,
  holding: Holding,
  priceE8: bigint,
  heldE8: bigint,
): Record<string, unknown> {
  const worth = worthE8(holding, priceE8);
  const gain = worth - holding.costE8;
  const part = ratio(gain, abs(holding.costE8));
  return {
    asset_id: asset.id,
    // Coins lose their stroke here.
    symbol: asset.symbol.replace("/", ""),
    exchange: asset.exchange,
    asset_class: asset.crypto ? "crypto" : "us_equity",
    asset_marginable: !asset.crypto,
    qty: e8Trimmed(holding.qtyE8),
    avg_entry_price: e8Trimmed(averageE8(holding)),
    side: holding.qtyE8 < 0n ? "short" : "long",
    market_value: e8Trimmed(worth),
    cost_basis: e8Trimmed(holding.costE8),
    unrealized_pl: e8Trimmed(gain),
    unrealized_plpc: part,
    unrealized_intraday_pl: e8Trimmed(gain),
    unrealized_intraday_plpc: part,
    current_price: e8Trimmed(priceE8),
    lastday_price: e8Trimmed(priceE8),
    change_today: "0",
    qty_available: e8Trimmed(holding.qtyE8 < 0n ? holding.qtyE8 + heldE8 : holding.qtyE8 - heldE8),
  };
}

/** Everything the account's answer is made of, in 1e-8 of a dollar. */
export interface Money {
  readonly cashE8: bigint;
  readonly longE8: bigint;
  readonly shortE8: bigint;
  /** What open orders that need money hold. */
  readonly heldE8: bigint;
  readonly startE8: bigint;
}

/** Twice the equity may be held; what is held already and what open orders would add is taken off. */
export function buyingPowerE8({ cashE8, longE8, shortE8, heldE8 }: Money): bigint {
  const power = 2n * (cashE8 + longE8 + shortE8) - longE8 + shortE8 - heldE8;
  return power > 0n ? power : 0n;
}

/** What is there for coins, which nobody lends money for. */
export function freeCashE8({ cashE8, heldE8 }: Money): bigint {
  return cashE8 > heldE8 ? cashE8 - heldE8 : 0n;
}

export function accountBody(
  money: Money,
  configurations: Readonly<Record<string, unknown>>,
  createdMs: number,
): Record<string, unknown> {
  const { cashE8, longE8, shortE8, startE8 } = money;
  const equity = dollars(cashE8 + longE8 + shortE8);
  const margin = dollars((longE8 - shortE8) / 2n);
  const power = dollars(buyingPowerE8(money));
  return {
    id: "0f5e0b5b-6c1c-4b6e-9c55-6a1f3f2f7c11",
    account_number: "PA0000000001",
    status: "ACTIVE",
    crypto_status: "ACTIVE",
    currency: "USD",
    buying_power: power,
    regt_buying_power: power,
    effective_buying_power: power,
    daytrading_buying_power: "0",
    options_buying_power: "0",
    non_marginable_buying_power: dollars(freeCashE8(money)),
    cash: dollars(cashE8),
    accrued_fees: "0",
    portfolio_value: equity,
    pattern_day_trader: false,
    trading_blocked: false,
    transfers_blocked: false,
    account_blocked: false,
    created_at: timeText(createdMs),
    trade_suspended_by_user: configurations["suspend_trade"] === true,
    multiplier: "2",
    shorting_enabled: configurations["no_shorting"] !== true,
    equity,
    last_equity: dollars(startE8),
    long_market_value: dollars(longE8),
    short_market_value: dollars(shortE8),
    position_market_value: dollars(longE8 + shortE8),
    initial_margin: margin,
    maintenance_margin: dollars(((longE8 - shortE8) * 3n) / 10n),
    last_maintenance_margin: "0",
    sma: "0",
    daytrade_count: 0,
    balance_asof: new Date(createdMs).toISOString().slice(0, 10),
    crypto_tier: 1,
    options_approved_level: 0,
    options_trading_level: 0,
  };
}
