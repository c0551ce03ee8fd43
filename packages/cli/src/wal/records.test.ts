import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { walSegments } from "@tidegate/rust-core";
import { afterAll, describe, expect, it } from "vitest";
import { type Broken, Follower, lastWalSeq, line, records, segmentAt } from "./records.ts";

/** Two sealed segments with five and three records, taken at 1,000 to 3,002 ns. */
const golden = (version: string) =>
  fileURLToPath(new URL(`../../../rust-core/crates/wal/golden/${version}`, import.meta.url));
const DIR = golden("v2");
const folder = mkdtempSync(join(tmpdir(), "tidegate-wal-records-"));
afterAll(() => rmSync(folder, { recursive: true }));

const seqs = (dir: string, from: Parameters<typeof records>[1]) =>
  [...records(dir, from)].map(({ walSeq }) => walSeq);

describe("records of a WAL", () => {
  it.each(["", "v2", "v2-lz4"])("[A31] of version folder %j are all there", (version) => {
    expect(seqs(golden(version), {})).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("are found by place, by moment and by stream, as a walk over all finds them", () => {
    const all = [...records(DIR, {})];
    for (let from = 0; from <= 10; from += 1) {
      const want = all.filter(({ walSeq }) => walSeq >= from).map(({ walSeq }) => walSeq);
      expect(seqs(DIR, { walSeq: from })).toEqual(want);
    }
    for (let tsNs = 990n; tsNs <= 3_010n; tsNs += 1n) {
      const want = all.filter((record) => record.tsNs >= tsNs).map(({ walSeq }) => walSeq);
      expect(seqs(DIR, { tsNs })).toEqual(want);
    }
    expect(seqs(DIR, { stream: "gateway." })).toEqual([5]);
    expect([lastWalSeq(DIR), lastWalSeq(folder)]).toEqual([8, 0]);
    expect(segmentAt(walSegments(DIR), ({ walSeq }) => walSeq <= 6)).toBe(1);
  });

  it("are read on behind a damaged block, which is told", () => {
    const dir = mkdtempSync(join(folder, "broken-"));
    for (const name of ["0000000001.seg", "0000000002.seg"])
      copyFileSync(join(DIR, name), join(dir, name));
    const path = join(dir, "0000000001.seg");
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(200) ^ 1, 200);
    writeFileSync(path, bytes);
    const told: Broken[] = [];
    const left = [...records(dir, {}, (where) => told.push(where))].map(({ walSeq }) => walSeq);
    expect(left).toEqual([6, 7, 8]);
    expect(told.map(({ segment, offset }) => [segment.index, offset])).toEqual([[1, 0]]);
  });

  it("are followed as they come, each once", () => {
    const dir = mkdtempSync(join(folder, "tail-"));
    const follower = new Follower(dir, 3);
    const look = () => [...follower.look()].map(({ walSeq }) => walSeq);
    expect(look()).toEqual([]);
    const bytes = readFileSync(join(DIR, "0000000001.seg"));
    // Half of a block is not there yet.
    writeFileSync(join(dir, "0000000001.open"), bytes.subarray(0, 300));
    expect(look()).toEqual([]);
    writeFileSync(join(dir, "0000000001.open"), bytes);
    expect(look()).toEqual([3, 4, 5]);
    expect(look()).toEqual([]);
    copyFileSync(join(DIR, "0000000002.seg"), join(dir, "0000000002.seg"));
    expect(look()).toEqual([6, 7, 8]);
  });

  it("print as one line each: an envelope's content, or the bytes of what is none", () => {
    const [mark, message] = [...records(DIR, {})].map((record) => JSON.parse(line(record)));
    expect(mark).toMatchObject({
      walSeq: 1,
      type: "MARK",
      envelope: { payload: { kind: "streamMark", value: { stream: "md.1.1.top." } } },
    });
    expect(message).toMatchObject({
      walSeq: 2,
      seq: 1,
      tsNs: "1001",
      bytes: 9,
      base64: Buffer.from("message 1").toString("base64"),
    });
  });
});
