import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  type EmbeddedClickHouse,
  findEmbedded,
  openRepository,
  startEmbeddedClickHouse,
} from "@tidegate/storage";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Loader } from "./loader.ts";
import { FakeWal } from "./testing/fake-wal.ts";
import { httpOk, isInsert, startFaultProxy } from "./testing/fault-proxy.ts";
import { REAL_WAL } from "./testing/real-wal.ts";

const found = findEmbedded();
if ("kind" in found) console.warn(`skipped: loading into a real ClickHouse: ${found.remedy}`);

describe.skipIf("kind" in found)("loading into a real ClickHouse (needs chdb)", () => {
  let dir: string;
  let server: EmbeddedClickHouse;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "loader-clickhouse-"));
    const started = await startEmbeddedClickHouse({ dataDir: join(dir, "data") });
    if (started.kind === "absent") throw new Error(started.remedy);
    server = started;
  });
  afterEach(async () => {
    await server.kill();
    rmSync(dir, { recursive: true, force: true });
  });

  const loader = (url: string, wal: FakeWal) => {
    const repository = openRepository(url);
    const current = new Loader({
      wal,
      repository,
      ledgerDir: join(dir, "loader"),
      nowNs: () => 0n,
      random: () => 0,
      pause: async () => {},
    });
    return { current, repository };
  };
  /** The whole WAL is in, each record once, and the checker finds no difference. */
  const proveComplete = async () => {
    const wal = new FakeWal(...REAL_WAL);
    const { current, repository } = loader(server.url, wal);
    const expected = wal.records.length;
    expect(await repository.records()).toBe(expected);
    expect(await current.completeness()).toEqual({
      complete: true,
      wal: expected,
      database: expected,
      differences: [],
      more: 0,
    });
    await repository[Symbol.asyncDispose]();
  };

  it("each record is in once though every third answer to an insert is lost after the commit [A37, B086]", async () => {
    let inserts = 0;
    await using proxy = await startFaultProxy(Number(new URL(server.url).port), {
      isWork: isInsert,
      isDone: httpOk,
      fate() {
        inserts += 1;
        return inserts % 3 === 0 ? "loses answer" : "passes";
      },
    });
    const wal = new FakeWal(...REAL_WAL);
    const total = wal.visible;
    wal.visible = 0;
    const { current, repository } = loader(`http://127.0.0.1:${proxy.port}`, wal);
    for (let steps = 0; steps < 1_000; steps += 1) {
      wal.visible = Math.min(total, wal.visible + 4);
      if (!(await current.step()) && wal.visible === total) break;
    }
    await repository[Symbol.asyncDispose]();
    expect(proxy.lost).toBeGreaterThan(3);
    expect(current.stats().retries).toBeGreaterThan(3);
    await proveComplete();
  });

  it("each record is in once though the loader is killed -9 again and again [A37, B058, B086]", async () => {
    const program = fileURLToPath(new URL("./testing/load-fake-wal.ts", import.meta.url));
    let kills = 0;
    for (let life = 0; life < 20; life += 1) {
      const child = spawn(process.execPath, [program, server.url, join(dir, "loader")], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = once(child, "close");
      let groups = 0;
      child.stdout.on("data", () => {
        groups += 1;
        // Between two groups or in the middle of one: the next insert is under way when this line arrives.
        if (kills < 4 && groups === 2) child.kill("SIGKILL");
      });
      const [code] = (await ended) as [number | null];
      if (code === 0) break;
      kills += 1;
    }
    expect(kills).toBe(4);
    await proveComplete();
  });

  it("the server stopped, slow, full, killed amid an insert: the loader waits, quarantines nothing for it, and each record is in once after each [A35]", async () => {
    const port = Number(new URL(server.url).port);
    let slowMs = 0;
    let onInsert = (): void => {};
    await using proxy = await startFaultProxy(port, {
      isWork: isInsert,
      isDone: httpOk,
      fate() {
        onInsert();
        return slowMs === 0 ? "passes" : sleep(slowMs);
      },
    });
    const again = async (): Promise<void> => {
      const started = await startEmbeddedClickHouse({ dataDir: join(dir, "data"), httpPort: port });
      if (started.kind === "absent") throw new Error(started.remedy);
      server = started;
    };
    const full = async (yes: boolean): Promise<void> => {
      // As on a full disk the server itself refuses each part, for want of room.
      for (const table of ["trade", "stream_gap", "quarantine", "wal_blocks"])
        await repository.command(
          `ALTER TABLE tidegate.${table} MODIFY SETTING min_free_disk_bytes_to_perform_insert = ${yes ? 2n ** 60n : 0n}`,
        );
    };
    const wal = new FakeWal(...REAL_WAL);
    wal.visible = 0;
    const troubles: string[] = [];
    await using repository = openRepository(server.url);
    await using behind = openRepository(`http://127.0.0.1:${proxy.port}`);
    const current = new Loader({
      wal,
      repository: behind,
      ledgerDir: join(dir, "loader"),
      nowNs: () => 0n,
      random: () => 0,
      pause: () => sleep(20),
      onTrouble: (error) => troubles.push(String(error)),
    });
    /** More of the WAL comes while the fault lasts; then it ends, and everything has to be there. */
    const phase = async (fault: () => Promise<void>, end: () => Promise<void>) => {
      wal.visible += 12;
      while (await current.step());
      await fault();
      troubles.length = 0;
      wal.visible += 3;
      for (let steps = 0; steps < 4; steps += 1) await current.step();
      const { state } = current.stats();
      const during = { state, troubles: [...troubles] };
      await end();
      while (await current.step());
      expect(await current.completeness()).toMatchObject({ complete: true, differences: [] });
      expect(current.stats()).toMatchObject({
        state: "RUNNING",
        quarantined: wal.records.filter(
          ({ walSeq }) => walSeq <= wal.visible * 10 && walSeq % 13 === 0,
        ).length,
      });
      return during;
    };
    const stopped = await phase(() => server.stop(), again);
    expect(stopped.state).toBe("DATABASE_DOWN");
    expect(stopped.troubles).toHaveLength(4);
    const slow = await phase(
      async () => {
        slowMs = 300;
      },
      async () => {
        slowMs = 0;
      },
    );
    expect(slow).toEqual({ state: "RUNNING", troubles: [] });
    const crammed = await phase(
      () => full(true),
      () => full(false),
    );
    expect(crammed.state).toBe("DATABASE_DOWN");
    expect(crammed.troubles.every((text) => /space|free/i.test(text))).toBe(true);
    let killed = Promise.resolve();
    const restarted = await phase(
      async () => {
        onInsert = () => {
          onInsert = () => {};
          killed = server.kill();
        };
      },
      async () => {
        await killed;
        await again();
      },
    );
    expect(restarted.state).toBe("DATABASE_DOWN");
    expect(wal.visible).toBe(60);
  }, 120_000);

  it("the checker finds a row that is missing", async () => {
    const wal = new FakeWal(...REAL_WAL);
    const { current, repository } = loader(server.url, wal);
    while (await current.step());
    const response = await fetch(`${server.url}/?mutations_sync=1`, {
      method: "POST",
      body: "DELETE FROM tidegate.trade WHERE wal_seq = 17",
    });
    expect(response.status).toBe(200);
    const result = await current.completeness();
    expect(result).toMatchObject({ complete: false, wal: 600, database: 599 });
    expect(result.differences).toHaveLength(1);
    await repository[Symbol.asyncDispose]();
  });
});
