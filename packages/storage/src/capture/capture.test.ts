import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { parquetWriteFile } from "hyparquet-writer";
import { afterAll, describe, expect, it } from "vitest";
import { readColumns, writeColumns } from "./columns.ts";
import { type Captured, convertCapture, readCapture } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "capture-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
const SAMPLE = fileURLToPath(
  new URL("../../../../data/samples/binance-spot-btcusdt.jsonl.gz", import.meta.url),
);
// A part of the sample, so that the suite stays quick; the rest is more of the same.
const LINES = gunzipSync(readFileSync(SAMPLE))
  .toString("utf8")
  .split("\n", 12_000)
  .join("\n")
  .concat("\n");

async function all(messages: AsyncIterable<Captured>): Promise<Captured[]> {
  const got: Captured[] = [];
  for await (const { tsRecvNs, raw } of messages) got.push({ tsRecvNs, raw: Uint8Array.from(raw) });
  return got;
}
async function* given(messages: readonly Captured[]): AsyncGenerator<Captured> {
  yield* messages;
}

describe("a capture", () => {
  it("goes through columns and parquet and comes back byte for byte", async () => {
    writeFileSync(at("a.jsonl"), LINES);
    const count = await convertCapture(at("a.jsonl"), at("a.tgc"));
    expect(count).toBe(LINES.split("\n").length - 1);
    expect(await convertCapture(at("a.tgc"), at("a.parquet"))).toBe(count);
    expect(await convertCapture(at("a.parquet"), at("b.tgc"))).toBe(count);
    expect(readFileSync(at("b.tgc")).equals(readFileSync(at("a.tgc")))).toBe(true);
    await convertCapture(at("b.tgc"), at("b.jsonl.gz"));
    expect(gunzipSync(readFileSync(at("b.jsonl.gz"))).toString("utf8")).toBe(LINES);
    expect(readFileSync(at("a.tgc")).length).toBeLessThan(LINES.length / 4);
  });

  it("of any bytes and any times is what it was", async () => {
    const message = fc.record({
      tsRecvNs: fc.bigInt(0n, (1n << 63n) - 1n),
      raw: fc.uint8Array({ maxLength: 60 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 40 }), async (messages) => {
        await writeColumns(at("p.tgc"), given(messages));
        expect(await all(readColumns(at("p.tgc")))).toEqual(messages);
      }),
      { numRuns: 40 },
    );
  });

  it("with any bit flipped or any byte cut is refused, or gives what it held", async () => {
    const messages = [1n, 5n, 3n].map((tsRecvNs) => ({
      tsRecvNs,
      raw: new Uint8Array([1, 2, Number(tsRecvNs)]),
    }));
    await writeColumns(at("f.tgc"), given(messages));
    const whole = readFileSync(at("f.tgc"));
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const bent = Buffer.from(whole);
      bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      writeFileSync(at("g.tgc"), bent);
      await expect(all(readColumns(at("g.tgc"))), `bit ${bit}`).rejects.toThrow("g.tgc: byte");
    }
    for (let length = 0; length < whole.length; length += 1) {
      writeFileSync(at("g.tgc"), whole.subarray(0, length));
      await expect(all(readColumns(at("g.tgc"))), `cut to ${length}`).rejects.toThrow(
        "g.tgc: byte",
      );
    }
    writeFileSync(at("g.tgc"), Buffer.concat([whole, Buffer.from([0])]));
    await expect(all(readColumns(at("g.tgc")))).rejects.toThrow("bytes after the end");
  });

  it("as Parquet with any bit flipped or any byte cut is refused, or gives what it held, and never hangs", async () => {
    const text = '1 {"a":1}\n5 {"b":22}\n3 {"c":"hello"}\n';
    writeFileSync(at("h.jsonl"), text);
    await convertCapture(at("h.jsonl"), at("h.parquet"));
    const whole = readFileSync(at("h.parquet"));
    const read = async () =>
      (await all(readCapture(at("i.parquet"))))
        .map(({ tsRecvNs, raw }) => `${tsRecvNs} ${Buffer.from(raw)}\n`)
        .join("");
    let kept = 0;
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const bent = Buffer.from(whole);
      bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      writeFileSync(at("i.parquet"), bent);
      const got = await read().catch((error: Error) => error.message);
      if (got === text) kept += 1;
      else expect(got, `bit ${bit}`).toContain("i.parquet: parquet: ");
    }
    // Only the name of the checksum may be bent: the file is then one of others, and says the same.
    expect(kept).toBe("tidegate.crc32".length * 8);
    for (let length = 0; length < whole.length; length += 1) {
      writeFileSync(at("i.parquet"), whole.subarray(0, length));
      await expect(read(), `cut to ${length}`).rejects.toThrow("i.parquet: parquet: ");
    }
  });

  it("as Parquet of others has no checksum and is read; one whose times are none is refused", async () => {
    const write = (times: bigint[]) =>
      parquetWriteFile({
        filename: at("o.parquet"),
        columnData: [
          { name: "ts_recv_ns", data: times, type: "INT64" },
          { name: "raw", data: times.map(() => new Uint8Array([1])), type: "BYTE_ARRAY" },
        ],
      });
    await write([7n, 8n]);
    expect((await all(readCapture(at("o.parquet")))).map(({ tsRecvNs }) => tsRecvNs)).toEqual([
      7n,
      8n,
    ]);
    await write([7n, -1n]);
    await expect(all(readCapture(at("o.parquet")))).rejects.toThrow("row 1 has other types");
  });

  it("keeps its format: a file of version 1 is read as it was written, another version is refused", async () => {
    // Made by the writer of this version; a change that cannot read it is version 2.
    const golden =
      "5447434f4c310000020000002200000019000000a235f13f28b52ffd2019c9000082eccb958682f3e92f030d007b2265223a227472616465227d00000000000000000000000002000000";
    writeFileSync(at("v.tgc"), Buffer.from(golden, "hex"));
    const text = (await all(readColumns(at("v.tgc")))).map(
      ({ tsRecvNs, raw }) => `${tsRecvNs} ${Buffer.from(raw)}`,
    );
    expect(text).toEqual(['1723161255308000001 {"e":"trade"}', "1723161255307999999 "]);
    writeFileSync(at("v2.tgc"), Buffer.from("TGCOL2\0\0", "latin1"));
    await expect(all(readColumns(at("v2.tgc")))).rejects.toThrow("no file of columns of version 1");
  });

  it.each([
    ["no-time.jsonl", "hello\n", "line 1: no receive time"],
    ["cut.jsonl", "1 {}\n2 {", "line 2: cut"],
    ["late.jsonl", "9223372036854775808 {}\n", "line 1: receive time 9223372036854775808 is past"],
    ["bad.parquet", "PAR1", "want ts_recv_ns"],
    ["x.txt", "", "want one of .jsonl"],
  ])(
    "%s is refused with its place, and nothing is left under the new name",
    async (name, text, message) => {
      writeFileSync(at(name), text);
      await expect((async () => convertCapture(at(name), at("out.tgc")))()).rejects.toThrow(
        message,
      );
      expect(existsSync(at("out.tgc")) || existsSync(at("out.tgc.new"))).toBe(false);
    },
  );

  it("a message with a line end is no line", async () => {
    await writeColumns(at("n.tgc"), given([{ tsRecvNs: 1n, raw: Buffer.from("a\nb") }]));
    await expect(convertCapture(at("n.tgc"), at("n.jsonl"))).rejects.toThrow("holds a line end");
    expect(await all(readCapture(at("n.tgc")))).toHaveLength(1);
  });
});
