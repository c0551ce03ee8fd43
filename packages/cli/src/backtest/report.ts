/** A run's tear sheet: one HTML file with its plots inside it, which needs no network and no script. */

import { join } from "node:path";
import { underwater } from "@tidegate/research";
import type { BacktestDocument } from "./outcome.ts";
import { writeWhole } from "./outcome.ts";
import { barChart, type Chart, histogram, lineChart, stepChart } from "./svg.ts";

/** Points of one line in a plot; a longer curve is thinned, keeping the lowest and the highest of each step. */
const PLOT_POINTS_MAX = 2_000;
const BINS = 41;

export const escapeHtml = (text: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");

/**
 * One number of the document by its path, shown for people and kept exact in `data-value`, which a check reads back.
 * `null` is shown as a dash.
 */
function cell(document: unknown, path: string, digits = 4): string {
  const value = path
    .split(".")
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document);
  if (value === null || value === undefined)
    return `<td data-path="${path}" data-value="null">–</td>`;
  if (typeof value !== "number") {
    return `<td data-path="${path}" data-value="${escapeHtml(JSON.stringify(value))}">${escapeHtml(String(value))}</td>`;
  }
  const shown = Number.isInteger(value)
    ? value.toLocaleString("en-US")
    : value.toLocaleString("en-US", {
        maximumFractionDigits: digits,
        minimumFractionDigits: digits,
      });
  return `<td class="n" data-path="${path}" data-value="${JSON.stringify(value)}">${shown}</td>`;
}

/** `[label, path, digits]` rows as a table. */
function table(
  document: unknown,
  title: string,
  rows: readonly (readonly [string, string, number?])[],
) {
  const lines = rows.map(
    ([label, path, digits]) =>
      `<tr><th>${escapeHtml(label)}</th>${cell(document, path, digits)}</tr>`,
  );
  return `<section><h2>${escapeHtml(title)}</h2><table>${lines.join("")}</table></section>`;
}

function grid(
  document: unknown,
  title: string,
  heads: readonly string[],
  rows: readonly (readonly (string | readonly [string, number?])[])[],
): string {
  const head = heads.map((each) => `<th>${escapeHtml(each)}</th>`).join("");
  const body = rows.map((row) => {
    const cells = row.map((each) =>
      typeof each === "string" ? `<td>${escapeHtml(each)}</td>` : cell(document, each[0], each[1]),
    );
    return `<tr>${cells.join("")}</tr>`;
  });
  return `<section class="wide"><h2>${escapeHtml(title)}</h2><table><tr>${head}</tr>${body.join("")}</table></section>`;
}

/** Thins a curve to what a plot can show; the extremes of each step stay. */
export function thinned(points: readonly (readonly [number, number])[], max = PLOT_POINTS_MAX) {
  if (points.length <= max) return points;
  const step = Math.ceil(points.length / (max / 2));
  const out: (readonly [number, number])[] = [];
  for (let from = 0; from < points.length; from += step) {
    const part = points.slice(from, from + step);
    const by = (better: (a: number, b: number) => boolean) =>
      part.reduce((best, each) => (better(each[1], best[1]) ? each : best));
    const [low, high] = [by((a, b) => a < b), by((a, b) => a > b)];
    out.push(...(low[0] <= high[0] ? [low, high] : [high, low]));
  }
  return out;
}

