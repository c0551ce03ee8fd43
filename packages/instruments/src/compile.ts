/** A symbols list and the contracts of today to the symbols that will be subscribed. Pure: the day is an argument. */

import { type Contract, type ContractCache, daysBetween } from "./contracts.ts";
import { type Place, SymbolsError } from "./errors.ts";
import { STRIKES_MAX, SYMBOLS_MAX } from "./limits.ts";
import { type Entry, type Filter, tagsOf } from "./parse.ts";

/** One symbol to subscribe. */
export interface SymbolRow {
  readonly code: string;
  readonly exchange: string;
  readonly productType: Contract["product_type"];
  /** Decimal text. */
  readonly tick: string;
  readonly priceScale: number;
  /** What one point of price is worth, for a contract. */
  readonly pointValue: number;
  readonly tags: readonly string[];
  readonly name: string | null;
  readonly root: string | null;
  readonly expiry: string | null;
  readonly right: "C" | "P" | null;
  readonly strike: string | null;
  readonly underlying: string | null;
  readonly group: string | null;
  readonly account: string | null;
  readonly orderCond: string | null;
  readonly orderLot: string | null;
  readonly ocType: string | null;
  readonly place: Place;
}

/** Figures of contracts that filters ask for: `{ "TXFF6": { "oi": 1000 } }`. */
export type Metrics = Readonly<Record<string, Readonly<Record<string, number | string | boolean>>>>;

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

/** Point values and ticks of the Taiwan roots. Source: TAIFEX contract specifications. */
const ROOTS: Readonly<Record<string, { points: number; tick: string; underlying?: string }>> = {
  TXF: { points: 200, tick: "1" },
  MXF: { points: 50, tick: "1" },
  TMF: { points: 10, tick: "1" },
  EXF: { points: 4_000, tick: "0.05" },
  FXF: { points: 1_000, tick: "0.2" },
  GXF: { points: 50, tick: "1" },
  TXO: { points: 50, tick: "0.1", underlying: "TXF" },
  MXO: { points: 10, tick: "0.1", underlying: "MXF" },
};
const PRICE_SCALE = 10_000;
const MONTH_PLACES = ["front", "next", "far", "far_plus_1", "far_plus_2", "far_plus_3"];

/** The exchange a bare code is taken for: digits are listed stocks, the rest futures. */
function exchangeOf(code: string): string {
  return /^\d+$/.test(code) ? "TSE" : "FUT";
}

/** Continuous aliases are not contracts: a strategy bound to one would trade what it does not know. */
const isAlias = (code: string): boolean => /R[12]$/.test(code);

function live(contract: Contract, today: string): boolean {
  const { code, delivery, product_type: type } = contract;
  if (type === "future" && isAlias(code)) return false;
  return delivery === undefined || delivery >= today;
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
  if (front === undefined) throw new SymbolsError(place, "no contract of it is listed or alive");
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
  return all.filter((each) => live(each, input.today));
}

