import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EMBEDDED_START_MS_MAX, EMBEDDED_STOP_MS_MAX } from "./limits.ts";
import { freePort } from "./ports.ts";

const HOST = fileURLToPath(new URL("../../rust-core/bin/clickhouse-host", import.meta.url));
const POLL_MS = 20;
const STDERR_CHARS_MAX = 4_096;

/** A running server of its own process. */
export interface EmbeddedClickHouse {
  readonly kind: "started";
  readonly url: string;
  readonly pid: number;
  /** Ends its input, which stops it in order; kills it when it does not end in time. */
  stop(): Promise<void>;
  /** Kills it, as a crash would. */
  kill(): Promise<void>;
}

/** What it wants is not here; `remedy` says how to get it. */
export interface EmbeddedAbsent {
  readonly kind: "absent";
  readonly remedy: string;
}

export interface EmbeddedOptions {
  readonly dataDir: string;
  /** 0 or none = any free one. */
  readonly httpPort?: number;
  readonly tcpPort?: number;
}

/** The library and the host program, or what is missing. */
export function findEmbedded():
  | { readonly library: string; readonly host: string }
  | EmbeddedAbsent {
  const library = findLibrary();
  if (library === null) {
    return {
      kind: "absent",
      remedy:
        "the optional package chdb is not installed (run pnpm install without --no-optional on Linux x64), or give the URL of a ClickHouse server",
    };
  }
  if (!existsSync(HOST)) return { kind: "absent", remedy: `${HOST} is not built: run ./hft build` };
  return { library, host: HOST };
}

function findLibrary(): string | null {
  try {
    const chdb = createRequire(import.meta.url).resolve("chdb/package.json");
    const own = createRequire(chdb).resolve(
      `@chdb/lib-${process.platform}-${process.arch}-gnu/package.json`,
    );
    const library = join(dirname(own), "libchdb.so");
    return existsSync(library) ? library : null;
  } catch {
    return null;
  }
}

/**
 * Starts real ClickHouse server code on loopback with its data in `dataDir` (one server per folder, local disk).
 *
 * Errors  Error with the server's last words when it ends or does not answer in time
 */
export async function startEmbeddedClickHouse(
  options: EmbeddedOptions,
): Promise<EmbeddedClickHouse | EmbeddedAbsent> {
  const found = findEmbedded();
  if ("kind" in found) return found;
  mkdirSync(options.dataDir, { recursive: true });
  const httpPort = options.httpPort || (await freePort());
  const tcpPort = options.tcpPort || (await freePort());
  const args = [found.library, options.dataDir, String(httpPort), String(tcpPort)];
  const child = spawn(found.host, args, { stdio: ["pipe", "ignore", "pipe"] });
  let words = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    words = (words + chunk.toString("utf8")).slice(-STDERR_CHARS_MAX);
  });
  child.stdin?.on("error", () => {});
  const ended = new Promise<void>((done) => {
    child.once("exit", () => done());
    child.once("error", (error) => {
      words += error.message;
      done();
    });
  });
  const url = `http://127.0.0.1:${httpPort}`;
  try {
    await answering(url, child, () => words.trim());
  } catch (error) {
    child.kill("SIGKILL");
    await ended;
    throw error;
  }
  return {
    kind: "started",
    url,
    pid: child.pid ?? 0,
    async stop() {
      child.stdin?.end();
      const late = setTimeout(() => child.kill("SIGKILL"), EMBEDDED_STOP_MS_MAX);
      await ended;
      clearTimeout(late);
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function answering(url: string, child: ChildProcess, words: () => string): Promise<void> {
  const deadline = performance.now() + EMBEDDED_START_MS_MAX;
  while (performance.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      throw new Error(
        `the embedded ClickHouse ended at its start: ${words() || `exit ${child.exitCode ?? child.signalCode}`}`,
      );
    }
    try {
      const answer = await fetch(`${url}/ping`, { signal: AbortSignal.timeout(1_000) });
      if ((await answer.text()).startsWith("Ok")) return;
    } catch {
      // Not listening yet.
    }
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  throw new Error(
    `the embedded ClickHouse did not answer within ${EMBEDDED_START_MS_MAX} ms: ${words()}`,
  );
}
