/** Reads ClickHouse's Native format, written from its description and from nothing else, for tests to look into an insert. */

export interface NativeColumn {
  readonly name: string;
  readonly type: string;
  /** bigint for 64 bits and more, number for 32, boolean, Buffer for texts, arrays of bigint. */
  readonly values: readonly unknown[];
}

class Input {
  readonly #bytes: Buffer;
  #at = 0;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }
  take(bytes: number): Buffer {
    const end = this.#at + bytes;
    if (end > this.#bytes.length) throw new RangeError(`${bytes} bytes at ${this.#at}: torn`);
    const found = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return found;
  }
  size(): number {
    for (let [value, unit] = [0, 1]; ; unit *= 128) {
      const byte = this.take(1)[0] ?? 0;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
    }
  }
  text(): Buffer {
    return this.take(this.size());
  }
  u64(): bigint {
    return this.take(8).readBigUInt64LE();
  }
}

const many = <T>(count: number, one: () => T): T[] => Array.from({ length: count }, one);

function values(input: Input, type: string, rows: number): unknown[] {
  switch (type) {
    case "Int64":
      return many(rows, () => input.take(8).readBigInt64LE());
    case "UInt64":
      return many(rows, () => input.u64());
    case "UInt32":
      return many(rows, () => input.take(4).readUInt32LE());
    case "UInt128":
      return many(rows, () => input.u64() | (input.u64() << 64n));
    case "Bool":
      return many(rows, () => input.take(1)[0] === 1);
    case "String":
      return many(rows, () => input.text());
    case "LowCardinality(String)": {
      const [version, flags] = [input.u64(), input.u64()];
      // Keys of the column's own, and all of them new.
      if (version !== 1n || flags >> 8n !== 0b110n) throw new Error(`keys ${version} ${flags}`);
      const keys = many(Number(input.u64()), () => input.text());
      const width = 1 << Number(flags & 0xffn);
      if (Number(input.u64()) !== rows) throw new Error("another number of rows");
      return many(rows, () => keys[input.take(width).readUIntLE(0, width)]);
    }
    case "Array(Int64)":
    case "Array(UInt64)": {
      const ends = many(rows, () => Number(input.u64()));
      const inner = values(input, type.slice(6, -1), ends.at(-1) ?? 0);
      return ends.map((end, at) => inner.slice(at === 0 ? 0 : ends[at - 1], end));
    }
    default:
      throw new Error(`no reader for ${type}`);
  }
}

/** The columns of one block; throws for anything else. */
export function readNative(body: Buffer): NativeColumn[] {
  const input = new Input(body);
  const [columns, rows] = [input.size(), input.size()];
  const found = many(columns, () => {
    const [name, type] = [input.text().toString(), input.text().toString()];
    return { name, type, values: values(input, type, rows) };
  });
  if (!input.atEnd) throw new Error("more follows");
  return found;
}
