/** A symbols list and the contracts of today to the symbols that will be subscribed. Pure: the day is an argument. */

import { type Contract, type ContractCache, daysBetween, lastDay, lifeOf } from "./contracts.ts";
import { compareDecimals, distance } from "./decimal.ts";
import { type Place, SymbolsError } from "./errors.ts";
import { STRIKES_MAX, SYMBOLS_MAX } from "./limits.ts";
import { exchangeName } from "./markets.ts";
import type { Metrics } from "./metrics.ts";
import { type Entry, type Filter, tagsOf } from "./parse.ts";
import { ROOTS, type SymbolRow, symbolRow } from "./symbol.ts";

const alive = (contract: Contract, today: string): boolean => lifeOf(contract, today) === "alive";

export interface CompileInput {
  readonly entries: readonly Entry[];
  readonly contracts: ContractCache | null;
  readonly metrics: Metrics;
  /** Today of the exchange, `YYYYMMDD`. */
  readonly today: string;
  /** Days before the last one at which `roll` moves on. */
  readonly rollDays: number;
}

export interface Compiled {
  readonly rows: readonly SymbolRow[];
  /** What a person should read and no machine need act on. */
  readonly warnings: readonly string[];
}

const MONTH_PLACES = ["front", "next", "far", "far_plus_1", "far_plus_2", "far_plus_3"];

/** Why a contract may not be bound, and what to write instead. */
export function deathOf(contract: Contract, life: ReturnType<typeof lifeOf>): string {
  if (life === "alias") return "is a continuous alias; name a month, as ROOT@front";
  if (life === "not yet") return `is listed from ${contract.valid_from ?? ""} on`;
  return `ended on ${lastDay(contract) ?? ""}`;
}

/** Last days of a family, soonest first, each once. */
function expiries(contracts: readonly Contract[]): string[] {
  return [...new Set(contracts.flatMap(({ delivery }) => delivery ?? []))].sort();
}

function expiryOf(
  place: Place,
  month: string,
  days: readonly string[],
  input: CompileInput,
): string {
  const [front, next] = days;
  if (front === undefined)
    throw new SymbolsError(
      place,
      "no contract of it is listed and alive; refresh with `hft config sync`",
    );
  if (month === "roll") {
    return daysBetween(input.today, front) <= input.rollDays && next !== undefined ? next : front;
  }
  if (/^\d{6}$/.test(month)) {
    const found = days.find((day) => day.startsWith(month));
    if (found !== undefined) return found;
    throw new SymbolsError(place, `no contract of ${month}; listed are ${days.join(", ")}`);
  }
  const at = month === "near" ? 0 : MONTH_PLACES.indexOf(month);
  const found = days[at];
  if (found !== undefined) return found;
  throw new SymbolsError(
    place,
    `month ${month} is not listed; there are ${days.length}: ${days.join(", ")}`,
  );
}

function familyOf(
  entry: Entry,
  root: string,
  type: Contract["product_type"],
  input: CompileInput,
): Contract[] {
  if (input.contracts === null) {
    throw new SymbolsError(
      entry.place,
      "this rule needs the contracts; fetch them with `hft config sync`",
    );
  }
  const all = input.contracts.contracts.filter(
    (each) => each.product_type === type && (each.root ?? each.code.slice(0, 3)) === root,
  );
  if (all.length === 0)
    throw new SymbolsError(entry.place, `root ${root} has no ${type} in the contracts`);
  return all.filter((each) => alive(each, input.today));
}

function chain(entry: Entry, input: CompileInput, warnings: string[]): Contract[] {
  if (entry.subject.kind !== "option") return [];
  const { root, month, around, strikes } = entry.subject;
  if (strikes > STRIKES_MAX)
    throw new SymbolsError(entry.place, `more than ${STRIKES_MAX} strikes a side`);
  const family = familyOf(entry, root, "option", input);
  const day = expiryOf(entry.place, month, expiries(family), input);
  const listed = family.filter((each) => each.delivery === day && each.strike !== undefined);
  const ladder = [...new Set(listed.flatMap(({ strike }) => strike ?? []))].sort(compareDecimals);
  const underlying = ROOTS[root]?.underlying;
  const reference =
    listed.find((each) => input.metrics[each.code]?.["underlying_price"] !== undefined) ===
    undefined
      ? input.contracts?.contracts
          .filter((each) => each.root === underlying && each.product_type === "future")
          .filter((each) => alive(each, input.today))
          .sort((a, b) => ((a.delivery ?? "") < (b.delivery ?? "") ? -1 : 1))[0]?.reference
      : String(
          input.metrics[
            listed.find((each) => input.metrics[each.code]?.["underlying_price"] !== undefined)
              ?.code ?? ""
          ]?.["underlying_price"],
        );
  let atm = Math.floor(ladder.length / 2);
  if (reference === undefined) {
    warnings.push(
      `${entry.place.file}:${entry.place.line}: ${root} has no reference price; the middle strike ${ladder[atm] ?? ""} stands for at the money`,
    );
  } else {
    ladder.forEach((strike, at) => {
      if (distance(strike, reference) < distance(ladder[atm] ?? strike, reference)) atm = at;
    });
  }
  const wanted = (right: "C" | "P"): readonly string[] => {
    if (around === "ATM") return ladder.slice(Math.max(0, atm - strikes), atm + strikes + 1);
    return right === "C"
      ? ladder.slice(atm + 1, atm + 1 + strikes)
      : ladder.slice(Math.max(0, atm - strikes), atm);
  };
  return listed.filter(
    ({ right, strike }) => right !== undefined && wanted(right).includes(strike ?? ""),
  );
}

