/** `hft backtest run`: one strategy over its tapes, its files, and what it says of itself. */

import { join, resolve } from "node:path";
import { check, type Result, result } from "../result.ts";
import { type BacktestDocument, backtest, writeDocument, writeTables } from "./outcome.ts";
import { type Prepared, prepare, type RunWords } from "./prepare.ts";
import { showProgress } from "./progress.ts";

export interface RunOptions {
  readonly out: string | null;
  readonly report: boolean;
}

/** Where a run's files go unless told: by what it is. */
export function defaultOut(root: string, document: BacktestDocument): string {
  return join(root, "var/backtests", `${document.strategy.id}-${document.hashes.run.slice(0, 16)}`);
}

/** Runs, writes, and gives the result; the counts that must be 0 are its checks. */
export async function runBacktest(
  root: string,
  words: RunWords,
  options: RunOptions,
): Promise<{ value: Result; document: BacktestDocument; dir: string; prepared: Prepared }> {
  const prepared = await prepare(root, words);
  const progress = showProgress("backtest");
  const document = await backtest(prepared, progress);
  progress(1);
  const dir = options.out === null ? defaultOut(root, document) : resolve(options.out);
  writeDocument(dir, document);
  if (options.report) {
    const { writeReport } = await import("./report.ts");
    writeTables(dir, document);
    writeReport(dir, document);
  }
  return { value: resultOf("backtest run", document, { out: dir }), document, dir, prepared };
}

/** A document as a command's result: the audit and the strategy's own faults are checks, the rest figures. */
export function resultOf(
  command: string,
  document: BacktestDocument,
  more: Readonly<Record<string, unknown>>,
): Result {
  const total = (of: (each: BacktestDocument["instruments"][number]) => number) =>
    document.instruments.reduce((sum, each) => sum + of(each), 0);
  const { metrics, hashes, host } = document;
  return result(
    command,
    [
      check(
        "accounts_unequal",
        total(({ audit }) => audit.accountUnequal),
        "=",
        0,
      ),
      check(
        "same_liquidity_filled_twice",
        total(({ audit }) => audit.sameLiquidityFilledTwice),
        "=",
        0,
      ),
      check(
        "prices_not_offered",
        total(({ audit }) => audit.pricesNotOffered),
        "=",
        0,
      ),
      check(
        "fills_out_of_order",
        total(({ audit }) => audit.outOfOrder),
        "=",
        0,
      ),
      check("strategy_exceptions", host.exceptions, "=", 0),
    ],
    {
      ...more,
      strategy: document.strategy,
      hashes,
      asset: document.asset,
      events: document.events,
      orders: total((each) => each.orders),
      gateway: document.gateway,
      fills: metrics.fills,
      profit: metrics.profit,
      fees: metrics.fees,
      maxDrawdown: metrics.maxDrawdown,
      sharpePerSample: metrics.perSample.sharpe,
      lastError: host.lastError,
      assumptions: Object.fromEntries(
        document.instruments.map(({ symbol, assumptions }) => [symbol, assumptions]),
      ),
    },
    document.seed,
  );
}

/** One line of what the gateway decided; none where the run has none. */
function decided({ gateway }: BacktestDocument): string[] {
  if (gateway === null) return [];
  const refused = Object.entries(gateway.refused).map(([reason, count]) => `${reason} ${count}`);
  return [
    `gateway: ${gateway.accepted} intents accepted, refused ${refused.length === 0 ? "none" : refused.join(", ")}`,
  ];
}

/** What a person reads after a run. */
export function told(document: BacktestDocument, dir: string): string {
  const { metrics, asset, hashes, instruments } = document;
  const amount = (value: number) => `${value.toFixed(4)} ${asset}`;
  const lines = [
    `${document.strategy.id} over ${instruments.map(({ symbol }) => symbol).join(", ")}, seed ${document.seed}`,
    `profit ${amount(metrics.profit)} after fees of ${amount(metrics.fees)}, deepest fall ${amount(metrics.maxDrawdown)}`,
    `${metrics.fills} fills of ${instruments.reduce((sum, each) => sum + each.orders, 0)} orders, turnover ${amount(metrics.turnover)}`,
    ...decided(document),
    ...instruments.flatMap(({ symbol, assumptions }) =>
      Object.entries(assumptions)
        .filter(([name]) => name !== "instrument")
        .map(([name, value]) => `  ${symbol} ${name}: ${value}`),
    ),
    `data ${hashes.data.slice(0, 16)} code ${hashes.code.slice(0, 16)} config ${hashes.config.slice(0, 16)} run ${hashes.run.slice(0, 16)}`,
    `files: ${dir}`,
  ];
  return lines.join("\n");
}
