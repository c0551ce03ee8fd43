/** Figures of contracts that filters ask for: `{ "TXFF6": { "oi": 1000 } }`. */

import { readFileSync } from "node:fs";
import { z } from "zod";
import { SymbolsError } from "./errors.ts";
import { METRIC_CODES_MAX, METRIC_KEYS_MAX } from "./limits.ts";

const Figure = z.union([
  z.number("want a finite number, a text or true/false"),
  z.string().max(64),
  z.boolean(),
]);
const MetricsFile = z
  .record(
    z.string().regex(/^[A-Z0-9_./]{1,32}$/, "is no code"),
    z
      .record(z.string().regex(/^[a-z][a-z0-9_]{0,31}$/, "is no name of a figure"), Figure)
      .refine((of) => Object.keys(of).length <= METRIC_KEYS_MAX, `more than ${METRIC_KEYS_MAX}`),
  )
  .refine((all) => Object.keys(all).length <= METRIC_CODES_MAX, `more than ${METRIC_CODES_MAX}`);
export type Metrics = Readonly<Record<string, Readonly<Record<string, number | string | boolean>>>>;

/** Reads a metrics file; a code, a name or a figure that is none is an error with its path. */
export function readMetrics(path: string): Metrics {
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new SymbolsError(null, `metrics ${path}: ${(error as Error).message}`);
  }
  const read = MetricsFile.safeParse(raw);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new SymbolsError(
    null,
    `metrics ${path}: ${issue?.path.join(".") || "file"}: ${issue?.message ?? "is no metrics file"}; want {"CODE": {"figure": number}}`,
  );
}
