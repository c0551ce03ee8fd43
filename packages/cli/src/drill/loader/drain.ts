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
  /** From the start of the process until both stores have it, in each pass: the first finds the machine's caches cold. */
  readonly seconds: readonly [cold: number, warm: number];
}

/** Records a backlog, then starts one loader on it, into ClickHouse and SQLite; twice, each time into empty stores. */
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
    await using clickhouse = openRepository(server.url);
    const pass = async (name: string): Promise<{ seconds: number; databaseUrl: string }> => {
      const databaseUrl = `sqlite:${join(home, `${name}.db`)}`;
      await using relational = openRelational(databaseUrl);
      const began = performance.now();
      const loader = new LoaderProcess(main, join(home, name), [
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
        return { seconds: (performance.now() - began) / 1_000, databaseUrl };
      } finally {
        await loader.end("SIGKILL");
      }
    };
    const cold = await pass("cold");
    await clickhouse.migrate(0);
    const warm = await pass("warm");
    await using relational = openRelational(warm.databaseUrl);
    const { databaseUrl } = warm;
    const judged = await judge(
      { walDir, clickhouseUrl: server.url, databaseUrl, clickhouse, relational },
      wanted,
    );
    return { ...judged, rows: await clickhouse.records(), seconds: [cold.seconds, warm.seconds] };
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
}
