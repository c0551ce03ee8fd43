/**
 * Which of several loaders of one WAL works. Files of a folder, one for each claim ever made, named by its number, the fence:
 * whoever makes the next one holds the claim, and nobody else can make that one. No file is locked and none is waited for, so a
 * process that is stopped at any moment keeps nobody out. That no record is loaded twice does not depend on it.
 */

import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { CLAIM_BUSY, CLAIMS_KEPT } from "./limits.ts";

/** What a loader asks right before each insert. */
export interface Claim {
  /** Whether it is still this process's turn, as the folder says now. */
  holds(): boolean;
  /** Number of the claim held last; 0 before the first. */
  readonly fence: number;
}

/** A claim that is kept alive, and given up at the end. */
export interface TendedClaim extends Claim {
  /** Renews the claim that is held, or takes one that is free or was silent for too long. To be called several times in `silentMs`. */
  tend(): boolean;
  /** Gives it up, so that another need not wait. */
  release(): void;
}

/** The process that made a claim, where the system can tell whether it is still there. */
interface Holder {
  readonly pid: number;
  /** Ticks since the system's start: a number is used again for another process. */
  readonly started: string;
  /** The machine and its space of process numbers in which `pid` is one. */
  readonly system: string;
}

const FREE = "free\n";
const NAME = /^\d{12}$/;
const nameOf = (fence: number): string => String(fence).padStart(12, "0");

/** State and start of a process by proc(5); null where it cannot be read. */
function statOf(pid: number | "self"): { readonly state: string; readonly started: string } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name of the program may hold anything; what follows its last bracket are fields 3 and on.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", started: fields[19] ?? "" };
  } catch {
    return null;
  }
}

/** Whether no process has this number, also where those of others are hidden from /proc. */
function nobody(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** null where there is no /proc: then a holder is judged by its silence alone. */
function self(): Holder | null {
  const stat = statOf("self");
  if (stat === null) return null;
  // Where numbers of processes mean the same ones: a folder may be shared by machines, and by containers of one.
  const system = `${hostname()} ${readlinkSync("/proc/self/ns/pid")}`;
  return { pid: process.pid, started: stat.started, system };
}

export interface ClaimOptions {
  /** Of the claims, the same for all loaders of a WAL; it is made. */
  readonly dir: string;
  /** A holder that was silent this long is taken over; one that is seen to run, `CLAIM_BUSY` times as long: it may be busy. */
  readonly silentMs: number;
  /** A clock that never goes back. */
  readonly nowMs: () => number;
}

export class FencedClaim implements TendedClaim {
  readonly #options: ClaimOptions;
  readonly #self = self();
  #held = false;
  #fence = 0;
  /** The newest claim of another, its last sign of life, and since when that is the last. */
  #watched = { fence: -1, beat: 0n, sinceMs: 0 };

  constructor(options: ClaimOptions) {
    this.#options = options;
    mkdirSync(options.dir, { recursive: true });
  }

  get fence(): number {
    return this.#fence;
  }

  holds(): boolean {
    if (this.#held && this.#newest() !== this.#fence) this.#held = false;
    return this.#held;
  }

  tend(): boolean {
    if (this.holds()) {
      this.#beat();
      return true;
    }
    const newest = this.#newest();
    return newest === 0 || this.#over(newest) ? this.#take(newest) : false;
  }

  release(): void {
    // Its number is spent: whoever comes next takes the one after it.
    if (this.holds()) this.#make(this.#fence + 1, FREE);
    this.#held = false;
  }

  #path(fence: number): string {
    return join(this.#options.dir, nameOf(fence));
  }

  #all(): number[] {
    return readdirSync(this.#options.dir)
      .filter((name) => NAME.test(name))
      .map(Number);
  }

  #newest(): number {
    return this.#all().reduce((highest, each) => Math.max(highest, each), 0);
  }

  #beat(): void {
    const now = new Date();
    try {
      utimesSync(this.#path(this.#fence), now, now);
    } catch {
      // Taken over and tidied up between the two looks: the next one sees it.
    }
  }

  /** Whether the newest claim, another's, counts no more. */
  #over(fence: number): boolean {
    const { nowMs, silentMs } = this.#options;
    let text: string;
    let beat: bigint;
    try {
      text = readFileSync(this.#path(fence), "latin1");
      beat = statSync(this.#path(fence), { bigint: true }).mtimeNs;
    } catch {
      return false;
    }
    const holder = this.#look(text);
    if (text === FREE || holder === "gone") return true;
    if (this.#watched.fence !== fence || this.#watched.beat !== beat) {
      this.#watched = { fence, beat, sinceMs: nowMs() };
      return false;
    }
    const enoughMs = holder === "runs" ? silentMs * CLAIM_BUSY : silentMs;
    return nowMs() - this.#watched.sinceMs >= enoughMs;
  }

  /** What can be seen of the process that made a claim: that it is gone, or that it runs, neither stopped nor dead. */
  #look(text: string): "gone" | "runs" | "unknown" {
    try {
      const { pid, started, system } = JSON.parse(text) as Holder;
      if (system !== this.#self?.system || !Number.isSafeInteger(pid) || pid < 1) return "unknown";
      if (nobody(pid)) return "gone";
      const now = statOf(pid);
      if (now === null) return "unknown";
      if (now.started !== started || now.state === "Z" || now.state === "X") return "gone";
      return now.state === "T" || now.state === "t" ? "unknown" : "runs";
    } catch {
      // Killed before it had written who it is.
      return "unknown";
    }
  }

  #take(newest: number): boolean {
    const fence = newest + 1;
    if (!this.#make(fence, `${JSON.stringify(this.#self)}\n`)) return false;
    // Long after the look at the folder this may be a number that others have passed and tidied away.
    this.#held = this.#newest() === fence;
    if (!this.#held) return false;
    this.#fence = fence;
    for (const old of this.#all().filter((each) => each <= fence - CLAIMS_KEPT))
      rmSync(this.#path(old), { force: true });
    return true;
  }

  /** Makes the file of a claim; false where another was faster. */
  #make(fence: number, text: string): boolean {
    let file: number;
    try {
      file = openSync(this.#path(fence), "wx");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    }
    writeSync(file, text);
    closeSync(file);
    return true;
  }
}
