/** The cache of what the venues list: written whole, by rename, with a version that only rises. */

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { compareDecimals, scaled } from "./decimal.ts";
import { SymbolsError } from "./errors.ts";
import { CONTRACTS_MAX } from "./limits.ts";

const decimal = z.string().regex(/^-?\d+(\.\d+)?$/, "want decimal text");
const day = z
  .string()
  .regex(/^\d{8}$/, "want YYYYMMDD")
  .refine(isDay, "is no day of the calendar");

const above = z
  .string()
  .refine((text) => /^\d+(\.\d+)?$/.test(text) && scaled(text) > 0n, "want a decimal above 0");

export const PRODUCT_TYPES = [
  "stock",
  "future",
  "option",
  "index",
  "crypto",
  "linear_perp",
  "inverse_perp",
] as const;

/** One listed contract. Decimals are texts, so that no price passes through a double. */
export const Contract = z.strictObject({
  code: z.string().regex(/^[A-Z0-9_./]{1,32}$/),
  exchange: z.string().min(1),
  product_type: z.enum(PRODUCT_TYPES),
  name: z.string().optional(),
  /** Root of a family of contracts: TXF, TXO. */
  root: z.string().optional(),
  /** Last trading day, of the exchange's calendar. */
  delivery: day.optional(),
  /** First and last day it is listed, both included, where the venue says. */
  valid_from: day.optional(),
  valid_to: day.optional(),
  right: z.enum(["C", "P"]).optional(),
  strike: decimal.optional(),
  /** The contract a continuous name stands for today. */
  alias_of: z.string().optional(),
  /** Yesterday's settlement or today's reference. */
  reference: decimal.optional(),
  /** Highest and lowest price of the day `as_of`. */
  limit_up: above.optional(),
  limit_down: above.optional(),
  /** The day that reference and limits are of. */
  as_of: day.optional(),
  /** The step of prices, where it is one for all prices. */
  tick: above.optional(),
  /** The step of sizes, smallest and largest order, in units of base; smallest value, in quote. */
  lot: above.optional(),
  min_qty: above.optional(),
  max_qty: above.optional(),
  min_notional: decimal.optional(),
  /** Shares of a board lot; smaller orders are odd lots. */
  board_lot: z.number().int().positive().optional(),
  /** What one point is worth, or units of quote in an inverse contract. */
  multiplier: z.number().int().positive().optional(),
  base: z.string().min(1).optional(),
  quote: z.string().min(1).optional(),
  /** Whether the venue takes orders in it now, and its own word for it. */
  tradable: z.boolean().optional(),
  status: z.string().optional(),
});
export type Contract = z.output<typeof Contract>;

const Cache = z.strictObject({
  cache_version: z.number().int().positive(),
  updated_at: z.iso.datetime(),
  contracts: z.array(Contract).max(CONTRACTS_MAX),
});
export type ContractCache = z.output<typeof Cache>;

/** Reads the cache. An unknown key, a contract twice, or a text that is no number is an error that names it. */
export function readContracts(path: string): ContractCache {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new SymbolsError(
      null,
      `contracts ${path}: ${(error as Error).message}; fetch them with \`hft config sync\``,
    );
  }
  return parseContracts(path, text);
}

export function parseContracts(path: string, text: string): ContractCache {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw new SymbolsError(null, `contracts ${path}: ${(error as Error).message}`);
  }
  const read = Cache.safeParse(raw);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw new SymbolsError(
      null,
      `contracts ${path}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "is no cache"}`,
    );
  }
  const seen = new Set<string>();
  for (const { exchange, code } of read.data.contracts) {
    const key = `${exchange} ${code}`;
    if (seen.has(key)) throw new SymbolsError(null, `contracts ${path}: ${key} stands twice`);
    seen.add(key);
  }
  const bad = read.data.contracts.find(({ limit_up: up, limit_down: down }) => {
    return up !== undefined && down !== undefined && compareDecimals(up, down) <= 0;
  });
  if (bad !== undefined) {
    throw new SymbolsError(
      null,
      `contracts ${path}: ${bad.exchange} ${bad.code}: limit_up ${bad.limit_up} is not above limit_down ${bad.limit_down}`,
    );
  }
  return read.data;
}

/** Writes a file whole: beside it, synced, then by rename, so that a reader sees the old one or the new one. */
export function writeWhole(path: string, text: string): void {
  const beside = `${path}.new`;
  const file = openSync(beside, "w", 0o644);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(beside, path);
  const folder = openSync(dirname(path) || ".", "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The cache that follows `before`: its version is one higher, whatever the clock says. */
export function nextCache(
  before: ContractCache | null,
  contracts: readonly Contract[],
  now: Date,
): ContractCache {
  return {
    cache_version: (before?.cache_version ?? 0) + 1,
    updated_at: now.toISOString(),
    contracts: [...contracts].sort((a, b) =>
      `${a.exchange} ${a.code}` < `${b.exchange} ${b.code}` ? -1 : 1,
    ),
  };
}

/** What one refresh changed, for a person. */
export interface ContractDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  /** Contracts whose last day is within the given days, with the day. */
  readonly expiring: readonly string[];
}

export function diffContracts(
  before: ContractCache | null,
  after: ContractCache,
  today: string,
  withinDays: number,
): ContractDiff {
  const index = (cache: ContractCache | null) =>
    new Map((cache?.contracts ?? []).map((each) => [`${each.exchange} ${each.code}`, each]));
  const [old, now] = [index(before), index(after)];
  const same = (a: Contract, b: Contract): boolean =>
    JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
  return {
    added: [...now.keys()].filter((key) => !old.has(key)),
    removed: [...old.keys()].filter((key) => !now.has(key)),
    changed: [...now].flatMap(([key, each]) => {
      const was = old.get(key);
      return was !== undefined && !same(was, each) ? [key] : [];
    }),
    expiring: [...now].flatMap(([key, { delivery }]) => {
      if (delivery === undefined) return [];
      const left = daysBetween(today, delivery);
      return left >= 0 && left <= withinDays ? [`${key} on ${delivery}`] : [];
    }),
  };
}

/** Whether eight digits are a day there is: 20260230 is none. */
export function isDay(text: string): boolean {
  const [year, month, date] = [text.slice(0, 4), text.slice(4, 6), text.slice(6, 8)].map(Number);
  const at = new Date(Date.UTC(year ?? 0, (month ?? 0) - 1, date));
  return /^\d{8}$/.test(text) && at.getUTCMonth() + 1 === month && at.getUTCDate() === date;
}

/** Whether a contract may be bound on a day: between its first and its last one, and no continuous name. */
export type Life = "alive" | "alias" | "not yet" | "over";
export function lifeOf(contract: Contract, today: string): Life {
  const { alias_of, code, product_type: type, valid_from: first } = contract;
  // A strategy bound to a continuous name would trade what it does not know.
  if (alias_of !== undefined || (type === "future" && /R[12]$/.test(code))) return "alias";
  if (first !== undefined && today < first) return "not yet";
  const last = lastDay(contract);
  return last !== undefined && last < today ? "over" : "alive";
}

/** The last day a contract trades, the earlier of what the venue says; undefined where it has none. */
export function lastDay({ delivery, valid_to: listed }: Contract): string | undefined {
  if (delivery === undefined || listed === undefined) return delivery ?? listed;
  return delivery < listed ? delivery : listed;
}

/** Whole days from one `YYYYMMDD` to another. */
export function daysBetween(from: string, to: string): number {
  const at = (day: string): number =>
    Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6, 8)));
  return Math.round((at(to) - at(from)) / 86_400_000);
}
