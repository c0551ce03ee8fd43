/** `hft verify report`: a report opened in a real browser without a network, held against its JSON and its tables. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { readColumns } from "@tidegate/storage/columns";
import { Page } from "../browser/chromium.ts";
import { check, type Result, result } from "../result.ts";
import { UsageError } from "../sim/options.ts";
import { DEFAULTS } from "./prepare.ts";
import { charts } from "./report.ts";
import { runBacktest } from "./run.ts";

const PLANTS = ["number", "plot", "script", "network", "table"] as const;
type Plant = (typeof PLANTS)[number];
const NUMBERS_MIN = 1_000;

/** Plants a fault into a finished report. */
function plantInto(html: string, plant: Plant | null): string {
  if (plant === "number")
    return html.replace(/(data-path="metrics\.profit"[^>]*>)([^<]+)/, "$1$21");
  if (plant === "plot") return html.replace(/ d="M[^"]*"/, ' d=""');
  if (plant === "script") return html.replace("</body>", "<script>nothing.here()</script></body>");
  if (plant === "network")
    return html.replace("</body>", '<img src="http://tidegate.invalid/a.png" alt=""></body>');
  return html;
}

/** The value at `a.0.b` of a document. */
function valueAt(document: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document);
}

/** Whether a text shows a value: the same number to the digits the text has, a dash for none. */
export function shows(text: string, value: unknown): boolean {
  if (value === null || value === undefined) return text === "–";
  if (typeof value !== "number") return text === String(value);
  const plain = text.replaceAll(",", "");
  if (!/^-?\d+(\.\d+)?$/.test(plain)) return false;
  const digits = plain.split(".")[1]?.length ?? 0;
  return Math.abs(Number(plain) - value) <= 0.5000001 * 10 ** -digits;
}

interface Seen {
  readonly cells: readonly (readonly [string, string, string])[];
  /** Length of the drawn line, or number of bars, of each plot by its id. */
  readonly plots: Readonly<Record<string, number>>;
}

const LOOK = `({
  cells: [...document.querySelectorAll("[data-path]")].map((e) => [e.dataset.path, e.dataset.value, e.textContent]),
  plots: Object.fromEntries([...document.querySelectorAll("figure[id^=plot-]")].map((e) => {
    const line = e.querySelector("path.mark");
    const box = (line ?? e.querySelector("rect.bar"))?.getBoundingClientRect();
    const drawn = box === undefined || box.width === 0 ? 0 : line === null ? e.querySelectorAll("rect.bar").length : line.getTotalLength();
    return [e.id, drawn];
  })),
})`;

export async function verifyReport(root: string, plant: string | null): Promise<Result> {
  if (plant !== null && !PLANTS.includes(plant as Plant)) {
    throw new UsageError(`--break ${plant}: want ${PLANTS.join(", ")}`);
  }
  const dir = mkdtempSync(join(tmpdir(), "tidegate-report-"));
  try {
    const words = {
      ...DEFAULTS,
      ...{ strategy: "simple-mm", data: [], params: {}, latency: [], fees: [] },
    };
    const { document } = await runBacktest(root, words, { out: dir, report: true });
    const path = join(dir, "report.html");
    const html = readFileSync(path, "utf8");
    writeFileSync(path, plantInto(html, plant as Plant | null));
    await using page = await Page.open();
    await page.go(pathToFileURL(path).href);
    const { cells, plots } = await page.value<Seen>(LOOK);

    const written: unknown = JSON.parse(readFileSync(join(dir, "result.json"), "utf8"));
    let unequal = cells.filter(([name, kept, text]) => {
      const value = valueAt(written, name);
      return kept !== JSON.stringify(value ?? null) || !shows(text, value);
    }).length;
    let numbers = cells.length;
    for (const name of ["equity", "fills"] as const) {
      const { columns, rows } = document[name];
      const read = await readColumns(join(dir, `${name}.parquet`));
      unequal += Math.abs(read.length - rows.length);
      for (const [at, row] of rows.entries()) {
        for (const [column, value] of row.entries()) {
          const planted = plant === "table" && at === 0 && column === 0 ? 1 : 0;
          numbers += 1;
          unequal += Number(read[at]?.[columns[column] ?? ""]) === value + planted ? 0 : 1;
        }
      }
    }
    const wanted = charts(document).map(({ name }) => `plot-${name}`);
    const missing = wanted.filter((id) => !((plots[id] ?? 0) > 0));
    return result(
      "verify report",
      [
        check("numbers_unequal", unequal, "=", 0),
        check("numbers_unequal_of", numbers, ">=", NUMBERS_MIN),
        check("plots_missing", missing.length, "=", 0),
        check("plots", wanted.length - missing.length, ">=", 6),
        check("console_errors", page.errors.length, "=", 0),
        check("network_requests", page.requests.length, "=", 0),
      ],
      {
        plots,
        missing,
        errors: page.errors,
        requests: page.requests,
        htmlBytes: Buffer.byteLength(html),
        browser: await page.say("Browser.getVersion").then((version) => version["product"]),
      },
      document.seed,
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
