/** What a client sends, read into the terms of the venue: every rule that needs no more than the request itself. Pure. */

import { parseScaled } from "../../decimal.ts";
import { ALPACA_SCALES } from "../../markets.ts";
import { type Asset, findAsset } from "./assets.ts";
import { forbidden, invalid, malformed, unprocessable } from "./faults.ts";
import { CLIENT_ORDER_ID_MAX } from "./limits.ts";
import type { HeldOrder, OrderType, TimeInForce } from "./messages.ts";

export type Body = Readonly<Record<string, unknown>>;

/** A new order as it was asked for. */
export interface Wanted {
  readonly asset: Asset;
  readonly side: "buy" | "sell";
  readonly type: OrderType;
  readonly tif: TimeInForce;
  /** One of the two is null. */
  readonly qtyLots: bigint | null;
  readonly notional: string | null;
  readonly limitPrice: string | null;
  readonly stopPrice: string | null;
  readonly extendedHours: boolean;
  /** Null where the venue is to choose one. */
  readonly clientOrderId: string | null;
}

const TYPES: readonly OrderType[] = ["market", "limit", "stop", "stop_limit"];
const TIFS: readonly TimeInForce[] = ["day", "gtc", "opg", "cls", "ioc", "fok"];

export function readBody(text: string): Body {
  let body: unknown;
  try {
    body = JSON.parse(text === "" ? "{}" : text);
  } catch {
    throw malformed();
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw malformed();
  return body as Body;
}

/** A field as text; numbers are taken as they are written. Null where it is not there. */
function textOf(body: Body, name: string): string | null {
  const value = body[name];
  if (value === undefined || value === null || value === "") return null;
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw invalid(`${name} is invalid`);
}

function priceOf(body: Body, name: string): string | null {
  const text = textOf(body, name);
  if (text === null) return null;
  if (!/^\d{1,12}(\.\d{1,18})?$/.test(text)) throw invalid(`${name} must be a number`);
  const ticks = parseScaled(text, ALPACA_SCALES.pxScale);
  if (ticks === null) {
    throw unprocessable(
      `invalid ${name} ${text}. sub-penny increment does not fulfill minimum pricing criteria`,
    );
  }
  if (ticks <= 0n) throw invalid(`${name} must be > 0`);
  return text;
}

function qtyOf(body: Body): bigint | null {
  const text = textOf(body, "qty");
  if (text === null) return null;
  if (!/^-?\d{1,12}(\.\d{1,18})?$/.test(text)) throw invalid("qty must be a number");
  const lots = parseScaled(text, ALPACA_SCALES.qtyScale);
  if (lots === null) throw unprocessable("qty has too many decimals");
  if (lots <= 0n) throw invalid("qty must be > 0");
  return lots;
}

function clientIdOf(body: Body): string | null {
  const id = textOf(body, "client_order_id");
  if (id !== null && id.length > CLIENT_ORDER_ID_MAX) {
    throw invalid(`client_order_id must be no more than ${CLIENT_ORDER_ID_MAX} characters`);
  }
  return id;
}

function oneOf<T extends string>(value: string | null, allowed: readonly T[], name: string): T {
  if (value === null) throw invalid(`${name} is required`);
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw invalid(`invalid ${name}: ${value}`);
  return found;
}

const WHOLE = 10n ** BigInt(ALPACA_SCALES.qtyScale);

/** Prices a type has to have, and those it may not have. */
function checkPrices(type: OrderType, limit: string | null, stop: string | null): void {
  const [needsLimit, needsStop] = [type.endsWith("limit"), type.startsWith("stop")];
  if (needsLimit && limit === null) throw invalid(`${type} orders require a limit price`);
  if (needsStop && stop === null) throw invalid(`${type} orders require a stop price`);
  if (!needsLimit && limit !== null) throw invalid(`${type} orders require no limit price`);
  if (!needsStop && stop !== null) throw invalid(`${type} orders require no stop price`);
}

function checkCoin({ type, tif, extendedHours }: Wanted): void {
  if (type === "stop") throw invalid("invalid order type for crypto order");
  if (tif !== "gtc" && tif !== "ioc") throw unprocessable("invalid crypto time_in_force");
  if (extendedHours) throw unprocessable("extended hours are not for crypto orders");
}

function checkStock(wanted: Wanted): void {
  const { asset, type, tif, side, qtyLots, extendedHours } = wanted;
  const fraction = qtyLots === null || qtyLots % WHOLE !== 0n;
  if (fraction && !asset.fractionable)
    throw forbidden(`asset "${asset.symbol}" is not fractionable`);
  if (fraction && tif !== "day") throw unprocessable("fractional orders must be DAY orders");
  if (qtyLots === null && type !== "market" && type !== "limit") {
    throw unprocessable("notional orders must be market or limit orders");
  }
  if (extendedHours && (type !== "limit" || tif !== "day")) {
    throw unprocessable("extended hours order must be DAY limit orders");
  }
  if ((tif === "opg" || tif === "cls") && type !== "market" && type !== "limit") {
    throw unprocessable(`${tif} orders must be market or limit orders`);
  }
  if ((tif === "ioc" || tif === "fok") && type !== "market" && type !== "limit") {
    throw unprocessable(`${side} ${type} orders cannot be ${tif}`);
  }
}

/** Reads a new order. Throws ApiFault with the first thing wrong with it. */
export function readOrder(body: Body): Wanted {
  const symbol = textOf(body, "symbol");
  if (symbol === null) throw invalid("symbol is required");
  const asset = findAsset(symbol);
  if (asset === null) throw unprocessable(`asset "${symbol}" not found`);
  if (!asset.active) throw unprocessable(`asset ${asset.symbol} is not active`);
  if (!asset.tradable) throw unprocessable(`asset ${asset.symbol} is not tradable`);
  const qtyLots = qtyOf(body);
  const notional = textOf(body, "notional");
  if (qtyLots === null && notional === null) throw invalid("qty or notional is required");
  if (qtyLots !== null && notional !== null) {
    throw invalid("only one of qty or notional is accepted");
  }
  const cents = notional === null ? 1n : parseScaled(notional, 2);
  if (cents === null) throw unprocessable("notional value must be limited to 2 decimal places");
  if (cents <= 0n) throw invalid("notional must be > 0");
  const orderClass = textOf(body, "order_class");
  if (orderClass !== null && orderClass !== "simple") {
    throw unprocessable(`order_class ${orderClass} is not simulated here`);
  }
  if (textOf(body, "type") === "trailing_stop") {
    throw unprocessable("trailing_stop orders are not simulated here");
  }
  const wanted: Wanted = {
    asset,
    side: oneOf(textOf(body, "side"), ["buy", "sell"] as const, "side"),
    type: oneOf(textOf(body, "type"), TYPES, "type"),
    tif: oneOf(textOf(body, "time_in_force"), TIFS, "time_in_force"),
    qtyLots,
    notional,
    limitPrice: priceOf(body, "limit_price"),
    stopPrice: priceOf(body, "stop_price"),
    extendedHours: body["extended_hours"] === true,
    clientOrderId: clientIdOf(body),
  };
  checkPrices(wanted.type, wanted.limitPrice, wanted.stopPrice);
  if (asset.crypto) checkCoin(wanted);
  else checkStock(wanted);
  return wanted;
}

/**
 * Reads a replacement: the whole new order. What is not given is as it was, the quantity too: the new order is for the whole
 * of the old one's, however much of that has filled.
 */
export function readReplacement(body: Body, old: HeldOrder): Wanted {
  const { asset, side, type } = old;
  const qtyLots = qtyOf(body) ?? old.qtyLots;
  const given = {
    tif: textOf(body, "time_in_force"),
    limitPrice: priceOf(body, "limit_price"),
    stopPrice: priceOf(body, "stop_price"),
  };
  const wanted: Wanted = {
    asset,
    side,
    type,
    tif: given.tif === null ? old.tif : oneOf(given.tif, TIFS, "time_in_force"),
    qtyLots,
    notional: null,
    limitPrice: given.limitPrice ?? old.limitPrice,
    stopPrice: given.stopPrice ?? old.stopPrice,
    extendedHours: old.extendedHours,
    clientOrderId: clientIdOf(body),
  };
  checkPrices(wanted.type, wanted.limitPrice, wanted.stopPrice);
  if (asset.crypto) checkCoin(wanted);
  else checkStock(wanted);
  const same =
    wanted.tif === old.tif &&
    wanted.qtyLots === old.qtyLots &&
    wanted.limitPrice === old.limitPrice &&
    wanted.stopPrice === old.stopPrice;
  if (same) throw unprocessable("order parameters are not changed");
  return wanted;
}
