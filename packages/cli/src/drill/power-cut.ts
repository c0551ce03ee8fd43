/** `hft drill power-cut`: a loop image is cut from under a WAL and an audit trail, and what is left is held against what was said. */

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { built, measured } from "../commands/measured.ts";
import { check, type Result, result } from "../result.ts";
import { run } from "../run.ts";
import { UsageError } from "../sim/options.ts";

const IMAGE_MIB = 1_024;
/** A round is cut after so long, by its seed. */
const ROUND_MS_MIN = 150;
const ROUND_MS_MAX = 1_200;
const EXIT_MS_MAX = 20_000;
const ROUNDS_MIN = 20;
/** FS_IOC_SHUTDOWN, `_IOR('X', 125, uint32_t)`: 2 drops the journal's unflushed part too, as a power cut does. */
const SHUTDOWN = 0x80_04_58_7d;
const NO_LOG_FLUSH = 2;

export interface PowerCutOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly plant: string | null;
  readonly progress?: (text: string) => void;
}

function must(what: string, file: string, args: readonly string[]): void {
  try {
    execFileSync(file, args, { stdio: "pipe" });
  } catch (error) {
    const said = (error as { stderr?: Buffer }).stderr?.toString().trim();
    const why = said || (error instanceof Error ? error.message : String(error));
    throw new Error(
      `cannot ${what} (${why}): the drill needs root, a loop device and ext4; run it on a machine or in a VM that has them`,
    );
  }
}

/** An ext4 file system in a file. */
class LoopDisk {
  readonly path: string;
  readonly #image: string;
  constructor(dir: string) {
    this.#image = join(dir, "image");
    this.path = join(dir, "disk");
    mkdirSync(this.path);
    must("make an image", "truncate", ["-s", `${IMAGE_MIB}M`, this.#image]);
    must("make a file system", "mkfs.ext4", ["-qF", this.#image]);
    this.mount();
  }

  mount(): void {
    must("mount a loop image", "mount", ["-o", "loop", this.#image, this.path]);
  }

  /** From here on nothing more reaches the image. */
  cut(): void {
    const script =
      'open(my $f, "<", $ARGV[0]) or die "$!"; my $how = pack("L", $ARGV[2]); ioctl($f, $ARGV[1], $how) or die "$!";';
    const args = ["-e", script, this.path, String(SHUTDOWN), String(NO_LOG_FLUSH)];
    must("cut the file system", "perl", args);
  }

  unmount(): void {
    must("unmount the image", "umount", ["-l", this.path]);
  }

  [Symbol.dispose](): void {
    try {
      this.unmount();
    } catch {
      // It is not mounted any more.
    }
  }
}

function mix(seed: number, round: number): number {
  let x = BigInt.asUintN(64, (BigInt(seed) << 32n) ^ BigInt(round + 1)) * 0x9e37_79b9_7f4a_7c15n;
  x = BigInt.asUintN(64, x);
  x ^= x >> 29n;
  return Number(BigInt.asUintN(32, x * 0xbf58_476d_1ce4_e5b9n)) / 2 ** 32;
}

export async function drillPowerCut(root: string, options: PowerCutOptions): Promise<Result> {
  const { rounds, seed, plant, progress } = options;
  if (plant !== null && plant !== "boast") throw new UsageError(`--break ${plant}: want boast`);
  const binary = await built(root, "tidegate-proof");
  mkdirSync(join(root, "var"), { recursive: true });
  const dir = mkdtempSync(join(root, "var/power-cut-"));
  let [wal, audit, lost, wrong, acknowledgements, cuts] = [0, 0, 0, 0, 0, 0];
  const beyond: number[] = [];
  const began = performance.now();
  try {
    using disk = new LoopDisk(dir);
    for (let round = 0; round < rounds; round += 1) {
      const writer = spawn(binary, ["power-cut", "write", "--dir", disk.path], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      let [text, refusal] = ["", ""];
      writer.stderr.on("data", (data: Buffer) => {
        refusal = data.toString().trim();
      });
      writer.stdout.on("data", (data: Buffer) => {
        const lines = (text + data.toString()).split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) {
          [wal, audit] = line.split(" ").map(Number) as [number, number];
          acknowledgements += 1;
        }
      });
      const first = acknowledgements;
      const until = performance.now() + EXIT_MS_MAX;
      while (acknowledgements === first && writer.exitCode === null && performance.now() < until)
        await new Promise((resolve) => setTimeout(resolve, 5));
      if (acknowledgements === first) throw new Error(`the writer does not write: ${refusal}`);
      const ms = ROUND_MS_MIN + mix(seed, round) * (ROUND_MS_MAX - ROUND_MS_MIN);
      await new Promise((resolve) => setTimeout(resolve, ms));
      const ended = once(writer, "close");
      disk.cut();
      cuts += 1;
      const patience = setTimeout(() => writer.kill("SIGKILL"), EXIT_MS_MAX);
      await ended;
      clearTimeout(patience);
      disk.unmount();
      disk.mount();
      const [claimedWal, claimedAudit] =
        plant === "boast" ? [wal + 1_000_000, audit] : [wal, audit];
      const judged = measured(
        "power-cut judge",
        await run(
          binary,
          [
            ...["power-cut", "judge", "--dir", disk.path],
            ...["--wal", String(claimedWal), "--audit", String(claimedAudit)],
          ],
          { cwd: root },
        ),
      );
      const value = (name: string) => judged.checks.find((each) => each.name === name)?.value ?? 1;
      lost += value("acknowledged_lost");
      wrong += value("records_wrong");
      beyond.push(Number(judged.figures["beyond_the_acknowledged"]));
      progress?.(
        `drill: round ${round + 1}: ${wal} records said to be safe, ${String(judged.figures["wal_records"])} there`,
      );
      if (lost + wrong > 0) break;
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return result(
    "drill power-cut",
    [
      check("rounds", cuts, ">=", ROUNDS_MIN),
      check("acknowledged_lost", lost, "=", 0),
      check("acknowledged_lost_of", wal + audit, ">=", 1_000),
      check("records_wrong", wrong, "=", 0),
      check("records_wrong_of", wal + audit, ">=", 1_000),
    ],
    {
      under: ["wal", "audit trail and its copy"],
      commits: acknowledgements,
      wal_records: wal,
      audit_records: audit,
      recovered_beyond_the_acknowledged: beyond,
      seconds: Math.round((performance.now() - began) / 1000),
    },
    seed,
  );
}
