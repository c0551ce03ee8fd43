/** `hft config sync` and `contracts-status`: what the venues list, fetched and kept. */

import { existsSync, readFileSync, statSync } from "node:fs";
import type { ContractCache, FormName, Listing } from "@tidegate/instruments";
import type { Command } from "commander";
import { UsageError } from "../sim/options.ts";
import { taipeiDay, whole } from "./flags.ts";

const FETCH_MS_MAX = 60_000;
const isUrl = (from: string): boolean => /^https?:\/\//.test(from);

/** Where contracts come from, without what may be secret in a URL. */
export function nameOf(from: string): string {
  if (!isUrl(from)) return from;
  const { origin, pathname } = new URL(from);
  return `${origin}${pathname}`;
}

interface Key {
  readonly key: string;
  readonly secret: string;
}

async function readKey(file: string): Promise<Key> {
  const { z } = await import("zod");
  const Shape = z.strictObject({ key: z.string().min(1), secret: z.string().min(1) });
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw new UsageError(`--key-file ${file}: cannot be read as JSON`);
  }
  const read = Shape.safeParse(raw);
  if (!read.success) throw new UsageError(`--key-file ${file}: want {"key": …, "secret": …}`);
  return read.data;
}

/** The body of an answer, refused as soon as it is longer than `bytesMax`. */
async function bounded(answer: Response, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += part.length;
    if (bytes > bytesMax) throw new Error(`is longer than ${bytesMax} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** A venue's answer from its URL or from a file. */
async function answerOf(
  from: string,
  auth: "none" | "alpaca" | "bearer",
  keyFile: string | undefined,
  bytesMax: number,
): Promise<string> {
  if (!isUrl(from)) {
    if (!existsSync(from)) throw new Error("is no file; want a file or an http(s) URL");
    if (statSync(from).size > bytesMax) throw new Error(`is longer than ${bytesMax} bytes`);
    return readFileSync(from, "utf8");
  }
  const headers: Record<string, string> = {};
  if (keyFile !== undefined) {
    const { key, secret } = await readKey(keyFile);
    if (auth === "alpaca") {
      headers["APCA-API-KEY-ID"] = key;
      headers["APCA-API-SECRET-KEY"] = secret;
    } else if (auth === "bearer") {
      headers["authorization"] = `Bearer ${key}:${secret}`;
    } else {
      throw new UsageError("--key-file: this form is asked without a key");
    }
  }
  const stop = AbortSignal.timeout(FETCH_MS_MAX);
  const answer = await fetch(from, { signal: stop, headers, redirect: "error" }).catch(
    (error: Error) => {
      throw new Error(`${error.message}; is the venue's daemon running?`);
    },
  );
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return bounded(answer, bytesMax);
}

/** Fetches and reads what a venue lists. The error names the source, what is wrong, and that the old cache stays. */
export async function fetchListing(
  from: string,
  form: string,
  keyFile: string | undefined,
): Promise<{ readonly form: FormName; readonly listing: Listing }> {
  const { FORMS, readListing, SOURCE_BYTES_MAX } = await import("@tidegate/instruments");
  if (!Object.hasOwn(FORMS, form)) {
    throw new UsageError(`--form ${form}: want one of ${Object.keys(FORMS).join(", ")}`);
  }
  const name = form as FormName;
  try {
    const text = await answerOf(from, FORMS[name].auth, keyFile, SOURCE_BYTES_MAX);
    return { form: name, listing: readListing(name, text) };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new Error(`${nameOf(from)}: ${(error as Error).message}; the old cache stays`);
  }
}

/** The flags that name a source of contracts. */
export function source(command: Command): Command {
  return command
    .option(
      "--form <name>",
      "contracts (our own), binance-spot, binance-usdm, binance-coinm, alpaca, alpaca-crypto, shioaji",
      "contracts",
    )
    .option(
      "--key-file <file>",
      'file with {"key": …, "secret": …}, where the venue wants a login',
    );
}

interface Sync {
  readonly from: string;
  readonly form: string;
  readonly keyFile?: string;
  readonly contracts: string;
  readonly today?: string;
  readonly expiringDays: string;
  readonly statusFile?: string;
  readonly json?: true;
}

