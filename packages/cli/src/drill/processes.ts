/** The processes of the feed drill: the simulator and market-data, as they run anywhere. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const START_MS_MAX = 60_000;

export class Process implements AsyncDisposable {
  readonly name: string;
  readonly child: ChildProcess;
  #text = "";
  readonly #watchers: ((line: string) => void)[] = [];
  #line = "";

  constructor(
    root: string,
    name: string,
    dir: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.name = name;
    const main = join(root, "services", name, "src/main.ts");
    this.child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
      cwd: dir,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (data: Buffer) => {
        // The end alone: it says why a process is gone.
        const text = data.toString("utf8");
        this.#text = (this.#text + text).slice(-20_000);
        if (this.#watchers.length === 0) return;
        const lines = (this.#line + text).split("\n");
        this.#line = lines.pop() ?? "";
        for (const line of lines) for (const watch of this.#watchers) watch(line);
      });
    }
  }

  /** Hands on each line it writes from now on. */
  onLine(watch: (line: string) => void): void {
    this.#watchers.push(watch);
  }

  get text(): string {
    return this.#text;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The JSON of a file the process writes once it is up. */
  async file<T>(path: string): Promise<T> {
    const end = performance.now() + START_MS_MAX;
    while (!existsSync(path)) {
      if (!this.running)
        throw new Error(`${this.name} ended at its start: ${this.#text.slice(-800)}`);
      if (performance.now() > end)
        throw new Error(`${this.name} is not up: ${this.#text.slice(-800)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return JSON.parse(readFileSync(path, "utf8")) as T;
  }

  /** Resident memory, KiB; 0 once it is gone. */
  rssKib(): number {
    try {
      const status = readFileSync(`/proc/${this.child.pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
    } catch {
      return 0;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.running) return;
    this.child.kill("SIGTERM");
    const patience = setTimeout(() => this.child.kill("SIGKILL"), 5_000);
    await once(this.child, "exit");
    clearTimeout(patience);
  }
}

/** The simulator's control port. */
export class Control {
  readonly #base: string;
  constructor(port: number) {
    this.#base = `http://127.0.0.1:${port}/_sim`;
  }

  async stats(): Promise<SimStats> {
    return (await (await fetch(`${this.#base}/stats`)).json()) as SimStats;
  }

  async inject(body: object): Promise<void> {
    const response = await fetch(`${this.#base}/inject`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    if (response.status !== 200) throw new Error(`inject: ${await response.text()}`);
  }

  async truth(from: number): Promise<{ lines: string[]; forgotten: number }> {
    const response = await fetch(`${this.#base}/truth?from=${from}`);
    const text = await response.text();
    return {
      lines: text === "" ? [] : text.trimEnd().split("\n"),
      forgotten: Number(response.headers.get("x-forgotten") ?? 0),
    };
  }
}

export interface SimStats {
  readonly truth: number;
  readonly venues: Readonly<
    Record<
      string,
      {
        readonly port: number;
        readonly peers: number;
        readonly injected: Readonly<Record<string, number>>;
        readonly logins?: Readonly<
          Record<
            string,
            {
              readonly granted: number;
              readonly refused: Readonly<Record<string, number>>;
              readonly afterFatal: number;
            }
          >
        >;
      }
    >
  >;
}
