/** One round of the loader drill: some cycles, each with one fault, over one WAL; then everything has to be there once. */

import { setTimeout as sleep } from "node:timers/promises";
import type { OwnPostgres } from "@tidegate/storage";
import type { Fate } from "@tidegate/wal-loader/testing/fault-proxy";
import { type Judged, judge, wantedOf } from "./judge.ts";
import type { Cycle } from "./plan.ts";
import { owns } from "./process.ts";
import { CLAIM_MS, otherOf, SLOTS, type Slot, Stand, until } from "./stand.ts";

/** A kill, a pause comes this long after the cycle's beginning at most. */
const MOMENT_MS = 200;
/** A restart's kill comes this long after an insert has gone to the server at most: while it works on it. */
const MID_INSERT_MS = 4;
/** Tries to meet the server in the middle of an insert. */
const MID_INSERT_TRIES = 40;
const FAULT_MS_MAX = 180_000;
/** How long two that both take themselves for the owner are given to find out: several looks at the claim. */
const SETTLE_MS = 10 * CLAIM_MS;

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

export interface Outcome extends Judged {
  readonly injected: Injected;
  /** Times two loaders both took themselves for the one whose turn it was, and did not find out. */
  readonly twoOwners: number;
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
  return { injected, twoOwners: round.twoOwners, ...(await judged(stand)) };
}

const sum = <T>(all: readonly T[], of: (each: T) => number): number =>
  all.reduce((total, each) => total + of(each), 0);

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
    const go = Promise.withResolvers<void>();
    let slot = await stand.owner();
    if (other) {
      // An insert is sent and waits on the way: it will reach the database behind those of its sender's successor.
      slot = await this.#nextInsert(go.promise);
    } else {
      await sleep(at * MOMENT_MS);
    }
    const [paused, next] = [stand.loader(slot), stand.loader(otherOf(slot))];
    const proxy = stand.proxy(slot);
    const [answered, done] = [proxy.answeredLate, proxy.doneLate];
    const before = await next.ask();
    const fence = other ? 0 : ((await paused.ask())?.fence ?? 0);
    paused.signal("SIGSTOP");
    let passed = false;
    try {
      await this.#until("a takeover from a paused loader", async () => {
        const said = await next.ask();
        passed = said !== null && said.fence > fence;
        return owns(said) && said?.state === "RUNNING" && said.groups > (before?.groups ?? 0);
      });
      await sleep(at * MOMENT_MS);
      if (other) {
        go.resolve();
        await this.#until("an answer to a late insert", () => proxy.answeredLate > answered);
        if (proxy.doneLate > done) this.#injected.late_insert += 1;
      }
    } finally {
      go.resolve();
      paused.signal("SIGCONT");
    }
    if (passed) this.#injected.pause_past_claim += 1;
    await this.#oneOwner();
  }

  /** Gives the next insert, whoever sends it, this fate, and says whose it was. */
  async #nextInsert(fate: Fate): Promise<Slot> {
    const { fates } = this.#stand;
    // Whose turn it is may change at any moment.
    for (const slot of SLOTS) fates[slot] = fate;
    await this.#until("an insert", () => SLOTS.some((slot) => fates[slot] === null));
    const found = fates[0] === null ? 0 : 1;
    for (const slot of SLOTS) fates[slot] = null;
    return found;
  }

  /** Gives inserts, or commits, one after the other a fate until one has met it: an insert that failed by itself has not. */
  async #untilMet(of: "insert" | "commit", fate: Fate, met: () => number): Promise<void> {
    const stand = this.#stand;
    const before = met();
    await this.#until(`${of}: ${String(fate)}`, async () => {
      if (met() > before) return true;
      if (of === "insert" && stand.insertsUnderWay === 0) await this.#nextInsert(fate);
      if (of === "commit") stand.commitFate ??= fate;
      return met() > before;
    });
    stand.commitFate = null;
  }

  /** The server does what it was asked, and the answer is lost. */
  async #loseAnswer({ other, swallowed }: Cycle): Promise<void> {
    const stand = this.#stand;
    const { commitProxy } = stand;
    const proxies = SLOTS.map((slot) => stand.proxy(slot));
    if (other && commitProxy !== null) {
      await this.#untilMet("commit", "loses answer", () => commitProxy.lost);
      this.#injected.timeout_after_commit_postgresql += 1;
      return;
    }
    if (!swallowed) {
      await this.#untilMet("insert", "loses answer", () => sum(proxies, (each) => each.lost));
      this.#injected.timeout_after_commit_clickhouse += 1;
      return;
    }
    const retries = async (): Promise<number> =>
      sum(await stand.ask(), (said) => said?.retries ?? 0);
    const before = await retries();
    await this.#untilMet("insert", "never answers", () => sum(proxies, (each) => each.swallowed));
    await this.#until("the loader's own time-out", async () => (await retries()) > before);
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

/** Waits until both stores have everything, ends the loaders and looks. */
export async function judged(stand: Stand): Promise<Judged & Pick<Outcome, "walRecords">> {
  const { walDir, clickhouseUrl, databaseUrl } = stand;
  const wanted = await wantedOf(walDir);
  const stores = stand.stores();
  await using clickhouse = stores.clickhouse;
  await using relational = stores.relational;
  await stand.loaded(stores, wanted.lastWalSeq);
  // Nothing may be on its way any more when the rows are counted.
  for (const slot of SLOTS) await stand.loaders[slot]?.end("SIGKILL");
  await until("no insert under way", () => stand.insertsUnderWay === 0, FAULT_MS_MAX);
  const judging = { walDir, clickhouseUrl, databaseUrl, clickhouse, relational };
  return { ...(await judge(judging, wanted)), walRecords: wanted.lastWalSeq };
}
