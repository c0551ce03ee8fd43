/** A bar on standard error, where a person looks at it. */

import type { Progress } from "./lane.ts";

const WIDTH = 30;
const EVERY_MS = 100;

/** Draws a bar as parts come; nothing where standard error is no terminal. The bar goes when the part is 1. */
export function showProgress(what: string, out: NodeJS.WriteStream = process.stderr): Progress {
  if (!out.isTTY) return () => {};
  let drawn = Number.NEGATIVE_INFINITY;
  return (part) => {
    if (part >= 1) {
      out.write("\r\u001b[K");
      return;
    }
    const now = performance.now();
    if (now - drawn < EVERY_MS) return;
    drawn = now;
    const full = Math.round(part * WIDTH);
    const bar = "█".repeat(full) + "░".repeat(WIDTH - full);
    out.write(`\r${what} ${bar} ${Math.floor(part * 100)} %`);
  };
}
