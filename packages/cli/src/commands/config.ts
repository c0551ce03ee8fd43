/** `hft config …`: the symbols list, the contracts behind it, the instrument table made of both. */

import { existsSync } from "node:fs";
import type { SymbolRow } from "@tidegate/instruments";
import type { Command } from "commander";
import { UsageError } from "../sim/options.ts";
import { addContracts, fetchListing, source } from "./contracts.ts";
import { taipeiDay, whole } from "./flags.ts";

const STRATEGIES = "config/base/strategy-runner.json";

interface Common {
  readonly list: string;
  /** `false` with `--no-contracts`. */
  readonly contracts: string | false;
  readonly metrics?: string;
  readonly strategies: string;
  readonly today?: string;
  readonly rollDays: string;
  readonly loop?: true;
  readonly maxSubscriptions?: string;
  readonly json?: true;
}

function common(command: Command): Command {
  return command
    .option("--list <file>", "the symbols list", "config/symbols.list")
    .option("--contracts <file>", "the contracts cache", "config/contracts.json")
    .option("--metrics <file>", "figures that filters ask for")
    .option(
      "--strategies <file>",
      "settings of strategy-runner, whose bindings must live",
      STRATEGIES,
    )
    .option("--today <day>", "day of the exchange, YYYYMMDD (default: today in Taipei)")
    .option("--roll-days <n>", "days before the last one at which `roll` moves on", "5")
    .option("--max-subscriptions <n>", "the feed's cap (480, or 8 with --loop)")
    .option("--loop", "one strategy loop is bound: the smaller cap")
    .option("--json", "print one JSON object");
}

type Cache = import("@tidegate/instruments").ContractCache;

async function dayOf(options: { today?: string }): Promise<string> {
  const { isDay } = await import("@tidegate/instruments");
  const today = options.today ?? taipeiDay(new Date());
  if (!isDay(today)) throw new UsageError(`--today ${today}: want YYYYMMDD`);
  return today;
}

/** The list as it compiles today, with every fault. `online` are contracts fetched now, in place of the cache. */
async function compiled(options: Common, online: Cache | null = null) {
  const kit = await import("@tidegate/instruments");
  const today = await dayOf(options);
  const lookUp = options.contracts !== false;
  const cached =
    options.contracts !== false && existsSync(options.contracts)
      ? kit.readContracts(options.contracts)
      : null;
  const contracts = online ?? cached;
  const metrics = options.metrics === undefined ? {} : kit.readMetrics(options.metrics);
  // The shipped settings are looked at where they lie; a file that is named must be there.
  const bindings =
    options.strategies === STRATEGIES && !existsSync(STRATEGIES)
      ? new Map<string, readonly string[]>()
      : kit.readBindings(options.strategies);
  const entries = kit.parseList(options.list);
  const rollDays = whole("--roll-days", options.rollDays, 60);
  const result = kit.compile({ entries, contracts, metrics, today, rollDays });
  const preset = options.loop === true ? kit.SUBSCRIPTIONS_LOOP_MAX : kit.SUBSCRIPTIONS_MAX;
  const cap =
    options.maxSubscriptions === undefined
      ? preset
      : whole("--max-subscriptions", options.maxSubscriptions, kit.SYMBOLS_MAX);
  const faults = [
    ...kit.validate(result.rows, cap, contracts, lookUp),
    ...kit.deadBindings(bindings, result.rows, contracts, today),
  ];
  return { kit, ...result, faults, contracts, today };
}

function say(lines: readonly string[]): void {
  for (const line of lines) process.stderr.write(`hft: ${line}\n`);
}

function line(row: SymbolRow): string {
  const limits = row.limitUp === null ? "" : ` limits ${row.limitDown}..${row.limitUp}`;
  return `${row.code.padEnd(16)} ${row.exchange.padEnd(8)} ${row.productType.padEnd(8)} tick ${(row.tick ?? "?").padEnd(6)}${limits} ${row.expiry ?? ""} ${row.tags.join("|")}\n`;
}

interface Build extends Common {
  readonly output: string;
  readonly preview?: true;
}

