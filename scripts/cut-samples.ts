/**
 * Cuts data/samples from the raw capture: the same venue-time window of both markets, from each file's first line.
 *
 *     node scripts/cut-samples.ts --data <folder that holds binance-raw-2024-08> [--out data/samples]
 *
 * The folder may also come from TIDEGATE_DATA. Deterministic: two runs give the same uncompressed bytes.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";

/** Venue time of the first line of the earlier file plus 150 s, ms since the Unix epoch. */
export const WINDOW_END_MS = 1_723_161_255_208 + 150_000;

export const SAMPLES = [
  { from: "spot_btcusdt_20240808.jsonl.gz", to: "binance-spot-btcusdt.jsonl.gz" },
  { from: "usdm_btcusdt_20240808.jsonl.gz", to: "binance-usdm-btcusdt.jsonl.gz" },
] as const;

/**
 * The lines before the first one whose venue time lies beyond the window.
 *
 * Shape   `text` is lines of `<receive ns> <json>`, each ended by a newline
 * Units   `endMs` in ms since the Unix epoch, venue clock (the field "E")
 * Errors  none: lines without a venue time stay with their neighbours
 */
export function cut(text: string, endMs: number): string {
  let from = 0;
  while (from < text.length) {
    const newline = text.indexOf("\n", from);
    const end = newline < 0 ? text.length : newline + 1;
    const venueMs = /"E":(\d+)/.exec(text.slice(from, Math.min(end, from + 160)))?.[1];
    if (venueMs !== undefined && Number(venueMs) > endMs) break;
    from = end;
  }
  return text.slice(0, from);
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Cuts every sample from `dataDir`; returns name and bytes, writes nothing. */
export function cutAll(dataDir: string): { readonly name: string; readonly text: string }[] {
  return SAMPLES.map(({ from, to }) => {
    const path = join(dataDir, "binance-raw-2024-08", from);
    if (!existsSync(path)) {
      throw new Error(`cannot cut samples: ${path} is not there; give --data or TIDEGATE_DATA`);
    }
    return { name: to, text: cut(gunzipSync(readFileSync(path)).toString("utf8"), WINDOW_END_MS) };
  });
}

function main(argv: readonly string[]): number {
  const flag = (name: string) => {
    const at = argv.indexOf(name);
    return at < 0 ? undefined : argv[at + 1];
  };
  const dataDir = flag("--data") ?? process.env["TIDEGATE_DATA"];
  if (dataDir === undefined || dataDir === "") {
    console.error(
      "cut-samples: want --data FOLDER or TIDEGATE_DATA (the folder of binance-raw-2024-08)",
    );
    return 2;
  }
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const out = flag("--out") ?? join(root, "data", "samples");
  try {
    const sums: string[] = [];
    mkdirSync(out, { recursive: true });
    for (const { name, text } of cutAll(dataDir)) {
      const packed = gzipSync(text, { level: 9 });
      writeFileSync(join(out, name), packed);
      sums.push(`${sha256(packed)}  ${name}`, `${sha256(text)}  ${name.replace(/\.gz$/, "")}`);
      console.log(`${name}: ${text.split("\n").length - 1} lines, ${packed.length} bytes`);
    }
    writeFileSync(join(out, "SHA256SUMS"), `${sums.join("\n")}\n`);
    return 0;
  } catch (error) {
    console.error(`cut-samples: ${(error as Error).message}`);
    return 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = main(process.argv.slice(2));
