/** The loading itself: reads groups, inserts them, keeps the ledger. Repository, WAL, claim and clock are given. */

import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Recording, WAL_BLOCKS } from "@tidegate/storage";
import type { Claim } from "./claim.ts";
import {
  backoffMs,
  differences,
  type Ledger,
  type Position,
  parseLedger,
  readGroup,
  resume,
  type Slice,
  type Sliced,
  START,
  WalCount,
  type WalReader,
} from "./core.ts";
import { type Ends, GroupEnds } from "./ends.ts";
import { INSERTS_AT_ONCE_MAX, LEDGER_LEFT_MS, ROOM_BYTES, ROOMS_MAX } from "./limits.ts";
import { type Bounds, nextReady, type Ready } from "./next.ts";

export interface LoaderDeps {
  readonly wal: WalReader;
  readonly repository: Recording;
  /** Of the ledger and the group ends: one for all loaders of this WAL into this database. */
  readonly ledgerDir: string;
  /** Whose turn it is, where several loaders share a folder; without it this one always works. */
  readonly claim?: Claim;
  /** Where groups end; the folder's own where none are given. */
  readonly ends?: Ends;
  /** Wall clock, ns since the Unix epoch. */
  readonly nowNs: () => bigint;
  readonly random: () => number;
  /** Waits, or returns early when woken. */
  readonly pause: (ms: number) => Promise<void>;
  /** Of one group of a WAL in a folder; the loader's own where none are given. */
  readonly bounds?: Bounds;
  /** The rows of a group and its blocks are in. */
  readonly onLoaded?: (sliced: Sliced) => void;
  readonly onTrouble?: (error: unknown, attempt: number, waitMs: number) => void;
}

export interface LoaderStats {
  readonly state: "STARTING" | "RUNNING" | "STANDBY" | "DATABASE_DOWN" | "WAL_DAMAGED";
  /** Number of the claim this loader held last; 0 before the first, and where there are no claims. */
  readonly fence: number;
  /** Times another loader took the claim over while this one worked. */
  readonly fenced: number;
  /** Rows inserted by this process, quarantined ones among them. */
  readonly events: number;
  readonly rows: number;
  readonly quarantined: number;
  readonly groups: number;
  readonly retries: number;
  readonly lastWalSeq: number;
  /** Records read and not yet in. */
  readonly lag: number;
  readonly lagSeconds: number;
}

/** Another loader has taken over. */
class Fenced extends Error {}

