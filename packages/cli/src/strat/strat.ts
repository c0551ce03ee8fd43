/** `hft init` and `hft strat`: make, lint and test strategies. */

import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { findings } from "@tidegate/strategy-sdk";
import { run } from "../run.ts";
import { UsageError } from "../sim/options.ts";
import { newStrategy } from "./template.ts";

/**
 * Writes the folder of a new strategy.
 *
 * Shape   the files written
 * Errors  UsageError: a name that is none, or a folder that is there
 */
export function initStrategy(root: string, id: string): string[] {
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(id))
    throw new UsageError(`init ${id}: want 1 to 40 lower-case letters, digits and dashes`);
  const folder = join(root, "strategies", id);
  if (existsSync(folder) || existsSync(`${folder}.ts`))
    throw new UsageError(`init ${id}: strategies/${id} is there already; take another name`);
  mkdirSync(folder);
  return Object.entries(newStrategy(id)).map(([name, text]) => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return relative(root, file);
  });
}

/** Strategy files under a path; tests are none. */
function strategyFiles(root: string, path: string): string[] {
  const at = resolve(root, path);
  if (!existsSync(at)) throw new UsageError(`strat lint: there is no ${path}`);
  if (!statSync(at).isDirectory()) return [at];
  return globSync("**/*.ts", { cwd: at, exclude: ["**/node_modules/**", "**/*.test.ts"] })
    .map((name) => join(at, name))
    .toSorted();
}

/**
 * Everything in the files that a strategy may not have, a line each: place, what, remedy.
 *
 * Errors  UsageError: a path that is not there, or no strategy in it
 */
export function lintStrategies(root: string, paths: readonly string[]): string[] {
  const files = paths.flatMap((path) => strategyFiles(root, path));
  if (files.length === 0) throw new UsageError(`strat lint: no strategy in ${paths.join(" ")}`);
  return files.flatMap((file) =>
    findings(readFileSync(file, "utf8")).map(
      ({ line, what, remedy }) => `${relative(root, file)}:${line}: ${what}: ${remedy}`,
    ),
  );
}

/** Lints and tests the strategies whose name has `part`; true when all is well. */
export async function testStrategies(root: string, part: string, watch: boolean): Promise<boolean> {
  const found = lintStrategies(root, ["strategies"]).filter((line) => line.includes(part));
  for (const line of found) process.stderr.write(`${line}\n`);
  const vitest = join(root, "node_modules/.bin/vitest");
  const args = [watch ? "watch" : "run", `strategies/${part}`];
  const { code } = await run(vitest, args, { cwd: root, echo: true });
  return code === 0 && found.length === 0;
}
