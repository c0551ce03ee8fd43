import { existsSync, readFileSync } from "node:fs";
import type { Command } from "commander";
import { UsageError } from "../sim/options.ts";

interface Common {
  readonly list: string;
  readonly contracts: string;
  readonly metrics?: string;
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
    .option("--today <day>", "day of the exchange, YYYYMMDD (default: today in Taipei)")
    .option("--roll-days <n>", "days before the last one at which `roll` moves on", "5")
    .option("--max-subscriptions <n>", "the feed's cap (480, or 8 with --loop)")
    .option("--loop", "one strategy loop is bound: the smaller cap")
    .option("--json", "print one JSON object");
}

function whole(flag: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new UsageError(`${flag} ${text}: want a whole number between 0 and ${max}`);
}

/** Today in Taipei, which keeps UTC+8 all year. */
function taipeiDay(now: Date): string {
  return new Date(now.getTime() + 8 * 3_600_000).toISOString().slice(0, 10).replaceAll("-", "");
}

async function compiled(options: Common) {
  const kit = await import("@tidegate/instruments");
  const today = options.today ?? taipeiDay(new Date());
  if (!/^\d{8}$/.test(today)) throw new UsageError(`--today ${today}: want YYYYMMDD`);
  const contracts = existsSync(options.contracts) ? kit.readContracts(options.contracts) : null;
  const metrics =
    options.metrics === undefined
      ? {}
      : (JSON.parse(readFileSync(options.metrics, "utf8")) as Record<string, never>);
  const entries = kit.parseList(options.list);
  const rollDays = whole("--roll-days", options.rollDays, 60);
  const result = kit.compile({ entries, contracts, metrics, today, rollDays });
  const preset = options.loop === true ? kit.SUBSCRIPTIONS_LOOP_MAX : kit.SUBSCRIPTIONS_MAX;
  const cap =
    options.maxSubscriptions === undefined
      ? preset
      : whole("--max-subscriptions", options.maxSubscriptions, kit.SYMBOLS_MAX);
  const faults = kit.validate(result.rows, cap, contracts);
  return { kit, ...result, faults, contracts, today };
}

function say(lines: readonly string[]): void {
  for (const line of lines) process.stderr.write(`hft: ${line}\n`);
}