/** The plots of a document, by name. */
export function charts(document: BacktestDocument): Chart[] {
  const rows = document.equity.rows;
  const time = (row: readonly number[]) => (row[0] ?? 0) / 1e9;
  const curve = (place: number) =>
    thinned(rows.map((row) => [time(row), row[place] ?? 0] as const));
  const profits = rows.map((row) => row[1] ?? 0);
  const below = underwater(profits, { as: "amount" });
  const changes = profits.slice(1).map((value, at) => value - (profits[at] ?? 0));
  const { asset } = document;
  const [received, position] = [
    document.fills.columns.indexOf("received_ns"),
    document.fills.columns.indexOf("position_lots"),
  ];
  const of = document.fills.columns.indexOf("instrument");
  return [
    lineChart("equity", `Profit after fees, ${asset}`, "seconds", curve(1)),
    lineChart(
      "underwater",
      `Below the highest so far, ${asset}`,
      "seconds",
      thinned(below.map((value, at) => [time(rows[at] ?? []), -value] as const)),
    ),
    lineChart("fees", `Fees paid, ${asset}`, "seconds", curve(2)),
    lineChart("exposure", `Value of positions, ${asset}`, "seconds", curve(3)),
    histogram(
      "changes",
      `Change of profit from sample to sample, ${asset}`,
      changes.filter((each) => each !== 0),
      BINS,
    ),
    ...document.instruments.map(({ instrument, symbol }) =>
      stepChart(
        `position-${instrument}`,
        `Position in ${symbol}, lots`,
        "seconds",
        thinned([
          [0, 0],
          ...document.fills.rows
            .filter((row) => row[of] === instrument)
            .map((row) => [(row[received] ?? 0) / 1e9, row[position] ?? 0] as const),
        ]),
      ),
    ),
    ...document.instruments.map(({ instrument, symbol, markouts }) =>
      barChart(
        `markouts-${instrument}`,
        `Markouts of ${symbol}, ticks a lot`,
        markouts.map(
          ({ horizonNs, ticksALot }) => [`${horizonNs / 1e9} s`, ticksALot ?? 0] as const,
        ),
      ),
    ),
  ];
}

const STYLE = `:root{color-scheme:light dark;--line:#1f6feb;--soft:#8884}
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1rem;margin:1.5rem 0 .4rem}
main{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:0 2rem}.wide{grid-column:1/-1}
table{border-collapse:collapse;width:100%}th,td{border-bottom:1px solid var(--soft);padding:.2rem .5rem;text-align:left;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.85em;word-break:break-all}
svg{width:100%;height:auto}svg text{fill:currentColor;font:11px system-ui,sans-serif}
svg .axis{stroke:currentColor;stroke-opacity:.35}svg .mark{stroke:var(--line);fill:none;stroke-width:1.3}svg .bar{fill:var(--line)}`;

/** The page. The same document gives the same bytes. */
export function reportHtml(document: BacktestDocument): string {
  const { strategy, instruments, hashes, metrics, period } = document;
  const date = (ns: string) => new Date(Number(BigInt(ns) / 1_000_000n)).toISOString();
  const plots = charts(document)
    .map(
      ({ name, title, svg }) =>
        `<section class="wide"><h2>${escapeHtml(title)}</h2><figure id="plot-${name}" style="margin:0">${svg}</figure></section>`,
    )
    .join("\n");
  const perYear =
    metrics.perYear === null
      ? `<section><h2>Of a year</h2><p>Fewer than two days of returns: nothing is put into years.</p></section>`
      : table(document, "Of a year, by days", [
          ["Sessions of a year", "metrics.sessionsPerYear"],
          ["Return", "metrics.perYear.annualReturn"],
          ["Volatility", "metrics.perYear.annualVolatility"],
          ["Sharpe ratio", "metrics.perYear.sharpe"],
          ["Sortino ratio", "metrics.perYear.sortino"],
          ["Calmar ratio", "metrics.perYear.calmar"],
        ]);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(strategy.id)} · backtest</title><link rel="icon" href="data:,"><style>${STYLE}</style></head><body>
