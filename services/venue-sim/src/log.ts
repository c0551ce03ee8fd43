/**
 * The venue's own book of record: `venue/log.ndjson`, append-only, written before a reply leaves.
 *
 * One line per accepted order, fill, end of an order, bust and balance posting. The lines of one decision are one write, its
 * last line carries `last`: a cut-off decision (the process died inside the write) is dropped on reading, and since its
 * reply never left, nobody was told of it.
 */

import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import type { Balances, Order, Trade } from "./core.ts";
import type { BookId } from "./markets.ts";

interface LineBase {
  /** Rises by one from 1 over the life of the log. */
  readonly n: number;
  /** ms since the Unix epoch, venue clock. */
  readonly ts: number;
  readonly last?: true;
  /** The account after a decision with fills, on its last line; read by a restart only. */
  readonly ledger?: Balances;
}
export type LogBody =
  | {
      readonly k: "order";
      readonly m: BookId;
      readonly order: Order;
      /** The request's own signed `timestamp`: when its sender says it was made, ms since the Unix epoch. */
      readonly stampMs?: number;
      /** What the skin has to know of it after a restart, in its own words. */
      readonly wire?: Readonly<Record<string, unknown>>;
    }
  | { readonly k: "fill"; readonly m: BookId; readonly trade: Trade; readonly order: Order }
  | {
      readonly k: "end";
      readonly m: BookId;
      readonly how: "canceled" | "expired" | "replaced" | "rejected";
      readonly order: Order;
    }
  /** It has another price or total quantity and goes on under the same ids. */
  | { readonly k: "amend"; readonly m: BookId; readonly order: Order }
  /** The price it waited for has come. */
  | { readonly k: "trigger"; readonly m: BookId; readonly order: Order }
  /** A fill the venue took back; the order is as after it. */
  | { readonly k: "bust"; readonly m: BookId; readonly trade: Trade; readonly order: Order }
  /** A fill the venue says was another: `was` is gone, `trade` has its place. */
  | {
      readonly k: "correct";
      readonly m: BookId;
      readonly was: Trade;
      readonly trade: Trade;
      readonly order: Order;
    }
  | {
      readonly k: "post";
      readonly m: BookId;
      readonly asset: string;
      /** 1e-8 of the asset, positive = received. */
      readonly deltaE8: string;
      readonly why: "trade" | "fee" | "pnl" | "transfer";
      /** 0 of a transfer. */
      readonly tradeId: number;
    };
export type LogLine = LineBase & LogBody;

/** The complete decisions of a log text, and how many bytes they take. */
export function readLog(text: string): { readonly lines: LogLine[]; readonly bytes: number } {
  const lines: LogLine[] = [];
  let open: LogLine[] = [];
  let bytes = 0;
  let openBytes = 0;
  let from = 0;
  let number = 0;
  for (;;) {
    const newline = text.indexOf("\n", from);
    if (newline < 0) break;
    number += 1;
    const raw = text.slice(from, newline);
    from = newline + 1;
    openBytes += Buffer.byteLength(raw) + 1;
    let line: LogLine;
    try {
      line = JSON.parse(raw) as LogLine;
    } catch (cause) {
      throw new Error(`cannot read the venue log: line ${number} is not JSON; the log is damaged`, {
        cause,
      });
    }
    const expected = lines.length + open.length + 1;
    if (line.n !== expected) {
      throw new Error(
        `cannot read the venue log: line ${number} has n ${line.n}, want ${expected}; the log is damaged`,
      );
    }
    open.push(line);
    if (line.last !== true) continue;
    lines.push(...open);
    bytes += openBytes;
    open = [];
    openBytes = 0;
  }
  return { lines, bytes };
}

/** Appends decisions. Opening cuts off a decision that was not finished. */
export class VenueLog {
  readonly #fd: number;
  #n: number;
  /** What was there when it was opened. */
  readonly restored: readonly LogLine[];

  constructor(path: string) {
    const { lines, bytes } = existsSync(path)
      ? readLog(readFileSync(path, "utf8"))
      : { lines: [], bytes: 0 };
    this.#fd = openSync(path, "a");
    ftruncateSync(this.#fd, bytes);
    this.#n = lines.length;
    this.restored = lines;
  }

  /** Lines so far; the next line's number less one. */
  get lines(): number {
    return this.#n;
  }

  /** Writes one decision. Returns the number of its first line. Throws when the disk refuses: nothing may be told then. */
  append(ts: number, bodies: readonly LogBody[], ledger: Balances | null): number {
    const first = this.#n + 1;
    if (bodies.length === 0) return first;
    let text = "";
    for (const [at, body] of bodies.entries()) {
      const end =
        at === bodies.length - 1 ? { last: true, ...(ledger === null ? {} : { ledger }) } : {};
      const line = { n: first + at, ts, ...body, ...end };
      text += `${JSON.stringify(line)}\n`;
    }
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    this.#n += bodies.length;
    return first;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
