import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Check, check, type Op, type Result, result } from "../result.ts";
import { type Ran, run } from "../run.ts";
import { UsageError } from "../sim/options.ts";

/** What a measuring program prints as its last line: values and bounds, no verdict. */
export interface Measured {
  readonly checks: readonly {
    readonly name: string;
    readonly value: number;
    readonly op: Op;
    readonly bound: number;
    readonly unit: string;
  }[];
  readonly figures: Readonly<Record<string, unknown>>;
  readonly seed: number | null;
}

/** Reads the last line of a measuring program's output. The verdict is computed here, never read. */
export function measured(command: string, ran: Ran): Result {
  const lines = ran.output.trimEnd().split("\n");
  const last = lines.at(-1) ?? "";
  if (ran.code !== 0) throw new UsageError(`${command}: ${last}`);
  let read: Measured;
  try {
    read = JSON.parse(last) as Measured;
  } catch {
    throw new Error(`${command}: the last line of its output is no result: ${last.slice(0, 200)}`);
  }
  const checks: Check[] = read.checks.map((each) =>
    check(each.name, each.value, each.op, each.bound, each.unit),
  );
  return result(command, checks, read.figures, read.seed);
}

/** Builds one binary of the Rust workspace in the release profile and gives its path. */
export async function built(root: string, name: string): Promise<string> {
  const args = ["build", "--release", "--locked", "-p", name];
  const { code, output } = await run("cargo", args, { cwd: root });
  if (code !== 0) throw new Error(`${name} could not be built:\n${output}`);
  return join(root, "target/release", name);
}

/**
 * Builds one peer bench of the separate workspace `bench/peers`, which no build, lint or test of the project touches.
 * A peer that cannot be had fails its bench with the remedy.
 */
export async function builtPeer(root: string, name: string): Promise<string> {
  const manifest = join(root, "bench/peers/Cargo.toml");
  if (!existsSync(manifest)) throw new Error(`${manifest}: is not there; want a whole checkout`);
  const target = join(root, "target/peers");
  const args = ["build", "--release", "--locked", "--manifest-path", manifest, "-p", name];
  const { code, output } = await run("cargo", [...args, "--target-dir", target], { cwd: root });
  if (code !== 0) {
    const why = output.trimEnd().split("\n").slice(-8).join("\n");
    throw new Error(
      `the peer bench ${name} could not be built: want the crate registry reachable and bench/peers/Cargo.lock as committed\n${why}`,
    );
  }
  return join(target, "release", name);
}

/** Runs a proof of the Rust cores: `subject` as `verify books`, flags as `--name value`. */
export async function prove(
  root: string,
  subject: string,
  flags: Readonly<Record<string, string | undefined>>,
): Promise<Result> {
  const binary = await built(root, "tidegate-proof");
  const given = Object.entries(flags).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
  return measured(subject, await run(binary, [...subject.split(" "), ...given], { cwd: root }));
}

/** Where the reference data is: the flag, else TIDEGATE_DATA. */
export function dataFolder(flag: string | undefined): string {
  const data = flag ?? process.env["TIDEGATE_DATA"];
  if (data === undefined || data === "") {
    throw new UsageError("--data: want the folder of the reference data, or TIDEGATE_DATA set");
  }
  if (!existsSync(data)) throw new UsageError(`--data ${data}: no such folder`);
  return data;
}
