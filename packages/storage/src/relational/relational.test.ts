import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { flowRows, intentIdOf, lifeOf } from "../flow.ts";
import { BATCH_ROWS_MAX, PARTITION_MONTHS_AHEAD } from "../limits.ts";
import type { AuditRow, RecordRow } from "../tables.ts";
import { type Dialect, relationalMigrations, typeOf } from "./migrations.ts";
import { openPostgres } from "./postgres.ts";
import { findPostgres, type OwnPostgres, startOwnPostgres } from "./server.ts";
import { openSqlite } from "./sqlite.ts";
import { type Batch, type RelationalStore, retentionBound } from "./store.ts";
import {
  APPEND_ONLY,
  idText,
  RELATIONAL_AUDIT,
  RELATIONAL_KINDS,
  RELATIONAL_TABLES,
  type RelationalKind,
  relationalText,
} from "./tables.ts";

/** 2026-11-30 23:59:50 UTC: the day goes on into the next month. */
const START_NS = 1_796_083_190_000_000_000n;
const FLOW = { seed: 7, orders: 140, marketPerOrder: 3, startNs: START_NS, stepNs: 1_000_000_000n };
const ROWS = [...flowRows(FLOW)];
const isKept = ({ envelope }: RecordRow): boolean =>
  (RELATIONAL_KINDS as readonly string[]).includes(envelope.payload.kind);
const KEPT = ROWS.filter(isKept);

const batch = (from: number, to: number): Batch => ({
  firstWalSeq: from,
  to: { walSeq: to, segment: 1, offset: to * 100 },
  records: KEPT.filter(({ place }) => place.walSeq >= from && place.walSeq <= to),
  quarantined: [],
});

function audit(seq: number): AuditRow {
  const hash = createHash("sha256").update(`audit ${seq}`).digest("hex");
  return {
    seq,
    tsNs: START_NS + BigInt(seq),
    monoNs: BigInt(seq),
    epoch: 1,
    actor: "risk-officer",
    action: "LIMITS_TIGHTENED",
    beforeHash: hash,
    afterHash: hash,
    reason: "ä\t\\ tab and backslash\r\n",
    prev: "",
    hash,
  };
}

/** The digest of a table from the rows themselves: no store, no SQL. */
function expected(kind: RelationalKind, rows: readonly RecordRow[]) {
  const table = RELATIONAL_TABLES[kind];
  const own = rows.filter(({ envelope }) => envelope.payload.kind === kind);
  const hash = own.reduce((sum, row) => {
    const text = relationalText(table, row);
    const first = createHash("md5").update(text).digest().readBigUInt64BE(0);
    return BigInt.asUintN(64, sum + first);
  }, 0n);
  return { rows: own.length, hash };
}

interface Fresh {
  readonly store: RelationalStore;
  /** A second connection to the same data. */
  again(): RelationalStore;
  remove(): Promise<void>;
}

