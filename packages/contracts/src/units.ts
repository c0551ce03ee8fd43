import {
  decimalText,
  integerUnsafe,
  moneyMalformed,
  pxMalformed,
  pxOffTick,
  qtyMalformed,
  qtyOffLot,
  scaleMalformed,
} from "./errors.ts";

declare const unit: unique symbol;
type Unit<T, U extends string> = T & { readonly [unit]: U };

export type PxTicks = Unit<number, "px in ticks">; // a safe integer: checked once, at decode
export type QtyLots = Unit<number, "qty in lots">; // a safe integer; a position is signed
export type EpochNs = Unit<bigint, "ns since the Unix epoch">;
export type MonoNs = Unit<bigint, "ns of this host's CLOCK_MONOTONIC">;
export type DurationNs = Unit<bigint, "ns of a span of time">;
export type Money = Unit<bigint, "money in 1e-8 of the currency">;
/** strategy id (32) | session epoch (32) | sequence (64), most significant first. */
export type IntentId = Unit<bigint, "128-bit intent id">;

/** The part of an instrument a price needs: one tick is `tickUnits` of 10^-`pxScale`. */
export interface PxGrid {
  readonly pxScale: number;
  readonly tickUnits: bigint;
}

/** The part of an instrument a size needs: one lot is `lotUnits` of 10^-`qtyScale`. */
export interface QtyGrid {
  readonly qtyScale: number;
  readonly lotUnits: bigint;
}

/** Decimal places of money everywhere. */
export const MONEY_SCALE = 8;
/** Most decimal places a grid may have: 10^18 still fits an int64. */
export const SCALE_MAX = 18;
/** Longest decimal text that is looked at. */
const TEXT_LENGTH_MAX = 64;

/** "187.02" at pxScale 4, tickUnits 100n is 18_702. Exact; a px between two ticks is a fault. */
export function parsePx(text: string, { pxScale, tickUnits }: PxGrid): PxTicks {
  checkGrid(pxScale, tickUnits);
  const units = parseUnits(text, pxScale);
  if (units === null) throw pxMalformed(text, pxScale);
  if (units === "finer" || units % tickUnits !== 0n) throw pxOffTick(text, tickUnits, pxScale);
  return safeInteger(units / tickUnits) as PxTicks;
}

/** "0.010" at qtyScale 3, lotUnits 1n is 10. Exact; a size below 0 or between two lots is a fault. */
export function parseQty(text: string, { qtyScale, lotUnits }: QtyGrid): QtyLots {
  checkGrid(qtyScale, lotUnits);
  const units = parseUnits(text, qtyScale);
  if (units === null || text.startsWith("-")) throw qtyMalformed(text, qtyScale);
  if (units === "finer" || units % lotUnits !== 0n) throw qtyOffLot(text, lotUnits, qtyScale);
  return safeInteger(units / lotUnits) as QtyLots;
}

/** "-1.5" is -150_000_000n: an amount in 1e-8 of its currency. */
export function parseMoney(text: string): Money {
  const units = parseUnits(text, MONEY_SCALE);
  if (units === null || units === "finer") throw moneyMalformed(text);
  return units as Money;
}

/** The text `parsePx` reads back to the same ticks, with all `pxScale` places. */
export function formatPx(pxTicks: PxTicks, { pxScale, tickUnits }: PxGrid): string {
  checkGrid(pxScale, tickUnits);
  return decimalText(BigInt(pxTicks) * tickUnits, pxScale);
}

/** The text `parseQty` reads back to the same lots, with all `qtyScale` places. */
export function formatQty(qtyLots: QtyLots, { qtyScale, lotUnits }: QtyGrid): string {
  checkGrid(qtyScale, lotUnits);
  return decimalText(BigInt(qtyLots) * lotUnits, qtyScale);
}

/** The text `parseMoney` reads back to the same amount, with all 8 places. */
export function formatMoney(money: Money): string {
  return decimalText(money, MONEY_SCALE);
}

/**
 * What `qtyLots` at `pxTicks` is worth, exact.
 *
 * Units   px in ticks, qty in lots, e8PerTickLot in 1e-8 of the quote currency per tick and lot
 * Errors  none: a bigint has no bound
 */
export function notional(pxTicks: PxTicks, qtyLots: QtyLots, e8PerTickLot: bigint): Money {
  return (BigInt(pxTicks) * BigInt(qtyLots) * e8PerTickLot) as Money;
}

/** A bigint as the same number, or a fault beyond ±(2^53-1). */
export function safeInteger(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw integerUnsafe(value);
  return number;
}

/** The id of the `sequence`-th intent of a strategy's session. Parts are unsigned: 32, 32 and 64 bits. */
export function intentId(strategyId: number, sessionEpoch: number, sequence: bigint): IntentId {
  const high = (BigInt.asUintN(32, BigInt(strategyId)) << 32n) | BigInt(sessionEpoch >>> 0);
  return ((high << 64n) | BigInt.asUintN(64, sequence)) as IntentId;
}

/** The parts `intentId` was made of. */
export function intentIdParts(id: IntentId): {
  readonly strategyId: number;
  readonly sessionEpoch: number;
  readonly sequence: bigint;
} {
  return {
    strategyId: Number(BigInt.asUintN(32, id >> 96n)),
    sessionEpoch: Number(BigInt.asUintN(32, id >> 64n)),
    sequence: BigInt.asUintN(64, id),
  };
}

/** 32 lower-case hex digits, as logs and screens show an intent id. */
export function formatIntentId(id: IntentId): string {
  return id.toString(16).padStart(32, "0");
}

/** Units of 10^-scale; null is no decimal, "finer" one with digits beyond the scale. */
function parseUnits(text: string, scale: number): bigint | "finer" | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  const [, sign = "", whole, frac = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === undefined) return null;
  if (/[1-9]/.test(frac.slice(scale))) return "finer"; // "1.50" at scale 1 is exact, "1.55" is not
  return BigInt(sign + whole + frac.slice(0, scale).padEnd(scale, "0"));
}

function checkGrid(scale: number, units: bigint): void {
  if (!Number.isInteger(scale) || scale < 0 || scale > SCALE_MAX || units < 1n) {
    throw scaleMalformed(scale, units);
  }
}
