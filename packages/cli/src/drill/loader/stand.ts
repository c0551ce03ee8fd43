/** What one round of the loader drill runs on: a WAL that is being written, its databases behind proxies, two loaders. */

import { mkdirSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type EmbeddedClickHouse,
  type OwnPostgres,
  openRelational,
  openRepository,
  type RelationalStore,
  type Repository,
  startEmbeddedClickHouse,
} from "@tidegate/storage";
import {
  type Fate,
  type FaultProxy,
  httpOk,
  isInsert,
  pgCommit,
  pgCommitted,
  startFaultProxy,
} from "@tidegate/wal-loader/testing/fault-proxy";
import { recordStandDay } from "./day.ts";
import { LoaderProcess, owns, type Said } from "./process.ts";

const POLL_MS = 20;
/** Silence that ends a claim: short, so that many can end, and longer than a busy machine keeps a process waiting. */
export const CLAIM_MS = 1_000;
const UP_MS_MAX = 300_000;
const LOADED_MS_MAX = 300_000;
const LOOK_MS = 10;
/** Between two questions to the stores, whose answers are work for them. */
export const STORE_LOOK_MS = 50;

export const SLOTS = [0, 1] as const;
export type Slot = (typeof SLOTS)[number];
export const otherOf = (slot: Slot): Slot => (slot === 0 ? 1 : 0);

/** Writes the WAL of a stand until it is told to stop, which it answers when the WAL is at rest. */
export interface DayWriter {
  stop(): Promise<void>;
}

export interface StandOptions {
  /** Program of the loaders. */
  readonly main: string;
  /** Folder of everything the stand writes; a temporary one where it is not given. */
  readonly home?: string;
  /** Starts the writer; in this process where it is not given. */
  readonly writer?: (home: string, seed: number) => DayWriter;
  /** Where the order path goes; none = a SQLite file of the round. */
  readonly postgres: OwnPostgres | null;
  readonly seed: number;
  /** Name of the round, for a database of its own. */
  readonly name: string;
}

function writerHere(home: string, seed: number): DayWriter {
  const stop = new AbortController();
  const done = recordStandDay(home, seed, { powerSafe: false, signal: stop.signal });
  // Its failure is told by whoever waits for its end.
  done.catch(() => {});
  return {
    stop() {
      stop.abort();
      return done;
    },
  };
}

