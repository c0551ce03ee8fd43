import type { Column } from "../tables.ts";

const FIRST_BYTES = 64 * 1024;

/** Writes ClickHouse's RowBinary into one growing buffer: rows for tests that need any, valid or not. Values must fit their column. */
export class RowBinaryWriter {
  #buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What is written so far; a view, valid until the next write. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Makes room and gives its place. Call it before `#buffer` is read: it may put another in its stead. */
  #room(bytes: number): number {
    const at = this.#length;
    const end = at + bytes;
    if (end > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    this.#length = end;
    return at;
  }

  u8(value: number): void {
    const at = this.#room(1);
    this.#buffer.writeUInt8(value, at);
  }

  u32(value: number): void {
    const at = this.#room(4);
    this.#buffer.writeUInt32LE(value, at);
  }

  u64(value: bigint): void {
    const at = this.#room(8);
    this.#buffer.writeBigUInt64LE(value, at);
  }

  i64(value: bigint): void {
    const at = this.#room(8);
    this.#buffer.writeBigInt64LE(value, at);
  }

  /** A safe integer as Int64, or as UInt64 where it is not negative: the same bytes, without a bigint in between. */
  safeInt(value: number): void {
    const at = this.#room(8);
    const high = Math.floor(value / 2 ** 32);
    this.#buffer.writeUInt32LE(value - high * 2 ** 32, at);
    this.#buffer.writeInt32LE(high, at + 4);
  }

  u128(value: bigint): void {
    this.u64(BigInt.asUintN(64, value));
    this.u64(value >> 64n);
  }

  /** Length as LEB128: of a string, or of an array whose elements follow. */
  size(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest & 0x7f) | 0x80);
      rest = Math.floor(rest / 128);
    }
    this.u8(rest);
  }

  text(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.size(bytes);
    const at = this.#room(bytes);
    this.#buffer.write(value, at);
  }

  blob(value: Uint8Array): void {
    this.size(value.length);
    const at = this.#room(value.length);
    this.#buffer.set(value, at);
  }
}

type Write = (out: RowBinaryWriter, value: unknown) => void;
const text: Write = (out, value) => {
  if (value instanceof Uint8Array) out.blob(value);
  else out.text((value as string | null) ?? "");
};
const list: Write = (out, value) => {
  const all = value as readonly number[];
  out.size(all.length);
  for (const each of all) out.safeInt(each);
};
const WRITES: Readonly<Record<string, Write>> = {
  Int64(out, value) {
    if (typeof value === "bigint") out.i64(value);
    else out.safeInt(value as number);
  },
  UInt64(out, value) {
    if (typeof value === "bigint") out.u64(value);
    else out.safeInt(value as number);
  },
  UInt32: (out, value) => out.u32(value as number),
  UInt128: (out, value) => out.u128((value as bigint | null) ?? 0n),
  Bool: (out, value) => out.u8(value === true ? 1 : 0),
  String: text,
  "LowCardinality(String)": text,
  "Array(Int64)": list,
  "Array(UInt64)": list,
};

/** Writes one row in the order of the table's columns. */
export function writeRow<R>(
  out: RowBinaryWriter,
  { columns }: { readonly columns: readonly Column<R>[] },
  row: R,
): void {
  for (const { type, value } of columns) {
    const write = WRITES[type];
    if (write === undefined) throw new TypeError(`no column is ${type}`);
    write(out, value(row));
  }
}