async function sync(options: Sync): Promise<void> {
  const kit = await import("@tidegate/instruments");
  const days = whole("--expiring-days", options.expiringDays, 366);
  const today = options.today ?? taipeiDay(new Date());
  if (!kit.isDay(today)) throw new UsageError(`--today ${today}: want YYYYMMDD`);
  const base = { format: 1, at: new Date().toISOString(), form: options.form } as const;
  const status = (rest: object): void => {
    if (options.statusFile === undefined) return;
    const whole = { ...base, from: nameOf(options.from), ...rest };
    kit.writeWhole(
      options.statusFile,
      kit.refreshStatusText(whole as import("@tidegate/instruments").RefreshStatus),
    );
  };
  try {
    const { form, listing } = await fetchListing(options.from, options.form, options.keyFile);
    const before: ContractCache | null = existsSync(options.contracts)
      ? kit.readContracts(options.contracts)
      : null;
    const after = kit.nextCache(before, kit.merged(before, form, listing), new Date());
    const text = `${JSON.stringify(after, null, 1)}\n`;
    kit.parseContracts(options.contracts, text);
    kit.writeWhole(options.contracts, text);
    const diff = kit.diffContracts(before, after, today, days);
    const leftOut = Object.entries(listing.leftOut);
    status({
      ok: true,
      cache_version: after.cache_version,
      contracts: after.contracts.length,
      added: diff.added.length,
      removed: diff.removed.length,
      changed: diff.changed.length,
      expiring: diff.expiring.length,
      left_out: Object.fromEntries(leftOut.map(([why, { count }]) => [why, count])),
    });
    if (options.json === true) {
      process.stdout.write(
        `${JSON.stringify({ version: after.cache_version, contracts: after.contracts.length, ...diff, leftOut: listing.leftOut })}\n`,
      );
      return;
    }
    process.stdout.write(
      `${options.contracts}: version ${after.cache_version}, ${after.contracts.length} contracts\n`,
    );
    for (const [name, keys] of Object.entries(diff) as [string, string[]][]) {
      if (keys.length > 0)
        process.stdout.write(`${name}: ${keys.length}: ${keys.slice(0, 20).join(", ")}\n`);
    }
    for (const [why, { count, codes }] of leftOut) {
      process.stdout.write(`left out: ${count}: ${why}: ${codes.join(", ")}\n`);
    }
  } catch (error) {
    if (!(error instanceof UsageError)) status({ ok: false, error: (error as Error).message });
    throw error;
  }
}

interface StatusFlags {
  readonly contracts: string;
  readonly staleAfterS: string;
  readonly statusFile?: string;
  readonly json?: true;
}

async function contractsStatus(options: StatusFlags): Promise<void> {
  const { readContracts, readRefreshStatus } = await import("@tidegate/instruments");
  const cache = readContracts(options.contracts);
  const refresh = options.statusFile === undefined ? null : readRefreshStatus(options.statusFile);
  const ageS = Math.round((Date.now() - Date.parse(cache.updated_at)) / 1000);
  const stale = ageS > whole("--stale-after-s", options.staleAfterS, 31_536_000);
  const { cache_version: version, contracts } = cache;
  if (options.json === true) {
    process.stdout.write(
      `${JSON.stringify({ version, contracts: contracts.length, ageS, stale, refresh })}\n`,
    );
  } else {
    process.stdout.write(
      `version ${version}, ${contracts.length} contracts, ${ageS} s old${stale ? ": STALE, fetch them with `hft config sync`" : ""}\n`,
    );
    if (refresh !== null) {
      process.stdout.write(
        `last refresh ${refresh.at} from ${refresh.from}: ${refresh.ok ? "ok" : `FAILED: ${refresh.error}`}\n`,
      );
    }
  }
  process.exitCode = stale || refresh?.ok === false ? 1 : 0;
}

/** Adds both commands to `hft config`. */
export function addContracts(config: Command): void {
  source(config.command("sync"))
    .description("fetch what a venue lists, say what changed, and write the cache whole")
    .requiredOption("--from <source>", "a file, or the URL of the venue's answer")
    .option("--contracts <file>", "the contracts cache", "config/contracts.json")
    .option("--today <day>", "day of the exchange, YYYYMMDD (default: today in Taipei)")
    .option("--expiring-days <n>", "warn of contracts that end within this many days", "5")
    .option("--status-file <file>", "write what the refresh did, or why it failed")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExample: ./hft config sync --form binance-spot --from https://api.binance.com/api/v3/exchangeInfo",
    )
    .action(sync);

  config
    .command("contracts-status")
    .description(
      "version and age of the contracts cache; exit 1 when it is stale or missing, or the last refresh failed",
    )
    .option("--contracts <file>", "the contracts cache", "config/contracts.json")
    .option("--stale-after-s <seconds>", "oldest that is fresh", "86400")
    .option("--status-file <file>", "what `sync --status-file` wrote")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExample: ./hft config contracts-status --stale-after-s 3600")
    .action(contractsStatus);
}
