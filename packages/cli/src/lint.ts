import { join } from "node:path";
import { run, seconds } from "./run.ts";

export interface LintStep {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** What puts it right, where a command can. */
  readonly remedy?: string;
  /** It computes for minutes. */
  readonly long?: true;
}

/** Every rule the code is held to: format, lint, types, contracts, Rust, import directions. */
export function lintSteps(root: string): LintStep[] {
  const bin = (name: string): string => join(root, "node_modules", ".bin", name);
  return [
    {
      name: "format and lint (biome)",
      file: bin("biome"),
      args: ["check", "--error-on-warnings", "."],
      remedy: "./hft lint --fix",
    },
    { name: "types (tsc)", file: bin("tsc"), args: ["-p", "tsconfig.json"] },
    { name: "contracts (buf lint)", file: bin("buf"), args: ["lint", "proto"] },
    {
      name: "contracts unbroken (buf breaking)",
      file: bin("buf"),
      args: ["breaking", "proto", "--against", "proto/baseline.binpb"],
    },
    {
      name: "import directions (dependency-cruiser)",
      file: bin("depcruise"),
      args: ["--config", "dependency-cruiser.config.cjs", "packages", "services", "strategies"],
    },
    {
      name: "strategies keep to ctx (hft strat lint)",
      file: process.execPath,
      args: [join(root, "packages/cli/src/main.ts"), "strat", "lint"],
    },
    {
      name: "Rust format (rustfmt)",
      file: "cargo",
      args: ["fmt", "--all", "--check"],
      remedy: "./hft lint --fix",
    },
    {
      name: "Rust lint (clippy)",
      // In `./hft test` it gives way to the tests beside it.
      long: true,
      file: "nice",
      args: [
        ...["-n", "10", "cargo"],
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--quiet",
        "--",
        "-D",
        "warnings",
      ],
    },
  ];
}

const FIXES = (root: string): readonly (readonly [string, readonly string[]])[] => [
  [join(root, "node_modules", ".bin", "biome"), ["check", "--write", "."]],
  ["cargo", ["fmt", "--all"]],
];

/** Runs every step, first what puts right what a command can, and says whether all were clean. */
export async function lint(root: string, fix: boolean): Promise<boolean> {
  if (fix) for (const [file, args] of FIXES(root)) await run(file, args, { cwd: root });
  return lintWith(root, lintSteps(root));
}

/** Runs these steps, shows the output of those that fail, and says whether all were clean. */
export async function lintWith(root: string, steps: readonly LintStep[]): Promise<boolean> {
  let clean = true;
  for (const step of steps) {
    const began = performance.now();
    const { code, output } = await run(step.file, step.args, { cwd: root });
    process.stderr.write(
      `${code === 0 ? "ok    " : "FAILED"}  ${step.name} (${seconds(began)} s)\n`,
    );
    if (code !== 0) {
      clean = false;
      process.stderr.write(output.endsWith("\n") ? output : `${output}\n`);
      if (step.remedy !== undefined) process.stderr.write(`to mend it: ${step.remedy}\n`);
    }
  }
  return clean;
}
