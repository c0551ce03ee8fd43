/** Starts a strategy's process, hears what it is, bounds what it prints, and ends it. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, read, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { StrategyError } from "@tidegate/strategy-sdk";
import type { Hello, Load } from "./cell.ts";
import { From, JSON_BYTES_MAX, Pipe, To } from "./frames.ts";
import { type Cell, cellCommand, type SandboxFacts } from "./sandbox.ts";

/** A strategy that has not said what it is by then is killed. */
export const HELLO_MS_MAX = 30_000;
/** Of what a process prints, so much is kept to say why it ended. */
const TAIL_BYTES = 2_048;
/** Characters of a strategy file. */
const TEXT_MAX = 400_000;

const readAsync = promisify(read);

/** A named pipe's two ends; nothing of it stays in the file system. */
export function makePipe(path: string): { readonly read: number; readonly write: number } {
  execFileSync("mkfifo", ["-m", "600", path]);
  // Opened both ways first, so that neither end waits for the other.
  const both = openSync(path, "r+");
  const write = openSync(path, "w");
  const readEnd = openSync(path, "r");
  closeSync(both);
  return { read: readEnd, write };
}

export interface CellProcess {
  readonly hello: Hello;
  /** Our ends of the pipes. */
  readonly fdIn: number;
  readonly fdOut: number;
  readonly pid: number;
  readonly ended: Promise<void>;
  /** Ends it now. */
  kill(): void;
  /** Closes our ends; the relay must have stopped. */
  closePipes(): void;
  /** The end of what it printed. */
  tail(): string;
}

export interface CellOptions extends Cell {
  readonly file: string;
  readonly params: unknown;
  readonly outputBytesMax: number;
  readonly helloMsMax?: number;
  /** It printed more than it may, and has been killed. */
  readonly onOutput: (bytes: number) => void;
}

async function readExactly(fd: number, into: Uint8Array): Promise<boolean> {
  for (let at = 0; at < into.byteLength; ) {
    const { bytesRead } = await readAsync(fd, into, at, into.byteLength - at, null);
    if (bytesRead === 0) return false;
    at += bytesRead;
  }
  return true;
}

/** What the process says first; null when it ended or said something else. */
async function readHello(fd: number): Promise<Hello | null> {
  const head = new Float64Array(4);
  if (!(await readExactly(fd, new Uint8Array(head.buffer)))) return null;
  const bytes = head[1] ?? 0;
  if (head[0] !== From.HELLO || !(bytes > 0 && bytes <= JSON_BYTES_MAX)) return null;
  const body = Buffer.alloc(bytes);
  if (!(await readExactly(fd, body))) return null;
  const { error, name, featureSet, timerMs, stateVersion } = JSON.parse(
    body.toString("utf8"),
  ) as Hello;
  const text = (value: unknown) => (typeof value === "string" ? value : null);
  return {
    error: text(error),
    name: text(name) ?? "",
    featureSet: text(featureSet),
    timerMs: typeof timerMs === "number" ? timerMs : null,
    stateVersion: typeof stateVersion === "number" ? stateVersion : null,
  };
}

function watchOutput(child: ChildProcess, max: number, over: (bytes: number) => void) {
  let bytes = 0;
  let tail = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (data: Buffer) => {
      const before = bytes;
      bytes += data.length;
      if (before <= max) tail = (tail + data.toString("utf8")).slice(-TAIL_BYTES);
      if (bytes <= max || before > max) return;
      over(bytes);
      child.stdout?.destroy();
      child.stderr?.destroy();
    });
  }
  return () => tail.trim();
}

/**
 * Starts the process and waits until it says what strategy it has loaded.
 *
 * Errors  StrategyError naming the file: it cannot be loaded, does not come back, or the sandbox cannot be made
 */
export async function startCell(facts: SandboxFacts, options: CellOptions): Promise<CellProcess> {
  const file = resolve(options.file);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new StrategyError(`cannot load the strategy ${file}: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (text.length > TEXT_MAX) {
    throw new StrategyError(
      `cannot load the strategy ${file}: it is ${text.length} characters long, at most ${TEXT_MAX}; a strategy is one file`,
    );
  }
  const dir = mkdtempSync(join(tmpdir(), "strategy-pipe-"));
  const down = makePipe(join(dir, "in"));
  const up = makePipe(join(dir, "out"));
  rmSync(dir, { recursive: true });
  const [program = "", ...args] = cellCommand(facts, options);
  const child = spawn(program, args, {
    cwd: "/",
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", NODE_ENV: "production", TZ: "UTC" },
    stdio: ["ignore", "pipe", "pipe", down.read, up.write],
  });
  closeSync(down.read);
  closeSync(up.write);
  const ended = new Promise<void>((done) => {
    child.once("close", () => done());
    child.once("error", () => done());
  });
  const kill = (): void => void child.kill("SIGKILL");
  const tail = watchOutput(child, options.outputBytesMax, (bytes) => {
    kill();
    options.onOutput(bytes);
  });
  let open = true;
  const closePipes = (): void => {
    if (!open) return;
    open = false;
    closeSync(down.write);
    closeSync(up.read);
  };
  const load: Load = { file, text, params: options.params };
  const helloMs = options.helloMsMax ?? HELLO_MS_MAX;
  let late = false;
  const patience = setTimeout(() => {
    late = true;
    kill();
  }, helloMs);
  let hello: Hello | null = null;
  try {
    new Pipe(up.read, down.write).sendJson(To.LOAD, load);
    hello = await readHello(up.read);
  } catch {
    // It ended before it read: its last words say why.
  } finally {
    clearTimeout(patience);
  }
  if (hello === null || hello.error !== null) {
    kill();
    await ended;
    closePipes();
    const why = late
      ? `it did not come back within ${helloMs} ms`
      : (hello?.error ?? `its process ended at the start: ${tail() || "it said nothing"}`);
    throw new StrategyError(`cannot start the strategy ${options.file} in a process: ${why}`);
  }
  return {
    hello,
    fdIn: up.read,
    fdOut: down.write,
    pid: child.pid ?? 0,
    ended,
    kill,
    closePipes,
    tail,
  };
}
