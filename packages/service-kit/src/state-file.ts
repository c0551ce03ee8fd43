import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What `state/<process>.json` says of a running process. */
export interface ProcessState {
  readonly pid: number;
  readonly httpPort: number;
  /** ns since the Unix epoch as decimal text: too large for a JSON number. */
  readonly startedNs: string;
}

/** Writes `<dir>/<process>.json` by rename, so that a reader sees the old or the new file, never a part. */
export function writeState(dir: string, process: string, state: ProcessState): string {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${process}.json`);
  const fresh = `${path}.${state.pid}.new`;
  writeFileSync(fresh, `${JSON.stringify(state)}\n`);
  renameSync(fresh, path);
  return path;
}

/** Takes the file away on an orderly stop: a file whose pid is dead then means a crash. */
export function removeState(path: string): void {
  rmSync(path, { force: true });
}
