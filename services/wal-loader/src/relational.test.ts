import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeEnvelope, encodeEnvelope } from "@tidegate/contracts";
import {
  findPostgres,
  openPostgres,
  openSqlite,
  type RelationalStore,
  startOwnPostgres,
} from "@tidegate/storage";
import { flowRows } from "@tidegate/storage/flow";
import { describe, expect, it } from "vitest";
import type { Position, WalReader } from "./core.ts";
import { walDigests, walUntil } from "./digest.ts";
import { batchOf, RelationalLoader } from "./relational.ts";
import { FakeWal } from "./testing/fake-wal.ts";
import { FLOW, flowWal } from "./testing/flow-wal.ts";

const rows = [...flowRows(FLOW)];

const load = async (wal: WalReader, store: RelationalStore): Promise<RelationalLoader> => {
  const loader = new RelationalLoader({
    wal,
    store,
    decode: decodeEnvelope,
    random: () => 0,
    pause: async () => {},
  });
  while (await loader.step());
  return loader;
};

const held = async (store: RelationalStore, wal: WalReader): Promise<void> => {
  const { relational } = await walDigests(wal, decodeEnvelope);
  for (const [table, digest] of relational)
    expect([table, await store.digest(table)]).toEqual([table, digest]);
};

describe("the order path in a relational store", () => {
  it("holds what the WAL says, to the last byte, and nothing of market data", async () => {
    await using store = openSqlite(":memory:");
    const wal = flowWal();
    const loader = await load(wal, store);
    await held(store, wal);
    expect(loader.stats()).toMatchObject({
      state: "RUNNING",
      lastWalSeq: rows.length,
      quarantined: 0,
    });
    const { clickhouse, records } = await walDigests(wal, decodeEnvelope);
    expect(records).toBe(rows.length);
    const all = [...clickhouse.values()].reduce((sum, each) => sum + each.rows, 0);
    expect(all).toBe(rows.length);
  });

  it("while another loader holds the claim it takes no lock of the store and loads nothing; then it goes on where that one was [A33]", async () => {
    await using store = openSqlite(":memory:");
    let own = false;
    let asked = 0;
    const watched = new Proxy(store, {
      get(target, name) {
        asked += 1;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const loader = new RelationalLoader({
      wal: flowWal(),
      store: watched,
      decode: decodeEnvelope,
      claim: { fence: 1, holds: () => own },
      random: () => 0,
      pause: async () => {},
    });
    expect(await loader.step()).toBe(false);
    expect([loader.stats().state, asked]).toEqual(["STANDBY", 0]);
    await load(
      flowWal(() => 40),
      store,
    );
    own = true;
    while (await loader.step());
    await held(store, flowWal());
    expect(loader.stats()).toMatchObject({ state: "RUNNING", lastWalSeq: rows.length });
  });

  it("what is no envelope, and a text no relational store holds, goes to quarantine as it stands", async () => {
    await using store = openSqlite(":memory:");
    const wal = new FakeWal(1, 4, 50);
    await load(wal, store);
    await held(store, wal);
    const bad = wal.records.filter(({ walSeq }) => walSeq % 13 === 0).length;
    expect((await store.digest("quarantine")).rows).toBe(bad);
    const report = rows.find(({ envelope }) => envelope.payload.kind === "report");
    if (report === undefined) throw new Error("the flow has no report");
    const { envelope, place } = report;
    const value = { ...(envelope.payload.value as object), venueText: "a\0b" };
    const payload = encodeEnvelope({
      ...envelope,
      payload: { kind: "report", value },
    } as typeof envelope);
    const block = { segment: 1, block: 0, crc: 0, records: [{ ...place, payload }] };
    const at: Position = { segment: 1, offset: 0 };
    const { records, quarantined } = batchOf(
      { from: at, to: at, blocks: [block], full: false },
      decodeEnvelope,
    );
    expect([records.length, quarantined[0]?.reason]).toEqual([0, "NUL_IN_TEXT"]);
  });

  it("up to a moment: holds the records before it and none after, though the clock went back [B064]", async () => {
    const bound = rows[700]?.place.tsNs as bigint;
    const cut = () => walUntil(flowWal(), { tsNs: bound });
    await using store = openSqlite(":memory:");
    await load(cut(), store);
    await held(store, cut());
    const until = rows.findIndex(({ place }) => place.tsNs > bound);
    expect((await store.position()).walSeq).toBe(until);
    const { records } = await walDigests(walUntil(flowWal(), { walSeq: 33 }), decodeEnvelope);
    expect(records).toBe(33);
    const back = walUntil(
      {
        first: () => 1,
        read: ({ offset }) =>
          offset >= 3
            ? null
            : {
                block: {
                  segment: 1,
                  block: offset,
                  crc: 0,
                  records: [10n, 30n, 20n].slice(offset, offset + 1).map((tsNs) => ({
                    ...(rows[0] as (typeof rows)[number]).place,
                    walSeq: offset + 1,
                    tsNs,
                    payload: new Uint8Array(),
                  })),
                },
                next: { segment: 1, offset: offset + 1 },
              },
      },
      { tsNs: 25n },
    );
    expect([0, 1, 2].map((offset) => back.read({ segment: 1, offset }) !== null)).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("each record is in once though the loader is killed -9 again and again (SQLite)", async () => {
    const folder = mkdtempSync(join(tmpdir(), "relational-"));
    await killed(`sqlite:${join(folder, "orders.db")}`, 2);
    await using store = openSqlite(join(folder, "orders.db"));
    await held(store, flowWal());
    rmSync(folder, { recursive: true });
  }, 60_000);
});

const found = findPostgres();

describe.skipIf("kind" in found)("loading into a real PostgreSQL (needs PostgreSQL)", () => {
  it("each record is in once though the loader is killed -9; counts and sums agree [B058]", async () => {
    const server = await startOwnPostgres();
    if (server.kind === "absent") throw new Error(server.remedy);
    await killed(server.url, 2);
    await using store = openPostgres(server.url);
    await held(store, flowWal());
    const [row] = await store.query("SELECT sum(qty_lots) AS lots FROM fill");
    const lots = rows.reduce((sum, { envelope: { payload } }) => {
      return payload.kind === "fill" ? sum + payload.value.qtyLots : sum;
    }, 0);
    expect(Number(row?.["lots"])).toBe(lots);
    await server.remove();
  }, 120_000);
});

/** Loads in processes of their own, the first `kills` of them killed after their second group. */
async function killed(url: string, kills: number): Promise<void> {
  const program = fileURLToPath(new URL("./testing/load-flow-wal.ts", import.meta.url));
  for (let life = 0; ; life += 1) {
    const child = spawn(process.execPath, [program, url], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "close");
    let groups = 0;
    child.stdout.on("data", () => {
      groups += 1;
      if (life < kills && groups === 2) child.kill("SIGKILL");
    });
    const [code] = (await ended) as [number | null];
    if (life >= kills) {
      expect(code).toBe(0);
      return;
    }
    expect(code).toBeNull();
  }
}
