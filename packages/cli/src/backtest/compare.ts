/** `hft backtest compare`: what two runs have in common, and the first place where they part. */

import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { UsageError } from "../sim/options.ts";
import { type BacktestDocument, FORMAT } from "./outcome.ts";

/** Reads a run's document from its folder or its file. Errors where there is none, or of another format. */
export function readDocument(path: string): BacktestDocument {
  const given = resolve(path);
  const file =
    existsSync(given) && statSync(given).isDirectory() ? join(given, "result.json") : given;
  if (!existsSync(file)) throw new UsageError(`${path}: there is no ${file}; want a run's folder`);
  const document = JSON.parse(readFileSync(file, "utf8")) as BacktestDocument;
  if (document.format !== FORMAT) {
    throw new UsageError(`${file}: format ${String(document.format)}; want ${FORMAT}`);
  }
  return document;
}

export interface Difference {
  readonly path: string;
  readonly a: unknown;
  readonly b: unknown;
}

/** Every leaf in which two values differ, by path, in order. Rows of tables are compared by `firstRow` and left out here. */
export function differences(a: unknown, b: unknown, path = ""): Difference[] {
  if (Object.is(a, b)) return [];
  const objects = [a, b].every((each) => typeof each === "object" && each !== null);
  if (!objects) return [{ path, a, b }];
  const keys = new Set([...Object.keys(a as object), ...Object.keys(b as object)]);
  return [...keys].flatMap((key) =>
    differences(
      (a as Record<string, unknown>)[key],
      (b as Record<string, unknown>)[key],
      path === "" ? key : `${path}.${key}`,
    ),
  );
}

type Rows = readonly (readonly number[])[];

/** The first row in which two tables differ, or null. A table that ends before the other differs where it ends. */
export function firstRow(a: Rows, b: Rows): number | null {
  const length = Math.max(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    const [one, two] = [a[at], b[at]];
    if (one === undefined || two === undefined) return at;
    if (one.length !== two.length || one.some((value, column) => value !== two[column])) return at;
  }
  return null;
}

/** Figures that are put side by side for a person. */
const FIGURES = ["profit", "fees", "maxDrawdown", "turnover", "fills", "timeInMarket"] as const;

export function compare(a: BacktestDocument, b: BacktestDocument) {
  const hashes = (Object.keys(a.hashes) as (keyof BacktestDocument["hashes"])[]).map((name) => {
    return { name, same: a.hashes[name] === b.hashes[name], a: a.hashes[name], b: b.hashes[name] };
  });
  const [rowsA, rowsB] = [a.fills.rows, b.fills.rows];
  const at = firstRow(rowsA, rowsB);
  const without = ({ equity: _, fills: __, hashes: ___, ...rest }: BacktestDocument) => rest;
  return {
    same: hashes.every(({ same }) => same),
    hashes,
    figures: FIGURES.map((name) => {
      const [one, two] = [a.metrics[name], b.metrics[name]];
      return { name, a: one, b: two, difference: two - one };
    }),
    firstFill: at === null ? null : { row: at, a: rowsA[at] ?? null, b: rowsB[at] ?? null },
    firstEquity: firstRow(a.equity.rows, b.equity.rows),
    differences: differences(without(a), without(b)),
  };
}

/** What a person reads. */
export function comparisonText(value: ReturnType<typeof compare>): string {
  const { hashes, figures, firstFill } = value;
  return [
    ...hashes.map(({ name, same, a, b }) =>
      same
        ? `${name}: the same, ${a.slice(0, 16)}`
        : `${name}: ${a.slice(0, 16)} and ${b.slice(0, 16)}`,
    ),
    ...figures.map(({ name, a, b, difference }) => `${name}: ${a} and ${b}, ${difference} apart`),
    firstFill === null
      ? "fills: the same, one by one"
      : `fills part at row ${firstFill.row}: ${JSON.stringify(firstFill.a)} and ${JSON.stringify(firstFill.b)}`,
  ].join("\n");
}
