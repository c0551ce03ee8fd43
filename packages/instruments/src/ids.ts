/** Which id stands for which symbol, for ever: kept beside the table, since a table forgets the rows that left it. */

import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { SymbolsError } from "./errors.ts";
import { IDS_MAX } from "./limits.ts";
import type { InstrumentTable, TableRow } from "./row.ts";

const whole = z.number().int().nonnegative();

/** One id ever given. The units stand here too: an id means its units as long as anything recorded names it. */
const Given = z.strictObject({
  id: z.number().int().positive().max(0xffff_ffff),
  venue: z.string().min(1),
  symbol: z.string().min(1),
  px_scale: whole,
  px_unit: z.number().int().positive(),
  qty_scale: whole,
  qty_unit: z.number().int().positive(),
});
export type GivenId = z.output<typeof Given>;

const Ids = z.strictObject({ format: z.literal(1), ids: z.array(Given).max(IDS_MAX) });

/** The file of ids beside a table: `instruments.json` has `instruments.ids.json`. */
export function idsPath(table: string): string {
  return `${table.replace(/\.json$/, "")}.ids.json`;
}

/** The ids given so far; none where the file is not there yet. An id, or a symbol of a venue, that stands twice is an error. */
export function readIds(path: string): GivenId[] {
  if (!existsSync(path)) return [];
  const bad = (what: string) =>
    new SymbolsError(null, `ids ${path}: ${what}; bring the file back from its last good copy`);
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw bad((error as Error).message);
  }
  const read = Ids.safeParse(raw);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw bad(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "is no file of ids"}`);
  }
  const seen = new Set<string | number>();
  for (const { id, venue, symbol } of read.data.ids) {
    if (seen.has(id)) throw bad(`id ${id} stands twice`);
    if (seen.has(`${venue} ${symbol}`)) throw bad(`${venue} ${symbol} stands twice`);
    seen.add(id).add(`${venue} ${symbol}`);
  }
  return read.data.ids;
}

/** The ids as a file's text, in order of id. */
export function idsText(ids: readonly GivenId[]): string {
  const sorted = [...ids].sort((a, b) => a.id - b.id);
  return `${JSON.stringify({ format: 1, ids: sorted }, null, 1)}\n`;
}

/** `given` and the ids of `table`. A row that contradicts what its id or its symbol stood for is an error: one of both files is a stranger. */
export function withTable(
  given: readonly GivenId[],
  table: InstrumentTable | null,
): readonly GivenId[] {
  const byId = new Map(given.map((each) => [each.id, each]));
  const bySymbol = new Map(given.map((each) => [`${each.venue} ${each.symbol}`, each]));
  const added = (table?.instruments ?? []).flatMap((row): GivenId[] => {
    const name = `${row.venue} ${row.symbol}`;
    const was = byId.get(row.id) ?? bySymbol.get(name);
    if (was === undefined) return [givenBy(row)];
    const now = givenBy(row);
    if (JSON.stringify(was) !== JSON.stringify(now)) {
      throw new SymbolsError(
        null,
        `id ${row.id} of the table is ${describe(now)}, but id ${was.id} was given to ${describe(was)}; ids are permanent, so use the table these ids belong to`,
      );
    }
    return [];
  });
  const all = [...given, ...added];
  if (all.length > IDS_MAX) {
    throw new SymbolsError(null, `more than ${IDS_MAX} ids were given; begin a new table and file`);
  }
  return all;
}

function givenBy(row: TableRow): GivenId {
  const { id, venue, symbol, px_scale, px_unit, qty_scale, qty_unit } = row;
  return { id, venue, symbol, px_scale, px_unit, qty_scale, qty_unit };
}

function describe({ venue, symbol, px_scale, px_unit, qty_scale, qty_unit }: GivenId): string {
  return `${venue} ${symbol} (price unit ${px_unit}e-${px_scale}, size unit ${qty_unit}e-${qty_scale})`;
}
