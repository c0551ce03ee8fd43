/** The compiled symbols as a versioned instrument table: ids are permanent, the version rises only when something changed. */

import { scaled } from "./decimal.ts";
import { SymbolsError } from "./errors.ts";
import { tableHash } from "./hash.ts";
import { type GivenId, withTable } from "./ids.ts";
import { MARKETS } from "./markets.ts";
import type { InstrumentTable, TableRow } from "./row.ts";
import type { SymbolRow } from "./symbol.ts";

/** Decimals of money. */
const MONEY_SCALE = 8;
/** Largest order where the venue says none. */
const QTY_LOTS_MAX = 1_000_000;

/** `0.25` as 25 units of 10^-2. */
function unitOf(decimal: string): { readonly scale: number; readonly unit: number } {
  const [, frac = ""] = decimal.split(".");
  return { scale: frac.length, unit: Number(decimal.replace(".", "")) };
}

/** Venues of the table of which the list names no symbol: their rows stay as they are. */
export function untouched(before: InstrumentTable | null, rows: readonly SymbolRow[]): string[] {
  const named = new Set(rows.map(({ exchange }) => MARKETS[exchange]?.venue));
  const all = new Set((before?.instruments ?? []).map(({ venue }) => venue));
  return [...all].filter((venue) => !named.has(venue));
}

/** Everything of a row but its ids. */
function termsOf(row: SymbolRow, venue: string): Omit<TableRow, "id" | "venue_id"> {
  const bad = (what: string) => new SymbolsError(row.place, `${row.code}: ${what}`);
  const { code, exchange, productType: type } = row;
  const kind = MARKETS[exchange]?.kinds[type];
  if (kind === undefined) {
    throw bad(`the instrument table has no ${type} of ${venue}; take it out of the list`);
  }
  const dated = kind === "future" || kind === "option";
  if (dated && row.expiry === null) {
    throw bad(`is a ${kind} without a last day; is it in the contracts?`);
  }
  if (row.unit === null) throw bad("no tick is known of it; write tick=");
  if (row.pointValue === null) {
    throw bad(`the value of a point of ${row.root} is not known; write contract_size=`);
  }
  const [px, qty] = [unitOf(row.unit), unitOf(row.lot)];
  const spare = MONEY_SCALE - px.scale - qty.scale;
  const inverse = kind === "inverse_perp";
  const worth = inverse ? 0 : px.unit * qty.unit * 10 ** Math.max(0, spare) * row.pointValue;
  if (spare < 0 || !Number.isSafeInteger(worth)) {
    throw bad(
      `tick ${row.unit} times size step ${row.lot} is finer or larger than money has digits`,
    );
  }
  const lots = (qtyText: string, up: boolean): number => {
    const [size, lot] = [scaled(qtyText), scaled(row.lot)];
    return Number((size + (up ? lot - 1n : 0n)) / lot);
  };
  const minNotional = scaled(row.minNotional ?? "0") / 10_000n;
  const most = row.maxQty === null ? QTY_LOTS_MAX : lots(row.maxQty, false);
  return {
    venue,
    symbol: code,
    kind,
    base: row.base,
    quote: row.quote,
    px_scale: px.scale,
    px_unit: px.unit,
    qty_scale: qty.scale,
    qty_unit: qty.unit,
    e8_per_tick_lot: worth,
    min_qty_lots: row.minQty === null ? 1 : Math.max(1, lots(row.minQty, true)),
    max_qty_lots: Math.min(most, Number.MAX_SAFE_INTEGER),
    min_notional_e8: Number(minNotional),
    ...(row.pointValue === 1 ? {} : { multiplier: row.pointValue }),
    ...(dated ? { expiry: Number(row.expiry) } : {}),
  };
}

/**
 * The table of today: a symbol that ever had an id has it again, others get ids nobody had, and a venue of which the list names
 * nothing stays as it is.
 *
 * `given` is every id given so far (`readIds`), those of rows that left the table too: without it a dropped row's id would go
 * to another symbol, and what was recorded under it would change its meaning.
 *
 * Rows that trade on no venue of the table (`SIM`, indices) are left out; they are subscribed, not instruments.
 */
export function nextTable(
  before: InstrumentTable | null,
  rows: readonly SymbolRow[],
  given: readonly GivenId[] = [],
): InstrumentTable {
  const old = before?.instruments ?? [];
  const known = withTable(given, before);
  const knownBy = new Map(known.map((each) => [`${each.venue} ${each.symbol}`, each]));
  let id = known.reduce((max, each) => Math.max(max, each.id), 0);
  const venueIds = new Map(old.map((each) => [each.venue, each.venue_id]));
  const venueId = (venue: string): number => {
    const has = venueIds.get(venue);
    if (has !== undefined) return has;
    const next = Math.max(0, ...venueIds.values()) + 1;
    venueIds.set(venue, next);
    return next;
  };
  const kept = new Set(untouched(before, rows));
  const made = rows.flatMap((row): TableRow[] => {
    const venue = MARKETS[row.exchange]?.venue ?? null;
    if (venue === null || row.productType === "index") return [];
    const terms = termsOf(row, venue);
    const was = knownBy.get(`${venue} ${row.code}`);
    if (was === undefined) id += 1;
    const units = ["px_scale", "px_unit", "qty_scale", "qty_unit"] as const;
    if (was !== undefined && units.some((unit) => was[unit] !== terms[unit])) {
      throw new SymbolsError(
        row.place,
        `${row.code}: its price unit was ${was.px_unit}e-${was.px_scale} and its size unit ${was.qty_unit}e-${was.qty_scale}, and they would be ${terms.px_unit}e-${terms.px_scale} and ${terms.qty_unit}e-${terms.qty_scale}; ids are permanent, so list it under a new code or keep the units`,
      );
    }
    return [{ id: was?.id ?? id, venue_id: venueId(venue), ...terms }];
  });
  const instruments = [...old.filter(({ venue }) => kept.has(venue)), ...made].sort(
    (a, b) => a.id - b.id,
  );
  const table = { version: before?.version ?? 1, instruments };
  // The hash has the version in it, so it is the rows alone that make these differ.
  if (before !== null && tableHash(before) !== tableHash(table)) {
    return { ...table, version: before.version + 1 };
  }
  return table;
}
