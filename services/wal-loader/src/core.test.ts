import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  backoffMs,
  differences,
  parseLedger,
  payloadHash,
  readGroup,
  resume,
  START,
  slice,
  token,
  WalCount,
} from "./core.ts";
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, DIFFERENCES_MAX, GROUP_BLOCKS_MAX } from "./limits.ts";
import { FakeWal } from "./testing/fake-wal.ts";

const none = new Map<string, number>();

describe("the ledger", () => {
  it("survives its own text", () => {
    const ledger = {
      version: 1 as const,
      next: { segment: 3, offset: 99 },
      lastWalSeq: 7,
      pendingTo: { segment: 4, offset: 0 },
    };
    expect(parseLedger(JSON.stringify(ledger))).toEqual(ledger);
  });

  it.each([
    "",
    "{",
    "null",
    "{}",
    '{"version":2,"next":{"segment":1,"offset":0},"lastWalSeq":0,"pendingTo":null}',
    '{"version":1,"next":{"segment":-1,"offset":0},"lastWalSeq":0,"pendingTo":null}',
  ])("%j is no ledger: loading begins anew", (text) => expect(parseLedger(text)).toEqual(START));

  it("is not believed where the database holds less than it says", () => {
    const ledger = { ...START, next: { segment: 2, offset: 5 }, lastWalSeq: 10 };
    expect(resume(ledger, 10)).toBe(ledger);
    expect(resume(ledger, 9)).toBe(START);
  });
});

describe("readGroup()", () => {
  it("takes blocks across segments up to the bound, then goes on where it ended", () => {
    const wal = new FakeWal(3, 50, 2);
    const seen: number[] = [];
    let ledger = START;
    for (let group = readGroup(wal, ledger); group !== null; group = readGroup(wal, ledger)) {
      expect(group.blocks.length).toBeLessThanOrEqual(GROUP_BLOCKS_MAX);
      seen.push(...group.blocks.flatMap(({ records }) => records.map(({ walSeq }) => walSeq)));
      ledger = { ...ledger, next: group.to };
    }
    expect(seen).toEqual(wal.records.map(({ walSeq }) => walSeq));
  });

  it("takes exactly the pending group again, though the WAL has grown meanwhile", () => {
    const wal = new FakeWal(2, 10, 2);
    wal.visible = 4;
    const first = readGroup(wal, START);
    wal.visible = 20;
    const again = readGroup(wal, { ...START, pendingTo: first?.to ?? null });
    // A bound ended it now, and what was there the first time.
    expect([first?.full, again?.full]).toEqual([false, true]);
    expect({ ...again, full: false }).toEqual(first);
    expect(readGroup(wal, START)?.blocks).toHaveLength(20);
  });

  it("gives nothing of an empty WAL", () => {
    const wal = new FakeWal(1, 1, 1);
    wal.visible = 0;
    expect(readGroup(wal, START)).toBeNull();
  });
});

