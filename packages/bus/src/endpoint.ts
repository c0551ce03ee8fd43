import { chmodSync, lstatSync, mkdirSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { geteuid } from "node:process";
import {
  endpointDirShared,
  endpointInUse,
  endpointMalformed,
  endpointNotASocket,
  endpointPathTooLong,
  endpointUnavailable,
} from "./errors.ts";
import { IPC_PATH_BYTES_MAX } from "./limits.ts";

/** The path of an `ipc://<directory>/<name>` endpoint; anything else is refused. */
export function ipcPath(url: string): string {
  const path = url.startsWith("ipc://") ? url.slice("ipc://".length) : "";
  // '@' opens libzmq's abstract namespace, which has no file and so no file mode; '*' lets it choose a path.
  const plain = !/^@|[*\0]|\/$/.test(path);
  if (!plain || !path.includes("/")) throw endpointMalformed(url, "ipc://<directory>/<name>");
  const bytes = Buffer.byteLength(path);
  if (bytes > IPC_PATH_BYTES_MAX) throw endpointPathTooLong(url, bytes, IPC_PATH_BYTES_MAX);
  return path;
}

/**
 * Takes an ipc address for this process: its directory is this user's alone (mode 0700), and nobody listens there.
 *
 * libzmq unlinks whatever lies at the path before it listens, a live listener's socket too: hence the probe.
 */
export async function claimIpc(url: string): Promise<string> {
  const path = ipcPath(url);
  ownDirectory(dirname(path));
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return path;
  if (!stat.isSocket()) throw endpointNotASocket(url);
  if (await somebodyListens(path, url)) throw endpointInUse(url);
  rmSync(path, { force: true });
  return path;
}

/** Narrows the socket file to this user after libzmq has made it; the directory's mode covers the time before. */
export function narrowSocket(path: string): void {
  chmodSync(path, 0o600);
}

function ownDirectory(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const stat = statSync(dir);
  const mine = geteuid?.() === stat.uid;
  const sticky = (stat.mode & 0o1000) !== 0;
  if (!stat.isDirectory() || !mine || sticky) throw endpointDirShared(dir);
  if ((stat.mode & 0o077) !== 0) chmodSync(dir, 0o700);
}

function somebodyListens(path: string, url: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ECONNREFUSED" || cause.code === "ENOENT") resolve(false);
      else reject(endpointUnavailable(url, cause));
    });
  });
}
