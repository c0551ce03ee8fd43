import { spawn } from "node:child_process";

export interface Ran {
  readonly code: number;
  readonly output: string;
}

/**
 * Runs a tool to its end and returns its exit code and whole output; `echo` also shows it as it comes. Both of its outputs
 * share one pipe, so that the lines stand in the order in which they were written.
 */
export async function run(
  file: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly echo?: boolean; readonly env?: NodeJS.ProcessEnv },
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn("sh", ["-c", 'exec "$0" "$@" 2>&1', file, ...args], {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const chunks: Buffer[] = [];
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      if (options.echo === true) process.stderr.write(chunk);
    };
    child.stdout.on("data", take);
    child.once("error", (error) => resolve({ code: 127, output: `${file}: ${error.message}\n` }));
    child.once("close", (code) =>
      resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString("utf8") }),
    );
  });
}

export function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed(1);
}