/** One suite for both: what differs is how a fresh store is made. */
function suite(dialect: Dialect, fresh: () => Promise<Fresh>): void {
  let made: Fresh;
  let store: RelationalStore;
  beforeEach(async () => {
    made = await fresh();
    store = made.store;
  });
  afterEach(() => made.remove());
  const tables = async (): Promise<number> => (await store.columns()).length;

  it("goes up, down and up again, every version by itself, and keeps its rows on the way up [A36 B056]", async () => {
    const head = relationalMigrations(dialect).length;
    expect(await store.version()).toBe(0);
    await store.migrate();
    expect(await store.version()).toBe(head);
    const first = await store.columns();
    await store.migrate(0);
    expect([await store.version(), await tables()]).toEqual([0, 0]);
    for (let version = 1; version <= head; version += 1) {
      await store.migrate(version);
      expect(await store.version()).toBe(version);
      await store.migrate(version - 1);
      await store.migrate(version);
      if (version === 1) await store.insert(batch(1, 400));
    }
    expect(await store.columns()).toEqual(first);
    const kept = KEPT.filter(({ place }) => place.walSeq <= 400);
    expect(await store.digest("fill")).toEqual(expected("fill", kept));
    await expect(store.migrate(head + 1)).rejects.toThrow(`want 0 to ${head}`);
    await store.command("INSERT INTO schema_migrations VALUES (99, 'of the future', 0)");
    await expect(store.migrate()).rejects.toThrow("run the version of Tidegate that made it");
  });

  it("has exactly the columns its writers write [A36 B056]", async () => {
    await store.migrate();
    const wanted = APPEND_ONLY.flatMap(({ name: table, columns }) =>
      columns.map(({ name, type }) => ({ table, name, type: typeOf(dialect, type) })),
    );
    const sorted = (all: readonly { table: string; name: string }[]) =>
      [...all].sort((a, b) => (a.table + a.name < b.table + b.name ? -1 : 1));
    expect(sorted(await store.columns())).toEqual(sorted(wanted));
  });

  it("a column that a later contract adds comes with the next migration, old rows with its zero", async () => {
    await store.migrate();
    await store.insert(batch(1, 400));
    await store.command("ALTER TABLE fill DROP COLUMN maker");
    await store.migrate();
    const [row] = await store.query("SELECT count(*) AS n FROM fill WHERE NOT maker");
    expect(Number(row?.["n"])).toBeGreaterThan(0);
    await store.insert(batch(401, ROWS.length));
  });

  it("gives every record back as it was written, and any change of any row changes its digest [B058]", async () => {
    await store.migrate();
    await store.insert(batch(1, ROWS.length));
    for (const kind of RELATIONAL_KINDS)
      expect([kind, await store.digest(RELATIONAL_TABLES[kind].name)]).toEqual([
        kind,
        expected(kind, KEPT),
      ]);
    const order = 1;
    expect(lifeOf(order)).toBe("filled in two");
    const [found] = await store.query(
      "SELECT state, cum_qty_lots, qty_lots, account_id FROM orders WHERE intent_id = :id",
      { id: idText(intentIdOf(order)) },
    );
    expect(found).toMatchObject({ state: "FILLED", account_id: 1n });
    expect(found?.["cum_qty_lots"]).toBe(found?.["qty_lots"]);
    const [text] = await store.query(
      "SELECT venue_text FROM report WHERE kind = 'REJECT' ORDER BY wal_seq LIMIT 1",
    );
    expect(text?.["venue_text"]).toBe("margin\tis\\insufficient\n");
    const [held] = await store.query("SELECT holder FROM command ORDER BY wal_seq LIMIT 1");
    expect(BigInt.asUintN(64, held?.["holder"] as bigint)).toBe(0xf000_0000_0000_0001n);
  });

  it("takes a piece of the WAL once, however often and however cut it comes, and refuses a hole [A33 B058]", async () => {
    await store.migrate();
    expect(await store.position()).toEqual({ walSeq: 0, segment: 0, offset: 0 });
    expect(await store.insert(batch(1, 300))).toBe("inserted");
    expect(await store.insert(batch(1, 300))).toBe("held");
    expect(await store.insert(batch(200, 500))).toBe("inserted");
    expect(await store.position()).toEqual({ walSeq: 500, segment: 1, offset: 50_000 });
    await expect(store.insert(batch(502, 600))).rejects.toThrow(
      "up to 500, the piece begins at 502",
    );
    const both = await Promise.allSettled([
      store.insert(batch(501, ROWS.length)),
      made.again().insert(batch(501, ROWS.length)),
    ]);
    const done = both.map((each) => (each.status === "fulfilled" ? each.value : "failed"));
    expect(done.filter((each) => each === "inserted")).toHaveLength(1);
    const streams = await store.counts();
    expect(streams.reduce((sum, { rows }) => sum + rows, 0)).toBe(KEPT.length);
    const xor = KEPT.reduce((all, { place }) => all ^ place.payloadHash, 0n);
    expect(streams).toMatchObject([{ stream: "gateway.journal", epoch: 1, hash: xor }]);
  });

  it("a batch goes in whole or not at all", async () => {
    await store.migrate();
    const whole = batch(1, 300);
    const [one] = whole.records;
    const twice = { ...whole, records: [...whole.records, one as RecordRow] };
    await expect(store.insert(twice)).rejects.toThrow();
    expect((await store.position()).walSeq).toBe(0);
    expect(await store.counts()).toEqual([]);
    const huge = Array.from({ length: BATCH_ROWS_MAX + 1 }, () => one as RecordRow);
    await expect(store.insert({ ...whole, records: huge })).rejects.toThrow("want at most");
  });

  it("changes and deletes no record of the order path and of the audit, whoever asks [B060]", async () => {
    await store.migrate();
    await store.insert(batch(1, 300));
    expect(await store.appendAudit([audit(1), audit(2)])).toBe(2);
    expect(await store.appendAudit([audit(2), audit(3)])).toBe(1);
    for (const sql of [
      "UPDATE audit_log SET actor = 'nobody'",
      "DELETE FROM audit_log WHERE seq = 2",
      "UPDATE fill SET px_ticks = px_ticks + 1",
      "DELETE FROM intent_reply",
    ])
      await expect(store.command(sql), sql).rejects.toThrow("append-only");
    const found = await store.query("SELECT seq, reason FROM audit_log ORDER BY seq");
    expect(found).toEqual([1n, 2n, 3n].map((seq) => ({ seq, reason: audit(1).reason })));
    const table = RELATIONAL_AUDIT;
    const hash = [1, 2, 3].reduce((sum, seq) => {
      const text = relationalText(table, audit(seq));
      return sum + createHash("md5").update(text).digest().readBigUInt64BE(0);
    }, 0n);
    expect(await store.digest("audit_log")).toEqual({ rows: 3, hash: BigInt.asUintN(64, hash) });
  });

  it("gives up records only after seven years [B062]", async () => {
    await store.migrate();
    await store.insert(batch(1, ROWS.length));
    const year = 366n * 86_400_000_000_000n;
    await expect(store.retain(START_NS - 1n, START_NS + 6n * year)).rejects.toThrow("7 years");
    const before = KEPT.length;
    // Seven years after the turn of the month: November goes, December stays.
    const december = 1_796_083_200_000_000_000n;
    const now = december + 7n * year;
    expect(retentionBound(now)).toBe(december);
    const november = KEPT.filter(({ place }) => place.tsNs < december).length;
    expect(november).toBeGreaterThan(0);
    expect(await store.retain(december, now)).toBe(november);
    const rows = (await store.counts()).reduce((sum, each) => sum + each.rows, 0);
    expect(rows).toBe(before - november);
    await expect(store.command("DELETE FROM fill")).rejects.toThrow("append-only");
  });
}

