/** How fast one loader brings a backlog in. */

import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRelational, openRepository, startEmbeddedClickHouse } from "@tidegate/storage";
import { recordDay } from "../../store/record.ts";
import { type Judged, judge, wantedOf } from "./judge.ts";
import { LoaderProcess } from "./process.ts";
import { STORE_LOOK_MS, until } from "./stand.ts";

/** Mostly market data, as a real day is. */
const MARKET_PER_ORDER = 60;
/** 60 touches, a trade after each third of them, and 68 journal records for each seven orders. */
const RECORDS_PER_ORDER = 60 + 20 + 68 / 7;
const DRAIN_MS_MAX = 300_000;

export interface Drained extends Judged {
  /** Rows in ClickHouse when the backlog is in. */
  readonly rows: number;
  /** From the start of the process, both stores. */
  readonly seconds: number;
}

/** Records a backlog, then starts one loader on it, into ClickHouse and SQLite. */
export async function drain(main: string, records: number, seed: number): Promise<Drained> {
  const home = mkdtempSync(join(tmpdir(), "tg-dl-"));
  try {
    const { walDir } = await recordDay(home, {
      seed,
      orders: Math.ceil(records / RECORDS_PER_ORDER),
      marketPerOrder: MARKET_PER_ORDER,
      startNs: BigInt(Date.now()) * 1_000_000n,
      stepNs: 1_000_000n,
    });
    const wanted = await wantedOf(walDir);
    const server = await startEmbeddedClickHouse({ dataDir: join(home, "clickhouse") });
    if (server.kind === "absent") throw new Error(server.remedy);
    await using _server = { [Symbol.asyncDispose]: () => server.kill() };
    const databaseUrl = `sqlite:${join(home, "orders.db")}`;
    await using clickhouse = openRepository(server.url);
    await using relational = openRelational(databaseUrl);
    const began = performance.now();
    const loader = new LoaderProcess(main, join(home, "loader"), [
      ...["--wal-dir", walDir, "--clickhouse-url", server.url, "--database-url", databaseUrl],
      ...["--die-with-parent", "true"],
    ]);
    try {
      await until(
        "the backlog in both stores",
        async () => {
          if (!loader.running) throw new Error(`the loader ended by itself: ${loader.words}`);
          const { lastWalSeq } = wanted;
          return (
            (await clickhouse.highestBlock().catch(() => 0)) >= lastWalSeq &&
            (await relational.position().catch(() => ({ walSeq: 0 }))).walSeq >= lastWalSeq
          );
        },
        DRAIN_MS_MAX,
        () => loader.words,
        STORE_LOOK_MS,
      );
    } finally {
      await loader.end("SIGKILL");
    }
    const seconds = (performance.now() - began) / 1_000;
    const urls = { walDir, clickhouseUrl: server.url, databaseUrl };
    const judged = await judge({ ...urls, clickhouse, relational }, wanted);
    return { ...judged, rows: await clickhouse.records(), seconds };
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
}
