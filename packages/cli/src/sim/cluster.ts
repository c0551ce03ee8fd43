import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { PROCESSES, type ProcessName, type SimOptions } from "./options.ts";
import { type Exit, Supervisor } from "./supervisor.ts";

/** A run wants this much of the disk: preallocated journals, the WAL and the database. */
export const DISK_BYTES_MIN = 512 * 2 ** 20;
/** A process that is not ready by then ends the run. */
export const READY_MS_MAX = 30_000;
/** How often the processes are asked how they are while they start. */
const POLL_MS = 25;
const HTTP_MS_MAX = 2_000;

/** A running process as its state file and its HTTP end tell. */
export interface Probe {
  readonly pid: number;
  readonly ready: boolean;
  readonly state: string;
  readonly stats: Readonly<Record<string, unknown>>;
}

/** The eight processes of one run, their folder, and the way to talk to them. */
export class Cluster {
  readonly root: string;
  readonly runDir: string;
  readonly supervisor: Supervisor;
  readonly exits: Exit[] = [];
  readonly #wasReady = new Set<string>();
  /** The first start that failed for good. */
  failure: string | null = null;

  constructor(root: string, runDir: string) {
    this.root = root;
    this.runDir = runDir;
    this.supervisor = new Supervisor(runDir, (exit) => this.#onExit(exit));
  }

  #onExit(exit: Exit): void {
    this.exits.push(exit);
    if (exit.asked || this.#wasReady.has(exit.name) || this.failure !== null) return;
    this.failure = `${exit.name} could not start: ${this.#lastWord(exit.name)}`;
  }

  /** The message of the last log line that says why, or its text. */
  #lastWord(name: string): string {
    const lines = this.supervisor.logTail(name, 20);
    for (const line of lines.toReversed()) {
      try {
        const { level, msg } = JSON.parse(line) as { level?: unknown; msg?: unknown };
        if (
          typeof msg === "string" &&
          (level === "fatal" || level === "error" || Number(level) >= 50)
        )
          return msg;
      } catch {
        if (line.trim() !== "") return lines.filter((each) => !each.startsWith("{")).join(" ");
      }
    }
    return `it said nothing; see ${this.supervisor.logPath(name)}`;
  }

  start(name: ProcessName, config: object, env: Readonly<Record<string, string>>): void {
    const file = join(this.runDir, "config", `${name}.json`);
    writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`);
    this.supervisor.start({
      name,
      command: this.#command(name),
      env: own(env, file),
    });
  }

  /** A second venue-sim, which serves the market and takes no order of ours. */
  startFeed(config: object, env: Readonly<Record<string, string>>): void {
    const file = join(this.runDir, "config/feed.json");
    writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`);
    mkdirSync(join(this.runDir, "feed"), { recursive: true });
    this.supervisor.start({ name: FEED, command: this.#command("venue-sim"), env: own(env, file) });
  }

  /** @throws Error when the feed does not serve in time */
  async untilFeed(deadlineMs: number): Promise<void> {
    while (!existsSync(join(this.runDir, "feed/port.json"))) {
      if (this.failure !== null) throw new Error(this.failure);
      if (performance.now() > deadlineMs)
        throw new Error(`the feed does not serve: ${this.#lastWord(FEED)}`);
      await sleep(POLL_MS);
    }
    this.#wasReady.add(FEED);
  }

  #command(service: string): readonly [string, ...string[]] {
    const main = join(this.root, "services", service, "src/main.ts");
    return [process.execPath, "--disable-warning=ExperimentalWarning", main];
  }

  httpPort(name: string): number | null {
    try {
      const text = readFileSync(join(this.runDir, "state", `${name}.json`), "utf8");
      const { pid, httpPort } = JSON.parse(text) as { pid: number; httpPort: number };
      return pid === this.supervisor.pid(name) ? httpPort : null;
    } catch {
      return null;
    }
  }

  async http(
    name: string,
    path: string,
    init: {
      readonly method?: string;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    } = {},
  ): Promise<{ readonly status: number; readonly body: unknown } | null> {
    const port = this.httpPort(name);
    if (port === null) return null;
    try {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        ...init,
        signal: AbortSignal.timeout(HTTP_MS_MAX),
      });
      return { status: response.status, body: await response.json() };
    } catch {
      return null;
    }
  }

  async probe(name: ProcessName): Promise<Probe | null> {
    const answer = await this.http(name, "/health");
    const pid = this.supervisor.pid(name);
    if (answer === null || pid === null) return null;
    const body = answer.body as {
      ready?: boolean;
      state?: string;
      stats?: Record<string, unknown>;
    };
    if (body.ready === true) this.#wasReady.add(name);
    return { pid, ready: body.ready ?? false, state: body.state ?? "?", stats: body.stats ?? {} };
  }

  /** @throws Error when a process fails to start, or is not ready in time */
  async untilReady(names: readonly ProcessName[], deadlineMs: number): Promise<void> {
    const waiting = new Set(names);
    while (waiting.size > 0) {
      if (this.failure !== null) throw new Error(this.failure);
      if (performance.now() > deadlineMs) {
        const name = [...waiting][0] ?? "";
        throw new Error(
          `${[...waiting].join(", ")} not ready in ${READY_MS_MAX / 1000} s: ${this.#lastWord(name)}`,
        );
      }
      await Promise.all(
        [...waiting].map(async (name) => {
          if ((await this.probe(name))?.ready === true) waiting.delete(name);
        }),
      );
      if (waiting.size > 0) await sleep(POLL_MS);
    }
  }
}

const FEED = "feed";

const own = (env: Readonly<Record<string, string>>, file: string) => ({
  ...env,
  TIDEGATE_CONFIG: file,
  TIDEGATE_DIE_WITH_PARENT: "1",
});

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Makes the folder of a run.
 * @throws Error when it cannot be made, or its disk is too full
 */
export function makeRunDir(root: string, options: Pick<SimOptions, "runDir" | "paper">): string {
  const parent = join(root, "var/run");
  let runDir: string;
  try {
    if (options.runDir === null) mkdirSync(parent, { recursive: true });
    else mkdirSync(options.runDir, { recursive: true });
    const { bavail, bsize } = statfsSync(options.runDir ?? parent);
    const free = Number(bavail) * Number(bsize);
    if (free < DISK_BYTES_MIN) {
      throw new Error(
        `the disk of ${options.runDir ?? parent} has ${Math.floor(free / 2 ** 20)} MiB free and a run wants ${DISK_BYTES_MIN / 2 ** 20}; free some, or give --run-dir on another disk`,
      );
    }
    runDir =
      options.runDir ?? mkdtempSync(join(parent, options.paper === undefined ? "sim-" : "paper-"));
    for (const name of ["config", "s", "state", "logs"])
      mkdirSync(join(runDir, name), { recursive: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") {
      throw new Error(
        `the disk of ${options.runDir ?? parent} is full; free some space, or give --run-dir on another disk`,
      );
    }
    throw error;
  }
  if (options.runDir === null) {
    const link = join(parent, "last");
    rmSync(link, { force: true });
    symlinkSync(relative(parent, runDir), link);
  }
  return runDir;
}

/** Takes a run's folder away, and the link to it. */
export function removeRunDir(root: string, runDir: string): void {
  rmSync(runDir, { recursive: true, force: true });
  try {
    unlinkSync(join(root, "var/run/last"));
  } catch {
    // another run's link, or none
  }
}

export const ALL: readonly ProcessName[] = PROCESSES;
