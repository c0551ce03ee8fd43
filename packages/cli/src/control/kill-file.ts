/** The router's kill file, made by hand: no service, no network, no key. */

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../sim/options.ts";

/** Makes `state/kill` of a run directory; gives its path. */
export function killByFile(runDir: string, reason: string): string {
  const folder = join(runDir, "state");
  if (!existsSync(folder)) {
    throw new UsageError(
      `${runDir} is no run directory: it has no state folder; name the right one with --run-dir`,
    );
  }
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "kill");
  const fd = openSync(path, "a", 0o644);
  try {
    writeSync(fd, `${reason}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return path;
}
