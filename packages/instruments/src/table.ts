/** The compiled symbols as a versioned instrument table: ids are permanent, the version rises only when something changed. */

import { createHash } from "node:crypto";
import type { SymbolRow } from "./compile.ts";
import { SymbolsError } from "./errors.ts";
import { type GivenId, withTable } from "./ids.ts";
import type { InstrumentTable, TableRow } from "./row.ts";

const VENUES: Readonly<Record<string, string>> = {
  TSE: "SHIOAJI",
  OTC: "SHIOAJI",
  OES: "SHIOAJI",
  FUT: "SHIOAJI",
  FUTURES: "SHIOAJI",
  OPT: "SHIOAJI",
  OPTIONS: "SHIOAJI",
  TAIFEX: "SHIOAJI",
};
const KINDS = { stock: "equity", future: "future", option: "option" } as const;
/** Decimals of money. */
const MONEY_SCALE = 8;
const QTY_LOTS_MAX = 1_000_000;

/** SHA-256 over the rows in order of id and of key; not over the version, so that it says whether anything changed. */
export function tableHash(table: InstrumentTable): string {
  const rows = [...table.instruments].sort((a, b) => a.id - b.id);
  const lines = rows.map((each) => JSON.stringify(Object.entries(each).sort()));
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}

/**
 * The table of today: a symbol that ever had an id has it again, others get ids nobody had, rows of other venues stay.
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
  const fed = new Set(Object.values(VENUES));
  const kept = old.filter((each) => !fed.has(each.venue));
  const made = rows.flatMap((row): TableRow[] => {
    const venue = VENUES[row.exchange];
    const kind = KINDS[row.productType as keyof typeof KINDS];
    if (venue === undefined || kind === undefined) return [];
    const [, frac = ""] = row.tick.split(".");
    const pxUnit = Number(row.tick.replace(".", ""));
    const worth = pxUnit * 10 ** (MONEY_SCALE - frac.length) * row.pointValue;
    if (frac.length > MONEY_SCALE || !Number.isSafeInteger(worth) || pxUnit < 1) {
      throw new SymbolsError(
        row.place,
        `${row.code}: tick ${row.tick} is finer or larger than money has digits`,
      );
    }
    const was = knownBy.get(`${venue} ${row.code}`);
    if (was === undefined) id += 1;
    const dated = kind === "future" || kind === "option";
    if (dated && row.expiry === null) {
      throw new SymbolsError(
        row.place,
        `${row.code} is a ${kind} without a last day; is it in the contracts?`,
      );
    }
    const made: TableRow = {
      id: was?.id ?? id,
      venue_id: venueId(venue),
      venue,
      symbol: row.code,
      kind,
      base: row.code.replaceAll(/[^A-Z0-9]/g, ""),
      quote: "TWD",
      px_scale: frac.length,
      px_unit: pxUnit,
      qty_scale: 0,
      qty_unit: 1,
      e8_per_tick_lot: worth,
      min_qty_lots: 1,
      max_qty_lots: QTY_LOTS_MAX,
      min_notional_e8: 0,
      ...(row.pointValue === 1 ? {} : { multiplier: row.pointValue }),
      ...(dated ? { expiry: Number(row.expiry) } : {}),
    };
    if (was !== undefined && (was.px_scale !== frac.length || was.px_unit !== pxUnit)) {
      throw new SymbolsError(
        row.place,
        `${row.code}: its price unit was ${was.px_unit}e-${was.px_scale} and would be ${pxUnit}e-${frac.length}; ids are permanent, so list it under a new code or keep the tick`,
      );
    }
    return [made];
  });
  const instruments = [...kept, ...made].sort((a, b) => a.id - b.id);
  const table = { version: before?.version ?? 1, instruments };
  if (before !== null && tableHash(before) !== tableHash(table)) {
    return { ...table, version: before.version + 1 };
  }
  return table;
}
