import { resolve } from "node:path";
import type { Command } from "commander";

const FOLDER = "var/data";

/** `hft data …`: the data sets backtests run over. */
export function addData(program: Command, root: string): void {
  const data = program.command("data").description("the catalogue of recorded data sets");
  data
    .command("list")
    .description("the data sets there are")
    .option("--dir <folder>", "the catalogue's folder", FOLDER)
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample: ./hft data list")
    .action(async ({ dir, json }: { dir: string; json?: true }) => {
      const { readCatalogue } = await import("../backtest/catalogue.ts");
      const sets = readCatalogue(resolve(dir));
      const at = (ns: string | null) =>
        ns === null ? "–" : new Date(Number(BigInt(ns) / 1_000_000n)).toISOString();
      const lines = sets.map(
        ({ instrument, firstNs, lastNs, rows, trades, longestGapNs, file, rule }) =>
          `${instrument}  ${at(firstNs)} to ${at(lastNs)}  ${rows} rows, ${trades} trades, longest gap ${(longestGapNs / 1e9).toFixed(3)} s  ${file}${rule === null ? "" : "  (made of bars)"}`,
      );
      const none = `no data set in ${dir}; ./hft data import FILE --instrument VENUE:SYMBOL`;
      process.stdout.write(
        `${json ? JSON.stringify(sets) : lines.length > 0 ? lines.join("\n") : none}\n`,
      );
    });
  data
    .command("import")
    .description("make a tape of recordings of one instrument and add it to the catalogue")
    .argument(
      "<files...>",
      "captures in their order, one .npz, a LOBSTER pair, .dbn files, or tables",
    )
    .requiredOption("--instrument <id>", "an id of the instrument table, or VENUE:SYMBOL")
    .option("--instruments <file>", "the instrument table", "config/instruments.json")
    .option("--format <name>", "binance, npz, lobster, dbn or table (default: by the name)")
    .option("--date <day>", "the exchange's day, of lobster's files")
    .option("--symbol <name>", "the instrument's symbol or number in the files, of dbn")
    .option("--columns <file>", "what the columns mean, of a table (JSON)")
    .option(
      "--base-latency <time>",
      "what the fastest message took, where the clock was wrong",
      "0ms",
    )
    .option("--licence <text>", "what the data may be used for", "unstated")
    .option("--dir <folder>", "the catalogue's folder", FOLDER)
    .option("--json", "print the line as JSON")
    .addHelpText(
      "after",
      "\nExample: ./hft data import data/samples/binance-usdm-btcusdt.jsonl.gz --instrument BINANCE_USDM:BTCUSDT",
    )
    .action(async (files: string[], flags: Record<string, string> & { json?: true }) => {
      const { importSet } = await import("../backtest/catalogue.ts");
      const { durationNs } = await import("../backtest/options.ts");
      const words = {
        files,
        instrument: flags["instrument"] ?? "",
        instruments: flags["instruments"] ?? "",
        format: flags["format"] ?? null,
        baseNs: durationNs("--base-latency", flags["baseLatency"] ?? ""),
        date: flags["date"] ?? null,
        symbol: flags["symbol"] ?? null,
        columns: flags["columns"] ?? null,
      };
      const dir = resolve(flags["dir"] ?? FOLDER);
      const { entry, known } = await importSet(root, words, dir, flags["licence"] ?? "");
      const text = `${entry.file}: ${entry.rows} rows, ${entry.trades} trades${known ? ", known already" : ""}`;
      process.stdout.write(`${flags.json ? JSON.stringify({ ...entry, known }) : text}\n`);
    });
  data
    .command("verify")
    .description("check every tape of the catalogue whole, and against its line")
    .option("--dir <folder>", "the catalogue's folder", FOLDER)
    .option("--json", "print the result object as the last line")
    .addHelpText("after", "\nExample: ./hft data verify --json")
    .action(async ({ dir, json }: { dir: string; json?: true }) => {
      const { verifySets } = await import("../backtest/catalogue.ts");
      const { report } = await import("../result.ts");
      const value = verifySets(resolve(dir));
      for (const fault of value.figures["faults"] as string[]) process.stderr.write(`${fault}\n`);
      report(value, json ?? false);
    });
}
