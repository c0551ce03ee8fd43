/** What the words of `hft backtest run` mean. Pure: every refusal names the flag, what it got and what it wants. */

import { UsageError } from "../sim/options.ts";

/** As `crates/backtest-lane` reads it. */
export type QueueConfig =
  | { readonly kind: "risk-averse" }
  | { readonly kind: "power" | "power-of-all" | "power-of-share"; readonly n: number }
  | { readonly kind: "log" | "log-of-all"; readonly unit: number };

export type LatencyConfig =
  | { readonly kind: "constant"; readonly entryNs: number; readonly answerNs: number }
  /** Sent, at the venue, back: ns since the epoch as text, which is beyond what a number holds exactly. */
  | { readonly kind: "interpolated"; readonly rows: readonly (readonly string[])[] }
  | {
      readonly kind: "drawn";
      readonly entryNs: readonly number[];
      readonly answerNs: readonly number[];
      readonly seed: number;
    };

export interface FeesConfig {
  readonly basis: "value" | "lot" | "fill";
  readonly makerE8: number;
  readonly takerE8: number;
  readonly buyerE8: number;
  readonly sellerE8: number;
}

export const FILLS = ["consuming", "partial", "whole"] as const;
export type FillModel = (typeof FILLS)[number];

const UNITS_NS = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 6e10, h: 3.6e12 } as const;

/** `250ms` in ns. */
export function durationNs(flag: string, text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)$/.exec(text) ?? [];
  const ns = Math.round(Number(number) * (UNITS_NS[unit as keyof typeof UNITS_NS] ?? Number.NaN));
  if (number === "" || !Number.isSafeInteger(ns)) {
    throw new UsageError(`${flag} ${text}: want a time like 250us, 5ms or 1s`);
  }
  return ns;
}

/** `risk-averse`, `power:2`, `power-of-all:2`, `power-of-share:2`, `log`, `log:0.001`, `log-of-all`. */
export function parseQueue(text: string): QueueConfig {
  const [kind = "", value] = text.split(":");
  const number = Number(value);
  if (kind === "risk-averse" && value === undefined) return { kind };
  if (kind === "power" || kind === "power-of-all" || kind === "power-of-share") {
    if (number > 0) return { kind, n: number };
  }
  if (kind === "log" || kind === "log-of-all") {
    if (value === undefined) return { kind, unit: 1 };
    if (number > 0) return { kind, unit: number };
  }
  throw new UsageError(
    `--queue ${text}: want risk-averse, power:N, power-of-all:N, power-of-share:N, log[:UNIT] or log-of-all[:UNIT], numbers above 0`,
  );
}

/**
 * `5ms` both ways, `5ms/3ms` in and back, `orders:FILE` of recorded orders (a line `sent,venue,back` each, ns since the epoch, venue 0
 * where it was turned away), or `drawn:FILE` of measured latencies (a line `in,back` each, ns).
 */
export function parseLatency(
  text: string,
  seed: number,
  read: (file: string) => string,
): LatencyConfig {
  const [, source, file] = /^(orders|drawn):(.+)$/.exec(text) ?? [];
  if (source === undefined || file === undefined) {
    const [entry = "", answer = entry, more] = text.split("/");
    if (more !== undefined) throw new UsageError(`--latency ${text}: want one time or two`);
    return {
      kind: "constant",
      entryNs: durationNs("--latency", entry),
      answerNs: durationNs("--latency", answer),
    };
  }
  const [want, form] =
    source === "orders" ? ["sent,venue,back", /^\d+,\d+,\d+$/] : ["in,back", /^\d+,\d+$/];
  const rows = read(file)
    .split("\n")
    .flatMap((line, at) => {
      const row = line.trim();
      if (row === "" || row.startsWith("#")) return [];
      if (form.test(row)) return [row.split(",")];
      throw new UsageError(`--latency ${file}, line ${at + 1}: want ${want} in whole ns`);
    });
  if (rows.length === 0) throw new UsageError(`--latency ${file}: no row in it`);
  if (source === "orders") return { kind: "interpolated", rows };
  const at = (column: number) => rows.map((row) => Number(row[column]));
  return { kind: "drawn", entryNs: at(0), answerNs: at(1), seed };
}

