/** The durable session number of a strategy: the same file form as the hot loops keep. */

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

/**
 * Raises the epoch kept in `path` by one, makes it durable, and gives it. A file that is not there counts as 0.
 *
 * Errors  the file holds something else than a number below 2^32 - 1; it is left as it is
 */
export function nextEpoch(path: string): number {
  let last = 0;
  if (existsSync(path)) {
    const text = readFileSync(path, "utf8").trim();
    last = Number(text);
    if (!/^\d{1,10}$/.test(text) || last >= 0xffff_ffff) {
      throw new Error(
        `cannot read the session number in ${path}: it holds ${JSON.stringify(text)}; restore it from a copy, a lower number than before is refused by the gateway`,
      );
    }
  }
  const epoch = last + 1;
  replaceFile(path, `${epoch}\n`);
  return epoch;
}

/** Writes a file anew, durably: a reader finds the old text or the new one, whole. */
export function replaceFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(`${path}.new`, "w");
  writeSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(`${path}.new`, path);
  const dir = openSync(dirname(path), "r");
  fsyncSync(dir);
  closeSync(dir);
}
