import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@clickhouse/client";
import type { Envelope } from "@tidegate/contracts";
import {
  type FieldKind,
  HEAD_FIELDS,
  PAYLOAD_FIELDS,
  PAYLOAD_KINDS,
} from "@tidegate/contracts/messages";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EmbeddedClickHouse, findEmbedded, startEmbeddedClickHouse } from "./embedded.ts";
import { migrations } from "./migrations.ts";
import { openRepository } from "./repository.ts";
import { RowBinaryWriter } from "./row-binary.ts";
import {
  QUARANTINE,
  TABLES,
  WAL_BLOCKS,
  type WalPlace,
  writeBlock,
  writeQuarantine,
  writeRecord,
} from "./tables.ts";

describe("migrations", () => {
  it("make a table for every kind of envelope, ordered by stream, with a window of tokens and fsync [A36]", () => {
    const all = migrations("tidegate").join("\n");
    for (const kind of PAYLOAD_KINDS) expect(all).toContain(`tidegate.${TABLES[kind].name} (`);
    for (const part of [
      "non_replicated_deduplication_window = 10000",
      "fsync_after_insert = 1",
      "fsync_part_directory = 1",
    ]) {
      expect(all.split(part)).toHaveLength(PAYLOAD_KINDS.length + 3);
    }
  });

  it("render the replicated form from the same template", () => {
    const all = migrations("tidegate", {
      kind: "replicated",
      cluster: "main",
      path: "/clickhouse/tables",
    }).join("\n");
    expect(all).toContain("ReplicatedMergeTree('/clickhouse/tables/{shard}/fill', '{replica}')");
    expect(all).toContain("ON CLUSTER 'main'");
    expect(all).not.toContain("non_replicated_deduplication_window");
  });

  it.each([
    ["a database", () => migrations("x; DROP DATABASE y")],
    ["a cluster", () => migrations("x", { kind: "replicated", cluster: "a'b", path: "/p" })],
    ["a path", () => migrations("x", { kind: "replicated", cluster: "a", path: "p'" })],
  ])("refuse %s that would leave its place in the statement", (_, make) => {
    expect(make).toThrow(TypeError);
  });

  it("no table has two columns of one name", () => {
    for (const { columns } of Object.values(TABLES)) {
      expect(new Set(columns.map(({ name }) => name)).size).toBe(columns.length);
    }
  });
});

describe("RowBinaryWriter", () => {
  it("grows, and writes sizes as LEB128", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 31 - 1 }), (size) => {
        const out = new RowBinaryWriter();
        out.size(size);
        const read = out.bytes().reduce((sum, byte, i) => sum + (byte & 0x7f) * 2 ** (7 * i), 0);
        expect(read).toBe(size);
      }),
    );
    const out = new RowBinaryWriter();
    out.blob(new Uint8Array(100_000));
    expect(out.length).toBe(100_003);
  });

  it("gives the same bytes wherever the buffer has to grow", () => {
    for (let before = 65_500; before <= 65_537; before += 1) {
      const out = new RowBinaryWriter();
      out.blob(new Uint8Array(before));
      const start = out.length;
      out.u8(1);
      out.u32(2);
      out.i64(-3n);
      out.u128(1n << 64n);
      out.text("ä");
      const want = "0102000000fdffffffffffffff0000000000000000010000000000000002c3a4";
      expect(out.bytes().subarray(start).toString("hex")).toBe(want);
    }
  });
});

const place = (walSeq: number, stream: string): WalPlace => ({
  walSeq,
  stream,
  epoch: 7,
  seq: walSeq * 10,
  tsNs: 1_723_161_256_000_000_001n,
  payloadHash: 0xffff_ffff_ffff_fff0n + BigInt(walSeq % 8),
});

/** The most telling value of each kind of field: at its bound, signed where it may be. */
function sample(kind: FieldKind): unknown {
  switch (kind.type) {
    case "u32":
      return 0xffff_ffff;
    case "flag":
      return true;
    case "intentId":
      return (1n << 127n) + 5n;
    case "intentIdOrNull":
      return null;
    case "int":
      return kind.signed ? -(2 ** 53 - 1) : 2 ** 53 - 1;
    case "ints":
      return kind.signed ? [-1, 2 ** 53 - 1, 0] : [1, 2];
    case "wide":
      return kind.signed ? -(2n ** 63n) : 2n ** 64n - 1n;
    case "text":
      return "ä\n'";
    case "name":
      return kind.optional ? null : kind.names[0];
  }
}

const read = (kind: FieldKind): unknown => {
  const value = sample(kind);
  if (value === null) return kind.type === "name" ? "" : "0";
  if (typeof value === "bigint") return String(value);
  if (kind.type === "int") return String(value);
  if (Array.isArray(value)) return value.map(String);
  return value;
};

function envelope(kind: (typeof PAYLOAD_KINDS)[number]): Envelope {
  const values = (fields: Readonly<Record<string, { readonly kind: FieldKind }>>) =>
    Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, sample(field.kind)]));
  return {
    ...values(HEAD_FIELDS),
    payload: { kind, value: values(PAYLOAD_FIELDS[kind]) },
  } as unknown as Envelope;
}

