/** The stores a command works on: those a person names, or three of its own in a folder that goes with them. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeEnvelope } from "@tidegate/contracts";
import {
  openRelational,
  openRepository,
  type RelationalStore,
  type Repository,
  startEmbeddedClickHouse,
  startOwnPostgres,
} from "@tidegate/storage";
import { Loader, RelationalLoader, type WalReader } from "@tidegate/wal-loader/load";

/** A failure that lasts this many tries is told; a command does not wait for ever as the service does. */
const TRIES_MAX = 5;

export type StoreName = "clickhouse" | "postgresql" | "sqlite";

export interface OwnStores extends AsyncDisposable {
  /** A short folder for whatever else the command needs. */
  readonly home: string;
  readonly clickhouseUrl: string;
  readonly clickhouse: Repository;
  readonly postgresqlUrl: string;
  readonly postgresql: RelationalStore;
  readonly sqlite: RelationalStore;
}

/**
 * Starts a ClickHouse and a PostgreSQL of the command's own and makes a SQLite file.
 *
 * Errors  Error with the remedy where one of them is not installed: a proof over two of three would be no proof
 */
export async function ownStores(): Promise<OwnStores> {
  const home = mkdtempSync(join(tmpdir(), "tg-st-"));
  const closing: (() => Promise<void>)[] = [
    async () => rmSync(home, { recursive: true, force: true }),
  ];
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).reverse()) await each();
  };
  try {
    const server = await startEmbeddedClickHouse({ dataDir: join(home, "clickhouse") });
    if (server.kind === "absent") throw new Error(server.remedy);
    closing.push(() => server.kill());
    const postgres = await startOwnPostgres();
    if (postgres.kind === "absent") throw new Error(postgres.remedy);
    closing.push(() => postgres.remove());
    const clickhouse = openRepository(server.url);
    closing.push(async () => clickhouse[Symbol.asyncDispose]());
    const postgresql = openRelational(postgres.url);
    closing.push(async () => postgresql[Symbol.asyncDispose]());
    const sqlite = openRelational(`sqlite:${join(home, "orders.db")}`);
    closing.push(async () => sqlite[Symbol.asyncDispose]());
    const urls = { clickhouseUrl: server.url, postgresqlUrl: postgres.url };
    return { home, ...urls, clickhouse, postgresql, sqlite, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Runs `act` with a short folder of its own that goes away after it. */
export async function withHome<T>(act: (home: string) => Promise<T>): Promise<T> {
  const home = mkdtempSync(join(tmpdir(), "tg-st-"));
  try {
    return await act(home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

export interface Loaded {
  readonly rows: number;
  readonly seconds: number;
}

/** Loads a whole WAL that has come to rest into ClickHouse. `ledgerDir` must be the store's own. */
export async function loadClickHouse(
  wal: WalReader,
  repository: Repository,
  ledgerDir: string,
): Promise<Loaded> {
  const began = performance.now();
  const loader = new Loader({
    wal,
    repository,
    ledgerDir,
    nowNs: () => BigInt(Date.now()) * 1_000_000n,
    random: Math.random,
    pause: (ms) => sleep(ms),
    onTrouble: patience,
  });
  while (await loader.step());
  if (loader.stats().state === "WAL_DAMAGED")
    throw new Error("a sealed segment of the WAL is damaged; see what walVerify says of it");
  return { rows: loader.stats().rows, seconds: (performance.now() - began) / 1_000 };
}

/** Loads the order path of a whole WAL that has come to rest into a relational store. */
export async function loadRelational(wal: WalReader, store: RelationalStore): Promise<Loaded> {
  const began = performance.now();
  const loader = new RelationalLoader({
    wal,
    store,
    decode: decodeEnvelope,
    random: Math.random,
    pause: (ms) => sleep(ms),
    onTrouble: patience,
  });
  while (await loader.step());
  const { rows, quarantined } = loader.stats();
  return { rows: rows + quarantined, seconds: (performance.now() - began) / 1_000 };
}

function patience(error: unknown, attempt: number): void {
  if (attempt >= TRIES_MAX) throw error;
}
