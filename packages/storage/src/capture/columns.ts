/**
 * Captures as columns, version 1: blocks of times and of messages, each block checked and compressed.
 *
 * File    `TGCOL1\0\0`, blocks, end
 * Block   u32 rows, u32 bytes of the packed body, u32 bytes of the body, u32 CRC-32 of the packed body; the body by zstd
 * Body    times: first absolute, then differences, as LEB128 of their zigzag; lengths as LEB128; the messages one after another
 * End     a block of 0 rows whose CRC field holds the low 32 bits of the count of all messages
 *
 * All numbers are little-endian. A file without its end was not written whole.
 */

import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { type Captured, CaptureError, MESSAGE_BYTES_MAX } from "./message.ts";

const MAGIC = Buffer.from("TGCOL1\0\0", "latin1");
const HEAD_BYTES = 16;
/** Most messages and bytes of a block; a block is closed at the first that is reached. */
export const BLOCK_ROWS_MAX = 8_192;
export const BLOCK_BYTES_MAX = 4 << 20;
const BODY_BYTES_MAX = BLOCK_BYTES_MAX + MESSAGE_BYTES_MAX + BLOCK_ROWS_MAX * 20;

class Varints {
  readonly #bytes: number[] = [];
  put(value: bigint): void {
    let left = value;
    while (left > 0x7fn) {
      this.#bytes.push(Number(left & 0x7fn) | 0x80);
      left >>= 7n;
    }
    this.#bytes.push(Number(left));
  }
  done(): Buffer {
    return Buffer.from(this.#bytes);
  }
}

const zigzag = (value: bigint): bigint => (value >= 0n ? value << 1n : (-value << 1n) - 1n);
const unzigzag = (value: bigint): bigint =>
  (value & 1n) === 0n ? value >> 1n : -((value + 1n) >> 1n);

function block(rows: readonly Captured[]): Buffer {
  const numbers = new Varints();
  let before = 0n;
  for (const { tsRecvNs } of rows) {
    numbers.put(zigzag(tsRecvNs - before));
    before = tsRecvNs;
  }
  for (const { raw } of rows) numbers.put(BigInt(raw.length));
  const body = Buffer.concat([numbers.done(), ...rows.map(({ raw }) => raw)]);
  const packed = zstdCompressSync(body);
  return Buffer.concat([head(rows.length, packed.length, body.length, crc32(packed)), packed]);
}

function head(rows: number, packed: number, body: number, check: number): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES);
  for (const [at, value] of [rows, packed, body, check >>> 0].entries()) {
    bytes.writeUInt32LE(value, at * 4);
  }
  return bytes;
}

/** Writes messages as columns; gives their number. */
export async function writeColumns(
  path: string,
  messages: AsyncIterable<Captured>,
): Promise<number> {
  const file = openSync(path, "w");
  let [count, bytes] = [0, 0];
  let rows: Captured[] = [];
  const flush = (): void => {
    if (rows.length > 0) writeSync(file, block(rows));
    [rows, bytes] = [[], 0];
  };
  try {
    writeSync(file, MAGIC);
    for await (const { tsRecvNs, raw } of messages) {
      if (raw.length > MESSAGE_BYTES_MAX) {
        throw new CaptureError(
          path,
          `message ${count + 1}`,
          `longer than ${MESSAGE_BYTES_MAX} bytes`,
        );
      }
      rows.push({ tsRecvNs, raw: Buffer.from(raw) });
      count += 1;
      bytes += raw.length;
      if (rows.length === BLOCK_ROWS_MAX || bytes >= BLOCK_BYTES_MAX) flush();
    }
    flush();
    writeSync(file, head(0, 0, 0, count % 2 ** 32));
  } finally {
    closeSync(file);
  }
  return count;
}

/** The messages of a file of columns, in order. Another version, a flipped bit and a cut file are errors with their place. */
export async function* readColumns(path: string): AsyncGenerator<Captured> {
  const file = openSync(path, "r");
  let [at, count] = [0, 0];
  const bad = (what: string): CaptureError => new CaptureError(path, `byte ${at}`, what);
  const take = (length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    let got = 0;
    while (got < length) {
      const more = readSync(file, bytes, got, length - got, at + got);
      if (more === 0) throw bad("the file ends here; it was cut, or not written whole");
      got += more;
    }
    at += length;
    return bytes;
  };
  try {
    const magic = take(MAGIC.length);
    if (!magic.equals(MAGIC)) {
      at = 0;
      throw bad(`is no file of columns of version 1 (${JSON.stringify(magic.toString("latin1"))})`);
    }
    for (;;) {
      const fields = take(HEAD_BYTES);
      const [rows = 0, packed = 0, length = 0, check = 0] = [0, 4, 8, 12].map((o) =>
        fields.readUInt32LE(o),
      );
      if (rows === 0) {
        if (check !== count % 2 ** 32)
          throw bad(`${count} messages were read where ${check} were written`);
        if (packed + length > 0 || readSync(file, Buffer.alloc(1), 0, 1, at) > 0)
          throw bad("bytes after the end");
        return;
      }
      if (rows > BLOCK_ROWS_MAX || packed > BODY_BYTES_MAX || length > BODY_BYTES_MAX) {
        throw bad("a block larger than any that is written");
      }
      const bytes = take(packed);
      if (crc32(bytes) !== check) throw bad("a block that does not match its checksum");
      const body = zstdDecompressSync(bytes, { maxOutputLength: BODY_BYTES_MAX });
      if (body.length !== length) throw bad("a block of another length than it says");
      yield* unpack(body, rows, bad);
      count += rows;
    }
  } finally {
    closeSync(file);
  }
}

function* unpack(
  body: Buffer,
  rows: number,
  bad: (what: string) => CaptureError,
): Generator<Captured> {
  let at = 0;
  const varint = (): bigint => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = body[at];
      if (byte === undefined || shift > 70n) throw bad("a block whose numbers run out");
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
      shift += 7n;
    }
  };
  const times: bigint[] = [];
  let time = 0n;
  for (let n = 0; n < rows; n += 1) {
    time += unzigzag(varint());
    times.push(time);
  }
  const lengths = times.map(() => Number(varint()));
  if (at + lengths.reduce((sum, each) => sum + each, 0) !== body.length)
    throw bad("a block whose messages do not fill it");
  for (const [n, length] of lengths.entries()) {
    yield { tsRecvNs: times[n] ?? 0n, raw: body.subarray(at, at + length) };
    at += length;
  }
}
