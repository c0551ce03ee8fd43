/** What is wrong with a compiled list or a built table, each fault with its place and the remedy. */

import { type ContractCache, lastDay, lifeOf } from "./contracts.ts";
import { compareDecimals, scaled } from "./decimal.ts";
import type { Place } from "./errors.ts";
import { exchangeName, MARKETS } from "./markets.ts";
import type { InstrumentTable } from "./row.ts";
import type { SymbolRow } from "./symbol.ts";
import { TICK_RULES } from "./ticks.ts";

/** Everything wrong with a compiled list. `lookUp` wants every code in the contracts; without it none is looked up. */
export function validate(
  rows: readonly SymbolRow[],
  cap: number,
  contracts: ContractCache | null,
  lookUp = true,
): string[] {
  const faults: string[] = [];
  const seen = new Map<string, Place>();
  const listed = new Set(
    contracts?.contracts.map((each) => `${exchangeName(each.exchange)} ${each.code}`),
  );
  for (const row of rows) {
    const { code, exchange, place } = row;
    const at = `${place.file}:${place.line}:${place.column}`;
    const first = seen.get(`${exchange} ${code}`);
    if (first !== undefined)
      faults.push(`${at}: ${code} stands at ${first.file}:${first.line} already`);
    else seen.set(`${exchange} ${code}`, place);
    if (MARKETS[exchange] === undefined) {
      const known = Object.keys(MARKETS).join(", ");
      faults.push(`${at}: exchange ${exchange} of ${code}: want one of ${known}`);
    }
    if (lookUp && contracts !== null && exchange !== "SIM" && !listed.has(`${exchange} ${code}`)) {
      faults.push(
        `${at}: ${code} is not in the contracts of ${exchange}; is it misspelt, or over?`,
      );
    }
    if (row.priceScale < 1) faults.push(`${at}: ${code} has no scale above 0`);
    if (listed.has(`${exchange} ${code}`))
      faults.push(...units(row).map((what) => `${at}: ${what}`));
  }
  if (lookUp && contracts === null && rows.some(({ exchange }) => exchange !== "SIM")) {
    faults.push(
      "there are no contracts to look the codes up in; fetch them with `hft config sync`",
    );
  }
  if (rows.length > cap)
    faults.push(`${rows.length} symbols are more than the ${cap} that may be subscribed`);
  return faults;
}

/** What a listed symbol lacks to be priced. */
function units(row: SymbolRow): string[] {
  const { code, tick, tickRule, unit, pointValue, productType: type } = row;
  const faults: string[] = [];
  if (unit === null && type !== "index") {
    faults.push(`${code}: no tick is known of it; write tick=`);
  }
  if (pointValue === null) {
    faults.push(`${code}: the value of a point of ${row.root} is not known; write contract_size=`);
  }
  if (tickRule !== null && tick !== null) {
    const ticks = TICK_RULES[tickRule].flatMap(({ bands }) => bands.map((band) => band.tick));
    if (!ticks.some((each) => compareDecimals(each, tick) === 0)) {
      faults.push(`${code}: tick ${tick} is none of ${tickRule}, whose are ${ticks.join(", ")}`);
    }
  }
  return faults;
}

/** Everything wrong with a built table on a day: rows that are over, that nobody lists, or whose units the venue has changed. */
export function tableFaults(
  table: InstrumentTable,
  contracts: ContractCache | null,
  today: string,
): string[] {
  const venueOf = (exchange: string): string | null => MARKETS[exchange]?.venue ?? null;
  const listed = new Map(
    contracts?.contracts.map((each) => [`${venueOf(each.exchange)} ${each.code}`, each]),
  );
  const known = new Set(contracts?.contracts.map(({ exchange }) => venueOf(exchange)));
  return table.instruments.flatMap((row): string[] => {
    const name = `instrument ${row.id} (${row.venue} ${row.symbol})`;
    if (row.expiry !== undefined && row.expiry !== 0 && row.expiry < Number(today)) {
      return [`${name} ended on ${row.expiry}; roll with \`hft config build\``];
    }
    if (!known.has(row.venue)) return [];
    const contract = listed.get(`${row.venue} ${row.symbol}`);
    if (contract === undefined) {
      return [`${name} is in no contract of its venue; take it out of the list and build anew`];
    }
    if (lifeOf(contract, today) !== "alive") {
      return [`${name} ended on ${lastDay(contract)}; roll with \`hft config build\``];
    }
    const { tick } = contract;
    const unit = scaled(String(row.px_unit)) / 10n ** BigInt(row.px_scale);
    if (tick !== undefined && scaled(tick) % unit !== 0n) {
      return [
        `${name} counts prices in ${row.px_unit}e-${row.px_scale}, but the venue's tick is ${tick} now; ids are permanent, so list it under a new code`,
      ];
    }
    return [];
  });
}
