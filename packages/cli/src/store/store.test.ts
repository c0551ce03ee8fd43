import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeEnvelope } from "@tidegate/contracts";
import { findEmbedded, findPostgres, openRelational, openRepository } from "@tidegate/storage";
import { openWal, walDigests, walUntil } from "@tidegate/wal-loader/load";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Result } from "../result.ts";
import { backup, restore } from "./backup.ts";
import { benchLoad } from "./bench-load.ts";
import { moment } from "./options.ts";
import { REBUILD_BREAKS, rebuild, rebuildCheck } from "./rebuild.ts";
import { recordDay } from "./record.ts";
import { SCHEMA_BREAKS, type SchemaProof, verifySchema } from "./schema.ts";
import { loadClickHouse, type OwnStores, ownStores } from "./stores.ts";
import { dayWindow, overDay, parseParams } from "./tca.ts";
import { restoreTier, tier } from "./tier.ts";
import { verifyStores } from "./verify.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const say = (): void => {};
const value = (result: Result, name: string): number | undefined =>
  result.checks.find((each) => each.name === name)?.value;
const NS_PER_DAY = 86_400_000_000_000n;
const nowNs = (): bigint => BigInt(Date.now()) * 1_000_000n;

describe("flags of store and tca", () => {
  it("a moment is a wal_seq or a time in UTC, to the nanosecond", () => {
    expect(moment(undefined)).toEqual({});
    expect(moment("17")).toEqual({ walSeq: 17 });
    expect(moment("1970-01-01T00:00:01.000000002Z")).toEqual({ tsNs: 1_000_000_002n });
    for (const text of ["", "yesterday", "2026-11-27", "2026-13-01T00:00:00Z", "-1"])
      expect(() => moment(text)).toThrow("--until");
  });

  it("a day is one that is on the calendar", () => {
    expect(dayWindow("1970-01-02")).toEqual({ from_ns: NS_PER_DAY, to_ns: 2n * NS_PER_DAY });
    for (const day of ["2026-02-30", "today", "2026-1-1"])
      expect(() => dayWindow(day)).toThrow("--day");
  });

  it("a query gets exactly the parameters it has", () => {
    expect(parseParams("order-life", ["order=ff"])).toEqual({ order: "ff" });
    expect(() => parseParams("order-life", [])).toThrow("order=… is missing");
    expect(() => parseParams("orders", ["x=1"])).toThrow("orders wants none");
  });
});

const here = !("kind" in findEmbedded()) && !("kind" in findPostgres());
if (!here) console.warn("skipped: hft store on real stores: needs chdb and PostgreSQL");