<h1>${escapeHtml(strategy.id)}</h1>
<p>Backtest of ${instruments.map(({ symbol }) => escapeHtml(symbol)).join(", ")} from ${date(period.startNs)} to ${date(period.endNs)}, seed ${document.seed}.
Amounts in ${escapeHtml(document.asset)}.</p>
<main>
${table(document, "Result", [
  ["Profit after fees", "metrics.profit"],
  ["Profit before fees", "metrics.profitBeforeFees"],
  ["Fees", "metrics.fees"],
  ["Capital", "capital"],
  ["Return on capital", "metrics.totalReturn", 6],
  ["Deepest fall", "metrics.maxDrawdown"],
  ["Deepest fall, part of the high", "metrics.maxDrawdownPart", 6],
  ["Turnover", "metrics.turnover"],
  ["Profit in bp of turnover", "metrics.profitABp"],
  ["Time in the market", "metrics.timeInMarket"],
  ["Mean value of positions", "metrics.exposureMean"],
  ["Largest value of positions", "metrics.exposureMax"],
])}
${table(document, "From sample to sample", [
  ["Periods", "metrics.perSample.periods"],
  ["Sharpe ratio, not put into years", "metrics.perSample.sharpe"],
  ["Sortino ratio, not put into years", "metrics.perSample.sortino"],
  ["t statistic", "metrics.perSample.tStatistic"],
  ["Omega ratio", "metrics.perSample.omega"],
  ["Profit factor", "metrics.perSample.profitFactor"],
  ["Hit rate", "metrics.perSample.hitRate"],
  ["Tail ratio", "metrics.perSample.tailRatio"],
  ["Skewness", "metrics.perSample.skewness"],
  ["Kurtosis", "metrics.perSample.kurtosis"],
  ["Value at risk, 95 %", "metrics.perSample.valueAtRisk95", 8],
  ["Expected shortfall, 95 %", "metrics.perSample.expectedShortfall95", 8],
])}
${perYear}
${plots}
${grid(
  document,
  "By instrument",
  [
    "instrument",
    "profit",
    "fees",
    "fills",
    "maker share",
    "turnover",
    "largest position, lots",
    "orders",
    "cancels",
  ],
  metrics.byInstrument.map((_, at) => [
    instruments[at]?.symbol ?? "",
    [`metrics.byInstrument.${at}.profit`],
    [`metrics.byInstrument.${at}.fees`],
    [`metrics.byInstrument.${at}.fills`],
    [`metrics.byInstrument.${at}.makerShare`],
    [`metrics.byInstrument.${at}.turnover`],
    [`metrics.byInstrument.${at}.positionLotsMax`],
    [`instruments.${at}.orders`],
    [`instruments.${at}.cancels`],
  ]),
)}
${grid(
  document,
  "The five deepest falls",
  ["depth", "from, ns", "deepest, ns", "back, ns"],
  metrics.worstDrawdowns.map((_, at) =>
    ["depth", "fromNs", "deepestNs", "backNs"].map(
      (name) => [`metrics.worstDrawdowns.${at}.${name}`] as const,
    ),
  ),
)}
${grid(
  document,
  "Markouts: what the middle price did after a fill, ticks a lot",
  [
    "instrument",
    ...(instruments[0]?.markouts ?? []).map(({ horizonNs }) => `${horizonNs / 1e9} s`),
  ],
  instruments.map(({ symbol, markouts }, at) => [
    symbol,
    ...markouts.map((_, horizon) => [`instruments.${at}.markouts.${horizon}.ticksALot`] as const),
  ]),
)}
${grid(
  document,
  "What was assumed",
  ["instrument", "assumption", "value"],
  instruments.flatMap(({ symbol, assumptions }) =>
    Object.entries(assumptions).map(([name, value]) => [symbol, name, value]),
  ),
)}
<section class="wide"><h2>What is not modelled</h2><ul>${document.notModelled.map((each) => `<li>${escapeHtml(each)}</li>`).join("")}</ul></section>
<section class="wide"><h2>What it was made of</h2><table>
${Object.entries(hashes)
  .map(([name, hash]) => `<tr><th>${name}</th><td><code>${hash}</code></td></tr>`)
  .join("")}
<tr><th>parameters</th><td><code>${escapeHtml(JSON.stringify(strategy.params))}</code></td></tr>
${instruments
  .flatMap(({ symbol, sources }) =>
    sources.map(
      ([name, hash]) =>
        `<tr><th>${escapeHtml(symbol)}</th><td>${escapeHtml(name)} <code>${hash}</code></td></tr>`,
    ),
  )
  .join("")}
</table></section>
</main></body></html>
`;
}

/** Writes `report.html` beside the run's other files. */
export function writeReport(dir: string, document: BacktestDocument): string {
  const path = join(dir, "report.html");
  writeWhole(path, reportHtml(document));
  return path;
}
