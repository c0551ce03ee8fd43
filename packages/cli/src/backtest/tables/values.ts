/** Values of tables as exact times, ticks and lots. Pure: an error says what is off; the reader adds file and row. */

import { decimalText, parsePx, parseQty } from "@tidegate/contracts";
import type { InstrumentRow } from "../tapes.ts";

/** What a cell of a CSV file or a Parquet column can be. */
export type Cell = string | number | bigint | null;

const UNITS_NS = { ns: 1n, us: 1_000n, ms: 1_000_000n, s: 1_000_000_000n } as const;
const NS_MAX = 2n ** 63n - 1n;
const TEXT = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)?$/;
/** How far a double may lie from a whole tick or lot, as a part of one. */
const OFF_MAX = 1e-3;

/** A time as ns since 1970. */
export function timeNs(cell: Cell, unit: keyof typeof UNITS_NS | "text" | "text-utc"): bigint {
  let ns: bigint;
  if (unit === "text" || unit === "text-utc") {
    const [, day, clock, frac = "", zone] = TEXT.exec(String(cell ?? "")) ?? [];
    if (day === undefined || clock === undefined) {
      throw new Error(
        `time ${JSON.stringify(String(cell))}: want text like 2022-01-03 09:30:00.5Z`,
      );
    }
    if (zone === undefined && unit === "text") {
      throw new Error(`time ${cell}: it names no zone; want unit text-utc where it is UTC`);
    }
    const ms = Date.parse(`${day}T${clock}${zone ?? "Z"}`);
    if (Number.isNaN(ms)) throw new Error(`time ${cell}: there is no such time`);
    ns = BigInt(ms) * 1_000_000n + BigInt(frac.padEnd(9, "0") || "0");
  } else if (typeof cell === "bigint") {
    ns = cell * UNITS_NS[unit];
  } else if (typeof cell === "string" && /^\d{1,19}$/.test(cell)) {
    ns = BigInt(cell) * UNITS_NS[unit];
  } else if (typeof cell === "number" && Number.isSafeInteger(cell)) {
    ns = BigInt(cell) * UNITS_NS[unit];
  } else {
    throw new Error(`time ${String(cell)}: want a whole number of ${unit} since 1970`);
  }
  if (ns < 0n || ns > NS_MAX) throw new Error(`time ${String(cell)}: not between 1970 and 2262`);
  return ns;
}

/** A value as exact decimal text, or the double it is. */
function decimal(what: string, cell: Cell, scale: number | undefined): string | number {
  if (scale === undefined) {
    if (typeof cell === "bigint") return String(cell);
    if (typeof cell === "number" && Number.isFinite(cell)) return cell;
    if (typeof cell === "string") return cell;
    throw new Error(`${what} ${String(cell)}: want a number`);
  }
  const whole =
    typeof cell === "bigint" ||
    (typeof cell === "number" && Number.isSafeInteger(cell)) ||
    (typeof cell === "string" && /^-?\d{1,19}$/.test(cell));
  if (!whole) throw new Error(`${what} ${String(cell)}: want a whole number of 1e-${scale}`);
  return decimalText(BigInt(cell as string | number | bigint), scale);
}

function near(what: string, value: number, scale: number, unit: number, name: string): number {
  const units = (value * 10 ** scale) / unit;
  const whole = Math.round(units);
  if (Math.abs(units - whole) > OFF_MAX || !Number.isSafeInteger(whole)) {
    throw new Error(`${what} ${value}: no whole number of ${name}`);
  }
  return whole;
}

/** A price in ticks that fit a tape. */
export function ticksOf(
  what: string,
  cell: Cell,
  row: InstrumentRow,
  scale: number | undefined,
): number {
  const value = decimal(what, cell, scale);
  const ticks =
    typeof value === "number"
      ? near(what, value, row.px_scale, row.px_unit, "ticks")
      : parsePx(value, { pxScale: row.px_scale, tickUnits: BigInt(row.px_unit) });
  if (ticks !== (ticks | 0)) throw new Error(`${what} ${value}: more than 2^31 ticks`);
  return ticks;
}

/** A size in lots. */
export function lotsOf(
  what: string,
  cell: Cell,
  row: InstrumentRow,
  scale: number | undefined,
): number {
  const value = decimal(what, cell, scale);
  const lots =
    typeof value === "number"
      ? near(what, value, row.qty_scale, row.qty_unit, "lots")
      : parseQty(value, { qtyScale: row.qty_scale, lotUnits: BigInt(row.qty_unit) });
  if (lots < 0) throw new Error(`${what} ${value}: below 0`);
  return lots;
}

/** A size in whole lots, the part below one cut off: what a sum over a bar is. */
export function wholeLotsOf(
  what: string,
  cell: Cell,
  row: InstrumentRow,
  scale: number | undefined,
): { readonly lots: number; readonly cut: boolean } {
  const value = Number(decimal(what, cell, scale));
  if (!(value >= 0 && Number.isFinite(value))) {
    throw new Error(`${what} ${String(cell)}: want a number from 0 on`);
  }
  const units = (value * 10 ** row.qty_scale) / row.qty_unit;
  // What is a whole number but for the rounding of doubles is that number.
  const whole = Math.abs(units - Math.round(units)) <= OFF_MAX;
  const lots = whole ? Math.round(units) : Math.floor(units);
  if (!Number.isSafeInteger(lots)) throw new Error(`${what} ${value}: more than 2^53 lots`);
  return { lots, cut: !whole };
}