describe.skipIf(!here)("hft store on real stores (needs chdb and PostgreSQL)", () => {
  const home = mkdtempSync(join(tmpdir(), "tg-t-"));
  let wal = "";
  let stores: OwnStores;
  const startNs = nowNs();
  beforeAll(async () => {
    const flow = { seed: 2, orders: 600, marketPerOrder: 3, startNs, stepNs: 1_000_000n };
    wal = (await recordDay(home, flow)).walDir;
    stores = await ownStores();
  }, 300_000);
  afterAll(async () => {
    await stores[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  });
  const checkRows = (plant: string | null) =>
    rebuildCheck({ rows: 1_000, seed: 1, wal, plant, say });

  it("rebuild --check: all three stores hold what the WAL says, and each planted fault is found [B064]", async () => {
    expect((await checkRows(null)).ok).toBe(true);
    for (const plant of REBUILD_BREAKS) {
      const broken = await checkRows(plant);
      expect([plant, broken.ok]).toEqual([plant, false]);
      for (const store of ["clickhouse", "postgresql", "sqlite"])
        expect([plant, store, value(broken, `tables_unequal.${store}`)]).not.toContain(0);
    }
    await expect(checkRows("other")).rejects.toThrow("--break other");
  }, 900_000);

  it("verify schema holds on a recorded day, and each planted fault is found [A36 B056]", async () => {
    const schema = (plant: string | null, proofs?: readonly SchemaProof[]) =>
      verifySchema(root, { wal, plant, say, ...(proofs === undefined ? {} : { proofs }) });
    const sound = await schema(null);
    expect([sound.ok, sound.figures["failures"]]).toEqual([true, []]);
    const failed = {
      "drop-column": ["columns_unequal", "columns"],
      "retype-column": ["columns_unequal", "columns"],
      "broken-query": ["queries_run", "queries"],
      "lossy-migration": ["rows_changed_by_migrations", "rows"],
    } as const;
    for (const plant of SCHEMA_BREAKS) {
      const [wanted, proof] = failed[plant];
      const broken = await schema(plant, [proof]);
      const names = broken.checks.filter(({ ok }) => !ok).map(({ name }) => name);
      expect([plant, names]).toEqual([plant, [wanted]]);
      if (plant === "broken-query")
        expect(value(broken, "queries_run")).toBeLessThan(value(sound, "queries_run") ?? 0);
    }
  }, 900_000);

  it("a store is rebuilt to a moment, is complete to it and not beyond, and what it holds is not overwritten unasked [B064]", async () => {
    const database = `sqlite:${join(home, "moment.db")}`;
    const clickhouse = stores.clickhouseUrl;
    const to = (until: { walSeq?: number; tsNs?: bigint }, replace: boolean) =>
      rebuild({ wal, clickhouse, database, until, replace, say });
    expect((await to({ walSeq: 2_345 }, false)).ok).toBe(true);
    const verify = (until: { walSeq?: number }) =>
      verifyStores({ wal, clickhouse, database, until, say });
    expect((await verify({ walSeq: 2_345 })).ok).toBe(true);
    const beyond = await verify({});
    expect([
      value(beyond, "streams_unequal.clickhouse"),
      value(beyond, "streams_unequal.sqlite"),
    ]).not.toContain(0);
    await expect(to({}, false)).rejects.toThrow("give --replace");
    expect((await to({}, true)).ok).toBe(true);
    expect((await verify({})).ok).toBe(true);
    // To a random instant of the day, held against the WAL cut by a walk of this test's own.
    const records = [...all(wal)];
    const at = records[Math.floor(records.length * Math.random())]?.tsNs ?? 0n;
    const last = records.findLastIndex(({ tsNs }) => tsNs <= at);
    for (const url of [database, stores.postgresqlUrl]) {
      const until = { tsNs: at };
      const done = await rebuild({
        wal,
        clickhouse: null,
        database: url,
        until,
        replace: true,
        say,
      });
      expect(done.ok).toBe(true);
      await using store = openRelational(url);
      expect((await store.position()).walSeq).toBe(records[last]?.walSeq);
    }
  }, 300_000);

  it("backup and restore give the WAL, the registry and the audit back, and refuse a damaged file [B064]", async () => {
    const from = `sqlite:${join(home, "from.db")}`;
    const to = join(home, "backup");
    {
      await using store = openRelational(from);
      await store.migrate();
      await store.command("INSERT INTO limits VALUES (1, 'aa', '{\"x\": 1}', 'risk', 1)");
      const hash = "00";
      const one = { seq: 1, tsNs: startNs, monoNs: 2n ** 63n, epoch: 1, actor: "a", action: "b" };
      await store.appendAudit([
        { ...one, beforeHash: "", afterHash: "", reason: "c", prev: "", hash },
      ]);
    }
    expect((await backup({ wal, database: from, to, say })).ok).toBe(true);
    await expect(backup({ wal, database: from, to, say })).rejects.toThrow("not empty");
    const [again, database] = [join(home, "again"), `sqlite:${join(home, "to.db")}`];
    expect((await restore({ from: to, wal: again, database })).ok).toBe(true);
    await using a = openRelational(from);
    await using b = openRelational(database);
    for (const table of ["limits", "audit_log"])
      expect(await b.query(`SELECT * FROM ${table}`)).toEqual(
        await a.query(`SELECT * FROM ${table}`),
      );
    expect(await digests(again)).toEqual(await digests(wal));
    // The stores come from the restored WAL as from the first.
    expect(
      (await rebuild({ wal: again, clickhouse: null, database, until: {}, replace: false, say }))
        .ok,
    ).toBe(true);
    const [segment = ""] = readdirSync(join(to, "wal"));
    const path = join(to, "wal", segment);
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    await expect(restore({ from: to, wal: join(home, "third"), database: null })).rejects.toThrow(
      "nothing was restored",
    );
  }, 300_000);

  it("older days of market data become proven Parquet files, go, and come back as they were [A36]", async () => {
    const clickhouse = stores.clickhouseUrl;
    await using store = openRepository(clickhouse);
    await store.migrate(0);
    await store.migrate();
    await loadClickHouse(openWal(wal), store, join(home, "tier-ledger"));
    const before = await store.digest("book_top");
    const fills = await store.digest("fill");
    const to = join(home, "tier");
    const days = (count: bigint) => nowNs() + count * NS_PER_DAY;
    const run = (drop: boolean, keepDays: number, nowNs: bigint) =>
      tier({ clickhouse, to, keepDays, drop, nowNs, say });
    await expect(run(true, 1, days(0n))).rejects.toThrow("at least 7");
    expect((await run(true, 7, days(2n))).figures["rows"]).toBe(0);
    const done = await run(true, 7, days(9n));
    expect([done.ok, Number(done.figures["partitions_dropped"]) > 0]).toEqual([true, true]);
    expect((await store.digest("book_top")).rows).toBe(0);
    expect(await store.digest("fill")).toEqual(fills);
    expect((await restoreTier(to, clickhouse, say)).ok).toBe(true);
    expect(await store.digest("book_top")).toEqual(before);
    // What is there is not put in a second time.
    await expect(restoreTier(to, clickhouse, say)).rejects.toThrow("drop the partition first");
    const [day = ""] = readdirSync(join(to, "book_top"));
    const path = join(to, "book_top", day);
    writeFileSync(path, readFileSync(path).subarray(1));
    await store.dropPartition("book_top", day.slice(0, 8));
    for (const name of ["trade", "instrument_status", "book_depth"])
      for (const partition of await store.partitions(name))
        await store.dropPartition(name, partition);
    expect((await restoreTier(to, clickhouse, say)).ok).toBe(false);
    expect((await store.digest("book_top")).rows).toBe(0);
  }, 300_000);

  it("tca daily gives cost by side, and each order's record as CSV and Parquet [B093 B094]", async () => {
    const clickhouse = stores.clickhouseUrl;
    await using store = openRepository(clickhouse);
    await store.migrate(0);
    await store.migrate();
    await loadClickHouse(openWal(wal), store, join(home, "tca-ledger"));
    const day = new Date(Number(startNs / 1_000_000n)).toISOString().slice(0, 10);
    const rows = await overDay("tca", clickhouse, day, null);
    expect(rows.map(({ side }) => side)).toEqual(["BUY", "SELL"]);
    const orders = await overDay("best-execution", clickhouse, day, null);
    const out = join(home, "orders.csv");
    await overDay("best-execution", clickhouse, day, out);
    const lines = readFileSync(out, "utf8").trimEnd().split("\n");
    expect(lines).toHaveLength(orders.length + 1);
    await overDay("best-execution", clickhouse, day, join(home, "orders.parquet"));
    const magic = readFileSync(join(home, "orders.parquet")).subarray(0, 4).toString();
    expect(magic).toBe("PAR1");
    await expect(overDay("tca", clickhouse, day, "x.xls")).rejects.toThrow(".csv or .parquet");
    const ran = await new Promise<string>((done) => {
      const main = fileURLToPath(new URL("../main.ts", import.meta.url));
      const args = [main, "tca", "daily", "--clickhouse", clickhouse, "--day", day, "--json"];
      execFile(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], (_, text) =>
        done(text),
      );
    });
    expect(JSON.parse(ran)).toHaveLength(2);
  }, 300_000);

  it("bench load gives both sides in rounds of one run, with one fsync on both", async () => {
    const result = await benchLoad({ rows: 3_000, rounds: 1, seed: 1, say });
    expect(result.checks.map(({ name }) => name)).toEqual(["vs_prepared", "queryable_ms_p99"]);
    expect(result.figures["loader_rows_per_s"]).toHaveLength(1);
    expect(result.figures["prepared_native_rows_per_s"]).toHaveLength(1);
    expect(Number(result.figures["queryable_of"])).toBeGreaterThan(5_000);
  }, 300_000);
});

function* all(dir: string) {
  const wal = walUntil(openWal(dir), {});
  let at = { segment: wal.first() ?? 1, offset: 0 };
  for (;;) {
    const found = wal.read(at);
    if (found === null || found === "damaged") return;
    if (found === "end") at = { segment: at.segment + 1, offset: 0 };
    else {
      yield* found.block.records;
      at = found.next;
    }
  }
}

const digests = (dir: string) => walDigests(openWal(dir), decodeEnvelope);