/** 1e-8 of what `basis` names: basis points of the value, else an amount of the settlement asset. */
function rateE8(flag: string, text: string, basis: FeesConfig["basis"]): number {
  const want = basis === "value" ? "basis points like 2bp or -0.5bp" : "an amount like 1.25";
  const pattern = basis === "value" ? /^(-?\d+(?:\.\d{1,4})?)bp$/ : /^(-?\d+(?:\.\d{1,8})?)$/;
  const [, number] = pattern.exec(text) ?? [];
  const e8 = Math.round(Number(number) * (basis === "value" ? 1e4 : 1e8));
  if (number === undefined || !Number.isSafeInteger(e8)) {
    throw new UsageError(`${flag} ${text}: want ${want}`);
  }
  return e8;
}

/** `2bp/5bp` maker and taker of the value; `lot:0.8/0.8` or `fill:1/1` of the settlement asset; then `,buyer=1bp` and `,seller=30bp`. */
export function parseFees(text: string): FeesConfig {
  const [rates = "", ...taxes] = text.split(",");
  const [, named, of = rates] = /^(lot|fill):(.*)$/.exec(rates) ?? [];
  const basis = (named ?? "value") as FeesConfig["basis"];
  const [maker = "", taker = maker, more] = of.split("/");
  if (more !== undefined) throw new UsageError(`--fees ${text}: want MAKER/TAKER`);
  const tax = { buyer: 0, seller: 0 };
  for (const each of taxes) {
    const [who = "", rate = ""] = each.split("=");
    if (who !== "buyer" && who !== "seller") {
      throw new UsageError(`--fees ${text}: want ,buyer=RATE or ,seller=RATE after the rates`);
    }
    tax[who] = rateE8("--fees", rate, "value");
  }
  return {
    basis,
    makerE8: rateE8("--fees", maker, basis),
    takerE8: rateE8("--fees", taker, basis),
    buyerE8: tax.buyer,
    sellerE8: tax.seller,
  };
}

/** What the venue takes of an account of its lowest tier, where we know it; `null` elsewhere: then it must be said. */
export function usualFees(venue: string): string | null {
  if (venue === "BINANCE_SPOT") return "10bp/10bp";
  if (venue === "BINANCE_USDM") return "2bp/5bp";
  return null;
}

/** A word for every instrument, or `INSTRUMENT=WORD` for one: the last that fits. `null` where none does. */
export function wordFor(
  words: readonly string[],
  { id, venue, symbol }: { readonly id: number; readonly venue: string; readonly symbol: string },
): string | null {
  let found: string | null = null;
  for (const word of words) {
    const [, of, rest] = /^([A-Z_]+:[A-Z0-9_./]+|\d+)=(.+)$/.exec(word) ?? [];
    if (of === undefined || rest === undefined) found ??= word;
    else if (of === String(id) || of === `${venue}:${symbol}`) found = rest;
  }
  return found;
}

/** `name=value` pairs, or one JSON object; values are JSON where they can be and texts where not. */
export function parseParams(words: readonly string[]): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const word of words) {
    if (word.trimStart().startsWith("{")) {
      try {
        Object.assign(out, JSON.parse(word));
      } catch (cause) {
        throw new UsageError(`--params ${word}: no JSON object: ${(cause as Error).message}`);
      }
      continue;
    }
    const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(word) ?? [];
    if (name === undefined || value === undefined) {
      throw new UsageError(`--params ${word}: want name=value, or a JSON object`);
    }
    try {
      out[name] = JSON.parse(value);
    } catch {
      out[name] = value;
    }
  }
  return out;
}

/** One `--data` word: a tape, or `INSTRUMENT=FILE` with an id of the table or VENUE:SYMBOL. */
export function parseData(word: string): { readonly of: string | null; readonly file: string } {
  const [, of, file] = /^([A-Z_]+:[A-Z0-9_./]+|\d+)=(.+)$/.exec(word) ?? [];
  if (of !== undefined && file !== undefined) return { of, file };
  if (word.endsWith(".tape")) return { of: null, file: word };
  throw new UsageError(
    `--data ${word}: want a .tape, or INSTRUMENT=FILE with an id of the instrument table or VENUE:SYMBOL, as in BINANCE_USDM:BTCUSDT=day.jsonl.gz`,
  );
}
