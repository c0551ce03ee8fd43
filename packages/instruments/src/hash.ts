/** The one hash of an instrument table, the same as the cores': BLAKE3 of the version and the rows in order of id. */

import { blake3 } from "@noble/hashes/blake3.js";
import { type InstrumentTable, KINDS, type TableRow } from "./row.ts";

const DOMAIN = "tidegate instrument table v1";
const text = new TextEncoder();

/** Little-endian parts, put together at the end. */
class Bytes {
  readonly #parts: Uint8Array[] = [];

  raw(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }
  u32(value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.#parts.push(bytes);
  }
  i64(value: number): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
    this.#parts.push(bytes);
  }
  /** Length in bytes, then the bytes: two texts cannot run into each other. */
  text(value: string): void {
    const bytes = text.encode(value);
    this.u32(bytes.length);
    this.#parts.push(bytes);
  }
  digest(): string {
    const hasher = blake3.create();
    for (const part of this.#parts) hasher.update(part);
    return Buffer.from(hasher.digest()).toString("hex");
  }
}

function rowInto(bytes: Bytes, row: TableRow): void {
  for (const value of [row.id, row.venue_id, row.px_scale, row.qty_scale]) bytes.u32(value);
  for (const value of [row.venue, row.symbol, row.base, row.quote]) bytes.text(value);
  bytes.raw(new Uint8Array([KINDS.indexOf(row.kind) + 1]));
  const { multiplier = 1, expiry = 0 } = row;
  // Only where there are any: tables from before contracts keep their hashes.
  if (multiplier !== 1 || expiry !== 0) {
    bytes.u32(multiplier);
    bytes.u32(expiry);
  }
  for (const value of [
    row.px_unit,
    row.qty_unit,
    row.e8_per_tick_lot,
    row.min_qty_lots,
    row.max_qty_lots,
    row.min_notional_e8,
  ]) {
    bytes.i64(value);
  }
}

/**
 * The hash of a table, as the gateway's statistics and the cores' messages have it; the order of rows and the layout of the file do not matter.
 *
 * Shape  64 lower-case hex digits
 */
export function tableHash(table: InstrumentTable): string {
  const bytes = new Bytes();
  bytes.raw(text.encode(DOMAIN));
  bytes.u32(table.version);
  for (const row of [...table.instruments].sort((a, b) => a.id - b.id)) rowInto(bytes, row);
  return bytes.digest();
}
