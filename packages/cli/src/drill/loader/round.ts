/** One round of the loader drill: some cycles, each with one fault, over one WAL; then everything has to be there once. */

import { setTimeout as sleep } from "node:timers/promises";
import type { OwnPostgres } from "@tidegate/storage";
import { verifyStores } from "../../store/verify.ts";
import type { Cycle } from "./plan.ts";
import { owns } from "./process.ts";
import { clickhouseRows, type Found, relationalRows, wantedOf } from "./rows.ts";
import { CLAIM_MS, otherOf, SLOTS, Stand, until } from "./stand.ts";

/** A kill, a pause comes this long after the cycle's beginning at most. */
const MOMENT_MS = 200;
/** A restart's kill comes this long after an insert has gone to the server at most: while it works on it. */
const MID_INSERT_MS = 4;
/** Tries to meet the server in the middle of an insert. */
const MID_INSERT_TRIES = 40;
const FAULT_MS_MAX = 20_000;
/** How long two that both take themselves for the owner are given to find out: several looks at the claim. */
const SETTLE_MS = 20 * CLAIM_MS;

/** What was injected, each counted where it had its effect. */
export interface Injected {
  kill: number;
  pause_past_claim: number;
  /** Inserts of a paused loader that the database did after another had taken over. */
  late_insert: number;
  timeout_after_commit_clickhouse: number;
  timeout_after_commit_postgresql: number;
  /** Answers that never came: the loader's own time was out. */
  answer_never_came: number;
  two_at_once: number;
  database_restart_mid_insert: number;
}

export const NOTHING_INJECTED: Injected = {
  kill: 0,
  pause_past_claim: 0,
  late_insert: 0,
  timeout_after_commit_clickhouse: 0,
  timeout_after_commit_postgresql: 0,
  answer_never_came: 0,
  two_at_once: 0,
  database_restart_mid_insert: 0,
};

export interface Outcome {
  readonly injected: Injected;
  /** Times two loaders both took themselves for the one whose turn it was, and did not find out. */
  readonly twoOwners: number;
  readonly clickhouse: Found;
  readonly relational: Found;
  /** Streams and tables the completeness checker found unequal. */
  readonly unequal: number;
  readonly differences: readonly string[];
  readonly walRecords: number;
  /** The round's files are gone. */
  readonly removed: Promise<void>;
}

export interface RoundOptions {
  readonly main: string;
  readonly postgres: OwnPostgres | null;
  readonly name: string;
  readonly seed: number;
  readonly cycles: readonly Cycle[];
}

/** Runs the cycles and judges what is there after them. @throws Error when loaders or databases do not come back at all */
export async function runRound(options: RoundOptions): Promise<Outcome> {
  const stand = await Stand.open(options);
  try {
    const outcome = await runOn(stand, options.cycles);
    await stand[Symbol.asyncDispose]();
    return { ...outcome, removed: stand.removed };
  } catch (error) {
    await stand[Symbol.asyncDispose]();
    await stand.removed;
    throw error;
  }
}

async function runOn(stand: Stand, cycles: readonly Cycle[]): Promise<Omit<Outcome, "removed">> {
  const injected: Injected = { ...NOTHING_INJECTED };
  const round = new Round(stand, injected);
  for (const slot of SLOTS) stand.start(slot);
  await stand.bothUp();
  for (const cycle of cycles) await round.cycle(cycle);
  await stand.bothUp();
  await stand.stopWriting();
  return { injected, twoOwners: round.twoOwners, ...(await judge(stand)) };
}

class Round {
  readonly #stand: Stand;
  readonly #injected: Injected;
  twoOwners = 0;

  constructor(stand: Stand, injected: Injected) {
    this.#stand = stand;
    this.#injected = injected;
  }

  async cycle(cycle: Cycle): Promise<void> {
    switch (cycle.fault) {
      case "kill":
        return this.#kill(cycle);
      case "pause":
        return this.#pause(cycle);
      case "lost_answer":
        return this.#loseAnswer(cycle);
      case "two_at_once":
        return this.#twoAtOnce(cycle);
      case "database_restart":
        return this.#restartDatabase(cycle);
    }
  }

