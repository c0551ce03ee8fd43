/** What strategies are bound to, and which of it no contract of today is. */

import { readFileSync } from "node:fs";
import { z } from "zod";
import { deathOf } from "./compile.ts";
import { type ContractCache, lastDay, lifeOf } from "./contracts.ts";
import { SymbolsError } from "./errors.ts";
import { BINDINGS_MAX } from "./limits.ts";
import { tagsOf } from "./parse.ts";
import type { SymbolRow } from "./symbol.ts";

/** The settings of strategy-runner, as far as they bind: `params.symbols` of each strategy, codes or `tag:` and a tag. */
const Settings = z.looseObject({
  strategies: z
    .array(
      z.looseObject({
        id: z.number().int().positive(),
        file: z.string().min(1),
        params: z
          .looseObject({ symbols: z.array(z.string().min(1)).max(BINDINGS_MAX).optional() })
          .default({}),
      }),
    )
    .max(BINDINGS_MAX),
});
export type Bindings = ReadonlyMap<string, readonly string[]>;

/** Reads the bindings of a settings file of strategy-runner. A strategy without `params.symbols` sees the whole table and is bound to nothing. */
export function readBindings(path: string): Bindings {
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new SymbolsError(null, `strategies ${path}: ${(error as Error).message}`);
  }
  const read = Settings.safeParse(raw);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw new SymbolsError(
      null,
      `strategies ${path}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "is no settings file"}; want the settings of strategy-runner`,
    );
  }
  return new Map(
    read.data.strategies.map(({ id, file, params }) => [
      `${id} (${file.split("/").at(-1) ?? file})`,
      params.symbols ?? [],
    ]),
  );
}

/** Strategies bound to codes that no row has any more, by name, with why and what to do. */
export function deadBindings(
  bindings: Bindings,
  rows: readonly SymbolRow[],
  contracts: ContractCache | null,
  today: string,
): string[] {
  const codes = new Set(rows.map(({ code }) => code));
  const tags = new Set(rows.flatMap((each) => each.tags));
  const bound = (symbol: string): boolean =>
    symbol.startsWith("tag:")
      ? tagsOf(symbol.slice(4)).some((tag) => tags.has(tag))
      : codes.has(symbol);
  return [...bindings].flatMap(([strategy, symbols]) =>
    symbols
      .filter((symbol) => !bound(symbol))
      .map(
        (symbol) => `strategy ${strategy} is bound to ${symbol}, ${why(symbol, contracts, today)}`,
      ),
  );
}

function why(symbol: string, contracts: ContractCache | null, today: string): string {
  if (symbol.startsWith("tag:"))
    return "which no symbol of the list has; tag a symbol or unbind it";
  const all = contracts?.contracts ?? [];
  const contract = all.find(({ code }) => code === symbol);
  if (contract === undefined) {
    return "which is in no contract; correct it, or refresh with `hft config sync`";
  }
  const life = lifeOf(contract, today);
  if (life === "alive") return "which the symbols list does not name; add it there or unbind it";
  const next = all
    .filter(
      ({ exchange, root, product_type: type, right, strike }) =>
        root !== undefined &&
        exchange === contract.exchange &&
        root === contract.root &&
        type === contract.product_type &&
        right === contract.right &&
        strike === contract.strike,
    )
    .filter((each) => lifeOf(each, today) === "alive")
    .sort((a, b) => ((lastDay(a) ?? "") < (lastDay(b) ?? "") ? -1 : 1))[0];
  const remedy = next === undefined ? "unbind it" : `bind it to ${next.code} or unbind it`;
  return `which ${deathOf(contract, life)}; ${remedy}`;
}
