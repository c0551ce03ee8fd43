/** One wal-loader process of the drill, as it runs anywhere. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

const WORDS_CHARS_MAX = 8_000;
const ASK_MS_MAX = 1_000;

/** What it says of itself. */
export interface Said {
  readonly state: string;
  readonly fence: number;
  readonly fenced: number;
  readonly retries: number;
  readonly rows: number;
  readonly groups: number;
  readonly relationalRows: number;
}

/** Whether it takes itself for the one whose turn it is. */
export const owns = (said: Said | null): boolean =>
  said !== null && said.fence > 0 && said.state !== "STANDBY";

export class LoaderProcess {
  readonly child: ChildProcess;
  readonly #stateFile: string;
  #port = 0;
  #words = "";

  constructor(main: string, dir: string, args: readonly string[]) {
    mkdirSync(dir, { recursive: true });
    const stateDir = join(dir, "state");
    this.#stateFile = join(stateDir, "wal-loader.json");
    // One that was killed has left its own.
    rmSync(this.#stateFile, { force: true });
    this.child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", main, "--state-dir", stateDir, ...args],
      { cwd: dir, stdio: ["ignore", "pipe", "pipe"] },
    );
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on("data", (data: Buffer) => {
        this.#words = (this.#words + data.toString("utf8")).slice(-WORDS_CHARS_MAX);
      });
  }

  /** Its last words. */
  get words(): string {
    return this.#words;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** null while it does not answer: not up yet, stopped, gone. */
  async ask(): Promise<Said | null> {
    try {
      if (this.#port === 0) {
        const file = JSON.parse(readFileSync(this.#stateFile, "utf8")) as { httpPort: number };
        this.#port = file.httpPort;
      }
      const answer = await fetch(`http://127.0.0.1:${this.#port}/health`, {
        signal: AbortSignal.timeout(ASK_MS_MAX),
      });
      const { stats } = (await answer.json()) as { stats: Record<string, unknown> };
      const number = (name: string): number => Number(stats[name] ?? 0);
      const relational = (stats["relational"] ?? {}) as { rows?: number };
      return {
        state: String(stats["state"]),
        fence: number("fence"),
        fenced: number("fenced"),
        retries: number("retries"),
        rows: number("rows"),
        groups: number("groups"),
        relationalRows: Number(relational.rows ?? 0),
      };
    } catch {
      return null;
    }
  }

  signal(name: "SIGSTOP" | "SIGCONT" | "SIGTERM"): void {
    this.child.kill(name);
  }

  /** Ends it by a signal and waits for its end; one that is stopped ends by SIGKILL alone. */
  async end(name: "SIGKILL" | "SIGTERM", msMax = 5_000): Promise<void> {
    if (!this.running) return;
    const ended = once(this.child, "exit");
    this.child.kill(name);
    const late = setTimeout(() => this.child.kill("SIGKILL"), msMax);
    await ended;
    clearTimeout(late);
  }
}