/** `hft config …`: the symbols list, the contracts behind it, the instrument table made of both. */
export function addConfig(program: Command): void {
  const config = program
    .command("config")
    .description("symbols, contracts and the instrument table");

  common(config.command("preview"))
    .description("what the list means today, without writing anything")
    .option("--sample <n>", "symbols shown", "10")
    .addHelpText("after", "\nExample: ./hft config preview --sample 20")
    .action(async (options: Common & { sample: string }) => {
      const { rows, warnings, faults } = await compiled(options);
      const sample = whole("--sample", options.sample, 10_000);
      say(warnings);
      if (options.json === true) {
        process.stdout.write(
          `${JSON.stringify({ symbols: rows.length, faults, warnings, rows: rows.slice(0, sample) })}\n`,
        );
      } else {
        for (const row of rows.slice(0, sample)) {
          process.stdout.write(
            `${row.code.padEnd(16)} ${row.exchange.padEnd(8)} ${row.productType.padEnd(8)} tick ${row.tick.padEnd(6)} ${row.expiry ?? ""} ${row.tags.join("|")}\n`,
          );
        }
        process.stdout.write(`${rows.length} symbols\n`);
      }
      say(faults);
      process.exitCode = faults.length === 0 ? 0 : 1;
    });

  common(config.command("validate"))
    .description("every fault of the list, with its place; exit 1 if there is one")
    .addHelpText("after", "\nExample: ./hft config validate --json")
    .action(async (options: Common) => {
      const { rows, warnings, faults } = await compiled(options);
      say(warnings);
      if (options.json === true) {
        process.stdout.write(
          `${JSON.stringify({ ok: faults.length === 0, symbols: rows.length, faults, warnings })}\n`,
        );
      } else {
        for (const fault of faults) process.stdout.write(`${fault}\n`);
        process.stdout.write(`${rows.length} symbols, ${faults.length} faults\n`);
      }
      process.exitCode = faults.length === 0 ? 0 : 1;
    });

  common(config.command("build"))
    .description(
      "write the instrument table of today; ids stay, the version rises when something changed",
    )
    .option("--output <file>", "the table to make or to go on from", "config/instruments.json")
    .addHelpText("after", "\nExample: ./hft config build --output config/instruments.json")
    .action(async (options: Common & { output: string }) => {
      const { kit, rows, warnings, faults } = await compiled(options);
      say(warnings);
      say(faults);
      if (faults.length > 0) {
        process.exitCode = 1;
        return;
      }
      const before = existsSync(options.output)
        ? (JSON.parse(
            readFileSync(options.output, "utf8"),
          ) as import("@tidegate/instruments").InstrumentTable)
        : null;
      const ids = kit.idsPath(options.output);
      const given = kit.readIds(ids);
      const table = kit.nextTable(before, rows, given);
      // The ids first: after a crash between the two, an id without a row is waste, a row without its id would be lost.
      kit.writeWhole(ids, kit.idsText(kit.withTable(kit.withTable(given, before), table)));
      kit.writeWhole(options.output, `${JSON.stringify(table, null, 2)}\n`);
      const summary = {
        output: options.output,
        version: table.version,
        instruments: table.instruments.length,
        hash: kit.tableHash(table),
      };
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify(summary)}\n`
          : `${summary.output}: version ${summary.version}, ${summary.instruments} instruments, hash ${summary.hash}\n`,
      );
    });

  config
    .command("resolve")
    .description("the exchange and kind of codes")
    .argument("<codes...>", "codes to look up")
    .option("--contracts <file>", "the contracts cache", "config/contracts.json")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExample: ./hft config resolve 2330 TXFF6")
    .action(async (codes: string[], options: { contracts: string; json?: true }) => {
      const { readContracts } = await import("@tidegate/instruments");
      const { contracts } = readContracts(options.contracts);
      const found = codes.map((code) => ({
        code,
        listed: contracts.filter((each) => each.code === code),
      }));
      if (options.json === true) process.stdout.write(`${JSON.stringify(found)}\n`);
      for (const { code, listed } of options.json === true ? [] : found) {
        const [first] = listed;
        process.stdout.write(
          first === undefined
            ? `${code}: is in no contract\n`
            : `${code}: ${listed.map((each) => `${each.exchange} ${each.product_type}`).join(", ")}\n`,
        );
      }
      process.exitCode = found.every(({ listed }) => listed.length > 0) ? 0 : 1;
    });

  config
    .command("sync")
    .description("fetch the contracts, say what changed, and write the cache whole")
    .requiredOption("--from <url>", "where the contracts are served as a JSON array")
    .option("--contracts <file>", "the contracts cache", "config/contracts.json")
    .option("--today <day>", "day of the exchange, YYYYMMDD (default: today in Taipei)")
    .option("--expiring-days <n>", "warn of contracts that end within this many days", "5")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExample: ./hft config sync --from http://127.0.0.1:8080/contracts")
    .action(
      async (options: {
        from: string;
        contracts: string;
        today?: string;
        expiringDays: string;
        json?: true;
      }) => {
        const kit = await import("@tidegate/instruments");
        const { z } = await import("zod");
        const answer = await fetch(options.from, { signal: AbortSignal.timeout(60_000) }).catch(
          (error: Error) => {
            throw new Error(`${options.from}: ${error.message}; is the venue's daemon running?`);
          },
        );
        if (!answer.ok)
          throw new Error(`${options.from}: status ${answer.status}; the old cache stays`);
        const read = z
          .array(kit.Contract)
          .min(1)
          .max(kit.CONTRACTS_MAX)
          .safeParse(await answer.json());
        if (!read.success) {
          const [issue] = read.error.issues;
          throw new Error(
            `${options.from}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "no contracts"}; the old cache stays`,
          );
        }
        const before = existsSync(options.contracts) ? kit.readContracts(options.contracts) : null;
        const after = kit.nextCache(before, read.data, new Date());
        const text = `${JSON.stringify(after, null, 1)}\n`;
        kit.parseContracts(options.contracts, text);
        kit.writeWhole(options.contracts, text);
        const days = whole("--expiring-days", options.expiringDays, 366);
        const diff = kit.diffContracts(before, after, options.today ?? taipeiDay(new Date()), days);
        if (options.json === true) {
          process.stdout.write(
            `${JSON.stringify({ version: after.cache_version, contracts: after.contracts.length, ...diff })}\n`,
          );
          return;
        }
        process.stdout.write(
          `${options.contracts}: version ${after.cache_version}, ${after.contracts.length} contracts\n`,
        );
        for (const [name, keys] of Object.entries(diff)) {
          if (keys.length > 0)
            process.stdout.write(`${name}: ${keys.length}: ${keys.slice(0, 20).join(", ")}\n`);
        }
      },
    );

  config
    .command("contracts-status")
    .description("version and age of the contracts cache; exit 1 when it is stale or missing")
    .option("--contracts <file>", "the contracts cache", "config/contracts.json")
    .option("--stale-after-s <seconds>", "oldest that is fresh", "86400")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExample: ./hft config contracts-status --stale-after-s 3600")
    .action(async (options: { contracts: string; staleAfterS: string; json?: true }) => {
      const { readContracts } = await import("@tidegate/instruments");
      const cache = readContracts(options.contracts);
      const ageS = Math.round((Date.now() - Date.parse(cache.updated_at)) / 1000);
      const stale = ageS > whole("--stale-after-s", options.staleAfterS, 31_536_000);
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify({ version: cache.cache_version, contracts: cache.contracts.length, ageS, stale })}\n`
          : `version ${cache.cache_version}, ${cache.contracts.length} contracts, ${ageS} s old${stale ? ": STALE, fetch them with `hft config sync`" : ""}\n`,
      );
      process.exitCode = stale ? 1 : 0;
    });
}