const found = findEmbedded();
if ("kind" in found) console.warn(`skipped: real ClickHouse: ${found.remedy}`);

describe.skipIf("kind" in found)("a real ClickHouse (needs chdb) [A36]", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "tidegate-clickhouse-"));
  let server: EmbeddedClickHouse;
  const start = async () => {
    const started = await startEmbeddedClickHouse({ dataDir });
    if (started.kind === "absent") throw new Error(started.remedy);
    server = started;
  };
  beforeAll(async () => {
    await start();
    await using repository = openRepository(server.url);
    await repository.migrate();
    await repository.migrate();
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("gives every column of every kind back as it was written", async () => {
    await using repository = openRepository(server.url);
    const client = createClient({
      url: server.url,
      clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
    });
    for (const [i, kind] of PAYLOAD_KINDS.entries()) {
      const table = TABLES[kind];
      const out = new RowBinaryWriter();
      writeRecord(out, table, { place: place(i + 1, "s.kinds"), envelope: envelope(kind) });
      await repository.insert({ table: table.name, token: `kinds-${kind}`, body: out.bytes() });
      const answer = await client.query({
        query: `SELECT * FROM tidegate.${table.name}`,
        format: "JSONEachRow",
      });
      const [row] = await answer.json<Record<string, unknown>>();
      expect(row).toMatchObject({
        wal_seq: String(i + 1),
        stream: "s.kinds",
        stream_epoch: 7,
        stream_seq: String(10 * (i + 1)),
      });
      const columns = table.columns.slice(-Object.keys(PAYLOAD_FIELDS[kind]).length);
      const expected = Object.values(PAYLOAD_FIELDS[kind]).map((field) => read(field.kind));
      expect(columns.map(({ name }) => row?.[name])).toEqual(expected);
      expect(row?.["trace_id"]).toBe("f".repeat(32));
    }
    await client.close();
    expect(await repository.records()).toBe(PAYLOAD_KINDS.length);
  });

  it("one token goes in once; another token goes in beside it [B086]", async () => {
    await using repository = openRepository(server.url);
    const before = await repository.records();
    const out = new RowBinaryWriter();
    writeQuarantine(out, {
      place: place(900, "s.bad"),
      reason: "UNDECODABLE envelope",
      payload: Buffer.from([0, 255]),
    });
    const insert = { table: QUARANTINE, token: "q-1", body: out.bytes() };
    await repository.insert(insert);
    await repository.insert(insert);
    expect(await repository.records()).toBe(before + 1);
    await repository.insert({ ...insert, token: "q-2" });
    expect(await repository.records()).toBe(before + 2);
    expect((await repository.highest()).get(QUARANTINE)).toBe(900);
  });

  it("counts rows, bounds and hash per stream", async () => {
    await using repository = openRepository(server.url);
    const out = new RowBinaryWriter();
    for (const walSeq of [1000, 1001, 1002]) {
      writeRecord(out, TABLES.trade, {
        place: place(walSeq, "s.count"),
        envelope: envelope("trade"),
      });
    }
    await repository.insert({ table: "trade", token: "count", body: out.bytes() });
    const hash = [1000, 1001, 1002].reduce((all, seq) => all ^ place(seq, "").payloadHash, 0n);
    expect((await repository.counts()).find(({ stream }) => stream === "s.count")).toEqual({
      stream: "s.count",
      epoch: 7,
      rows: 3,
      firstWalSeq: 1000,
      lastWalSeq: 1002,
      hash,
    });
  });

  it("a bad row is an error, and nothing of the insert is there", async () => {
    await using repository = openRepository(server.url);
    const before = await repository.records();
    const out = new RowBinaryWriter();
    writeRecord(out, TABLES.trade, { place: place(2000, "s.torn"), envelope: envelope("trade") });
    out.u8(1);
    await expect(
      repository.insert({ table: "trade", token: "torn", body: out.bytes() }),
    ).rejects.toThrow();
    await expect(
      repository.insert({ table: "nothing", token: "x", body: out.bytes() }),
    ).rejects.toThrow("no table");
    expect(await repository.records()).toBe(before);
  });

  it("what was acknowledged is there after kill -9, and its token still holds", async () => {
    const out = new RowBinaryWriter();
    writeBlock(out, { segment: 1, block: 0, firstWalSeq: 1, lastWalSeq: 77, rows: 77, hash: 5 });
    const insert = { table: WAL_BLOCKS, token: "block", body: out.bytes() };
    {
      await using repository = openRepository(server.url);
      await repository.insert(insert);
    }
    await server.kill();
    await start();
    await using repository = openRepository(server.url);
    expect(await repository.highestBlock()).toBe(77);
    await repository.insert(insert);
    const client = createClient({ url: server.url });
    const answer = await client.query({
      query: "SELECT count() AS n FROM tidegate.wal_blocks",
      format: "JSONEachRow",
    });
    expect(await answer.json()).toEqual([{ n: 1 }]);
    await client.close();
  });
});