async function build(options: Build): Promise<void> {
  const { kit, rows, warnings, faults } = await compiled(options);
  say(warnings);
  say(faults);
  if (faults.length > 0) {
    process.exitCode = 1;
    return;
  }
  const before = existsSync(options.output) ? kit.readTable(options.output) : null;
  const ids = kit.idsPath(options.output);
  const given = kit.readIds(ids);
  const table = kit.nextTable(before, rows, given);
  say(
    kit
      .untouched(before, rows)
      .map((venue) => `the list names nothing of ${venue}: its rows of the table stay as they are`),
  );
  if (options.preview !== true) {
    // The ids first: after a crash between the two, an id without a row is waste, a row without its id would be lost.
    kit.writeWhole(ids, kit.idsText(kit.withTable(kit.withTable(given, before), table)));
    kit.writeWhole(options.output, `${JSON.stringify(table, null, 2)}\n`);
  }
  const summary = {
    output: options.output,
    written: options.preview !== true,
    version: table.version,
    instruments: table.instruments.length,
    hash: kit.tableHash(table),
  };
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify(summary)}\n`
      : `${summary.output}: version ${summary.version}, ${summary.instruments} instruments, hash ${summary.hash}${summary.written ? "" : " (not written)"}\n`,
  );
}

interface Validate extends Common {
  readonly symbols?: string;
  readonly online?: true;
  readonly from?: string;
  readonly form: string;
  readonly keyFile?: string;
}

async function validate(options: Validate): Promise<void> {
  const kit = await import("@tidegate/instruments");
  if ((options.online === true) !== (options.from !== undefined)) {
    throw new UsageError("--online and --from go together: --from says where the venue answers");
  }
  let online: Cache | null = null;
  if (options.from !== undefined) {
    const { form, listing } = await fetchListing(options.from, options.form, options.keyFile);
    const { contracts: cache } = options;
    const before = cache !== false && existsSync(cache) ? kit.readContracts(cache) : null;
    online = kit.nextCache(before, kit.merged(before, form, listing), new Date());
  }
  let checked: { count: number; faults: string[]; warnings: readonly string[] };
  if (options.symbols === undefined) {
    const { rows, faults, warnings } = await compiled(options, online);
    checked = { count: rows.length, faults, warnings };
  } else {
    const table = kit.readTable(options.symbols);
    const { contracts: cache } = options;
    const cached = cache !== false && existsSync(cache) ? kit.readContracts(cache) : null;
    const faults = kit.tableFaults(table, online ?? cached, await dayOf(options));
    checked = { count: table.instruments.length, faults, warnings: [] };
  }
  const { count, faults, warnings } = checked;
  say(warnings);
  if (options.json === true) {
    process.stdout.write(
      `${JSON.stringify({ ok: faults.length === 0, symbols: count, faults, warnings })}\n`,
    );
  } else {
    for (const fault of faults) process.stdout.write(`${fault}\n`);
    process.stdout.write(`${count} symbols, ${faults.length} faults\n`);
  }
  process.exitCode = faults.length === 0 ? 0 : 1;
}

async function preview(options: Common & { sample: string }): Promise<void> {
  const { rows, warnings, faults } = await compiled(options);
  const sample = whole("--sample", options.sample, 10_000);
  say(warnings);
  if (options.json === true) {
    process.stdout.write(
      `${JSON.stringify({ symbols: rows.length, faults, warnings, rows: rows.slice(0, sample) })}\n`,
    );
  } else {
    for (const row of rows.slice(0, sample)) process.stdout.write(line(row));
    process.stdout.write(`${rows.length} symbols\n`);
  }
  say(faults);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

async function resolve(
  codes: string[],
  options: { contracts: string; output?: string; json?: true },
): Promise<void> {
  const { readContracts, writeWhole } = await import("@tidegate/instruments");
  const { contracts } = readContracts(options.contracts);
  const found = codes.map((code) => ({
    code,
    listed: contracts.filter((each) => each.code === code),
  }));
  if (options.output !== undefined) {
    writeWhole(options.output, `${JSON.stringify(found, null, 1)}\n`);
  }
  if (options.json === true) process.stdout.write(`${JSON.stringify(found)}\n`);
  for (const { code, listed } of options.json === true ? [] : found) {
    process.stdout.write(
      listed.length === 0
        ? `${code}: is in no contract\n`
        : `${code}: ${listed.map((each) => `${each.exchange} ${each.product_type}`).join(", ")}\n`,
    );
  }
  process.exitCode = found.every(({ listed }) => listed.length > 0) ? 0 : 1;
}

/** Adds `hft config …`. */
export function addConfig(program: Command): void {
  const config = program
    .command("config")
    .description("symbols, contracts and the instrument table");

  common(config.command("preview"))
    .description("what the list means today, without writing anything")
    .option("--sample <n>", "symbols shown", "10")
    .addHelpText("after", "\nExample: ./hft config preview --sample 20")
    .action(preview);

  source(common(config.command("validate")))
    .description(
      "every fault of the list and every strategy bound to a dead contract; exit 1 if there is one",
    )
    .option("--symbols <table>", "check a built instrument table in place of the list")
    .option("--online", "look the codes up in what the venue lists now, named by --from")
    .option("--from <source>", "a file, or the URL of the venue's answer")
    .addHelpText(
      "after",
      "\nExample: ./hft config validate --symbols config/instruments.json --json",
    )
    .action(validate);

  common(config.command("build"))
    .description(
      "write the instrument table of today; ids stay, the version rises when something changed",
    )
    .option("--output <file>", "the table to make or to go on from", "config/instruments.json")
    .option("--preview", "say what would be written, and write nothing")
    .option("--no-contracts", "look no code up; rules by month need the contracts")
    .addHelpText("after", "\nExample: ./hft config build --output config/instruments.json")
    .action(build);

  config
    .command("resolve")
    .description("the exchange and kind of codes")
    .argument("<codes...>", "codes to look up")
    .option("--contracts <file>", "the contracts cache", "config/contracts.json")
    .option("--output <file>", "write all that the contracts say of them")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExample: ./hft config resolve 2330 TXFF6")
    .action(resolve);

  addContracts(config);
}
