/** A symbols list as lines with meaning: includes followed, comments gone, every key checked. */

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Contract, PRODUCT_TYPES } from "./contracts.ts";
import { type Place, SymbolsError } from "./errors.ts";
import { INCLUDES_DEEP_MAX, LINES_MAX, LIST_BYTES_MAX } from "./limits.ts";
import { exchangeName } from "./markets.ts";

/** How one metric is asked: `@oi >= 1,000`, `@delta 0.2..0.4`, `@turnover_rank = top20`. */
export interface Filter {
  readonly place: Place;
  readonly key: string;
  readonly op: "=" | ">" | ">=" | "<" | "<=" | "range" | "top";
  readonly value: string;
  readonly high: string | null;
}

/** Keys of a line, under their own names. */
export interface Attributes {
  exchange?: string;
  product_type?: Contract["product_type"];
  tick?: string;
  price_scale?: number;
  order_cond?: string;
  order_lot?: string;
  oc_type?: string;
  account?: string;
  tags?: readonly string[];
  name?: string;
  contract_size?: number;
  group?: string;
}

export type Subject =
  | { readonly kind: "code"; readonly code: string }
  | { readonly kind: "future"; readonly root: string; readonly month: string }
  | {
      readonly kind: "option";
      readonly root: string;
      readonly month: string;
      readonly around: "ATM" | "OTM";
      readonly strikes: number;
    }
  | { readonly kind: "synthetic"; readonly count: number };

export interface Entry {
  readonly place: Place;
  readonly subject: Subject;
  readonly attributes: Attributes;
  readonly filters: readonly Filter[];
}

const ALIASES: Readonly<Record<string, keyof Attributes>> = {
  exchange: "exchange",
  exch: "exchange",
  product_type: "product_type",
  security_type: "product_type",
  type: "product_type",
  tick: "tick",
  tick_size: "tick",
  price_scale: "price_scale",
  scale: "price_scale",
  order_cond: "order_cond",
  order_lot: "order_lot",
  lot: "order_lot",
  oc_type: "oc_type",
  account: "account",
  tags: "tags",
  tag: "tags",
  name: "name",
  contract_size: "contract_size",
  size: "contract_size",
  group: "group",
};
const CSV: readonly (keyof Attributes)[] = ["exchange", "tick", "price_scale", "tags"];
const MONTHS = new Set([
  "front",
  "near",
  "next",
  "far",
  "far_plus_1",
  "far_plus_2",
  "far_plus_3",
  "roll",
]);

/** Tags without regard to case, each once, in the order given. */
export function tagsOf(text: string): string[] {
  const tags = text
    .split(/[|,]/)
    .map((tag) => tag.trim().toLowerCase())
    .filter((tag) => tag !== "");
  return [...new Set(tags)];
}

function attribute(place: Place, name: string, value: string, into: Attributes): void {
  const key = ALIASES[name.toLowerCase()];
  if (key === undefined) {
    const known = [...new Set(Object.keys(ALIASES))].join(", ");
    throw new SymbolsError(place, `unknown key ${name}; want one of ${known}`);
  }
  if (value === "") throw new SymbolsError(place, `${name} has no value`);
  switch (key) {
    case "tick":
      if (!/^\d+(\.\d+)?$/.test(value) || Number(value) === 0) {
        throw new SymbolsError(place, `${name}=${value}: want a decimal above 0`);
      }
      into.tick = value;
      return;
    case "price_scale":
    case "contract_size":
      if (!/^[1-9]\d{0,8}$/.test(value)) {
        throw new SymbolsError(place, `${name}=${value}: want a whole number above 0`);
      }
      into[key] = Number(value);
      return;
    case "tags":
      into.tags = tagsOf(value);
      return;
    case "exchange":
      into.exchange = exchangeName(value.toUpperCase());
      return;
    case "product_type": {
      const type = PRODUCT_TYPES.find((each) => each === value.toLowerCase());
      if (type === undefined) {
        throw new SymbolsError(place, `${name}=${value}: want one of ${PRODUCT_TYPES.join(", ")}`);
      }
      into.product_type = type;
      return;
    }
    default:
      into[key] = value;
  }
}

function month(place: Place, text: string): string {
  const lower = text.toLowerCase();
  if (MONTHS.has(lower) || /^\d{6}$/.test(text)) return lower;
  throw new SymbolsError(place, `month ${text}: want ${[...MONTHS].join(", ")} or YYYYMM`);
}