/** Waits until something holds. @throws Error naming it, with `why` */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  msMax: number,
  why: () => string = () => "",
  lookMs: number = LOOK_MS,
): Promise<void> {
  const end = performance.now() + msMax;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${msMax} ms ${why()}`);
    await sleep(lookMs);
  }
}

export class Stand implements AsyncDisposable {
  readonly home: string;
  readonly loaders: [LoaderProcess | null, LoaderProcess | null] = [null, null];
  /** Next fate of an insert of each loader, and of a commit; each is used once. */
  readonly fates: [Fate | null, Fate | null] = [null, null];
  commitFate: Fate | null = null;
  /** Told of each insert that is on its way to ClickHouse. */
  onInsert: (() => void) | null = null;
  removed: Promise<void> = Promise.resolve();
  readonly #options: StandOptions;
  readonly #closing: (() => Promise<void>)[] = [];
  #server: EmbeddedClickHouse | null = null;
  #port = 0;
  #writer: DayWriter | null = null;
  #proxies: [FaultProxy, FaultProxy] | null = null;
  commitProxy: FaultProxy | null = null;
  #databaseUrls = { direct: "", loaders: "" };

  private constructor(options: StandOptions) {
    this.#options = options;
    this.home = options.home ?? mkdtempSync(join(tmpdir(), "tg-dl-"));
    mkdirSync(this.home, { recursive: true });
  }

  /** Starts databases, proxies and the writer of the WAL; loaders are started by themselves. */
  static async open(options: StandOptions): Promise<Stand> {
    const stand = new Stand(options);
    try {
      await stand.#open();
      return stand;
    } catch (error) {
      await stand[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #open(): Promise<void> {
    await this.startClickHouse();
    this.#closing.push(async () => this.#server?.kill());
    const proxyOf = (slot: Slot): Promise<FaultProxy> =>
      startFaultProxy(this.#port, {
        isWork: isInsert,
        isDone: httpOk,
        fate: () => {
          const fate = this.fates[slot] ?? "passes";
          this.fates[slot] = null;
          this.onInsert?.();
          return fate;
        },
      });
    this.#proxies = [await proxyOf(0), await proxyOf(1)];
    for (const proxy of this.#proxies) this.#closing.push(async () => proxy[Symbol.asyncDispose]());
    await this.#openRelational();
    const { seed, writer = writerHere } = this.#options;
    const day = writer(this.home, seed);
    this.#writer = day;
    this.#closing.push(() => day.stop().catch(() => {}));
    this.#closing.push(async () => {
      for (const loader of this.loaders) await loader?.end("SIGKILL");
    });
  }

  async #openRelational(): Promise<void> {
    const { postgres, name } = this.#options;
    if (postgres === null) {
      const url = `sqlite:${join(this.home, "orders.db")}`;
      this.#databaseUrls = { direct: url, loaders: url };
      return;
    }
    await using server = openRelational(postgres.url);
    await server.command(`CREATE DATABASE ${name}`);
    const url = new URL(postgres.url);
    url.pathname = `/${name}`;
    this.commitProxy = await startFaultProxy(Number(url.port), {
      isWork: pgCommit,
      isDone: pgCommitted,
      fate: () => {
        const fate = this.commitFate ?? "passes";
        this.commitFate = null;
        return fate;
      },
    });
    const proxy = this.commitProxy;
    this.#closing.push(async () => proxy[Symbol.asyncDispose]());
    const direct = url.href;
    url.port = String(proxy.port);
    this.#databaseUrls = { direct, loaders: url.href };
  }

  /** Starts ClickHouse on the round's data, on the same port each time. */
  async startClickHouse(): Promise<void> {
    const started = await startEmbeddedClickHouse({
      dataDir: join(this.home, "clickhouse"),
      ...(this.#port === 0 ? {} : { httpPort: this.#port }),
    });
    if (started.kind === "absent") throw new Error(started.remedy);
    this.#server = started;
    this.#port = Number(new URL(started.url).port);
  }

  async killClickHouse(): Promise<void> {
    await this.#server?.kill();
  }

  get walDir(): string {
    return join(this.home, "wal");
  }

  get clickhouseUrl(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get databaseUrl(): string {
    return this.#databaseUrls.direct;
  }

  proxy(slot: Slot): FaultProxy {
    if (this.#proxies === null) throw new Error("the stand is not open");
    return this.#proxies[slot];
  }

  get insertsUnderWay(): number {
    return this.proxy(0).underWay + this.proxy(1).underWay;
  }

  start(slot: Slot): void {
    const { main } = this.#options;
    this.loaders[slot] = new LoaderProcess(main, join(this.home, `loader-${slot}`), [
      ...["--wal-dir", this.walDir, "--loader-dir", join(this.home, "shared")],
      ...["--clickhouse-url", `http://127.0.0.1:${this.proxy(slot).port}`],
      ...["--database-url", this.#databaseUrls.loaders],
      ...["--poll-ms", String(POLL_MS), "--claim-ms", String(CLAIM_MS)],
      ...["--die-with-parent", "true"],
    ]);
  }

  loader(slot: Slot): LoaderProcess {
    const loader = this.loaders[slot];
    if (loader === null) throw new Error(`loader ${slot} was not started`);
    return loader;
  }

  async ask(): Promise<[Said | null, Said | null]> {
    return Promise.all([this.loader(0).ask(), this.loader(1).ask()]);
  }

  words(): string {
    return SLOTS.map((slot) => `loader ${slot}: ${this.loader(slot).words.slice(-1_500)}`).join(
      "\n",
    );
  }

  /** Waits until both answer and at least one has the turn and works. */
  async bothUp(): Promise<void> {
    await until(
      "two loaders, one of them at work",
      async () => {
        for (const slot of SLOTS)
          if (!this.loader(slot).running)
            throw new Error(`a loader ended by itself\n${this.words()}`);
        const said = await this.ask();
        return (
          said.every((each) => each !== null && each.state !== "STARTING") &&
          said.some((each) => owns(each) && each?.state === "RUNNING")
        );
      },
      UP_MS_MAX,
      () => this.words(),
    );
  }

  /** The loader whose turn it is. */
  async owner(): Promise<Slot> {
    let found: Slot = 0;
    await until(
      "a loader at work",
      async () => {
        const said = await this.ask();
        found = owns(said[0]) ? 0 : 1;
        return said.some((each) => owns(each));
      },
      UP_MS_MAX,
      () => this.words(),
    );
    return found;
  }

  /** Ends the writing; the WAL is at rest after it. */
  async stopWriting(): Promise<void> {
    await this.#writer?.stop();
  }

  /** The stores, past the proxies. */
  stores(): { readonly clickhouse: Repository; readonly relational: RelationalStore } {
    return {
      clickhouse: openRepository(this.clickhouseUrl),
      relational: openRelational(this.databaseUrl),
    };
  }

  /** Waits until both stores have the WAL to its end. */
  async loaded(
    { clickhouse, relational }: ReturnType<Stand["stores"]>,
    lastWalSeq: number,
  ): Promise<void> {
    await until(
      `everything up to ${lastWalSeq} in both stores`,
      async () =>
        (await clickhouse.highestBlock().catch(() => 0)) >= lastWalSeq &&
        (await relational.position().catch(() => ({ walSeq: 0 }))).walSeq >= lastWalSeq,
      LOADED_MS_MAX,
      () => this.words(),
      STORE_LOOK_MS,
    );
  }

  /** Ends everything. Its files, thousands of small ones, go while the next round runs: `removed` says when they are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#closing.splice(0).reverse()) await each();
    this.removed = rm(this.home, { recursive: true, force: true, maxRetries: 5 });
    this.removed.catch(() => {});
  }
}
