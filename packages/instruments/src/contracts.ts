/** The cache of what the venues list: written whole, by rename, with a version that only rises. */

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { SymbolsError } from "./errors.ts";
import { CONTRACTS_MAX } from "./limits.ts";

const decimal = z.string().regex(/^-?\d+(\.\d+)?$/, "want decimal text");
const day = z.string().regex(/^\d{8}$/, "want YYYYMMDD");

/** One listed contract. Decimals are texts, so that no price passes through a double. */
export const Contract = z.strictObject({
  code: z.string().regex(/^[A-Z0-9_./]{1,32}$/),
  exchange: z.string().min(1),
  product_type: z.enum(["stock", "future", "option", "index", "crypto"]),
  name: z.string().optional(),
  /** Root of a family of contracts: TXF, TXO. */
  root: z.string().optional(),
  /** Last trading day, of the exchange's calendar. */
  delivery: day.optional(),
  right: z.enum(["C", "P"]).optional(),
  strike: decimal.optional(),
  /** Yesterday's settlement or today's reference. */
  reference: decimal.optional(),
  tick: decimal.optional(),
  multiplier: z.number().int().positive().optional(),
  tradable: z.boolean().optional(),
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

/** Whole days from one `YYYYMMDD` to another. */
export function daysBetween(from: string, to: string): number {
  const at = (day: string): number =>
    Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6, 8)));
  return Math.round((at(to) - at(from)) / 86_400_000);
}
