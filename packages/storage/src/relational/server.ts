/** A PostgreSQL of one's own: real server programs of this machine, data in one folder, loopback alone. */

import { execFile, execFileSync, spawnSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { EmbeddedAbsent } from "../embedded.ts";
import { freePort } from "../ports.ts";

const exec = promisify(execFile);
const REMEDY =
  "PostgreSQL 15 or newer is not installed: run scripts/test-services install (Debian: apt-get install postgresql)";
const VERSION_MIN = 15;
const START_TRIES = 5;

export interface OwnPostgres {
  readonly kind: "started";
  /** `postgres://postgres@127.0.0.1:PORT/postgres`. */
  readonly url: string;
  readonly dataDir: string;
  /** Stops it in order; its data stay. */
  stop(): Promise<void>;
  /** Kills the postmaster, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same data, on the same port. */
  start(): Promise<void>;
  /** Stops it and takes its data away. */
  remove(): Promise<void>;
}

/** The folder of the server's programs, or what is missing. */
export function findPostgres(): { readonly bin: string } | EmbeddedAbsent {
  const bins = ["/usr/lib/postgresql", "/usr/pgsql"].flatMap((root) =>
    existsSync(root) ? readdirSync(root).map((version) => join(root, version, "bin")) : [],
  );
  const config = spawnSync("pg_config", ["--bindir"], { encoding: "utf8" });
  const found = [...(config.status === 0 ? [config.stdout.trim()] : []), ...bins].find((bin) => {
    if (!existsSync(join(bin, "initdb")) || !existsSync(join(bin, "pg_ctl"))) return false;
    const said = spawnSync(join(bin, "postgres"), ["--version"], { encoding: "utf8" });
    return Number(/(\d+)/.exec(said.stdout)?.[1] ?? 0) >= VERSION_MIN;
  });
  return found === undefined ? { kind: "absent", remedy: REMEDY } : { bin: found };
}

/**
 * Makes a new cluster of databases in a folder of its own under the temporary one and starts it: an empty one, or a replica that
 * follows the server at `follows`.
 */
export async function startOwnPostgres(follows?: string): Promise<OwnPostgres | EmbeddedAbsent> {
  const found = findPostgres();
  if ("kind" in found) return found;
  const { bin } = found;
  // The path of its socket must stay short: at most 107 bytes.
  const home = mkdtempSync(join(tmpdir(), "tg-pg-"));
  const dataDir = join(home, "data");
  mkdirSync(dataDir, { mode: 0o700 });
  const as = await serverUser(home, dataDir);
  const run = (program: string, args: readonly string[]): Promise<unknown> => {
    const [file = "", ...rest] = [...as, join(bin, program), ...args];
    return exec(file, rest, { cwd: home });
  };
  if (follows === undefined) {
    const made = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"];
    await run("initdb", ["-D", dataDir, ...made]);
  } else {
    await run("pg_basebackup", [
      "-D",
      dataDir,
      "-d",
      follows,
      "-R",
      "-X",
      "stream",
      "-c",
      "fast",
      "--no-sync",
    ]);
  }
  const port = await freePort();
  // After a crash one sync of the file system in place of one for each of a thousand files.
  const options = `-p ${port} -k ${home} -c listen_addresses=127.0.0.1 -c recovery_init_sync_method=syncfs`;
  const start = async (): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await run("pg_ctl", ["start", "-w", "-D", dataDir, "-l", join(home, "log"), "-o", options]);
        return;
      } catch (error) {
        // After a kill the orphans of the old server hold the lock for a moment.
        if (attempt === START_TRIES)
          throw new Error(`${(error as Error).message}\n${lastWords(home)}`);
        await new Promise((next) => setTimeout(next, 1_000));
      }
    }
  };
  const stop = async (how = "fast"): Promise<void> => {
    if (existsSync(join(dataDir, "postmaster.pid")))
      await run("pg_ctl", ["stop", "-w", "-m", how, "-D", dataDir]).catch(() => {});
  };
  await start();
  return {
    kind: "started",
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    dataDir,
    start,
    stop: () => stop(),
    async kill() {
      const pid = Number(readFileSync(join(dataDir, "postmaster.pid"), "utf8").split("\n")[0]);
      process.kill(pid, "SIGKILL");
      while (alive(pid)) await new Promise((next) => setTimeout(next, 10));
    },
    async remove() {
      await stop("immediate");
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** The server refuses to run as root: then it runs as the user its package made. */
async function serverUser(...folders: readonly string[]): Promise<readonly string[]> {
  if (process.getuid?.() !== 0) return [];
  const id = (flag: string): number =>
    Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  const [uid, gid] = [id("-u"), id("-g")];
  for (const folder of folders) chownSync(folder, uid, gid);
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function lastWords(home: string): string {
  const log = join(home, "log");
  return existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(-8).join("\n") : "";
}
