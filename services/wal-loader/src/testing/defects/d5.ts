// wal-loader with a claim as a lock file that is unlinked when its holder seems to be gone, so that the old file and the new one
// have an owner each: whoever was only paused goes on.
import { closeSync, existsSync, openSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { TendedClaim } from "../../claim.ts";
import { runWalLoader } from "../../service.ts";

class UnlinkedClaim implements TendedClaim {
  readonly #path: string;
  readonly #silentMs: number;
  #file: number | null = null;
  fence = 0;

  constructor(path: string, silentMs: number) {
    this.#path = path;
    this.#silentMs = silentMs;
  }

  holds(): boolean {
    return this.#file !== null;
  }

  tend(): boolean {
    if (this.#file !== null) {
      const now = new Date();
      if (existsSync(this.#path)) utimesSync(this.#path, now, now);
      return true;
    }
    const beat = statSync(this.#path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (Date.now() - beat < this.#silentMs) return false;
    rmSync(this.#path, { force: true });
    try {
      this.#file = openSync(this.#path, "wx");
    } catch {
      return false;
    }
    this.fence += 1;
    return true;
  }

  release(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
    rmSync(this.#path, { force: true });
  }
}

await runWalLoader({
  claim: ({ loaderDir, claimMs }) => new UnlinkedClaim(join(loaderDir, "claim.lock"), claimMs),
});
