import { createHash } from "node:crypto";
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
import { flowRows } from "./flow.ts";
import { bootstrap, type EngineTemplate, migrations } from "./migrations.ts";
import { partitionOf } from "./partition.ts";
import { openRepository, type Repository } from "./repository.ts";
import type { ColumnShape } from "./store.ts";
import {
  AUDIT_LOG,
  AUDIT_TABLE,
  BLOCK_TABLE,
  DEFINITIONS,
  QUARANTINE,
  QUARANTINE_TABLE,
  type RecordRow,
  rowText,
  TABLES,
  type Table,
  WAL_BLOCKS,
  type WalPlace,
} from "./tables.ts";
import { RowBinaryWriter, writeRow } from "./testing/row-binary.ts";

const statements = (template?: EngineTemplate): string =>
  [
    ...bootstrap("tidegate", template),
    ...migrations("tidegate", template).flatMap(({ up }) => up),
  ].join("\n");

describe("migrations", () => {
  it("make a table for every kind of envelope, ordered by stream, with a window of tokens and fsync [A36]", () => {
    const all = statements();
    for (const kind of PAYLOAD_KINDS) expect(all).toContain(`tidegate.${TABLES[kind].name} (`);
    for (const part of [
      "non_replicated_deduplication_window = 10000",
      "fsync_after_insert = 1",
      "fsync_part_directory = 1",
    ]) {
      // Every statement that makes a table, and there is one for each.
      expect(all.split(part)).toHaveLength(all.split("CREATE TABLE").length);
    }
    for (const name of [QUARANTINE, WAL_BLOCKS, AUDIT_LOG, "schema_migrations"])
      expect(all).toContain(`tidegate.${name} (`);
  });

  it("render the replicated form from the same template", () => {
    const all = statements({ kind: "replicated", cluster: "main", path: "/clickhouse/tables" });
    expect(all).toContain("ReplicatedMergeTree('/clickhouse/tables/{shard}/fill', '{replica}')");
    expect(all).toContain(
      "CREATE TABLE IF NOT EXISTS tidegate.fill_local ON CLUSTER 'main' (wal_seq UInt64",
    );
    expect(all).toContain(
      "tidegate.fill ON CLUSTER 'main' AS tidegate.fill_local ENGINE = Distributed('main', 'tidegate', 'fill_local', cityHash64(stream))",
    );
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

const FLOW = { seed: 3, orders: 20, marketPerOrder: 6, stepNs: 1_000_000_000n };
/** 2026-12-31 23:59:50 UTC. */
const NEW_YEAR_NS = 1_798_761_590_000_000_000n;
const WANTED: readonly ColumnShape[] = DEFINITIONS.flatMap(({ name: table, columns }) =>
  columns.map(({ name, type }) => ({ table, name, type })),
);
const shapes = (all: readonly ColumnShape[]): string[] =>
  all.map(({ table, name, type }) => `${table}.${name} ${type}`).sort();

const tableOf = (name: string): Table =>
  Object.values(TABLES).find((each) => each.name === name) as Table;

/** The digest of a table from the rows themselves. */
function digestOf(name: string, rows: readonly RecordRow[]) {
  const table = tableOf(name);
  const own = rows.filter(({ envelope }) => TABLES[envelope.payload.kind] === table);
  const hash = own.reduce((sum, row) => {
    const first = createHash("md5").update(rowText(table, row)).digest().readBigUInt64BE(0);
    return BigInt.asUintN(64, sum + first);
  }, 0n);
  return { rows: own.length, hash };
}

async function insertRows(repository: Repository, rows: readonly RecordRow[]): Promise<void> {
  for (const table of Object.values(TABLES)) {
    const own = rows.filter(({ envelope }) => TABLES[envelope.payload.kind] === table);
    const out = new RowBinaryWriter();
    for (const row of own) writeRow(out, table, row);
    if (own.length > 0)
      await repository.insert({
        table: table.name,
        token: table.name,
        format: "RowBinary",
        body: out.bytes(),
      });
  }
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

  it("goes down and up again, carries rows between unpartitioned and partitioned tables, and refuses the future [A36]", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "tidegate-clickhouse-"));
    const started = await startEmbeddedClickHouse({ dataDir });
    if (started.kind === "absent") throw new Error(started.remedy);
    await using repository = openRepository(started.url);
    const head = migrations("tidegate").length;
    await repository.migrate(1);
    const rows = [...flowRows({ ...FLOW, startNs: NEW_YEAR_NS })];
    await insertRows(repository, rows);
    const digest = await repository.digest("fill");
    expect(digest).toEqual(digestOf("fill", rows));
    const partitions = () =>
      repository.query(
        "SELECT DISTINCT partition FROM system.parts WHERE active AND database = 'tidegate' AND table = {table:String} ORDER BY 1",
        { table: "book_top" },
      );
    expect(await partitions()).toEqual([{ partition: "tuple()" }]);
    await repository.migrate();
    expect(await repository.version()).toBe(head);
    expect(await repository.digest("fill")).toEqual(digest);
    const days = new Set(rows.map(({ place }) => String(partitionOf("day", place.tsNs))));
    expect(days.size).toBeGreaterThan(1);
    expect(await partitions()).toEqual([...days].sort().map((partition) => ({ partition })));
    await repository.migrate(1);
    expect(await repository.digest("fill")).toEqual(digest);
    expect(await partitions()).toEqual([{ partition: "tuple()" }]);
    await repository.migrate(0);
    expect(await repository.columns()).toEqual([]);
    expect(await repository.version()).toBe(0);
    const made = () =>
      repository.query(
        "SELECT name, partition_key, sorting_key FROM system.tables WHERE database = 'tidegate' ORDER BY name",
      );
    // Step by step and at once is the same.
    for (let version = 1; version <= head; version += 1) await repository.migrate(version);
    const stepwise = await made();
    await repository.migrate(0);
    await repository.migrate();
    expect(await made()).toEqual(stepwise);
    await repository.command("DROP TABLE tidegate.trade SYNC");
    await repository.command("ALTER TABLE tidegate.fill DROP COLUMN maker");
    await repository.migrate();
    expect(shapes(await repository.columns())).toEqual(shapes(WANTED));
    await repository.command("INSERT INTO tidegate.schema_migrations VALUES (99, 'x', 1, 0)");
    await expect(repository.migrate()).rejects.toThrow("run the version of Tidegate that made it");
    await started.kill();
    rmSync(dataDir, { recursive: true, force: true });
  }, 120_000);

  it("has exactly the columns its writers write, in their order [A36]", async () => {
    await using repository = openRepository(server.url);
    const found = await repository.columns();
    for (const { name } of DEFINITIONS) {
      const own = (all: readonly ColumnShape[]) => all.filter(({ table }) => table === name);
      expect(own(found)).toEqual(own(WANTED));
    }
  });

  it("accepts every statement of the replicated form", async () => {
    await using repository = openRepository(server.url);
    const template = { kind: "replicated", cluster: "main", path: "/clickhouse/tables" } as const;
    const all = migrations("tidegate", template).flatMap(({ up, down }) => [...up, ...down]);
    for (const sql of [...bootstrap("tidegate", template), ...all])
      await repository.command(`EXPLAIN AST ${sql}`);
    await expect(repository.command("EXPLAIN AST CREATE TABEL x")).rejects.toThrow();
  });

  it("any change of a row changes the digest of its table; the same row twice does too", async () => {
    await using repository = openRepository(server.url);
    const before = await repository.digest(AUDIT_LOG);
    const out = new RowBinaryWriter();
    const row = {
      seq: 1,
      tsNs: 5n,
      monoNs: 2n ** 64n - 1n,
      epoch: 3,
      actor: "ä",
      action: "KILL",
      beforeHash: "",
      afterHash: "00",
      reason: "a,b:c",
      prev: "",
      hash: "ff",
    };
    writeRow(out, AUDIT_TABLE, row);
    await repository.insert({
      table: AUDIT_LOG,
      token: "a1",
      format: "RowBinary",
      body: out.bytes(),
    });
    const one = await repository.digest(AUDIT_LOG);
    const text = rowText(AUDIT_TABLE, row);
    expect(text).toBe("1,5,18446744073709551615,3,2:ä,4:KILL,0:,2:00,5:a,b:c,0:,2:ff,");
    const first = createHash("md5").update(text).digest().readBigUInt64BE(0);
    expect([before, one]).toEqual([
      { rows: 0, hash: 0n },
      { rows: 1, hash: first },
    ]);
    await repository.insert({
      table: AUDIT_LOG,
      token: "a2",
      format: "RowBinary",
      body: out.bytes(),
    });
    expect(await repository.digest(AUDIT_LOG)).toEqual({
      rows: 2,
      hash: BigInt.asUintN(64, 2n * first),
    });
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
      writeRow(out, table, { place: place(i + 1, "s.kinds"), envelope: envelope(kind) });
      await repository.insert({
        table: table.name,
        token: `kinds-${kind}`,
        format: "RowBinary",
        body: out.bytes(),
      });
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
    writeRow(out, QUARANTINE_TABLE, {
      place: place(900, "s.bad"),
      reason: "UNDECODABLE envelope",
      payload: Buffer.from([0, 255]),
    });
    const insert = {
      table: QUARANTINE,
      token: "q-1",
      format: "RowBinary",
      body: out.bytes(),
    } as const;
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
      writeRow(out, TABLES.trade, {
        place: place(walSeq, "s.count"),
        envelope: envelope("trade"),
      });
    }
    await repository.insert({
      table: "trade",
      token: "count",
      format: "RowBinary",
      body: out.bytes(),
    });
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
    writeRow(out, TABLES.trade, { place: place(2000, "s.torn"), envelope: envelope("trade") });
    out.u8(1);
    await expect(
      repository.insert({ table: "trade", token: "torn", format: "RowBinary", body: out.bytes() }),
    ).rejects.toThrow();
    await expect(
      repository.insert({ table: "nothing", token: "x", format: "RowBinary", body: out.bytes() }),
    ).rejects.toThrow("no table");
    expect(await repository.records()).toBe(before);
  });

  it("what was acknowledged is there after kill -9, and its token still holds", async () => {
    const out = new RowBinaryWriter();
    writeRow(out, BLOCK_TABLE, {
      segment: 1,
      block: 0,
      firstWalSeq: 1,
      lastWalSeq: 77,
      rows: 77,
      hash: 5,
    });
    const insert = {
      table: WAL_BLOCKS,
      token: "block",
      format: "RowBinary",
      body: out.bytes(),
    } as const;
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
