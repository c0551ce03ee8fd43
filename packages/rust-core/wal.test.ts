import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { type WalRecord, walReadBlock, walSegments, walVerify, walVerifyAsync } from "./wal.ts";

/** Two sealed segments with 8 records; a test of the crate keeps their bytes. */
const GOLDEN = fileURLToPath(new URL("./crates/wal/golden", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tidegate-wal-"));
afterAll(() => rmSync(folder, { recursive: true }));

function readAll(dir: string): WalRecord[] {
  const all: WalRecord[] = [];
  for (const { path } of walSegments(dir)) {
    let item = walReadBlock(path, 0);
    while (item?.kind === "block") {
      all.push(...item.records);
      item = walReadBlock(path, item.next);
    }
  }
  return all;
}

function damaged(name: string, change: (bytes: Buffer) => Buffer): string {
  const dir = mkdtempSync(join(folder, "case-"));
  cpSync(GOLDEN, dir, { recursive: true });
  writeFileSync(join(dir, name), change(readFileSync(join(dir, name))));
  return dir;
}

describe("the WAL", () => {
  it("[A30] gives every record once, in order, with its payload", () => {
    const all = readAll(GOLDEN);
    expect(all.map(({ walSeq }) => walSeq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(all.map(({ type }) => type).join()).toBe("MARK,DATA,DATA,DATA,DATA,GAP,DATA,MARK");
    expect({ ...all[4], payload: all[4]?.payload.toString() }).toEqual({
      walSeq: 5,
      type: "DATA",
      stream: "gateway.journal",
      epoch: 1,
      seq: 1,
      tsNs: 2_000n,
      payload: "journal 1",
    });
    expect(all[3]?.payload.toString()).toBe("message 3");
  });

  it("ends a sealed segment with a footer that counts it", () => {
    const [first] = walSegments(GOLDEN);
    let item = walReadBlock(first?.path ?? "", 0);
    while (item?.kind === "block") item = walReadBlock(first?.path ?? "", item.next);
    expect(item).toMatchObject({
      kind: "footer",
      records: 5,
      blocks: 2,
      firstWalSeq: 1,
      next: first?.bytes,
    });
    expect(walReadBlock(first?.path ?? "", item?.next ?? 0)).toBeNull();
  });

  it("is proven with the account of each stream", async () => {
    const report = walVerify(GOLDEN);
    expect(report).toMatchObject({
      ok: true,
      records: 8,
      segments: 2,
      sealed: 2,
      gapsUnaccounted: 0,
      gapsAccounted: 3,
      faults: [],
    });
    expect(report.streams.find(({ name }) => name === "md.1.1.top.")).toEqual({
      name: "md.1.1.top.",
      epoch: 3,
      records: 7,
      data: 4,
      missing: 3,
      unaccounted: 0,
      duplicates: 0,
      lastSeq: 7,
      closed: true,
    });
    expect(await walVerifyAsync(GOLDEN)).toEqual(report);
  });

  it.each([
    ["a flipped bit", (bytes: Buffer) => bytes.fill((bytes[200] ?? 0) ^ 4, 200, 201)],
    ["a cut tail", (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
    ["an empty file", () => Buffer.alloc(0)],
    ["other bytes", () => Buffer.alloc(500, 7)],
  ])("with %s is not proven, and nothing throws", (_, change) => {
    for (const name of ["0000000001.seg", "0000000002.seg"]) {
      const dir = damaged(name, change);
      const report = walVerify(dir);
      expect(report.ok).toBe(false);
      expect(report.faults.join()).toContain(name);
      expect(readAll(dir).length).toBeLessThanOrEqual(8);
    }
  });

  it("that is not there, and an offset that is none, are told by name", () => {
    expect(() => walSegments(join(folder, "none"))).toThrow("cannot open directory");
    expect(() => walReadBlock(join(GOLDEN, "0000000009.seg"), 0)).toThrow("cannot open");
    expect(() => walReadBlock(join(GOLDEN, "0000000001.seg"), -1)).toThrow("no sequence");
  });
});