describe("slice()", () => {
  const group = readGroup(new FakeWal(1, 10, 20), START);
  if (group === null) throw new Error("no group");

  it("puts every record into one table, what cannot be read into quarantine with its reason [A34]", () => {
    const { slices, blocks, quarantined, lastWalSeq } = slice(group, none);
    expect(slices.reduce((sum, { rows }) => sum + rows, 0)).toBe(200);
    expect(Object.fromEntries(slices.map(({ table, rows }) => [table, rows]))).toEqual({
      trade: 159,
      stream_gap: 26,
      quarantine: 15,
    });
    expect([...quarantined.values()].reduce((a, b) => a + b)).toBe(15);
    expect(blocks?.rows).toBe(10);
    expect(lastWalSeq).toBe(200);
  });

  it("leaves raw captures in the WAL: no row, no quarantine, and the count agrees", () => {
    const captured = {
      ...group,
      blocks: group.blocks.map((block) => ({
        ...block,
        records: block.records.map((each) =>
          each.walSeq % 5 === 0
            ? { ...each, stream: "raw.spot.", payload: Buffer.from([1, 0, 9]) }
            : each,
        ),
      })),
    };
    const { slices, lastWalSeq } = slice(captured, none);
    const rows = slices.reduce((sum, each) => sum + each.rows, 0);
    expect([rows, lastWalSeq]).toEqual([160, 200]);
    const count = new WalCount();
    for (const { records } of captured.blocks) for (const each of records) count.add(each);
    expect(count.counts().reduce((sum, each) => sum + each.rows, 0)).toBe(160);
    expect(count.counts().some(({ stream }) => stream.startsWith("raw."))).toBe(false);
  });

  it("cuts a table's rows where its partition changes: an insert is whole only within one", () => {
    // Midnight of a month's end between two records.
    const midnight = 1_796_083_200_000_000_000n;
    const blocks = group.blocks.map((block) => ({
      ...block,
      records: block.records.map((each) => ({
        ...each,
        tsNs: midnight + BigInt(each.walSeq - 100) * 1_000_000_000n,
      })),
    }));
    const { slices, blocks: marks } = slice({ ...group, blocks }, none);
    const whole = slice(group, none);
    const trades = slices.filter(({ table }) => table === "trade");
    expect(trades).toHaveLength(2);
    expect(trades[0]?.lastWalSeq).toBeLessThan(100);
    const rows = (all: readonly { readonly table: string; readonly rows: number }[]) =>
      all.filter(({ table }) => table === "trade").reduce((sum, each) => sum + each.rows, 0);
    expect(rows(slices)).toBe(rows(whole.slices));
    expect(marks?.rows).toBe(whole.blocks?.rows);
    const [early, late] = trades;
    expect(early?.token).not.toBe(late?.token);
  });

  it("leaves out what each table already has", () => {
    const { slices, blocks } = slice(
      group,
      new Map([
        ["trade", 200],
        ["stream_gap", 100],
        ["wal_blocks", 200],
      ]),
    );
    expect(Object.fromEntries(slices.map(({ table, rows }) => [table, rows]))).toEqual({
      stream_gap: 13,
      quarantine: 15,
    });
    expect(blocks).toBeNull();
  });

  it("gives the same token for the same rows, another for other rows, another table or another place", () => {
    const again = slice(group, none);
    expect(again.slices.map((each) => each.token)).toEqual(
      slice(group, none).slices.map((each) => each.token),
    );
    const named = (of: typeof group) =>
      slice(of, none).slices.map(({ table, token }) => ({ table, token }));
    const sound = named(group);
    const count = group.blocks[0]?.records.length ?? 0;
    fc.assert(
      fc.property(fc.nat(count - 1), (at) => {
        const [first, ...rest] = group.blocks;
        const records = (first?.records ?? []).map((record, index) =>
          index === at ? { ...record, seq: record.seq + 1 } : record,
        );
        const other = named({
          ...group,
          blocks: [{ ...first, records } as (typeof rest)[0], ...rest],
        });
        const differ = sound.filter(({ token }, index) => token !== other[index]?.token);
        expect(differ).toHaveLength(1);
      }),
      { numRuns: 50 },
    );
    const insert = { table: "trade", content: "0f" };
    expect(token(group, { ...insert, table: "fill" })).not.toBe(token(group, insert));
    expect(token({ ...group, from: { segment: 9, offset: 0 } }, insert)).not.toBe(
      token(group, insert),
    );
  });
});

it("backoffMs() doubles, is spread, and stays within its bounds", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      (attempt, random) => {
        const wait = backoffMs(attempt, random);
        expect(wait).toBeGreaterThanOrEqual(BACKOFF_MS_MIN / 2);
        expect(wait).toBeLessThanOrEqual(BACKOFF_MS_MAX);
      },
    ),
  );
  expect([1, 2, 3, 99].map((attempt) => backoffMs(attempt, 0))).toEqual([
    50,
    100,
    200,
    BACKOFF_MS_MAX / 2,
  ]);
});

describe("completeness", () => {
  const count = new WalCount();
  for (const record of new FakeWal(1, 2, 50).records) count.add(record);
  const wal = count.counts();

  it("finds no difference between equals", () => {
    expect(differences(wal, wal.toReversed())).toEqual({ found: [], more: 0 });
    expect(wal.reduce((sum, { rows }) => sum + rows, 0)).toBe(100);
  });

  it.each([
    ["a lost row", wal.map((each, i) => (i === 0 ? { ...each, rows: each.rows - 1 } : each))],
    [
      "a changed payload",
      wal.map((each, i) =>
        i === 0 ? { ...each, hash: each.hash ^ payloadHash(Buffer.from("x")) } : each,
      ),
    ],
    ["a lost stream", wal.slice(1)],
    [
      "a stream from nowhere",
      [...wal, { stream: "x", epoch: 1, rows: 1, firstWalSeq: 1, lastWalSeq: 1, hash: 0n }],
    ],
  ])("finds %s", (_, database) => expect(differences(wal, database).found).toHaveLength(1));

  it("words a bounded number and counts the rest", () => {
    const many = Array.from({ length: DIFFERENCES_MAX + 3 }, (_, i) => ({
      stream: `s${i}`,
      epoch: 1,
      rows: 1,
      firstWalSeq: 1,
      lastWalSeq: 1,
      hash: 1n,
    }));
    expect(differences(many, [])).toMatchObject({ more: 3 });
  });
});
