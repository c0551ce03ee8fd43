/** The result of a run as one JSON document, and the files beside it. */

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FILL_DOUBLES } from "@tidegate/rust-core";
import { writeColumns } from "@tidegate/storage/columns";
import { commit } from "../result.ts";
import { canonical, sha256 } from "./hashes.ts";
import { type LaneOutcome, type Part, type Progress, runLane } from "./lane.ts";
import { byInstrument, metricsOf, pointsOf, sessionsPerYear, type Worth } from "./metrics.ts";
import type { Prepared } from "./prepare.ts";

export const FORMAT = "tidegate-backtest/1";

/** What no run models, whatever its settings; docs/reference/backtest.md says more. */
export const NOT_MODELLED = [
  "nobody reacts to our orders: no impact",
  "places in queues are estimates of a feed of levels",
  "no auctions, halts, price bands, self-trade prevention, rate limits, margin, liquidation or funding",
  "handlers take no time; latency does not depend on the venue's load",
] as const;

/** The same of the gateway, with limits and without. */
export const GATEWAY_NOT_MODELLED = {
  without: "no gateway inside: what it would refuse is not refused here",
  within:
    "no account snapshots, conversion rates, locates or operators: limits that need them refuse, as the gateway does without them",
} as const;

/** Column names of `fills` and `equity` in the document and of the Parquet files. */
export const FILL_COLUMNS = [
  ...[
    "received_ns",
    "venue_ns",
    "instrument",
    "order",
    "side",
    "px_ticks",
    "qty_lots",
    "left_lots",
  ],
  ...["maker", "fee_e8", "value_e8", "position_lots"],
] as const;
export const EQUITY_COLUMNS = ["at_ns", "profit", "fees", "exposure"] as const;

function rowsOf(flat: Float64Array, width: number): number[][] {
  const rows: number[][] = [];
  for (let at = 0; at < flat.length; at += width) rows.push([...flat.subarray(at, at + width)]);
  return rows;
}

const worthOf =
  ({ tapes }: Prepared): Worth =>
  (instrument, pxTicks, lots) => {
    const row = tapes.find((each) => each.row.id === instrument)?.row;
    if (row === undefined || pxTicks <= 0) return 0;
    const base = (lots * row.qty_unit) / 10 ** row.qty_scale;
    const px = (pxTicks * row.px_unit) / 10 ** row.px_scale;
    const multiplier = Number(row["multiplier"] ?? 1);
    return row.kind === "inverse_perp" ? (base * multiplier) / px : base * px * multiplier;
  };

/** Builds the document. The same outcome gives the same text. */
export function documentOf(prepared: Prepared, outcome: LaneOutcome) {
  const { definition, words, spec, tapes, asset, hashes } = prepared;
  const { summary, samples, fills } = outcome;
  const points = pointsOf(samples, worthOf(prepared));
  const ids = tapes.map(({ row }) => row.id);
  const figures = byInstrument(ids, samples, fills);
  const known = summary.instruments.map(({ assumptions, audit, markouts, ...rest }) => {
    const tape = tapes.find(({ row }) => row.id === rest.instrument);
    const rule = tape?.tape.header.rule;
    // What no venue sent is an assumption like a model of fills.
    const assumed = rule === undefined ? assumptions : [...assumptions, ["data", rule] as const];
    return {
      ...rest,
      symbol: `${tape?.row.venue}:${tape?.row.symbol}`,
      longestGapNs: tape?.tape.longestGapNs ?? 0,
      assumptions: Object.fromEntries(assumed),
      audit,
      markouts,
    };
  });
  return {
    format: FORMAT,
    strategy: { id: definition.id, params: spec.params },
    seed: spec.seed,
    asset,
    capital: words.capital,
    period: { startNs: summary.startNs, endNs: summary.endNs, seenToNs: outcome.seenToNs },
    hashes: {
      ...hashes,
      engine: summary.runHash,
      run: sha256(canonical({ ...hashes, seed: spec.seed, engine: summary.runHash })),
    },
    notModelled: [
      ...NOT_MODELLED,
      summary.gateway === null ? GATEWAY_NOT_MODELLED.without : GATEWAY_NOT_MODELLED.within,
    ],
    metrics: metricsOf(
      points,
      figures,
      words.capital,
      BigInt(summary.startNs),
      // Of several kinds the one with the fewest: a year is not made longer than any of them has it.
      Math.min(...tapes.map(({ row }) => sessionsPerYear(row.kind))),
    ),
    host: {
      ...outcome.host,
      breaker: outcome.breaker,
      lastError: outcome.lastError.split("\n")[0] ?? "",
    },
    events: summary.events,
    gateway: summary.gateway,
    instruments: known,
    equity: {
      columns: EQUITY_COLUMNS,
      rows: points.map(({ atNs, profit, fees, exposure }) => [atNs, profit, fees, exposure]),
    },
    fills: { columns: FILL_COLUMNS, rows: rowsOf(fills, FILL_DOUBLES) },
  };
}

export type BacktestDocument = ReturnType<typeof documentOf>;

/** Runs what was prepared and gives its document. */
export async function backtest(
  prepared: Prepared,
  progress?: Progress,
  part: Part = {},
): Promise<BacktestDocument> {
  const { definition, spec, spanNs } = prepared;
  return documentOf(prepared, await runLane(definition, spec, spanNs, progress, { part }));
}

/** Writes a file whole or not at all. */
export function writeWhole(path: string, text: string): void {
  const part = `${path}.${process.pid}.part`;
  writeFileSync(part, text);
  renameSync(part, path);
}

/** Writes `result.json`, and the commit it was made at beside it: two runs of one commit or of two give one `result.json`. */
export function writeDocument(dir: string, document: BacktestDocument): void {
  mkdirSync(dir, { recursive: true });
  writeWhole(join(dir, "result.json"), `${JSON.stringify(document)}\n`);
  writeWhole(join(dir, "made-by.json"), `${JSON.stringify({ commit: commit() })}\n`);
}

/** Writes `equity.parquet` and `fills.parquet`, column by column as in the document. */
export function writeTables(dir: string, document: BacktestDocument): void {
  const tables = { equity: document.equity, fills: document.fills };
  for (const [name, { columns, rows }] of Object.entries(tables)) {
    writeColumns(
      join(dir, `${name}.parquet`),
      columns.map((column, at) => {
        const values = rows.map((row) => row[at] ?? Number.NaN);
        const whole = name === "fills" || column === "at_ns";
        return whole
          ? { name: column, type: "int64" as const, data: values.map((value) => BigInt(value)) }
          : { name: column, type: "double" as const, data: values };
      }),
    );
  }
}
