/** A disk whose power can be cut: an ext4 file system in a file, shut down by its ioctl. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const IMAGE_MIB = 1_024;
/** FS_IOC_SHUTDOWN, `_IOR('X', 125, uint32_t)`: 2 drops the journal's unflushed part too, as a power cut does. */
const SHUTDOWN = 0x80_04_58_7d;
const NO_LOG_FLUSH = 2;
const UNMOUNT_TRIES = 200;
const UNMOUNT_PAUSE_MS = 50;

function must(what: string, file: string, args: readonly string[]): string {
  try {
    return execFileSync(file, args, { stdio: "pipe" }).toString("utf8").trim();
  } catch (error) {
    const said = (error as { stderr?: Buffer }).stderr?.toString().trim();
    const why = said || (error instanceof Error ? error.message : String(error));
    throw new Error(
      `cannot ${what} (${why}): the drill needs root, a loop device and ext4; run it on a machine or in a VM that has them`,
    );
  }
}

/** An ext4 file system in a file. */
export class LoopDisk {
  /** Where it is mounted: short, for the paths of sockets on it are bounded. */
  readonly path = mkdtempSync(join(tmpdir(), "tg-pc-"));
  readonly #image: string;
  #device: string | null = null;

  /** @throws Error naming what the machine lacks */
  constructor(dir: string) {
    this.#image = join(dir, "image");
    must("make an image", "truncate", ["-s", `${IMAGE_MIB}M`, this.#image]);
    must("make a file system", "mkfs.ext4", ["-qF", this.#image]);
    this.mount();
  }

  /**
   * By a device of its own each time: where another mount namespace still holds the file system that was cut, its device
   * would bring that one back.
   */
  mount(): void {
    this.#device = must("have a loop device", "losetup", ["--find", "--show", this.#image]);
    must("mount a loop image", "mount", [this.#device, this.path]);
  }

  /** The device goes when the last mount of it does. */
  #detach(): void {
    if (this.#device !== null) must("let go of a loop device", "losetup", ["-d", this.#device]);
    this.#device = null;
  }

  /** From here on nothing more reaches the image. */
  cut(): void {
    const script =
      'open(my $f, "<", $ARGV[0]) or die "$!"; my $how = pack("L", $ARGV[2]); ioctl($f, $ARGV[1], $how) or die "$!";';
    const args = ["-e", script, this.path, String(SHUTDOWN), String(NO_LOG_FLUSH)];
    must("cut the file system", "perl", args);
  }

  /** What of it was not synced is gone after this: nobody may have a file of it open. */
  async cycle(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        must("unmount the image", "umount", [this.path]);
        break;
      } catch (error) {
        // A process that was killed has its files open for a moment longer.
        if (attempt === UNMOUNT_TRIES) throw error;
        await sleep(UNMOUNT_PAUSE_MS);
      }
    }
    this.#detach();
    this.mount();
  }

  [Symbol.dispose](): void {
    try {
      must("unmount the image", "umount", ["-l", this.path]);
      this.#detach();
    } catch {
      // It is not mounted any more.
    }
    rmSync(this.path, { recursive: true, force: true });
  }
}
