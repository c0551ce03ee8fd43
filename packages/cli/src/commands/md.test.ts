import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const sample = fileURLToPath(
  new URL("../../../../data/samples/binance-spot-btcusdt.jsonl.gz", import.meta.url),
);
const folder = mkdtempSync(join(tmpdir(), "md-"));
afterAll(() => rmSync(folder, { recursive: true }));

function convert(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((done) => {
    const flags = ["--disable-warning=ExperimentalWarning", main, "md", "convert"];
    const child = execFile(process.execPath, [...flags, ...args], { cwd: folder }, (_, out, err) =>
      done({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

describe("hft md convert", () => {
  it("takes a recorded market through every form and back, byte for byte", async () => {
    const lines = gunzipSync(readFileSync(sample)).toString("utf8").split("\n", 3_000);
    const text = `${lines.join("\n")}\n`;
    writeFileSync(join(folder, "a.jsonl"), text);
    const chain = ["a.jsonl", "b.parquet", "c.tgc", "d.jsonl.gz", "e.parquet", "f.jsonl"];
    for (const [n, from] of chain.slice(0, -1).entries()) {
      const ran = await convert(from, chain[n + 1] ?? "", "--json");
      expect([ran.code, ran.err, JSON.parse(ran.out)]).toMatchObject([0, "", { messages: 3_000 }]);
    }
    expect(readFileSync(join(folder, "f.jsonl"), "utf8")).toBe(text);
    expect(readFileSync(join(folder, "e.parquet"))).toEqual(
      readFileSync(join(folder, "b.parquet")),
    );
  }, 60_000);

  it("refuses what is damaged with its place, and leaves nothing under the new name", async () => {
    const before = readdirSync(folder);
    for (const [name, place] of [
      ["b.parquet", /bent-b\.parquet: parquet: the file is damaged/],
      ["c.tgc", /bent-c\.tgc: byte \d+: /],
      ["d.jsonl.gz", /bent-d\.jsonl\.gz: (after )?line \d+: /],
    ] as const) {
      const bent = readFileSync(join(folder, name));
      const middle = bent.length >> 1;
      bent[middle] = (bent[middle] ?? 0) ^ 0x10;
      writeFileSync(join(folder, `bent-${name}`), bent);
      const ran = await convert(`bent-${name}`, "out.jsonl");
      expect([ran.code, ran.err]).toEqual([1, expect.stringMatching(place)]);
      rmSync(join(folder, `bent-${name}`));
    }
    expect((await convert("none.jsonl", "out.jsonl")).err).toContain("none.jsonl");
    expect((await convert("a.jsonl", "out.csv")).err).toContain("want one of .jsonl");
    expect(readdirSync(folder)).toEqual(before);
  }, 60_000);
});
