/** A soak's report for people: one HTML file without a script and without a network. */

import { escapeHtml } from "../backtest/report.ts";
import type { Check, Result } from "../result.ts";
import type { SessionVerdict } from "./criteria.ts";

const shown = ({ value, unit }: Check): string =>
  `${Number.isFinite(value) ? value.toLocaleString("en-US") : "not known"}${unit === "" ? "" : ` ${unit}`}`;

export function soakPage(report: Result, sessions: readonly SessionVerdict[]): string {
  const verdict = report.ok ? "GO" : "NO-GO";
  const heads = (sessions[0]?.checks ?? []).map(({ name }) => `<th>${escapeHtml(name)}</th>`);
  const rows = sessions.map(({ name, verdict: own, checks }) => {
    const cells = checks.map(
      (each) => `<td class="${each.ok ? "ok" : "bad"}">${escapeHtml(shown(each))}</td>`,
    );
    const kind = own === "GO" ? "ok" : "bad";
    return `<tr><th>${escapeHtml(name)}</th><td class="${kind}">${own}</td>${cells.join("")}</tr>`;
  });
  const why = sessions.flatMap(({ name, why: each }) =>
    each.map((line) => `<li>${escapeHtml(name)}: ${escapeHtml(line)}</li>`),
  );
  const bounds = report.checks.map(
    (each) =>
      `<tr><th>${escapeHtml(each.name)}</th><td class="${each.ok ? "ok" : "bad"}">${escapeHtml(shown(each))}</td><td>${escapeHtml(`${each.op} ${each.bound}`)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Paper soak: ${verdict}</title><style>
body{font:15px/1.45 system-ui,sans-serif;margin:2rem;color:#1c2733;background:#fff}
table{border-collapse:collapse;margin:1rem 0}th,td{padding:.25rem .6rem;border:1px solid #c8d1da;text-align:left}
.ok{background:#e4f4e6}.bad{background:#f9dcd8}.wide{overflow-x:auto}
</style></head><body>
<h1>Paper soak: <span class="${report.ok ? "ok" : "bad"}">${verdict}</span></h1>
<p>${sessions.length} sessions, commit ${escapeHtml(report.commit)}, ${escapeHtml(report.machine)}. Not signed: this page opens nothing; see <code>hft golive sign</code>.</p>
<h2>Why</h2>${why.length === 0 ? "<p>Every criterion holds in every session.</p>" : `<ul>${why.join("")}</ul>`}
<h2>Bounds</h2><table><tr><th>criterion</th><th>worst</th><th>bound</th></tr>${bounds.join("")}</table>
<h2>Sessions</h2><div class="wide"><table><tr><th>session</th><th>verdict</th>${heads.join("")}</tr>${rows.join("")}</table></div>
</body></html>
`;
}