/** Brings one WAL into one database, each record once. */
export class Loader {
  readonly #deps: LoaderDeps;
  /** Memory of groups that are in, for the next ones: buffers that come and go make the collector run again and again. */
  readonly #rooms: Buffer[] = [];
  readonly #roomOf = new WeakMap<Sliced, Buffer>();
  readonly #file: string;
  readonly #ends: Ends;
  #ledger: Ledger = START;
  #highest: ReadonlyMap<string, number> = new Map();
  #synced = false;
  #attempt = 0;
  #counts = { rows: 0, quarantined: 0, groups: 0, retries: 0, fenced: 0 };
  #standby = false;
  #lag = { records: 0, oldestNs: 0n };
  #damaged = false;
  #caughtUp = false;
  #migrated = false;
  /** The group after the one that is going in, being read while the server has that one. */
  #ahead: Promise<Ready | "nothing" | "damaged"> | null = null;
  /** The group before it, whose rows are in and whose blocks are going in: the ledger once they are. */
  #closing: {
    readonly sliced: Sliced;
    readonly after: Ledger;
    readonly done: Promise<void>;
  } | null = null;

  constructor(deps: LoaderDeps) {
    this.#deps = deps;
    mkdirSync(deps.ledgerDir, { recursive: true });
    this.#file = join(deps.ledgerDir, "ledger.json");
    this.#ends = deps.ends ?? new GroupEnds(join(deps.ledgerDir, "ends"));
    this.#tidy();
  }

  stats(): LoaderStats {
    const { records, oldestNs } = this.#lag;
    const state = this.#standby
      ? "STANDBY"
      : this.#damaged
        ? "WAL_DAMAGED"
        : this.#synced
          ? "RUNNING"
          : this.#attempt > 0
            ? "DATABASE_DOWN"
            : "STARTING";
    return {
      state,
      events: this.#counts.rows,
      ...this.#counts,
      fence: this.#deps.claim?.fence ?? 0,
      lastWalSeq: this.#ledger.lastWalSeq,
      lag: records,
      lagSeconds: records === 0 ? 0 : Number(this.#deps.nowNs() - oldestNs) / 1e9,
    };
  }

  /** Whether the last step came to the end of the WAL as it was then, and has it in. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  /**
   * Does one step: takes stock of the database where that is due, then loads one group. True when there may be more to do at
   * once. A database that fails is no error: it waits, with growing pauses, and takes stock again before it retries. While
   * another loader holds the claim there is nothing to do.
   */
  async step(): Promise<boolean> {
    this.#caughtUp = false;
    try {
      this.#checkClaim();
      if (!this.#synced) await this.#takeStock();
      return await this.#loadGroup();
    } catch (error) {
      this.#synced = false;
      if (error instanceof Fenced) {
        this.#standDown();
        return false;
      }
      this.#attempt += 1;
      this.#counts.retries += 1;
      const waitMs = backoffMs(this.#attempt, this.#deps.random());
      this.#deps.onTrouble?.(error, this.#attempt, waitMs);
      await this.#deps.pause(waitMs);
      return true;
    }
  }

  /** Right before each insert: what was read and decided earlier is no turn to write. */
  #checkClaim(): void {
    if (this.#deps.claim?.holds() === false) throw new Fenced();
    this.#standby = false;
  }

  #standDown(): void {
    if (!this.#standby && this.#counts.groups > 0) this.#counts.fenced += 1;
    this.#standby = true;
    this.#attempt = 0;
    this.#ahead = null;
    this.#lag = { records: 0, oldestNs: 0n };
  }

  /** What is in is asked of the tables themselves: the log of insert tokens does not survive a power cut, rows do. */
  async #takeStock(): Promise<void> {
    const { repository } = this.#deps;
    // It was sliced by what the tables were known to hold before.
    this.#ahead = null;
    // Nothing of ours may be under way while the tables are asked.
    await this.#closing?.done.catch(() => {});
    this.#closing = null;
    // A first failure is mostly a lost answer; only one that repeats may be a database that lost its tables.
    if (!this.#migrated || this.#attempt > 1) await repository.migrate();
    this.#migrated = true;
    // In this order: a block is in after its rows, so the tables hold at least what it says, also where another loader works.
    const block = await repository.highestBlock();
    this.#highest = new Map([...(await repository.highest()), [WAL_BLOCKS, block]]);
    // Another loader may have gone on from what this one knows.
    const own = [this.#ledger, this.#readLedger()].reduce((a, b) =>
      b.lastWalSeq >= a.lastWalSeq ? b : a,
    );
    this.#ledger = resume(own, block);
    await this.#carryOver(this.#ledger);
    const first = this.#deps.wal.first();
    if (first !== null) this.#ends.forget(first);
    this.#synced = true;
  }

  /** A ledger of an earlier version holds ends itself. */
  async #carryOver({ next, pendingTo, afterTo }: Ledger): Promise<void> {
    if (next.segment === 0 || pendingTo === null) return;
    const end = await this.#ends.agree(next, pendingTo);
    if (afterTo != null) await this.#ends.agree(end, afterTo);
  }

  /**
   * The rows of a group go in at once, its blocks after them: beside the rows of the next group, where that is at hand already,
   * and before its blocks. What `ledger.next` is after has rows and blocks in.
   */
  async #loadGroup(): Promise<boolean> {
    const ahead = this.#ahead;
    this.#ahead = null;
    let ready = ahead === null ? "nothing" : await ahead;
    // What was nothing while another group went in may be something now.
    if (ready === "nothing") ready = await this.#next(this.#ledger.next, this.#highest);
    this.#damaged = ready === "damaged";
    if (ready === "nothing" || ready === "damaged") {
      this.#lag = { records: 0, oldestNs: 0n };
      this.#caughtUp = true;
      return false;
    }
    const { to, sliced } = ready;
    this.#lag = { records: ready.records, oldestNs: ready.oldestNs };
    const before = this.#closing;
    const after: Ledger = { ...START, next: to, lastWalSeq: sliced.lastWalSeq };
    const highest = raised(this.#highest, sliced);
    if (ready.full) {
      this.#ahead = this.#next(to, highest);
      // Whoever takes it sees its failure; one that nobody takes is read again.
      this.#ahead.catch(() => {});
    }
    await all([this.#rows(sliced), before?.done]);
    if (before !== null) this.#isIn(before.sliced);
    this.#highest = highest;
    this.#attempt = 0;
    this.#counts.groups += 1;
    for (const { rows } of sliced.slices) this.#counts.rows += rows;
    for (const count of sliced.quarantined.values()) this.#counts.quarantined += count;
    const coming = await this.#ahead?.catch(() => null);
    if (typeof coming === "object" && coming !== null) {
      if (before !== null) this.#keep(before.after);
      const done = sliced.blocks === null ? Promise.resolve() : this.#insert(sliced.blocks);
      done.catch(() => {});
      this.#closing = { sliced, after, done };
    } else {
      this.#closing = null;
      if (sliced.blocks !== null) await this.#insert(sliced.blocks);
      this.#keep(after);
      this.#isIn(sliced);
      this.#caughtUp = !ready.full;
    }
    return true;
  }

  /** All of a group is acknowledged. One that failed, or may still be under way, never comes here: its memory is not used again. */
  #isIn(sliced: Sliced): void {
    const room = this.#roomOf.get(sliced);
    this.#roomOf.delete(sliced);
    if (room !== undefined && this.#rooms.length < ROOMS_MAX) this.#rooms.push(room);
    this.#deps.onLoaded?.(sliced);
  }

  async #rows({ slices }: Sliced): Promise<void> {
    for (const wave of waves(slices)) await inTurns(wave, (each) => this.#insert(each));
  }

  /** The group that begins there, to the end that counts for every loader. */
  async #next(
    next: Position,
    highest: ReadonlyMap<string, number>,
  ): Promise<Ready | "nothing" | "damaged"> {
    const { wal, bounds } = this.#deps;
    const first = next.segment === 0 ? wal.first() : next.segment;
    if (first === null) return "nothing";
    const from = next.segment === 0 ? { segment: first, offset: 0 } : next;
    const room = this.#rooms.pop() ?? Buffer.allocUnsafeSlow(ROOM_BYTES);
    const to = async (pendingTo: Position | null) => {
      const ready = await nextReady(
        wal,
        { ...START, next: from, pendingTo },
        highest,
        bounds,
        room,
      );
      if (typeof ready === "string") this.#rooms.push(room);
      else this.#roomOf.set(ready.sliced, room);
      return ready;
    };
    const known = this.#ends.find(from);
    const ready = await to(known);
    if (typeof ready === "string" || known !== null) return ready;
    const end = await this.#ends.agree(from, ready.to);
    return end.segment === ready.to.segment && end.offset === ready.to.offset ? ready : to(end);
  }

  async #insert({ table, token, body }: Slice): Promise<void> {
    this.#checkClaim();
    await this.#deps.repository.insert({ table, token, format: "Native", body });
  }

  #readLedger(): Ledger {
    try {
      return parseLedger(readFileSync(this.#file, "utf8"));
    } catch {
      return START;
    }
  }

  /** Whatever loader wrote it, and however late: what is before `next` is in. */
  #keep(ledger: Ledger): void {
    const written = `${this.#file}.${process.pid}.new`;
    writeFileSync(written, `${JSON.stringify(ledger)}\n`);
    renameSync(written, this.#file);
    this.#ledger = ledger;
  }

  #tidy(): void {
    const { ledgerDir } = this.#deps;
    for (const name of readdirSync(ledgerDir)) {
      const path = join(ledgerDir, name);
      const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (name.endsWith(".new") && age > LEDGER_LEFT_MS) rmSync(path, { force: true });
    }
  }

  /** Compares the whole WAL with the database, record by record count and hash; for a WAL that has come to rest. */
  async completeness(): Promise<{
    readonly complete: boolean;
    readonly wal: number;
    readonly database: number;
    readonly differences: readonly string[];
    readonly more: number;
  }> {
    const { wal, repository } = this.#deps;
    const counted = new WalCount();
    let records = 0;
    let ledger: Ledger = START;
    for (let group = readGroup(wal, ledger); group !== null; group = readGroup(wal, ledger)) {
      for (const block of group.blocks) {
        for (const record of block.records) counted.add(record);
        records += block.records.length;
      }
      ledger = { ...ledger, next: group.to };
      await new Promise((next) => setImmediate(next));
    }
    const inDatabase = await repository.counts();
    const { found, more } = differences(counted.counts(), inDatabase);
    const database = inDatabase.reduce((sum, { rows }) => sum + rows, 0);
    return {
      complete: found.length === 0 && counted.leftOff === 0,
      wal: records,
      database,
      differences: found,
      more,
    };
  }
}

function raised(
  highest: ReadonlyMap<string, number>,
  { slices, blocks }: Sliced,
): ReadonlyMap<string, number> {
  const next = new Map(highest);
  for (const { table, lastWalSeq } of blocks === null ? slices : [...slices, blocks])
    next.set(table, lastWalSeq);
  return next;
}

/** Slices that may go at once: those of one table go one after the other, so that its highest `wal_seq` says what is in. */
function waves(slices: readonly Slice[]): Slice[][] {
  const found: Slice[][] = [];
  const next = new Map<string, number>();
  for (const slice of slices) {
    const at = next.get(slice.table) ?? 0;
    next.set(slice.table, at + 1);
    const wave = found[at];
    if (wave === undefined) found.push([slice]);
    else wave.push(slice);
  }
  return found;
}

/** Runs `act` for all, some at once; rejects with the first failure after the others have settled. */
async function inTurns(
  each: readonly Slice[],
  act: (slice: Slice) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < each.length; at += INSERTS_AT_ONCE_MAX)
    await all(each.slice(at, at + INSERTS_AT_ONCE_MAX).map(act));
}

/** Waits for all; rejects with the first failure after the others have settled. */
async function all(under: readonly (Promise<void> | undefined)[]): Promise<void> {
  const settled = await Promise.allSettled(under);
  const failed = settled.find((each) => each.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
