/** MessagePack as far as the venue speaks it: nil, booleans, numbers, text, arrays, maps, and the timestamp extension. */

/** A time of the venue, ns since the Unix epoch: text in JSON, an extension in MessagePack. */
export class Timestamp {
  readonly ns: bigint;
  constructor(ns: bigint) {
    this.ns = ns;
  }
  /** RFC 3339 with nine digits, as the venue's JSON has it. */
  toJSON(): string {
    const ms = this.ns / 1_000_000n;
    const rest = String(this.ns % 1_000_000_000n).padStart(9, "0");
    return `${new Date(Number(ms)).toISOString().slice(0, 19)}.${rest}Z`;
  }
}

/** Arrays and maps in one another. */
const DEPTH_MAX = 16;

export function encode(value: unknown): Buffer {
  const parts: Buffer[] = [];
  write(value, parts);
  return Buffer.concat(parts);
}

function head(bytes: number, first: number, write: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(1 + bytes);
  buffer[0] = first;
  write(buffer);
  return buffer;
}

function write(value: unknown, out: Buffer[]): void {
  if (value === null || value === undefined) out.push(Buffer.from([0xc0]));
  else if (typeof value === "boolean") out.push(Buffer.from([value ? 0xc3 : 0xc2]));
  else if (typeof value === "number") out.push(number(value));
  else if (typeof value === "string") {
    const text = Buffer.from(value);
    const { length } = text;
    if (length < 32) out.push(Buffer.from([0xa0 | length]), text);
    else if (length < 256) out.push(Buffer.from([0xd9, length]), text);
    else
      out.push(
        head(2, 0xda, (b) => b.writeUInt16BE(length, 1)),
        text,
      );
  } else if (value instanceof Timestamp) {
    const seconds = value.ns / 1_000_000_000n;
    const nanos = value.ns % 1_000_000_000n;
    const body = Buffer.from([0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    // 30 bits of nanoseconds above 34 of seconds: good until the year 2514.
    body.writeBigUInt64BE((nanos << 34n) | seconds, 2);
    out.push(body);
  } else if (Array.isArray(value)) {
    const { length } = value;
    if (length < 16) out.push(Buffer.from([0x90 | length]));
    else out.push(head(2, 0xdc, (b) => b.writeUInt16BE(length, 1)));
    for (const each of value) write(each, out);
  } else {
    const entries = Object.entries(value as object).filter(([, each]) => each !== undefined);
    if (entries.length < 16) out.push(Buffer.from([0x80 | entries.length]));
    else out.push(head(2, 0xde, (b) => b.writeUInt16BE(entries.length, 1)));
    for (const [key, each] of entries) {
      write(key, out);
      write(each, out);
    }
  }
}

function number(value: number): Buffer {
  if (!Number.isSafeInteger(value)) return head(8, 0xcb, (b) => b.writeDoubleBE(value, 1));
  if (value >= 0) {
    if (value < 0x80) return Buffer.from([value]);
    if (value < 0x100) return Buffer.from([0xcc, value]);
    if (value < 0x1_0000) return head(2, 0xcd, (b) => b.writeUInt16BE(value, 1));
    if (value < 0x1_0000_0000) return head(4, 0xce, (b) => b.writeUInt32BE(value, 1));
    return head(8, 0xcf, (b) => b.writeBigUInt64BE(BigInt(value), 1));
  }
  if (value >= -32) return Buffer.from([value & 0xff]);
  return head(8, 0xd3, (b) => b.writeBigInt64BE(BigInt(value), 1));
}

/** Throws a RangeError on anything cut off, too deep, or of a kind the venue does not take. */
export function decode(bytes: Buffer): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (!reader.done) throw new RangeError("bytes after the message");
  return value;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  get done(): boolean {
    return this.#at === this.#bytes.length;
  }
  #take(count: number): Buffer {
    if (this.#at + count > this.#bytes.length) throw new RangeError("the message is cut off");
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
  #text(length: number): string {
    return this.#take(length).toString("utf8");
  }
  #array(length: number, depth: number): unknown[] {
    if (length > this.#bytes.length) throw new RangeError("the message is cut off");
    return Array.from({ length }, () => this.value(depth + 1));
  }
  #map(length: number, depth: number): Record<string, unknown> {
    if (length > this.#bytes.length) throw new RangeError("the message is cut off");
    const map: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    for (let n = 0; n < length; n += 1) map[String(this.value(depth + 1))] = this.value(depth + 1);
    return map;
  }
  value(depth: number): unknown {
    if (depth > DEPTH_MAX) throw new RangeError("the message is too deep");
    const first = this.#take(1).readUInt8(0);
    if (first < 0x80) return first;
    if (first < 0x90) return this.#map(first & 0x0f, depth);
    if (first < 0xa0) return this.#array(first & 0x0f, depth);
    if (first < 0xc0) return this.#text(first & 0x1f);
    if (first >= 0xe0) return first - 0x100;
    switch (first) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.#take(4).readFloatBE(0);
      case 0xcb:
        return this.#take(8).readDoubleBE(0);
      case 0xcc:
        return this.#take(1).readUInt8(0);
      case 0xcd:
        return this.#take(2).readUInt16BE(0);
      case 0xce:
        return this.#take(4).readUInt32BE(0);
      case 0xcf:
        return Number(this.#take(8).readBigUInt64BE(0));
      case 0xd0:
        return this.#take(1).readInt8(0);
      case 0xd1:
        return this.#take(2).readInt16BE(0);
      case 0xd2:
        return this.#take(4).readInt32BE(0);
      case 0xd3:
        return Number(this.#take(8).readBigInt64BE(0));
      case 0xd9:
        return this.#text(this.#take(1).readUInt8(0));
      case 0xda:
        return this.#text(this.#take(2).readUInt16BE(0));
      case 0xdc:
        return this.#array(this.#take(2).readUInt16BE(0), depth);
      case 0xde:
        return this.#map(this.#take(2).readUInt16BE(0), depth);
      case 0xd7: {
        if (this.#take(1).readInt8(0) !== -1) throw new RangeError("an unknown extension");
        const word = this.#take(8).readBigUInt64BE(0);
        return new Timestamp((word & 0x3_ffff_ffffn) * 1_000_000_000n + (word >> 34n));
      }
      default:
        throw new RangeError(`unknown byte 0x${first.toString(16)}`);
    }
  }
}