const RACERS = 6;
const RACES = 20;

/** A thread that opens and migrates file after file, each in the same instant as the others do; what went wrong. */
function raced(folder: string, started: Int32Array): Promise<string[]> {
  const code = `const { workerData: { url, folder, started, racers }, parentPort } = require("node:worker_threads");
import(url).then(async ({ openSqlite }) => {
  const wrong = [];
  for (let file = 0; file < started.length; file += 1) {
    Atomics.add(started, file, 1);
    while (Atomics.load(started, file) < racers);
    try {
      const store = openSqlite(folder + "/" + file);
      await store.migrate();
      await store[Symbol.asyncDispose]();
    } catch (error) { wrong.push(String(error)); }
  }
  parentPort.postMessage(wrong);
});`;
  const url = new URL("./sqlite.ts", import.meta.url).href;
  const worker = new Worker(code, {
    eval: true,
    workerData: { url, folder, started, racers: RACERS },
  });
  return new Promise((settle, fail) => worker.once("message", settle).once("error", fail));
}

describe("SQLite", () => {
  suite("sqlite", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tidegate-sqlite-"));
    const path = join(folder, "orders.db");
    const opened = [openSqlite(path)];
    return {
      store: opened[0] as RelationalStore,
      again() {
        const other = openSqlite(path);
        opened.push(other);
        return other;
      },
      async remove() {
        for (const each of opened) await each[Symbol.asyncDispose]();
        rmSync(folder, { recursive: true });
      },
    };
  });

  it("opened and made by several at once on a fresh file, each waits for the other", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tidegate-race-"));
    const started = new Int32Array(new SharedArrayBuffer(4 * RACES));
    const each = Array.from({ length: RACERS }, () => raced(folder, started));
    expect((await Promise.all(each)).flat()).toEqual([]);
    rmSync(folder, { recursive: true });
  });
});

const found = findPostgres();
if ("kind" in found) console.warn(`skipped: PostgreSQL: ${found.remedy}`);

