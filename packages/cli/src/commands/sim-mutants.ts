import { join } from "node:path";
import type { Result } from "../result.ts";
import { run } from "../run.ts";
import { measured } from "./measured.ts";

const PROGRAM = "tidegate-mutation";

/**
 * Builds the one program that holds planted bugs, apart from `tidegate-proof` and under a name of its own, and runs it.
 * Its feature is asked for here and nowhere else.
 */
export async function proveMutants(
  root: string,
  flags: Readonly<Record<string, string | undefined>>,
): Promise<Result> {
  const build = ["build", "--release", "--locked", "-p", "tidegate-proof"];
  const args = [...build, "--features", "mutants", "--bin", PROGRAM];
  const { code, output } = await run("cargo", args, { cwd: root });
  if (code !== 0) throw new Error(`${PROGRAM} could not be built:\n${output}`);
  const given = Object.entries(flags).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
  const binary = join(root, "target/release", PROGRAM);
  return measured("sim mutants", await run(binary, ["sim", "mutants", ...given], { cwd: root }));
}
