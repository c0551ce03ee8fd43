import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One process to keep alive. */
export interface ProcessSpec {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

export interface Exit {
  readonly name: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The exit followed a kill or stop this supervisor made. */
  readonly asked: boolean;
}

/** First wait before a restart; doubled at each restart in a row. */
export const BACKOFF_MS_MIN = 100;
/** Longest wait before a restart. */
export const BACKOFF_MS_MAX = 5_000;
/** A process that lived this long starts again with the first wait. */
export const HEALTHY_MS = 10_000;
/** More restarts of one process than this in a run end the run. */
export const RESTARTS_MAX = 20;

/** The wait before the n-th restart in a row (n from 0). */
export function backoffMs(restartsInARow: number): number {
  return Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(restartsInARow, 16));
}

interface Slot {
  readonly spec: ProcessSpec;
  child: ChildProcess | null;
  startedMs: number;
  restartsInARow: number;
  restarts: number;
  unasked: number;
  stopping: boolean;
  killAsked: boolean;
  timer: NodeJS.Timeout | null;
  pids: number[];
}

/** Starts processes, restarts those that die, and stops them in order. All of them run in `cwd`. */
export class Supervisor {
  readonly #slots = new Map<string, Slot>();
  readonly #cwd: string;
  readonly #onExit: (exit: Exit) => void;

  constructor(cwd: string, onExit: (exit: Exit) => void) {
    this.#cwd = cwd;
    this.#onExit = onExit;
  }

  start(spec: ProcessSpec): void {
    const slot: Slot = {
      spec,
      child: null,
      startedMs: 0,
      restartsInARow: 0,
      restarts: 0,
      unasked: 0,
      stopping: false,
      killAsked: false,
      timer: null,
      pids: [],
    };
    this.#slots.set(spec.name, slot);
    this.#spawn(slot);
  }

  #spawn(slot: Slot): void {
    const [file, ...args] = slot.spec.command;
    const log = openSync(this.logPath(slot.spec.name), "a");
    slot.timer = null;
    slot.killAsked = false;
    slot.startedMs = performance.now();
    // Own process group, so that a terminal's Ctrl-C reaches the command line alone and the stop is in order.
    const child = spawn(file, args, {
      cwd: this.#cwd,
      env: slot.spec.env,
      stdio: ["pipe", log, log],
      detached: true,
    });
    closeSync(log);
    slot.child = child;
    if (child.pid !== undefined) slot.pids.push(child.pid);
    child.stdin?.on("error", () => {});
    child.once("error", () => this.#ended(slot, child, 127, null));
    child.once("exit", (code, signal) => this.#ended(slot, child, code, signal));
  }

  #ended(
    slot: Slot,
    child: ChildProcess,
    code: number | null,
    signal: NodeJS.Signals | null,
  ): void {
    if (slot.child !== child) return;
    slot.child = null;
    const asked = slot.stopping || slot.killAsked;
    if (!slot.stopping) {
      slot.restarts += 1;
      if (!slot.killAsked) slot.unasked += 1;
      if (performance.now() - slot.startedMs > HEALTHY_MS) slot.restartsInARow = 0;
      if (slot.restarts <= RESTARTS_MAX) {
        slot.timer = setTimeout(() => this.#spawn(slot), backoffMs(slot.restartsInARow));
        slot.restartsInARow += 1;
      }
    }
    this.#onExit({ name: slot.spec.name, code, signal, asked });
  }

  logPath(name: string): string {
    return join(this.#cwd, "logs", `${name}.log`);
  }

  /** The last lines a process wrote, for a message. */
  logTail(name: string, lines: number): string[] {
    try {
      return readFileSync(this.logPath(name), "utf8").trimEnd().split("\n").slice(-lines);
    } catch {
      return [];
    }
  }

  pid(name: string): number | null {
    return this.#slots.get(name)?.child?.pid ?? null;
  }

  /** Every pid that ever ran, for the proof that none is left. */
  allPids(): number[] {
    return [...this.#slots.values()].flatMap((slot) => slot.pids);
  }

  restarts(name: string): { readonly all: number; readonly unasked: number } {
    const slot = this.#slots.get(name);
    return { all: slot?.restarts ?? 0, unasked: slot?.unasked ?? 0 };
  }

  names(): string[] {
    return [...this.#slots.keys()];
  }

  /** SIGKILL, as a crash would; the restart that follows counts as asked for. */
  kill(name: string): void {
    const slot = this.#slots.get(name);
    if (slot?.child == null) return;
    slot.killAsked = true;
    slot.child.kill("SIGKILL");
  }

  /** SIGTERM, then SIGKILL after `graceMs`. Resolves when the process is gone; true if it ended by itself. */
  async stop(name: string, graceMs: number): Promise<boolean> {
    const slot = this.#slots.get(name);
    if (slot === undefined) return true;
    slot.stopping = true;
    if (slot.timer !== null) clearTimeout(slot.timer);
    const { child } = slot;
    if (child === null) return true;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
    const [code, signal] = await gone;
    clearTimeout(timer);
    return signal === null && code === 0;
  }

  async stopAll(graceMs: number): Promise<void> {
    await Promise.all(this.names().map((name) => this.stop(name, graceMs)));
  }
}
