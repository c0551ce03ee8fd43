import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, backoffMs, type Exit, Supervisor } from "./supervisor.ts";

let cwd: string;
let exits: Exit[];
let wakes: (() => void)[];
let supervisor: Supervisor;

const node = (script: string): [string, ...string[]] => [process.execPath, "-e", script];
const FOREVER = "setInterval(() => {}, 1000)";
const spec = (name: string, script: string) => ({
  name,
  command: node(script),
  env: { PATH: process.env["PATH"] ?? "" },
});

/** Resolves at the next exit any process makes. */
const nextExit = (): Promise<void> => new Promise((resolve) => wakes.push(resolve));
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "supervisor-"));
  mkdirSync(join(cwd, "logs"));
  exits = [];
  wakes = [];
  supervisor = new Supervisor(cwd, (exit) => {
    exits.push(exit);
    for (const wake of wakes.splice(0)) wake();
  });
});

afterEach(async () => {
  await supervisor.stopAll(1000);
  rmSync(cwd, { recursive: true });
});

describe("Supervisor", () => {
  it("waits twice as long before each restart in a row, up to the bound", () => {
    expect([0, 1, 2].map(backoffMs)).toEqual([
      BACKOFF_MS_MIN,
      BACKOFF_MS_MIN * 2,
      BACKOFF_MS_MIN * 4,
    ]);
    expect(backoffMs(1000)).toBe(BACKOFF_MS_MAX);
  });

  it("restarts a process it killed, with a new pid, and does not count that as unasked [B001]", async () => {
    supervisor.start(spec("a", FOREVER));
    const first = supervisor.pid("a");
    const exit = nextExit();
    supervisor.kill("a");
    await exit;
    await until(() => supervisor.pid("a") !== null);
    expect(supervisor.pid("a")).not.toBe(first);
    expect(supervisor.restarts("a")).toEqual({ all: 1, unasked: 0 });
    expect(exits).toEqual([{ name: "a", code: null, signal: "SIGKILL", asked: true }]);
  });

  it("counts a process that dies by itself as an unasked restart", async () => {
    const exit = nextExit();
    supervisor.start(spec("a", "process.exit(3)"));
    await exit;
    expect(exits[0]).toEqual({ name: "a", code: 3, signal: null, asked: false });
    expect(supervisor.restarts("a")).toEqual({ all: 1, unasked: 1 });
  });

  it("stops with SIGTERM and leaves no process", async () => {
    supervisor.start(
      spec("a", `process.on("SIGTERM", () => process.exit(0)); ${FOREVER}; console.log("up")`),
    );
    await until(() => supervisor.logTail("a", 1)[0] === "up");
    expect(await supervisor.stop("a", 5000)).toBe(true);
    expect(supervisor.allPids().some(alive)).toBe(false);
    expect(supervisor.restarts("a").all).toBe(0);
  });

  it("kills what does not stop in time, and says so", async () => {
    supervisor.start(spec("a", `process.on("SIGTERM", () => {}); ${FOREVER}; console.log("up")`));
    await until(() => supervisor.logTail("a", 1)[0] === "up");
    expect(await supervisor.stop("a", 50)).toBe(false);
    expect(supervisor.allPids().some(alive)).toBe(false);
  });

  it("a command that is not there ends as an exit, not as a throw", async () => {
    const exit = nextExit();
    supervisor.start({ name: "a", command: ["/nonexistent"], env: {} });
    await exit;
    expect(exits[0]?.code).toBe(127);
  });
});