describe.skipIf("kind" in found)("PostgreSQL (needs PostgreSQL)", () => {
  let server: OwnPostgres;
  let databases = 0;
  beforeAll(async () => {
    const started = await startOwnPostgres();
    if (started.kind === "absent") throw new Error(started.remedy);
    server = started;
  });
  afterAll(() => server.remove());
  const fresh = async (options = {}): Promise<Fresh> => {
    databases += 1;
    const name = `t${databases}`;
    await using admin = openPostgres(server.url);
    await admin.command(`CREATE DATABASE ${name}`);
    const url = server.url.replace(/postgres$/, name);
    const opened = [openPostgres(url, options)];
    return {
      store: opened[0] as RelationalStore,
      again() {
        const other = openPostgres(url, options);
        opened.push(other);
        return other;
      },
      async remove() {
        for (const each of opened) await each[Symbol.asyncDispose]();
      },
    };
  };
  suite("postgresql", fresh);

  it("has the partitions of this month and the next quarter made before a record needs them [B056]", async () => {
    const { store, remove } = await fresh();
    await store.migrate();
    const partitions = await store.partitions();
    const now = new Date();
    for (let ahead = 0; ahead <= PARTITION_MONTHS_AHEAD; ahead += 1) {
      const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead));
      const name = month.toISOString().slice(0, 7).replace("-", "");
      for (const table of APPEND_ONLY) expect(partitions).toContain(`${table.name}_${name}`);
    }
    await store.insert(batch(1, ROWS.length));
    for (const month of ["202611", "202612"]) {
      const [row] = await store.query(`SELECT count(*) AS n FROM fill_${month}`);
      expect(Number(row?.["n"])).toBeGreaterThan(0);
    }
    await expect(store.command("TRUNCATE fill")).rejects.toThrow("append-only");
    await expect(store.command("TRUNCATE fill_202612")).rejects.toThrow("append-only");
    await remove();
  });

  it("with every connection taken it holds some callers, refuses the rest at once, and recovers [B065]", async () => {
    const { store, remove } = await fresh({ connectionsMax: 2, waitingMax: 3, waitMsMax: 200 });
    const slow = [1, 2].map(() => store.query("SELECT pg_sleep(1)"));
    const held = [1, 2, 3].map(() => store.query("SELECT 1 AS one"));
    await expect(store.query("SELECT 2 AS two")).rejects.toThrow("3 callers wait");
    const settled = await Promise.allSettled(held);
    for (const each of settled)
      expect(String((each as PromiseRejectedResult).reason)).toContain("within 200 ms");
    await Promise.all(slow);
    expect(await store.query("SELECT 3 AS three")).toEqual([{ three: 3n }]);
    await remove();
  });

  it("a replica lags by what it lacks; promoted after its primary died, the loading goes on from the last record it has [B063]", async () => {
    const primary = await startOwnPostgres();
    if (primary.kind === "absent") throw new Error(primary.remedy);
    const store = openPostgres(primary.url);
    await store.migrate();
    await store.insert(batch(1, 300));
    const replica = await startOwnPostgres(primary.url);
    if (replica.kind === "absent") throw new Error(replica.remedy);
    const copy = openPostgres(replica.url);
    await store.insert(batch(301, 600));
    const lagBytes = async (): Promise<number> => {
      const lag = "pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint";
      const [row] = await store.query(`SELECT ${lag} AS lag FROM pg_stat_replication`);
      return Number(row?.["lag"] ?? Number.NaN);
    };
    await vi.waitFor(async () => expect(await lagBytes()).toBe(0), { timeout: 20_000 });
    expect((await copy.position()).walSeq).toBe(600);
    await expect(copy.insert(batch(601, 900))).rejects.toThrow("read-only");
    // Cut off from its primary, it has not what was acknowledged since.
    await copy[Symbol.asyncDispose]();
    await replica.stop();
    await store.insert(batch(601, 900));
    expect((await store.position()).walSeq).toBe(900);
    await primary.kill();
    await replica.start();
    const promoted = openPostgres(replica.url);
    expect(await promoted.query("SELECT pg_promote(true, 30) AS done")).toEqual([{ done: true }]);
    expect((await promoted.position()).walSeq).toBe(600);
    // The WAL has it all: what the primary took with it is loaded again, what is there is not.
    expect(await promoted.insert(batch(1, 600))).toBe("held");
    await promoted.insert(batch(601, ROWS.length));
    const rows = (await promoted.counts()).reduce((sum, each) => sum + each.rows, 0);
    expect(rows).toBe(KEPT.length);
    await promoted[Symbol.asyncDispose]();
    // Its server is gone.
    await Promise.resolve(store[Symbol.asyncDispose]()).catch(() => {});
    await Promise.all([primary.remove(), replica.remove()]);
  }, 90_000);

  it("what it acknowledged is there after kill -9, and the loading goes on after it [B058]", async () => {
    // A server of its own: after a crash it syncs every file of every database there is.
    const own = await startOwnPostgres();
    if (own.kind === "absent") throw new Error(own.remedy);
    const store = openPostgres(own.url);
    await store.migrate();
    await store.insert(batch(1, 300));
    const under = store.insert(batch(301, ROWS.length)).catch(() => "failed");
    await own.kill();
    await under;
    await own.start();
    const at = (await store.position()).walSeq;
    expect([300, ROWS.length]).toContain(at);
    await store.insert(batch(301, ROWS.length));
    const rows = (await store.counts()).reduce((sum, each) => sum + each.rows, 0);
    expect(rows).toBe(KEPT.length);
    await store[Symbol.asyncDispose]();
    await own.remove();
  }, 60_000);
});