/** Compares decimal texts without a double. */
function compareDecimals(a: string, b: string): number {
  const scaled = (text: string): bigint => {
    const [whole = "0", frac = ""] = text.split(".");
    return BigInt(whole + frac.padEnd(9, "0").slice(0, 9));
  };
  const [x, y] = [scaled(a), scaled(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function distance(a: string, b: string): bigint {
  const scaled = (text: string): bigint => {
    const [whole = "0", frac = ""] = text.split(".");
    return BigInt(whole + frac.padEnd(9, "0").slice(0, 9));
  };
  const gap = scaled(a) - scaled(b);
  return gap < 0n ? -gap : gap;
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
          .filter((each) => live(each, input.today))
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

function row(entry: Entry, contract: Contract | null, code: string): SymbolRow {
  const { attributes: own, place } = entry;
  const exchange = own.exchange ?? contract?.exchange ?? exchangeOf(code);
  const type =
    contract?.product_type ??
    (own.product_type as Contract["product_type"] | undefined) ??
    (exchange === "TSE" || exchange === "OTC" || exchange === "OES" ? "stock" : "future");
  const root = contract?.root ?? (type === "future" || type === "option" ? code.slice(0, 3) : null);
  const spec = root === null ? undefined : ROOTS[root];
  return {
    code,
    exchange,
    productType: type,
    tick: own.tick ?? contract?.tick ?? spec?.tick ?? "0.01",
    priceScale: own.price_scale ?? PRICE_SCALE,
    pointValue: own.contract_size ?? contract?.multiplier ?? spec?.points ?? 1,
    tags: own.tags ?? [],
    name: own.name ?? contract?.name ?? null,
    root,
    expiry: contract?.delivery ?? null,
    right: contract?.right ?? null,
    strike: contract?.strike ?? null,
    underlying: spec?.underlying ?? null,
    group: own.group ?? null,
    account: own.account ?? null,
    orderCond: own.order_cond ?? null,
    orderLot: own.order_lot ?? null,
    ocType: own.oc_type ?? null,
    place,
  };
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
        rows.push(row(own, null, `SYNTH${String(n).padStart(4, "0")}`));
      }
      continue;
    }
    let found: Contract[];
    if (subject.kind === "code") {
      const exchange = entry.attributes.exchange;
      const listed = input.contracts?.contracts.filter(
        (each) =>
          each.code === subject.code && (exchange === undefined || each.exchange === exchange),
      );
      const [contract] = listed ?? [];
      if (contract !== undefined && !live(contract, input.today)) {
        const why = isAlias(contract.code)
          ? "is a continuous alias; name a month, as ROOT@front"
          : `ended on ${contract.delivery ?? ""}`;
        throw new SymbolsError(place, `${subject.code} ${why}`);
      }
      if (contract === undefined) {
        rows.push(row(entry, null, subject.code));
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
    for (const contract of found) rows.push(row(entry, contract, contract.code));
    if (rows.length > SYMBOLS_MAX)
      throw new SymbolsError(place, `more than ${SYMBOLS_MAX} symbols`);
  }
  return { rows, warnings };
}

const EXCHANGES = [
  "TSE",
  "OTC",
  "OES",
  "FUT",
  "FUTURES",
  "OPT",
  "OPTIONS",
  "TAIFEX",
  "IDX",
  "INDEX",
  "SIM",
];

/** Everything wrong with a compiled list, each with its place. `online` also wants every code in the contracts. */
export function validate(
  rows: readonly SymbolRow[],
  cap: number,
  contracts: ContractCache | null,
): string[] {
  const faults: string[] = [];
  const seen = new Map<string, Place>();
  const listed = new Set(contracts?.contracts.map((each) => each.code));
  for (const { code, exchange, place, priceScale, tick } of rows) {
    const at = `${place.file}:${place.line}:${place.column}`;
    const first = seen.get(`${exchange} ${code}`);
    if (first !== undefined)
      faults.push(`${at}: ${code} stands at ${first.file}:${first.line} already`);
    else seen.set(`${exchange} ${code}`, place);
    if (!EXCHANGES.includes(exchange)) {
      faults.push(`${at}: exchange ${exchange} of ${code}: want one of ${EXCHANGES.join(", ")}`);
    }
    if (!(Number(tick) > 0) || priceScale < 1)
      faults.push(`${at}: ${code} has no tick or scale above 0`);
    if (contracts !== null && exchange !== "SIM" && !listed.has(code)) {
      faults.push(`${at}: ${code} is not in the contracts; is it misspelt, or over?`);
    }
  }
  if (contracts === null && rows.some(({ exchange }) => exchange !== "SIM")) {
    faults.push(
      "there are no contracts to look the codes up in; fetch them with `hft config sync`",
    );
  }
  if (rows.length > cap)
    faults.push(`${rows.length} symbols are more than the ${cap} that may be subscribed`);
  return faults;
}

/** Strategies bound to codes that no row has any more, by name. */
export function deadBindings(
  bindings: ReadonlyMap<string, readonly string[]>,
  rows: readonly SymbolRow[],
): string[] {
  const codes = new Set(rows.map(({ code }) => code));
  const tags = new Set(rows.flatMap((each) => each.tags));
  return [...bindings].flatMap(([strategy, symbols]) =>
    symbols
      .filter((symbol) =>
        symbol.startsWith("tag:")
          ? !tagsOf(symbol.slice(4)).some((tag) => tags.has(tag))
          : !codes.has(symbol),
      )
      .map((symbol) => `strategy ${strategy} is bound to ${symbol}, which no contract of today is`),
  );
}
