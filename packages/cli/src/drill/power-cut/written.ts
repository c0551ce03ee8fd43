/** Part one of the drill: a WAL and an audit trail, written as fast as they can be, and what of them was said to be safe. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { measured } from "../../commands/measured.ts";
import { run } from "../../run.ts";
import type { LoopDisk } from "./disk.ts";

const EXIT_MS_MAX = 20_000;
const LOOK_MS = 5;
/** What the planted fault says more than there is. */
const BOAST = 1_000_000;

export interface Written {
  /** Last record of each that was said to be safe; it goes on from round to round. */
  readonly wal: number;
  readonly audit: number;
}

export interface WrittenRound extends Written {
  readonly acknowledgements: number;
  readonly lost: number;
  readonly wrong: number;
  readonly walThere: number;
  readonly beyond: number;
}

/** Writes for so long, cuts the power, and judges what is there. @throws Error when the writer does not write */
export async function writtenRound(
  { root, binary, disk }: { root: string; binary: string; disk: LoopDisk },
  before: Written,
  ms: number,
  boast: boolean,
): Promise<WrittenRound> {
  const writer = spawn(binary, ["power-cut", "write", "--dir", disk.path], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let { wal, audit } = before;
  let [text, refusal, acknowledgements] = ["", "", 0];
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
  const until = performance.now() + EXIT_MS_MAX;
  while (acknowledgements === 0 && writer.exitCode === null && performance.now() < until)
    await sleep(LOOK_MS);
  if (acknowledgements === 0) throw new Error(`the writer does not write: ${refusal}`);
  await sleep(ms);
  const ended = once(writer, "close");
  disk.cut();
  const patience = setTimeout(() => writer.kill("SIGKILL"), EXIT_MS_MAX);
  await ended;
  clearTimeout(patience);
  await disk.cycle();
  const judged = measured(
    "power-cut judge",
    await run(
      binary,
      [
        ...["power-cut", "judge", "--dir", disk.path],
        ...["--wal", String(boast ? wal + BOAST : wal), "--audit", String(audit)],
      ],
      { cwd: root },
    ),
  );
  const value = (name: string) => judged.checks.find((each) => each.name === name)?.value ?? 1;
  return {
    wal,
    audit,
    acknowledgements,
    lost: value("acknowledged_lost"),
    wrong: value("records_wrong"),
    walThere: Number(judged.figures["wal_records"]),
    beyond: Number(judged.figures["beyond_the_acknowledged"]),
  };
}