  /** The one at work is killed at a moment of no meaning, and started again. */
  async #kill({ at }: Cycle): Promise<void> {
    const stand = this.#stand;
    const slot = await stand.owner();
    await sleep(at * MOMENT_MS);
    await stand.loader(slot).end("SIGKILL");
    this.#injected.kill += 1;
    stand.start(slot);
  }

  /** The one at work is stopped, amid an insert or anywhere, until the other has its turn and has loaded; then it wakes. */
  async #pause({ at, other }: Cycle): Promise<void> {
    const stand = this.#stand;
    await stand.bothUp();
    const slot = await stand.owner();
    const paused = stand.loader(slot);
    const let_ = Promise.withResolvers<void>();
    const late = stand.proxy(slot).doneLate;
    if (other) {
      // Its insert is sent and waits on the way: it will reach the database behind those of its successor.
      stand.fates[slot] = let_.promise;
      await this.#until("an insert to hold back", () => stand.fates[slot] === null);
    } else {
      await sleep(at * MOMENT_MS);
    }
    paused.signal("SIGSTOP");
    try {
      await this.#until("a takeover from a paused loader", async () => {
        const said = await stand.loader(otherOf(slot)).ask();
        return owns(said) && said?.state === "RUNNING" && said.groups > 0;
      });
      await sleep(at * MOMENT_MS);
      if (other) {
        let_.resolve();
        await this.#until("a late insert", () => stand.proxy(slot).doneLate > late);
        this.#injected.late_insert += 1;
      }
    } finally {
      let_.resolve();
      paused.signal("SIGCONT");
    }
    this.#injected.pause_past_claim += 1;
    await this.#oneOwner();
  }

  /** The server does what it was asked, and the answer is lost. */
  async #loseAnswer({ other, swallowed }: Cycle): Promise<void> {
    const stand = this.#stand;
    const { commitProxy } = stand;
    if (other && commitProxy !== null) {
      const lost = commitProxy.lost;
      stand.commitFate = "loses answer";
      await this.#until("a lost answer to a commit", () => commitProxy.lost > lost);
      this.#injected.timeout_after_commit_postgresql += 1;
      return;
    }
    const slot = await stand.owner();
    const proxy = stand.proxy(slot);
    if (!swallowed) {
      const lost = proxy.lost;
      stand.fates[slot] = "loses answer";
      await this.#until("a lost answer to an insert", () => proxy.lost > lost);
      this.#injected.timeout_after_commit_clickhouse += 1;
      return;
    }
    const { swallowed: before } = proxy;
    const retries = (await stand.loader(slot).ask())?.retries ?? 0;
    stand.fates[slot] = "never answers";
    await this.#until("a swallowed answer", () => proxy.swallowed > before);
    await this.#until(
      "the loader's own time-out",
      async () => ((await stand.loader(slot).ask())?.retries ?? 0) > retries,
    );
    this.#injected.timeout_after_commit_clickhouse += 1;
    this.#injected.answer_never_came += 1;
  }

  /** One is told to stop, the other killed, and two are started in the same moment. */
  async #twoAtOnce({ at }: Cycle): Promise<void> {
    const stand = this.#stand;
    await stand.bothUp();
    const slot = await stand.owner();
    const killed = at < 0.5 ? slot : otherOf(slot);
    await Promise.all(
      SLOTS.map((each) => stand.loader(each).end(each === killed ? "SIGKILL" : "SIGTERM")),
    );
    for (const each of SLOTS) stand.start(each);
    await stand.bothUp();
    this.#injected.two_at_once += 1;
    await this.#oneOwner();
  }

  /** The server is killed while it works on an insert, and started again on what it left. */
  async #restartDatabase({ at }: Cycle): Promise<void> {
    const stand = this.#stand;
    let mid = false;
    for (let attempt = 0; !mid && attempt < MID_INSERT_TRIES; attempt += 1) {
      const began = Promise.withResolvers<void>();
      stand.onInsert = () => began.resolve();
      const late = setTimeout(() => began.reject(new Error("no insert came")), FAULT_MS_MAX);
      await began.promise;
      clearTimeout(late);
      stand.onInsert = null;
      await sleep(at * MID_INSERT_MS);
      mid = stand.insertsUnderWay > 0;
    }
    await stand.killClickHouse();
    if (mid) this.#injected.database_restart_mid_insert += 1;
    await stand.startClickHouse();
  }

  /** Two may take themselves for the owner until the one has looked at the claim; not longer. */
  async #oneOwner(): Promise<void> {
    const end = performance.now() + SETTLE_MS;
    for (;;) {
      const said = await this.#stand.ask();
      if (said.every((each) => each !== null) && !said.every(owns)) return;
      if (performance.now() > end) break;
      await sleep(10);
    }
    this.twoOwners += 1;
  }

  #until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    return until(what, holds, FAULT_MS_MAX, () => this.#stand.words());
  }
}

/** Holds both stores against the WAL: record by record, and by the completeness checker. */
export async function judge(
  stand: Stand,
): Promise<Omit<Outcome, "injected" | "twoOwners" | "removed">> {
  const wanted = await wantedOf(stand.walDir);
  const stores = stand.stores();
  await using clickhouse = stores.clickhouse;
  await using relational = stores.relational;
  await stand.loaded(stores, wanted.lastWalSeq);
  // Nothing may be on its way any more when the rows are counted.
  for (const slot of SLOTS) await stand.loaders[slot]?.end("SIGKILL");
  await until("no insert under way", () => stand.insertsUnderWay === 0, FAULT_MS_MAX);
  const verified = await verifyStores({
    wal: stand.walDir,
    clickhouse: stand.clickhouseUrl,
    database: stand.databaseUrl,
    until: {},
    say: () => {},
  });
  const differences = Object.values(
    verified.figures["differences"] as Readonly<Record<string, readonly string[]>>,
  ).flat();
  return {
    clickhouse: await clickhouseRows(wanted, clickhouse),
    relational: await relationalRows(wanted, relational),
    unequal: verified.checks.reduce((sum, { value }) => sum + value, 0),
    differences,
    walRecords: wanted.lastWalSeq,
  };
}