const METRIC_ALIASES: Readonly<Record<string, readonly string[]>> = {
  oi: ["oi", "open_interest"],
  trades_per_min: ["trades_per_min", "tpm"],
  price: ["price", "close", "reference"],
};

/** The figure a filter asks of one contract; undefined where nobody knows it. */
function figure(
  filter: Filter,
  contract: Contract,
  input: CompileInput,
): number | string | boolean | undefined {
  const { key } = filter;
  if (key === "tradable") return contract.tradable ?? true;
  if (key === "dte" || key === "exclude_dte") {
    return contract.delivery === undefined
      ? undefined
      : daysBetween(input.today, contract.delivery);
  }
  if (key === "month") return contract.delivery?.slice(0, 6);
  const known = input.metrics[contract.code] ?? {};
  for (const name of METRIC_ALIASES[key] ?? [key]) {
    const value = known[name] ?? (name === "reference" ? contract.reference : undefined);
    if (value !== undefined) return value;
  }
  return undefined;
}

function keeps(filter: Filter, value: number | string | boolean): boolean {
  if (filter.key === "exclude_dte") return !(Number(value) <= Number(filter.value));
  if (filter.key === "exclude") return value !== true;
  if (filter.op === "=") {
    const wanted = filter.value.split("|").map((each) => each.trim().toLowerCase());
    return wanted.includes(String(value).toLowerCase());
  }
  const [a, b] = [Number(value), Number(filter.value)];
  switch (filter.op) {
    case ">":
      return a > b;
    case ">=":
      return a >= b;
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case "range":
      return a >= b && a <= Number(filter.high);
    case "top":
      return true;
  }
}

function filtered(entry: Entry, candidates: readonly Contract[], input: CompileInput): Contract[] {
  let left = [...candidates];
  for (const filter of entry.filters) {
    if (filter.key === "exclude_dte" && filter.op !== "<=") {
      throw new SymbolsError(filter.place, `@${filter.key}: want <=`);
    }
    const valued = left.map((each) => ({ each, value: figure(filter, each, input) }));
    if (left.length > 0 && valued.every(({ value }) => value === undefined)) {
      throw new SymbolsError(
        filter.place,
        `no candidate has the metric ${filter.key}; add it to the metrics file`,
      );
    }
    const known = valued.flatMap(({ each, value }) =>
      value === undefined ? [] : [{ each, value }],
    );
    if (filter.op === "top") {
      known.sort(
        (a, b) => Number(b.value) - Number(a.value) || (a.each.code < b.each.code ? -1 : 1),
      );
      left = known.slice(0, Number(filter.value)).map(({ each }) => each);
    } else {
      left = known.filter(({ value }) => keeps(filter, value)).map(({ each }) => each);
    }
  }
  return left;
}

/** Resolves every line. A code or month that does not exist, or is over, is an error: silence would bind a strategy to nothing. */
export function compile(input: CompileInput): Compiled {
  const warnings: string[] = [];
  const rows: SymbolRow[] = [];
  for (const entry of input.entries) {
    const { subject, place } = entry;
    if (subject.kind === "synthetic") {
      for (let n = 1; n <= subject.count; n += 1) {
        const tags = [
          ...new Set([...(entry.attributes.tags ?? []), ...tagsOf("synthetic|stress")]),
        ];
        const own = { ...entry, attributes: { ...entry.attributes, exchange: "SIM", tags } };
        rows.push(symbolRow(own, null, `SYNTH${String(n).padStart(4, "0")}`, input.today));
      }
      continue;
    }
    let found: Contract[];
    if (subject.kind === "code") {
      const exchange = entry.attributes.exchange;
      const listed = input.contracts?.contracts.filter(
        (each) =>
          each.code === subject.code &&
          (exchange === undefined || exchangeName(each.exchange) === exchange),
      );
      const [contract, second] = listed ?? [];
      if (contract !== undefined && second !== undefined) {
        const where = listed?.map((each) => each.exchange).join(", ");
        throw new SymbolsError(place, `${subject.code} is listed on ${where}; add exchange=`);
      }
      const life = contract === undefined ? "alive" : lifeOf(contract, input.today);
      if (contract !== undefined && life !== "alive") {
        throw new SymbolsError(place, `${subject.code} ${deathOf(contract, life)}`);
      }
      const type = entry.attributes.product_type;
      if (contract !== undefined && type !== undefined && type !== contract.product_type) {
        throw new SymbolsError(
          place,
          `product_type=${type}, but the contracts have ${subject.code} as ${contract.product_type}; take the key away`,
        );
      }
      if (contract === undefined) {
        rows.push(symbolRow(entry, null, subject.code, input.today));
        continue;
      }
      found = filtered(entry, [contract], input);
    } else if (subject.kind === "future") {
      const family = familyOf(entry, subject.root, "future", input);
      const day = expiryOf(place, subject.month, expiries(family), input);
      found = filtered(
        entry,
        family.filter((each) => each.delivery === day),
        input,
      );
    } else {
      found = filtered(entry, chain(entry, input, warnings), input);
    }
    if (found.length === 0)
      warnings.push(`${place.file}:${place.line}: no contract is left by its filters`);
    for (const contract of found) rows.push(symbolRow(entry, contract, contract.code, input.today));
    if (rows.length > SYMBOLS_MAX)
      throw new SymbolsError(place, `more than ${SYMBOLS_MAX} symbols`);
  }
  const stale = rows.filter(({ limitsAsOf }) => limitsAsOf !== null && limitsAsOf !== input.today);
  if (stale.length > 0) {
    warnings.push(
      `reference and limits of ${stale.length} symbols are of ${stale[0]?.limitsAsOf}, not of ${input.today}, and are not used; refresh with \`hft config sync\``,
    );
  }
  return { rows, warnings };
}
