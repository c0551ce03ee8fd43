/** The order path into a relational store: groups of the WAL, each in one transaction with the position after it. */

import type { Decoded } from "@tidegate/contracts";
import {
  type Batch,
  keepable,
  type LoadPosition,
  RELATIONAL_TABLES,
  type RelationalKind,
  type RelationalStore,
} from "@tidegate/storage";
import type { Claim } from "./claim.ts";
import {
  backoffMs,
  type Group,
  isCapture,
  payloadHash,
  readGroup,
  START,
  type WalReader,
} from "./core.ts";
import { REASON_CHARS_MAX } from "./limits.ts";

/**
 * What of a group is kept relationally. A record that is no envelope goes to quarantine, and so does one with a NUL in a text,
 * which a relational store cannot hold.
 */
export function batchOf(group: Group, decode: (payload: Uint8Array) => Decoded): Batch {
  const records: Batch["records"][number][] = [];
  const quarantined: Batch["quarantined"][number][] = [];
  let [firstWalSeq, lastWalSeq] = [0, 0];
  for (const block of group.blocks) {
    for (const record of block.records) {
      if (firstWalSeq === 0) firstWalSeq = record.walSeq;
      lastWalSeq = record.walSeq;
      if (isCapture(record)) continue;
      const decoded = decode(record.payload);
      const { payload, ...rest } = record;
      const place = () => ({ ...rest, payloadHash: payloadHash(payload) });
      if (!decoded.ok) {
        const { code, field } = decoded.refusal;
        const reason = `${code} ${field}`.slice(0, REASON_CHARS_MAX);
        quarantined.push({ place: place(), reason, payload });
        continue;
      }
      const { envelope } = decoded;
      const table = RELATIONAL_TABLES[envelope.payload.kind as RelationalKind];
      if (table === undefined) continue;
      const row = { place: place(), envelope };
      if (keepable(table, row)) records.push(row);
      else quarantined.push({ place: row.place, reason: "NUL_IN_TEXT", payload });
    }
  }
  const { segment, offset } = group.to;
  return { firstWalSeq, to: { walSeq: lastWalSeq, segment, offset }, records, quarantined };
}

export interface RelationalLoaderDeps {
  readonly wal: WalReader;
  readonly store: RelationalStore;
  readonly decode: (payload: Uint8Array) => Decoded;
  /** Whose turn it is, where several loaders share a folder: the others then do not wait for each other's locks. */
  readonly claim?: Claim;
  readonly random: () => number;
  readonly pause: (ms: number) => Promise<void>;
  readonly onLoaded?: (batch: Batch) => void;
  readonly onTrouble?: (error: unknown, attempt: number, waitMs: number) => void;
}

export interface RelationalStats {
  readonly state: "STARTING" | "RUNNING" | "STANDBY" | "DATABASE_DOWN";
  readonly rows: number;
  readonly quarantined: number;
  readonly retries: number;
  readonly lastWalSeq: number;
}

/** Brings the order path of one WAL into one relational store, each record once: what is in is what the store says. */
export class RelationalLoader {
  readonly #deps: RelationalLoaderDeps;
  /** null = to be asked of the store. */
  #at: LoadPosition | null = null;
  #attempt = 0;
  #standby = false;
  #caughtUp = false;
  #counts = { rows: 0, quarantined: 0, retries: 0 };

  constructor(deps: RelationalLoaderDeps) {
    this.#deps = deps;
  }

  stats(): RelationalStats {
    const state = this.#standby
      ? "STANDBY"
      : this.#at !== null
        ? "RUNNING"
        : this.#attempt > 0
          ? "DATABASE_DOWN"
          : "STARTING";
    return { state, ...this.#counts, lastWalSeq: this.#at?.walSeq ?? 0 };
  }

  /** Whether the last step came to the end of the WAL as it was then, and has it in. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  /** Loads one group; true when there may be more to do at once. A store that fails is waited for, with growing pauses. */
  async step(): Promise<boolean> {
    const { wal, store, decode } = this.#deps;
    this.#caughtUp = false;
    try {
      this.#standby = this.#deps.claim?.holds() === false;
      if (this.#standby) {
        this.#at = null;
        this.#attempt = 0;
        return false;
      }
      if (this.#at === null) {
        await store.migrate();
        this.#at = await store.position();
      }
      const { segment, offset } = this.#at;
      const group = readGroup(wal, { ...START, next: { segment, offset } });
      if (group === null) {
        this.#caughtUp = true;
        return false;
      }
      const batch = batchOf(group, decode);
      if ((await store.insert(batch)) === "held") {
        // Another loader was faster.
        this.#at = await store.position();
        return true;
      }
      this.#at = batch.to;
      this.#attempt = 0;
      this.#counts.rows += batch.records.length;
      this.#counts.quarantined += batch.quarantined.length;
      this.#deps.onLoaded?.(batch);
      this.#caughtUp = !group.full;
      return true;
    } catch (error) {
      this.#at = null;
      this.#attempt += 1;
      this.#counts.retries += 1;
      const waitMs = backoffMs(this.#attempt, this.#deps.random());
      this.#deps.onTrouble?.(error, this.#attempt, waitMs);
      await this.#deps.pause(waitMs);
      return true;
    }
  }
}