/** Whether and how a word names more than itself: `TXF@front`, `OPT@TXO@near@ATM+/-3`, `SYNTH@20`. */
function subject(place: Place, word: string): Subject {
  const parts = word.split("@");
  const [head = "", ...rest] = parts;
  if (parts.length === 1) {
    if (!/^[A-Za-z0-9_./-]{1,32}$/.test(word)) throw new SymbolsError(place, `${word}: is no code`);
    return { kind: "code", code: word.toUpperCase() };
  }
  const upper = head.toUpperCase();
  if (upper === "SYNTH" || upper === "STRESS") {
    const count = Number(rest[0]);
    if (rest.length !== 1 || !Number.isInteger(count) || count < 1 || count > 9_999) {
      throw new SymbolsError(place, `${word}: want ${upper}@ and a number between 1 and 9999`);
    }
    return { kind: "synthetic", count };
  }
  if (upper === "OPT") {
    const [root, when, strikes] = rest;
    const read = /^(ATM|OTM)(?:\+\/-|±)(\d{1,2})$/i.exec(strikes ?? "");
    if (rest.length !== 3 || root === undefined || root === "" || read === null) {
      throw new SymbolsError(place, `${word}: want OPT@ROOT@month@ATM+/-N or OTM+/-N`);
    }
    return {
      kind: "option",
      root: root.toUpperCase(),
      month: month(place, when ?? ""),
      around: (read[1] ?? "").toUpperCase() as "ATM" | "OTM",
      strikes: Number(read[2]),
    };
  }
  const [root, when] = upper === "FUT" ? rest : [head, ...rest];
  if (rest.length !== (upper === "FUT" ? 2 : 1) || root === undefined || root === "") {
    throw new SymbolsError(place, `${word}: want ROOT@month or FUT@ROOT@month`);
  }
  return { kind: "future", root: root.toUpperCase(), month: month(place, when ?? "") };
}

function filter(place: Place, text: string): Filter {
  const read = /^([a-z_0-9]+)\s*(>=|<=|=|>|<|\s)\s*(\S.*)$/i.exec(text.trim());
  if (read === null) throw new SymbolsError(place, `filter @${text}: want @key op value`);
  const [, key = "", sign = "", raw = ""] = read;
  const value = raw.trim().replaceAll(",", "").replace(/%$/, "");
  const op = sign.trim() === "" ? "=" : (sign as Filter["op"]);
  const base = { place, key: key.toLowerCase() };
  const range = /^(-?\d+(?:\.\d+)?)%?(?:\.\.|-)(-?\d+(?:\.\d+)?)$/.exec(value);
  const top = /^top(\d{1,5})$/i.exec(value);
  if (op === "=" && range !== null) {
    return { ...base, op: "range", value: range[1] ?? "", high: range[2] ?? "" };
  }
  if (op === "=" && top !== null) return { ...base, op: "top", value: top[1] ?? "", high: null };
  if (op !== "=" && !/^-?\d+(\.\d+)?$/.test(value)) {
    throw new SymbolsError(place, `filter @${text}: ${raw} is no number`);
  }
  return { ...base, op, value: op === "=" ? raw.trim() : value, high: null };
}

function entry(place: Place, text: string): Entry {
  // A filter begins with an @ after white space; the @ of a rule has none before it.
  const [head = "", ...filters] = text.split(/\s+@(?=[A-Za-z])/);
  const words = head.trim().split(/\s+/);
  const [first = "", ...pairs] = words;
  const [code = "", ...columns] = first.split(",");
  const attributes: Attributes = {};
  if (columns.length > CSV.length) {
    throw new SymbolsError(place, `${first}: want at most CODE,EXCHANGE,TICK,PRICE_SCALE,TAGS`);
  }
  columns.forEach((value, at) => {
    const key = CSV[at];
    if (key !== undefined && value !== "") attribute(place, key, value, attributes);
  });
  for (const pair of pairs) {
    const cut = pair.indexOf("=");
    const column = place.column + Math.max(0, text.indexOf(pair));
    const at = { ...place, column };
    if (cut < 1) throw new SymbolsError(at, `${pair}: want key=value`);
    attribute(at, pair.slice(0, cut), pair.slice(cut + 1), attributes);
  }
  return {
    place,
    subject: subject(place, code),
    attributes,
    filters: filters.map((each) => filter(place, each)),
  };
}

/** Reads a list and what it includes, in order. `read` gives a file's text; it is an argument so that tests need no disk. */
export function parseList(
  path: string,
  read: (path: string) => string = (file) => readFileSync(file, "utf8"),
): Entry[] {
  const entries: Entry[] = [];
  let lines = 0;
  const follow = (file: string, chain: readonly string[], from: Place | null): void => {
    if (chain.includes(file)) {
      throw new SymbolsError(from, `include cycle: ${[...chain, file].join(" -> ")}`);
    }
    if (chain.length >= INCLUDES_DEEP_MAX) {
      throw new SymbolsError(from, `includes nest deeper than ${INCLUDES_DEEP_MAX}`);
    }
    let text: string;
    try {
      text = read(file);
    } catch (error) {
      throw new SymbolsError(from, `${file} cannot be read: ${(error as Error).message}`);
    }
    if (Buffer.byteLength(text) > LIST_BYTES_MAX) {
      throw new SymbolsError(from, `${file} is longer than ${LIST_BYTES_MAX} bytes`);
    }
    text.split(/\r?\n/).forEach((raw, index) => {
      lines += 1;
      const bare = raw.replace(/(^|\s)#.*$/, "");
      const place = { file, line: index + 1, column: bare.length - bare.trimStart().length + 1 };
      if (lines > LINES_MAX) throw new SymbolsError(place, `more than ${LINES_MAX} lines in all`);
      const line = bare.trim();
      if (line === "") return;
      const include = /^@?include\s+(\S+)$/.exec(line);
      if (include !== null) {
        follow(resolve(dirname(file), include[1] ?? ""), [...chain, file], place);
        return;
      }
      entries.push(entry(place, line));
    });
  };
  follow(resolve(path), [], null);
  return entries;
}
